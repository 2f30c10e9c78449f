"""Requests for vectors: texts through the base and one adapter, as its head pools them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from adapters import Base
from adapters.errors import RepertoireError, RequestError
from adapters.serving import Request as Row
from hub.registry.labelling import Member
from hub.registry.requests import Embed, Embedding
from recipes.answer import Reading


class Embedded:
    """An `Embed` on its way. rows: what the runtime is asked. Raises RequestError for no text at all."""

    def __init__(self, request: Embed, member: Member, base: Base) -> None:
        if not request.texts:
            raise RequestError("nothing to embed; give at least one text")
        self._request, self._member = request, member
        voice = member.voice
        readings = [Reading({}, text) for text in request.texts]
        tokens = voice.texts(base, readings)
        self._cuts = voice.text_cuts(base, readings, tokens)
        pooling = "mean" if voice.head is None else voice.head.pooling
        self.rows: Sequence[Row] = [
            Row(member.key, ids, None, member.client, request.deadline, pooling=pooling) for ids in tokens
        ]

    @property
    def members(self) -> Mapping[str, Member]:
        """The adapter that reads it, by its reference."""
        return {self._request.reference: self._member}

    def answer(self, results: Sequence[Any]) -> list[Embedding]:
        """A vector of each text. results: of `rows`. Raises the first error among them."""
        if errors := [result for result in results if isinstance(result, RepertoireError)]:
            raise errors[0]
        vectors = torch.nn.functional.normalize(torch.stack([*results]).double(), dim=-1).tolist()
        return [
            Embedding(text, tuple(vector), cut)
            for text, vector, cut in zip(self._request.texts, vectors, self._cuts, strict=True)
        ]
