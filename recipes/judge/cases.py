"""Test rows to look at: what is served gained and lost against the best baseline; texts side by side.

These are the client's own rows. They go onto the page for people, never into the report, which is published.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.examples import Splits
from recipes.measure import baselines as learned
from recipes.tasks.behavior import given_labels

MOST = 10


@dataclass(frozen=True)
class Case:
    """One test row of a head: what it is and what each says of it. baseline: "" where there is none."""

    text: str
    truth: str
    before: str
    baseline: str
    after: str


@dataclass(frozen=True)
class Copy:
    """One product: the first reference, and the texts without and with the adapter."""

    product: str
    reference: str
    before: str
    after: str


@dataclass(frozen=True)
class Picked:
    """gained: rows that what is served has right and the best baseline wrong (the base alone, where there is no
    baseline); lost: the other way round. At most `MOST` of each, of `gained_of` and `lost_of` in all. baseline: the
    best one's name. copies: of what writes."""

    gained: tuple[Case, ...] = ()
    lost: tuple[Case, ...] = ()
    gained_of: int = 0
    lost_of: int = 0
    baseline: str | None = None
    copies: tuple[Copy, ...] = ()


def pick(splits: Splits, before: Any, after: Any, baseline: tuple[str, Any] | None = None) -> Picked:
    """The first rows of each kind in the test split; those that the base alone differs on too come first.

    Args:
        splits: whose test rows were answered; without labels they are products.
        before: predictions of the base untouched, as `Task.metrics` takes them.
        after: of what is served.
        baseline: the best one's name and its predictions.
    """
    name = None if baseline is None else baseline[0]
    if not splits.labels:
        return Picked(baseline=name, copies=_copies(splits, before, after))
    test = splits.test
    truth = learned.label_matrix(test, len(splits.labels))
    said = {"before": before} | ({} if baseline is None else {"baseline": baseline[1]}) | {"after": after}
    said = {who: given_labels(test, predictions) for who, predictions in said.items()}
    right = {who: (given == truth).all(axis=1) for who, given in said.items()}
    beside = "before" if baseline is None else "baseline"
    gained = _most_telling(right["after"] & ~right[beside], ~right["before"])
    lost = _most_telling(~right["after"] & right[beside], right["before"])

    def case(row: int) -> Case:
        names = {who: _names(splits.labels, given[row]) for who, given in said.items()}
        return Case(
            test[row].text,
            _names(splits.labels, truth[row]),
            names["before"],
            names.get("baseline", ""),
            names["after"],
        )

    return Picked(
        tuple(case(row) for row in gained[:MOST]),
        tuple(case(row) for row in lost[:MOST]),
        len(gained),
        len(lost),
        name,
    )


def _most_telling(chosen: NDArray[np.bool_], first: NDArray[np.bool_]) -> list[int]:
    """The rows that are `chosen`, those that are `first` too in front; both [rows]."""
    rows = np.flatnonzero(chosen)
    return [int(row) for row in rows[np.argsort(~first[rows], kind="stable")]]


def _names(labels: Sequence[str], given: Sequence[Any]) -> str:
    return ", ".join(name for name, has in zip(labels, given, strict=True) if has) or "none"


def _copies(splits: Splits, before: Any, after: Any) -> tuple[Copy, ...]:
    references: dict[str, str] = {}
    for example in splits.test:
        references.setdefault(example.text, example.copy or "")
    each = zip(after.products, before.texts, after.texts, strict=True)
    return tuple(Copy(product, references[product], first, last) for product, first, last in each)[:MOST]
