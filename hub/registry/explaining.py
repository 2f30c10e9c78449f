"""Which field or phrase moved a score: the model's reason, not the customer's.

    all rows go in one mixed batch: the whole one, one without each phrase, and the coalitions of fields

    phrase   p(whole) - p(without it); of a field with several phrases
    field    its Shapley value (Shapley 1953, "A value for n-person games"): what it adds to the probability, averaged
             over all orders in which the fields could be filled in; exact up to 5 fields, beyond by ORDERS sampled ones
             (Castro, Gómez and Tejada 2009, "Polynomial calculation of the Shapley value based on sampling"). Together
             they are p(whole) - p(nothing).

A phrase that is left out is gone; a field is a dash, since a text of nothing at all is none. Where the ad's text is
all there is, rows are texts, as an adapter of one ready text reads them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import islice, permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from adapters.errors import RequestError
from hub.registry.door import check
from hub.registry.requests import Explained, Influence, Ranked, Recommend

if TYPE_CHECKING:
    from hub.registry.registry import Registry

NOTHING = "–"
ORDERS = 50
_EXACT = 5
_MOST_FIELDS, _MOST_PHRASES = 20, 100
_BOUNDS = f"an explanation is of 1 to {_MOST_FIELDS} columns and at most {_MOST_PHRASES} phrases"
_PHRASE = re.compile(r"[^;,.!?\n；，。！？、]+[;,.!?\n；，。！？、]*\s*")


class Explaining:
    """The rows that explain every ad of a request, and what is read from their answers.

    Args:
        request: whose ads are explained.

    Raises:
        RequestError: it is none; or there is no text to leave out, or more than could be.
    """

    def __init__(self, request: Recommend) -> None:
        check(request)
        self._asked = request
        self._each = [_One(request, ad) for ad in request.ads]

    @property
    def size(self) -> int:
        """How many rows `request` has; none is made for it."""
        return sum(each.size for each in self._each)

    def request(self, reference: str | Sequence[str] | None = None) -> Recommend:
        """All rows as one request. reference: that is asked instead, such as what `name@live` meant for this user."""
        rows = [row for each in self._each for row in each.rows]
        return replace(
            self._asked, reference=reference or self._asked.reference, user="", ads=rows, features={}
        )

    def read(self, answer: Sequence[Any]) -> list[Explained]:
        """The explanation of each ad, in the order of the request. answer: to `request`."""
        found = {id(each.ad): each.probability for each in answer if isinstance(each, Ranked)}
        return [each.read(found) for each in self._each]

    def explained(self, ranked: Sequence[Any], answer: Sequence[Any]) -> list[Ranked]:
        """Ads as they were ranked, each with why. ranked: the answer to the request itself; answer: to `request`."""
        why = {id(ad): each for ad, each in zip(self._asked.ads, self.read(answer), strict=True)}
        return [replace(each, explained=why[id(each.ad)]) for each in ranked]


class _One:
    """The rows of one ad, which are made when they are first asked for."""

    def __init__(self, request: Recommend, ad: str | Mapping[str, Any]) -> None:
        own = ad if isinstance(ad, Mapping) else {"ad": ad}
        self._whole: dict[str, Any] = {"user": request.user, **request.features, **own}
        self._fields = [name for name, cell in self._whole.items() if cell not in ("", None)]
        if not 1 <= len(self._fields) <= _MOST_FIELDS:
            raise RequestError(f"{len(self._fields)} columns; {_BOUNDS}")
        self._phrases = [(name, *each) for name in self._fields for each in _phrases(self._whole[name])]
        if len(self._phrases) > _MOST_PHRASES:
            raise RequestError(f"{len(self._fields)} columns of more than {_MOST_PHRASES} phrases; {_BOUNDS}")
        self._alone = isinstance(ad, str) and self._fields == ["ad"]

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self._phrases) + len(_coalitions(len(self._fields)))

    @cached_property
    def rows(self) -> Sequence[str | Mapping[str, Any]]:
        """One without each phrase, then the coalitions of fields."""
        whole = self._whole
        rows: list[dict[str, Any]] = [
            *(
                {**whole, name: whole[name][:start] + whole[name][end:]}
                for name, start, end, _ in self._phrases
            ),
            *(
                whole | {name: NOTHING for at, name in enumerate(self._fields) if at not in kept}
                for kept in _coalitions(len(self._fields))
            ),
        ]
        return [row["ad"] for row in rows] if self._alone else rows

    def read(self, found: Mapping[int, float]) -> Explained:
        """The explanation. found: the id of a row -> its probability."""
        scores = [found[id(row)] for row in self.rows]
        count = len(self._fields)
        of = dict(zip(_coalitions(count), scores[len(self._phrases) :], strict=True))
        whole, values, orders = of[frozenset(range(count))], [0.0] * count, _orders(count)
        for order in orders:
            for at, field in enumerate(order):
                values[field] += of[frozenset(order[: at + 1])] - of[frozenset(order[:at])]
        fields = [
            Influence(name, None, value / len(orders))
            for name, value in zip(self._fields, values, strict=True)
        ]
        phrases = [
            Influence(name, phrase, whole - score)
            for (name, _, _, phrase), score in zip(self._phrases, scores, strict=False)
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
    asked = Explaining(Recommend(reference, user, [ad], features or {}))
    (found,) = asked.read(registry.submit(asked.request(), wait=True).result())
    return found


def _phrases(cell: Any) -> list[tuple[int, int, str]]:
    """Where each phrase of a text stands, with its words, up to one more than may be; none where there is only one."""
    if not isinstance(cell, str):
        return []
    every = ((each.start(), each.end(), each.group().strip()) for each in _PHRASE.finditer(cell))
    found = list(islice((each for each in every if each[2]), _MOST_PHRASES + 1))
    return found if len(found) > 1 else []


@lru_cache
def _orders(count: int) -> tuple[tuple[int, ...], ...]:
    """All orders of few fields, some of many; the same for as many fields."""
    if count <= _EXACT:
        return tuple(permutations(range(count)))
    random = np.random.default_rng(0)
    return tuple(tuple(random.permutation(count).tolist()) for _ in range(ORDERS))


@lru_cache
def _coalitions(count: int) -> tuple[frozenset[int], ...]:
    """The sets of fields that are met on the way through the orders, the smallest first."""
    sets = {frozenset(order[:size]) for order in _orders(count) for size in range(count + 1)}
    return tuple(sorted(sets, key=lambda each: (len(each), sorted(each))))


def _largest(moved: Sequence[Influence]) -> list[Influence]:
    return sorted(moved, key=lambda each: -abs(each.by))
