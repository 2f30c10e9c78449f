"""What an adapter in a slot says of encoded rows: probabilities, losses, texts."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adapters import Base
from adapters.format import Pooling
from adapters.serving import Guide, Sampling, Writing, write
from adapters.slots import Hidden, RowSlots, Slots, pooled, read, shared_stems
from recipes.learn.encode import EncodedRow
from recipes.measure.calibration import UNCALIBRATED, Calibration

BATCH_TOKENS = {"cpu": 1024, "cuda": 4096}
"""The most padded tokens of one forward; on a CPU more would not stay in its cache, and took a quarter longer."""


def probabilities(
    base: Base,
    slots: Slots,
    slot: int,
    rows: Sequence[EncodedRow],
    calibration: Calibration = UNCALIBRATED,
) -> NDArray[np.float64]:
    """Probabilities `[rows, labels]` of the head in a slot."""
    found = logits(base, slots, slot, rows)
    return np.asarray(calibration.apply(found, slots.head(slot).head.multi_label))


def logits(base: Base, slots: Slots, slot: int, rows: Sequence[EncodedRow]) -> Tensor:
    """Logits `[rows, labels]`, float64, of the head in a slot."""
    head = slots.head(slot)
    found = torch.zeros(len(rows), len(head.head.labels), dtype=torch.float64)
    for indices in _batches(base, [row.ids for row in rows]):
        own = RowSlots((slot,) * len(indices))
        with torch.inference_mode():
            hidden = read(base, slots, [rows[index].ids for index in indices], own)
            found[indices] = head(hidden.states, hidden.mask, hidden.pooler).double().cpu()
    return found


def states(
    base: Base, slots: Slots, rows: Sequence[EncodedRow], slot: int | None = None, pooling: Pooling = "mean"
) -> NDArray[np.float64]:
    """The last hidden states under the adapter of a slot, or of the base alone, one vector a row: `[rows, width]`."""
    return all_states(base, slots, rows, slot, [pooling])[pooling].astype(np.float64)


def all_states(
    base: Base, slots: Slots, rows: Sequence[EncodedRow], slot: int | None, poolings: Iterable[Pooling]
) -> dict[Pooling, NDArray[np.float32]]:
    """As `states`, pooled in several ways."""
    found = {pooling: np.zeros((len(rows), base.width), dtype=np.float32) for pooling in poolings}
    for indices in _batches(base, [row.ids for row in rows]):
        with torch.inference_mode():
            own = RowSlots((slot,) * len(indices))
            hidden = read(base, slots, [rows[index].ids for index in indices], own)
            for pooling, vectors in found.items():
                each = pooled(hidden.states.float(), hidden.mask, hidden.pooler, pooling)
                vectors[indices] = each.float().cpu().numpy()
    return found


def copy_loss(base: Base, slots: Slots, slot: int | None, rows: Sequence[EncodedRow]) -> tuple[float, int]:
    """Sum of the negative log-likelihoods (nats) of all copy tokens under the adapter of a slot, or of the base alone,
    and their number."""
    losses = copy_losses(base, slots, slot, rows)
    return sum(nats for nats, _ in losses), sum(tokens for _, tokens in losses)


def copy_losses(
    base: Base, slots: Slots, slot: int | None, rows: Sequence[EncodedRow]
) -> list[tuple[float, int]]:
    """For each row the sum of the negative log-likelihoods (nats) of its copy tokens, and their number."""
    found = [(0.0, len(row.target)) for row in rows]
    whole = [(*row.ids, *row.target) for row in rows]
    for indices in _batches(base, whole):
        own = RowSlots((slot,) * len(indices))
        batch = [rows[index] for index in indices]
        with torch.inference_mode():
            hidden = read(base, slots, [whole[index] for index in indices], own)
            each = target_losses(base, hidden, batch).split([len(row.target) for row in batch])
        for index, losses in zip(indices, each, strict=True):
            found[index] = (float(losses.sum()), len(losses))
    return found


def target_losses(base: Base, hidden: Hidden, rows: Sequence[EncodedRow]) -> Tensor:
    """Negative log-likelihood of every copy token, `[all rows' copy tokens]`, rows in order.

    The output head runs only where a copy token is predicted. Rows are padded on the left: the last `n + 1`
    positions of a row end its prompt and hold its copy of `n` tokens; each but the last predicts its successor.
    """
    states = torch.cat([hidden.states[i, -len(row.target) - 1 : -1] for i, row in enumerate(rows)])
    targets = torch.tensor([token for row in rows for token in row.target], device=states.device)
    return nn.functional.cross_entropy(base.lm_logits(states).float(), targets, reduction="none")


def label_losses(logits: Tensor, rows: Sequence[EncodedRow], multi_label: bool) -> Tensor:
    """Negative log-likelihood of each row's label, of several labels a row their mean, `[rows]`. logits: `[rows,
    labels]`."""
    if not multi_label:
        labels = torch.tensor([row.label for row in rows], device=logits.device)
        return nn.functional.cross_entropy(logits, labels, reduction="none")
    targets = torch.zeros_like(logits)
    for place, row in enumerate(rows):
        assert isinstance(row.label, tuple)
        targets[place, list(row.label)] = 1.0
    return nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)


def texts(
    base: Base,
    slots: Slots,
    slot: int | None,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling | Sequence[Sampling],
    guides: Sequence[Guide | None] = (),
) -> list[str]:
    """What the adapter of a slot, or the base alone, writes for each prompt's tokens. sampling: of all, or of each.
    guides: of each text, where it is to keep rules."""
    each = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
    texts = [
        Writing(tuple(prompt), slot, how, guide=guide)
        for (prompt, how), guide in zip_longest(zip(prompts, each, strict=True), guides)
    ]
    with torch.inference_mode():
        write(base, slots, texts)
    return [text.text for text in texts]


def _batches(base: Base, sequences: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
    """Places of rows of like length, at most `BATCH_TOKENS` tokens a batch, padding included. Rows that share first
    tokens stay together, and these count once."""
    most = BATCH_TOKENS[base.device.type]
    batch: list[int] = []
    spent = alone = 0
    for stem, rows in sorted(_families(base, sequences, most), key=lambda own: len(sequences[own[1][-1]])):
        longest = len(sequences[rows[-1]])
        own = stem + sum(len(sequences[row]) - stem for row in rows) if stem else 0
        if batch and spent + own + longest * (alone + (not stem)) > most:
            yield batch
            batch, spent, alone = [], 0, 0
        batch += rows
        spent, alone = spent + own, alone + (not stem)
    if batch:
        yield batch


def _families(base: Base, sequences: Sequence[tuple[int, ...]], most: int) -> list[tuple[int, list[int]]]:
    """Rows that share first tokens, how many, shorter rows first; the others by themselves, sharing 0."""
    found: list[tuple[int, list[int]]] = []
    for stem, rows in shared_stems(sequences) if base.reads_forward else ():
        rows = sorted(rows, key=lambda row: len(sequences[row]))
        size = max(1, (most - stem) // (len(sequences[rows[-1]]) - stem))
        found += [(stem, rows[at : at + size]) for at in range(0, len(rows), size)]
    alone = set(range(len(sequences))).difference(*(rows for _, rows in found))
    return found + [(0, [row]) for row in sorted(alone)]
