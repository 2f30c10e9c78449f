"""Write texts: rows join a running batch, every step writes one token of each, and a row that is done makes
room.

Rows of any adapters run together. Nothing here knows of requests, threads or names: `adapters.serving.runtime` does.

Why not transformers' own continuous batching: it cannot begin a row with a prefix, choose an adapter by row or answer
heads, and on two CPU cores it took over five times as long for 16 texts (`benchmarks/results/traffic.json`).
"""

from collections.abc import Sequence
from itertools import accumulate, zip_longest

import torch
from torch import Tensor

from adapters.base.base import Base
from adapters.errors import AdapterError
from adapters.format.config import Pooling
from adapters.serving.chances import chance, log_shares
from adapters.serving.guiding import guided
from adapters.serving.sampling import choose
from adapters.serving.text import end_tokens, stopped
from adapters.serving.writing import Writing
from adapters.slots.cache import KeyValueCache
from adapters.slots.first_token import reads_first_alone
from adapters.slots.fixed_steps import fixed_steps, rounded
from adapters.slots.forward_pass import Hidden, extend, pad
from adapters.slots.heads import pooled
from adapters.slots.reading import of_like_length, read_behind, stems_of, worth_keeping
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from adapters.slots.stems import Stem, Stems

_ROUND = 32  # the cache grows by so many positions at a time
_ROOM = 1024  # positions a row in `write`

_Prompt = tuple[int | None, tuple[int, ...]]
"""A slot and token ids."""


class Batch:
    """The running texts: text i has row i of the cache.

    max_rows: the most rows; max_positions: the most positions of the cache, rows times the longest of them; stems:
    first tokens that are known. fixed: takes steps at shapes that come again, on a GPU.
    """

    def __init__(
        self, base: Base, slots: Slots, max_rows: int, max_positions: int, stems: Stems | None = None
    ) -> None:
        self.base = base
        self.slots = slots
        self.max_rows = max_rows
        self.max_positions = max_positions
        self.stems = stems or Stems()
        self.running: list[Writing] = []
        self.fixed = fixed_steps(base, slots)
        self._cache = KeyValueCache(base.attention, base.device, base.dtype)
        self._lengths: list[int] = []  # columns that each row has in the cache
        self._rows = RowSlots(())
        self._ends = end_tokens(base)

    def need(self, text: Writing) -> int:
        """The most positions that a text takes in the cache: its last token is written but never read again."""
        prefix = self.slots.prefix_length(text.slot)
        return prefix + len(text.prompt) + text.sampling.max_new_tokens - 1

    def fits(self, texts: Sequence[int], heads: Sequence[int] = ()) -> bool:
        """Whether texts, and rows for heads that share their forward, can join now that need so many positions each."""
        rows = len(self.running) + len(texts)
        widest = max([*texts, *heads, *(self.need(text) for text in self.running)], default=0)
        return rows <= self.max_rows and (rows + len(heads)) * widest <= self.max_positions

    def read(
        self,
        texts: Sequence[Writing],
        heads: Sequence[_Prompt],
        poolings: Sequence[Pooling | None] = (),
    ) -> tuple[list[Tensor], list[Writing]]:
        """As `join`, in one forward where the cache has room for the heads too and no first tokens of theirs are
        shared or known; else they run by themselves, first."""
        rows, sequences = RowSlots(tuple(slot for slot, _ in heads)), [ids for _, ids in heads]
        behind = stems_of(self.base, self.slots, sequences, rows, self.stems)
        widths = [self.slots.prefix_length(slot) + len(ids) for slot, ids in heads]
        shares = any(stem is not None for stem in behind)
        if texts and not shares and self.fits([self.need(text) for text in texts], widths):
            return self.join(texts, heads, poolings)
        logits: list[Tensor] = []
        if heads:
            # The base itself has no head, and `head_logits` says so.
            own = [
                pooling or (None if slot is None else self.slots.head(slot).head.pooling)
                for (slot, _), pooling in zip_longest(heads, poolings)
            ]
            alone = reads_first_alone(self.base, own)
            hidden = read_behind(self.base, self.slots, sequences, rows, behind, self.stems, alone)
            logits = head_logits(self.slots, rows, hidden, range(len(heads)), poolings)
        return logits, self.join(texts)[1] if texts else []

    def join(
        self,
        texts: Sequence[Writing],
        heads: Sequence[_Prompt] = (),
        poolings: Sequence[Pooling | None] = (),
    ) -> tuple[list[Tensor], list[Writing]]:
        """Read the prompts of new texts, and write the first token of each. Equal prompts of one adapter are read once.

        Args:
            texts: new ones, for which `fits` says that there is room.
            heads: rows for heads, `(slot, token ids)`, which share the forward.
            poolings: of each of these, where its pooled states are wanted and not its head's logits.

        Returns:
            The logits `[labels]` of each row for a head, or its pooled states `[width]`; and the texts that ended with
            their first token.
        """
        prompts, behind, sizes = self._prompts(texts)
        reading, behind = [*prompts, *heads], [*behind, *[None] * len(heads)]
        sizes[-1] += len(heads)
        own = [ids[len(stem.ids) if stem else 0 :] for (_, ids), stem in zip(reading, behind, strict=True)]
        prefixes = [self.slots.prefix_length(slot) for slot, _ in reading]
        starts = [stem.positions if stem else p for stem, p in zip(behind, prefixes, strict=True)]
        first, ends = len(self.running), list(accumulate(sizes))
        parts = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
        longest = max(max(starts[part]) + max(map(len, own[part])) for part in parts)
        self._reserve(
            first + max(len(reading), len(texts)),
            max([longest, *(self.need(text) for text in (*self.running, *texts))]),
        )
        for row, ((slot, _), stem) in enumerate(zip(reading, behind, strict=True), first):
            front = stem.layers if stem else self.slots.prefix(slot)
            if front is not None:
                self._cache.seed(row, front)
        last: list[Tensor] = []
        for part in parts:
            rows = RowSlots(tuple(slot for slot, _ in reading[part]))
            batch = pad(self.base, own[part], left=False)
            states = extend(
                self.base, self.slots, self._cache, first + part.start, starts[part], batch.ids, rows
            )
            last += [state[len(ids) - 1] for state, ids in zip(states, own[part], strict=True)]
            self._keep(first, part.start, prompts[part], starts[part], behind[part], states)
        # The heads are the last rows of the last part.
        hers = range(len(rows.slots) - len(heads), len(rows.slots))
        sound = torch.isfinite(states).flatten(1).all(1).tolist()
        for row in hers:
            if not sound[row]:
                self._cache.wipe(first + parts[-1].start + row)
        logits = head_logits(self.slots, rows, Hidden(states, batch.mask), hers, poolings)
        try:
            self._begin(texts, prompts, prefixes, last)
        except BaseException:
            del self.running[first:], self._lengths[first:]
            raise
        return logits, self._sweep()

    def step(self) -> list[Writing]:
        """Write one token of every running text. Returns those that ended, which have left."""
        logits = self._next([text.written[-1] for text in self.running])
        self._lengths = [length + 1 for length in self._lengths]
        self._write(self.running, logits)
        return self._sweep()

    def drop(self, text: Writing) -> None:
        """Take out a running text that nobody waits for any more."""
        self._leave(self.running.index(text))
        self._changed()

    def clear(self) -> None:
        """Take out all running texts and forget the cache."""
        self.running.clear()
        self._lengths.clear()
        self._cache = KeyValueCache(self.base.attention, self.base.device, self.base.dtype)
        self._changed()

    def _next(self, tokens: Sequence[int]) -> Tensor:
        """Logits `[rows, vocabulary]` behind the last tokens, by a captured step where there is one."""
        if self.fixed is not None:
            logits = self.fixed.logits(self._cache, tokens, self._lengths, self._rows)
            if logits is not None:
                return logits
        ids = torch.tensor(tokens, device=self.base.device)[:, None]
        states = extend(self.base, self.slots, self._cache, 0, self._lengths, ids, self._rows)
        return self.base.lm_logits(states[:, -1]).float()

    def _prompts(self, texts: Sequence[Writing]) -> tuple[list[_Prompt], list[Stem | None], list[int]]:
        """Each different prompt once, and the stem that it stands behind; in parts of like length behind their stems,
        of so many prompts each."""
        prompts = list(dict.fromkeys((text.slot, text.prompt) for text in texts))
        prompts.sort(key=lambda prompt: -1 if prompt[0] is None else prompt[0])
        rows = RowSlots(tuple(slot for slot, _ in prompts))
        behind = stems_of(self.base, self.slots, [ids for _, ids in prompts], rows, self.stems)
        if not any(behind):
            return prompts, behind, [len(prompts)]
        own = [
            len(ids) - (len(stem.ids) if stem else 0) for (_, ids), stem in zip(prompts, behind, strict=True)
        ]
        parts = of_like_length(own)
        order = [row for part in parts for row in part]
        return [prompts[row] for row in order], [behind[row] for row in order], [*map(len, parts)]

    def _keep(
        self,
        first: int,
        begin: int,
        prompts: Sequence[_Prompt],
        starts: Sequence[int],
        behind: Sequence[Stem | None],
        states: Tensor,
    ) -> None:
        """Remember prompts that later ones may begin with; they were read into the rows from `first + begin` on."""
        known = [len(stem.ids) if stem else 0 for stem in behind[: len(prompts)]]
        sizes = [(len(ids) - count, count) for (_, ids), count in zip(prompts, known, strict=True)]
        for row in worth_keeping(self.base, sizes, self.stems):
            (slot, ids), (own, _), stem = prompts[row], sizes[row], behind[row]
            layers = self._cache.taken(first + begin + row, starts[row] + own)
            new = states[row, :own]
            whole = torch.cat([stem.states, new]) if stem else new.clone()
            self.stems.keep(self.slots.content(slot), Stem(ids, layers, whole))

    def _begin(
        self,
        texts: Sequence[Writing],
        prompts: Sequence[_Prompt],
        prefixes: Sequence[int],
        last: Sequence[Tensor],
    ) -> None:
        """Give every text its cache row: the first of each prompt the one that was read into, the others a copy."""
        first, by_prompt = len(self.running), {prompt: row for row, prompt in enumerate(prompts)}
        order: list[Writing | None] = [None] * len(prompts)
        for text in texts:
            row = by_prompt[text.slot, text.prompt]
            if order[row] is None:
                order[row] = text
            else:
                order.append(text)
        begun = [text for text in order if text is not None]
        read_into = [by_prompt[text.slot, text.prompt] for text in begun]
        for row, read in enumerate(read_into):
            length = prefixes[read] + len(begun[row].prompt)
            if row != read:
                self._cache.copy(first + read, first + row, length)
            self._lengths.append(length)
        self.running += begun
        if begun:
            self._write(begun, self.base.lm_logits(torch.stack([last[row] for row in read_into])).float())
            self._changed()

    def _write(self, texts: Sequence[Writing], logits: Tensor) -> None:
        """Choose and note the next token of each text."""
        seen = [
            (*text.prompt, *text.written) if text.sampling.repetition_penalty != 1 else () for text in texts
        ]
        sampling = [text.sampling for text in texts]
        shares = log_shares(logits, sampling)
        tokens = choose(logits, sampling, [text.stream for text in texts], seen)
        for text, taken_back in guided(self.base, texts, logits, tokens, sorted(self._ends)):
            self._lengths[self.running.index(text)] -= taken_back
        for row, (text, token) in enumerate(zip(texts, tokens, strict=True)):
            known = len(text.chances) > len(text.written)  # of a token that is written once more
            if row in shares and not known and token is not None and token not in self._ends:
                text.chances.append(chance(shares[row], token, text.sampling.logprobs or 0))
            self._note(text, token)

    def _note(self, text: Writing, token: int | None) -> None:
        if token is None:
            text.finish = "failed"
            return
        if token in self._ends:
            text.finish = "end"
        else:
            text.written.append(token)
            if len(text.written) == text.sampling.max_new_tokens:
                text.finish = "length"
        if text.sampling.stop or text.on_text or text.finish:
            written = self.base.decode(text.written)
            if (cut := stopped(written, text.sampling.stop)) is not None:
                text.finish, written = "stop", cut
            text.text = written.strip()
            text.hand_out(written)

    def _sweep(self) -> list[Writing]:
        """Let ended texts leave."""
        ended = [text for text in self.running if text.finish is not None]
        for text in ended:
            self._leave(self.running.index(text))
        if ended:
            self._changed()
        return ended

    def _leave(self, row: int) -> None:
        """Free a row; the last text moves into it. With the last text the cache goes, but for one that captured steps
        keep in its place: what many long texts took once is not held for ever."""
        last = len(self.running) - 1
        if self.running[row].finish == "failed":
            self._cache.wipe(row)
        if row != last:
            self._cache.copy(last, row, self._lengths[last])
            if self.running[last].finish == "failed":
                self._cache.wipe(last)
            self.running[row], self._lengths[row] = self.running[last], self._lengths[last]
        self.running.pop()
        self._lengths.pop()
        if not (self.running or self.fixed):
            self.clear()

    def _changed(self) -> None:
        self._rows = RowSlots(tuple(text.slot for text in self.running))

    def _reserve(self, rows: int, width: int) -> None:
        """Grow the cache to at least so many rows and positions."""
        if rows <= self._cache.rows and width <= self._cache.width:
            return
        width = -(-width // _ROUND) * _ROUND
        # Captured steps are lost when the cache moves: then it grows seldom, and by much.
        roomy = rounded(width) if self.fixed else width
        wider, taller = max(roomy, self._cache.width), max(rows, min(2 * self._cache.rows, self.max_rows))
        if wider * taller > self.max_positions:
            wider, taller = width, rows
        self._cache.resize(taller, wider, keep=len(self.running))


def write(base: Base, slots: Slots, texts: Sequence[Writing], max_rows: int = 32) -> None:
    """Write texts to their end.

    Args:
        base: that writes.
        slots: on that base.
        texts: to write; what comes of each is left in it.
        max_rows: so many at a time at the most.
    """
    batch = Batch(base, slots, max_rows, max(base.max_positions, max_rows * _ROOM))
    waiting = sorted(texts, key=lambda text: -len(text.prompt))
    while waiting or batch.running:
        joining: list[Writing] = []
        while waiting and batch.fits([batch.need(text) for text in (*joining, waiting[-1])]):
            joining.append(waiting.pop())
        if joining:
            batch.join(joining)
        if batch.running:
            batch.step()


def head_logits(
    slots: Slots,
    rows: RowSlots,
    hidden: Hidden,
    which: Sequence[int],
    poolings: Sequence[Pooling | None] = (),
) -> list[Tensor]:
    """Logits `[labels]` on the CPU of the heads of rows `which`, each head once over all of its own rows; of a row with
    a pooling its pooled states `[width]`."""
    by_slot: dict[int | None, list[int]] = {}
    found: dict[int, Tensor] = {}
    for row, pooling in zip_longest(which, poolings):
        if pooling is None:
            by_slot.setdefault(rows.slots[row], []).append(row)
            continue
        pooler = None if hidden.pooler is None else hidden.pooler[[row]]
        found[row] = pooled(hidden.states[[row]], hidden.mask[[row]], pooler, pooling)[0].float().cpu()
    for slot, own in by_slot.items():
        if slot is None:
            raise AdapterError("the base has no head")
        pooler = None if hidden.pooler is None else hidden.pooler[own]
        logits = slots.head(slot)(hidden.states[own], hidden.mask[own], pooler).float().cpu()
        found |= dict(zip(own, logits, strict=True))
    return [found[row] for row in which]
