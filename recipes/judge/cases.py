"""Rows to look at: what the adapter gained and lost against the base and the best baseline; texts side by side.

These are the client's own rows. They go onto the page for people, never into the adapter, which is published.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.judge.assess import Assessment, Outcome
from recipes.judge.report import best_baseline, served
from recipes.learn.job import Job
from recipes.measure import baselines as learned
from recipes.tasks import behavior

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
    """One product of ad-copy: the first reference, and the texts without and with the adapter."""

    product: str
    reference: str
    before: str
    after: str


@dataclass(frozen=True)
class Picked:
    """gained: rows that the adapter has right and the base or the baseline wrong; lost: the other way round. At most
    `MOST` of each, of `gained_of` and `lost_of` in all. baseline: the best one's name. copies: ad-copy."""

    gained: tuple[Case, ...] = ()
    lost: tuple[Case, ...] = ()
    gained_of: int = 0
    lost_of: int = 0
    baseline: str | None = None
    copies: tuple[Copy, ...] = ()


def pick(job: Job, before: Outcome, found: Assessment) -> Picked:
    """The first rows of each kind in the test split; those that both the base and the baseline differ on come first."""
    baseline = best_baseline(served(found.report), job.metric_name)
    if job.recipe.task == "ad-copy":
        return Picked(baseline=baseline, copies=_copies(job, before, found.after))
    test = job.splits.test
    truth = learned.label_matrix(test, len(job.splits.labels))
    said = {
        name: behavior.given_labels(test, predictions)
        for name, predictions in (
            ("before", before.predictions),
            ("baseline", None if baseline is None else found.guesses[baseline]),
            ("after", found.after.predictions),
        )
        if predictions is not None
    }
    right = {name: (given == truth).all(axis=1) for name, given in said.items()}
    others = np.stack([right[name] for name in said if name != "after"])
    gained = _most_telling(right["after"], ~others)
    lost = _most_telling(~right["after"], others)

    def case(row: int) -> Case:
        names = {name: _names(job, given[row]) for name, given in said.items()}
        return Case(
            test[row].text,
            _names(job, truth[row]),
            names["before"],
            names.get("baseline", ""),
            names["after"],
        )

    return Picked(
        tuple(case(row) for row in gained[:MOST]),
        tuple(case(row) for row in lost[:MOST]),
        len(gained),
        len(lost),
        baseline,
    )


def _most_telling(own: NDArray[np.bool_], others: NDArray[np.bool_]) -> list[int]:
    """Rows where `own` holds and any of `others` [models, rows] does, the rows with the most of them first."""
    rows = np.flatnonzero(own & others.any(axis=0))
    return [int(row) for row in rows[np.argsort(-others.sum(axis=0)[rows], kind="stable")]]


def _names(job: Job, given: Sequence[Any]) -> str:
    return ", ".join(name for name, has in zip(job.splits.labels, given, strict=True) if has) or "none"


def _copies(job: Job, before: Outcome, after: Outcome) -> tuple[Copy, ...]:
    references: dict[str, str] = {}
    for example in job.splits.test:
        references.setdefault(example.text, example.copy or "")
    each = zip(after.predictions.products, before.predictions.texts, after.predictions.texts, strict=True)
    return tuple(Copy(product, references[product], first, last) for product, first, last in each)[:MOST]
