"""Requests in, answers out: rows of any adapters and both kinds of task in one batch on one base."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from adapters.base import Base
from adapters.config import Adapter
from adapters.errors import RepertoireError, RequestError
from adapters.forward import forward, pad
from adapters.generate import Sampling, decode
from adapters.rows import Rows
from adapters.slots import Slots


@dataclass(frozen=True)
class Request:
    """One row. adapter: the key that `fetch` understands, or None for the base; ids: the prompt's tokens; sampling: how
    to write, or None for the logits of the adapter's head."""

    adapter: str | None
    ids: tuple[int, ...]
    sampling: Sampling | None = None


Answer = Tensor | list[int] | RepertoireError
"""Head logits `[labels]` on the CPU, the written tokens, or why this request could not be answered."""


class Runtime:
    """Runs requests on one base, with `slots` adapters resident and the least recently used leaving first.

    fetch: gives the adapter of a key when it is not resident; what it raises fails only the requests of that key.
    max_rows: the most rows of one batch.
    """

    def __init__(
        self, base: Base, fetch: Callable[[str], Adapter], slots: int = 16, max_rows: int = 32
    ) -> None:
        self.base = base
        self.fetch = fetch
        self.max_rows = max_rows
        self._slots = Slots(base, slots)
        self._resident: OrderedDict[str, int] = OrderedDict()

    def resident(self) -> tuple[str, ...]:
        """Keys of the adapters in slots, the least recently used first."""
        return tuple(self._resident)

    def run(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer every request, in order. One request's failure never touches another's answer."""
        answers: list[Answer] = [RequestError("not answered")] * len(requests)
        order = sorted(
            range(len(requests)), key=lambda i: (requests[i].adapter or "", requests[i].sampling is None)
        )
        with self.base.lock, torch.inference_mode():
            for batch in self._batches(requests, order):
                for index, answer in self._answer([(i, requests[i]) for i in batch]).items():
                    answers[index] = answer
        return answers

    def close(self) -> None:
        """Leave the base as it was found."""
        self._slots.close()
        self._resident.clear()

    def _batches(self, requests: Sequence[Request], order: Sequence[int]) -> list[list[int]]:
        """Split into batches of at most `max_rows` rows and as many adapters as there are slots."""
        batches: list[list[int]] = []
        used: set[str] = set()
        for key, run in groupby(order, key=lambda i: requests[i].adapter):
            for index in run:
                full = batches and len(batches[-1]) >= self.max_rows
                if not batches or full or (key and key not in used and len(used) == self._slots.count):
                    batches.append([])
                    used = set()
                batches[-1].append(index)
                if key:
                    used.add(key)
        return batches

    def _answer(self, batch: Sequence[tuple[int, Request]]) -> dict[int, Answer]:
        answers: dict[int, Answer] = {}
        places: dict[str | None, int | RepertoireError | None] = {None: None}
        for key in dict.fromkeys(request.adapter for _, request in batch if request.adapter):
            places[key] = self._place(key, keep={k for k in places if k})
        ready: list[tuple[int, Request, int | None]] = []
        for index, request in batch:
            place = places[request.adapter]
            fault = place if isinstance(place, RepertoireError) else self._fault(request, place)
            if fault is not None:
                answers[index] = fault
            else:
                assert not isinstance(place, RepertoireError)
                ready.append((index, request, place))
        if ready:
            answers |= self._compute(ready)
        return answers

    def _place(self, key: str, keep: set[str]) -> int | RepertoireError:
        """The slot of an adapter, loaded now where it is not resident; or why it cannot be."""
        if key in self._resident:
            self._resident.move_to_end(key)
            return self._resident[key]
        try:
            adapter = self.fetch(key)
            if len(self._resident) < self._slots.count:
                slot = min(set(range(self._slots.count)) - set(self._resident.values()))
            else:
                slot = self._resident.pop(next(k for k in self._resident if k not in keep))
            self._slots.load(slot, adapter)
        except RepertoireError as error:
            return error
        self._resident[key] = slot
        return slot

    def _fault(self, request: Request, slot: int | None) -> RepertoireError | None:
        if not request.ids:
            return RequestError("the text is empty; give some text")
        has_head = slot is not None and self._slots.has_head(slot)
        if request.sampling is None and not has_head:
            return RequestError(
                f"{request.adapter or 'the base'} has no labels to predict; ask it to write instead"
            )
        if request.sampling is not None and (has_head or self.base.kind == "encoder"):
            return RequestError(
                f"{request.adapter or 'the base'} does not write text; ask it for labels instead"
            )
        prefix = self._slots.prefix_length(slot)
        new = request.sampling.max_new_tokens if request.sampling else 0
        if prefix + len(request.ids) + new > self.base.max_positions:
            return RequestError(
                f"{prefix} prefix + {len(request.ids)} prompt + {new} new tokens are more than the base's "
                f"{self.base.max_positions} positions; shorten the text"
            )
        return None

    def _compute(self, ready: Sequence[tuple[int, Request, int | None]]) -> dict[int, Answer]:
        """One forward for all rows; heads answer from it, the others go on to decode."""
        rows = Rows(tuple(slot for _, _, slot in ready))
        tokens = pad(self.base, self._slots, rows, [request.ids for _, request, _ in ready])
        writing = [place for place, (_, request, _) in enumerate(ready) if request.sampling is not None]
        cache = self._slots.cache(rows) if writing else None
        hidden = forward(self.base, self._slots, tokens, rows, cache)
        answers: dict[int, Answer] = {}
        for place, (index, request, slot) in enumerate(ready):
            if request.sampling is None:
                assert slot is not None
                pooler = None if hidden.pooler is None else hidden.pooler[place : place + 1]
                own = slice(place, place + 1)
                answers[index] = (
                    self._slots.head(slot)(hidden.states[own], hidden.mask[own], pooler)[0].float().cpu()
                )
        if cache is not None:
            keep = torch.tensor(writing, device=self.base.device)
            if len(writing) < len(ready):
                cache.batch_select_indices(keep)
            own_rows = Rows(tuple(rows.slots[place] for place in writing))
            sampling = [request.sampling for _, request, _ in ready if request.sampling is not None]
            texts = decode(
                self.base, self._slots, own_rows, cache, tokens.seen[keep], hidden.states[keep, -1], sampling
            )
            answers |= {ready[place][0]: text for place, text in zip(writing, texts, strict=True)}
        return answers
