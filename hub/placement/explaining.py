"""Which field or phrase moved a score: the model's reason, not the customer's.

    all rows go in one mixed batch: the whole one, one without each phrase, and the coalitions of fields

    phrase   p(whole) - p(without it); of a field with several phrases
    field    its Shapley value (Shapley 1953, "A value for n-person games"): what it adds to the probability, averaged
             over all orders in which the fields could be filled in; exact up to 5 fields, beyond by ORDERS sampled ones
             (Castro, Gómez and Tejada 2009, "Polynomial calculation of the Shapley value based on sampling"). Together
             they are p(whole) - p(nothing).

A phrase that is left out is gone; a field is a dash, since a text of nothing at all is none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from adapters.errors import RequestError
from hub.registry.requests import Ranked, Recommend

if TYPE_CHECKING:
    from hub.registry.registry import Registry

REASON = "the model's reason, not the customer's"
NOTHING = "–"
ORDERS = 50
_EXACT = 5
_MOST_FIELDS, _MOST_PHRASES = 20, 100
_PHRASE = re.compile(r"[^;,.!?\n；，。！？、]+[;,.!?\n；，。！？、]*\s*")


@dataclass(frozen=True)
class Influence:
    """By how much a field, or a phrase of it, raised the probability; below 0: lowered. phrase: None for the field."""

    field: str
    phrase: str | None
    by: float


@dataclass(frozen=True)
class Explained:
    """Why a probability is what it is. moved: fields, then phrases, the largest first. reason: whose it is."""

    probability: float
    moved: list[Influence]
    reason: str = REASON


class Explaining:
    """The rows that explain one ad to one user, and what is read from their answers.

    Args:
        user: as of `Recommend`.
        ad: its text or its columns.
        features: as of `Recommend`.

    Raises:
        RequestError: there is no text to leave out, or more than could be.
    """

    def __init__(
        self, user: str, ad: str | Mapping[str, Any], features: Mapping[str, Any] | None = None
    ) -> None:
        own = ad if isinstance(ad, Mapping) else {"ad": ad}
        self._whole: dict[str, Any] = {"user": user, **(features or {}), **own}
        self._fields = [name for name, cell in self._whole.items() if cell not in ("", None)]
        self._phrases = [
            (name, phrase, self._whole[name][:start] + self._whole[name][end:])
            for name in self._fields
            for start, end, phrase in _phrases(self._whole[name])
        ]
        if not 1 <= len(self._fields) <= _MOST_FIELDS or len(self._phrases) > _MOST_PHRASES:
            raise RequestError(
                f"{len(self._fields)} columns of {len(self._phrases)} phrases; an explanation is of 1 to "
                f"{_MOST_FIELDS} columns and at most {_MOST_PHRASES} phrases"
            )
        self._orders = _orders(self._fields)
        sets = {frozenset(order[:size]) for order in self._orders for size in range(len(order) + 1)}
        self._sets = sorted(sets, key=lambda each: (len(each), sorted(each)))
        self._rows = [
            *({**self._whole, name: left} for name, _, left in self._phrases),
            *(
                {
                    name: cell if name in kept or name not in self._fields else NOTHING
                    for name, cell in self._whole.items()
                }
                for kept in self._sets
            ),
        ]

    def request(self, reference: str | Sequence[str], deadline: float | None = None) -> Recommend:
        """All rows as one request."""
        return Recommend(reference, "", self._rows, {}, deadline)

    def read(self, answer: Sequence[Any]) -> Explained:
        """The explanation. answer: to the request."""
        found = {id(each.ad): each.probability for each in answer if isinstance(each, Ranked)}
        scores = [found[id(row)] for row in self._rows]
        count = len(self._phrases)
        of = dict(zip(self._sets, scores[count:], strict=True))
        whole = of[frozenset(self._fields)]
        values = dict.fromkeys(self._fields, 0.0)
        for order in self._orders:
            for at, name in enumerate(order):
                values[name] += of[frozenset(order[: at + 1])] - of[frozenset(order[:at])]
        fields = [Influence(name, None, value / len(self._orders)) for name, value in values.items()]
        phrases = [
            Influence(name, phrase, whole - score)
            for (name, phrase, _), score in zip(self._phrases, scores, strict=False)
        ]
        return Explained(whole, [*_largest(fields), *_largest(phrases)])


def explain(
    registry: "Registry",
    reference: str | Sequence[str],
    user: str = "",
    ad: str | Mapping[str, Any] = "",
    features: Mapping[str, Any] | None = None,
) -> Explained:
    """Which field or phrase moved the probability that this user clicks this ad.

    Args:
        registry: that answers.
        reference: of a recommendation adapter, or several that answer as one.
        user: what is known of the user, as of `Registry.recommend`.
        ad: its text, or its columns.
        features: further columns, as of `Registry.recommend`.

    Raises:
        RequestError: as `Registry.recommend`; and where there is no text to leave out, or more than could be.
    """
    asked = Explaining(user, ad, features)
    return asked.read(registry.submit(asked.request(reference), wait=True).result())


def _phrases(cell: Any) -> list[tuple[int, int, str]]:
    """Where each phrase of a text stands, with its words; none where there is only one."""
    if not isinstance(cell, str):
        return []
    found = [
        (each.start(), each.end(), each.group().strip())
        for each in _PHRASE.finditer(cell)
        if each.group().strip()
    ]
    return found if len(found) > 1 else []


def _orders(fields: Sequence[str]) -> list[tuple[str, ...]]:
    """All orders of few fields, some of many; the same for the same fields."""
    if len(fields) <= _EXACT:
        return list(permutations(fields))
    random = np.random.default_rng(0)
    return [tuple(fields[at] for at in random.permutation(len(fields))) for _ in range(ORDERS)]


def _largest(moved: Sequence[Influence]) -> list[Influence]:
    return sorted(moved, key=lambda each: -abs(each.by))
