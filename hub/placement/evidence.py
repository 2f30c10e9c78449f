"""What the log says of ads: how often each was shown and clicked, and what was predicted of it; of a user, how often
they saw each; of a day, what was spent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sqlalchemy import ColumnElement, and_, case, func, select

from hub.feedback.tables import impressions, outcomes, shown
from hub.placement.posterior import LEAST, Floats, fit_strength

if TYPE_CHECKING:
    from hub.feedback.log import Feedback


Count = tuple[float, float, float]
"""Of an ad: impressions, impressions with the outcome, and the mean of what was predicted; NaN where nothing was."""


@dataclass(frozen=True)
class Evidence:
    """Of one name.

    Attributes:
        counts: of impressions that had time for their outcome; predicted with what users had taught by then.
        young: of those since, as the adapter predicted.
        strength: of the prior, in pseudo-observations.
    """

    counts: Mapping[str, Count]
    young: Mapping[str, Count]
    strength: float

    @property
    def seen(self) -> float:
        """Impressions of all ads."""
        return sum(shown for part in (self.counts, self.young) for shown, _, _ in part.values())

    def of(self, ads: Sequence[str], moved: ArrayLike = 0.0) -> tuple[Floats, Floats, Floats]:
        """Impressions, outcomes and mean predictions of ads, `[ads]` each; NaN where nothing was predicted.

        Args:
            ads: their keys.
            moved: what users taught of each beside the adapter, in log-odds, `[ads]`; it moves what the adapter alone
                predicted of the young ones.
        """
        old, young = (
            np.array([part.get(ad, (0.0, 0.0, np.nan)) for ad in ads], dtype=float).reshape(-1, 3)
            for part in (self.counts, self.young)
        )
        odds = np.exp(moved) * young[:, 2] / np.maximum(1 - young[:, 2], LEAST)
        sums = np.nan_to_num(old[:, 0] * old[:, 2]) + np.nan_to_num(young[:, 0] * odds / (1 + odds))
        told = np.where(np.isnan(old[:, 2]), 0.0, old[:, 0]) + np.where(
            np.isnan(young[:, 2]), 0.0, young[:, 0]
        )
        shown, hits = old[:, 0] + young[:, 0], old[:, 1] + young[:, 1]
        return shown, hits, np.where(told > 0, sums / np.maximum(told, LEAST), np.nan)


def counted(log: "Feedback", outcome: str, *which: ColumnElement[bool]) -> dict[tuple[str, str], Count]:
    """The ads of some impressions, by name and key.

    Args:
        log: of the hub.
        outcome: that counts, such as click.
        which: of the impressions.

    Raises:
        FeedbackError: the log does not answer.
    """
    hit = (
        select(outcomes.c.impression)
        .where(
            outcomes.c.impression == shown.c.impression,
            outcomes.c.position == shown.c.position,
            outcomes.c.kind == outcome,
        )
        .exists()
    )
    asked = (
        select(
            impressions.c.name,
            shown.c.ad,
            func.count(),
            func.sum(case((hit, 1), else_=0)),
            func.avg(shown.c.probability),
        )
        .join_from(shown, impressions, impressions.c.id == shown.c.impression)
        .where(impressions.c.arm.is_distinct_from("shadow"), *which)
        .group_by(impressions.c.name, shown.c.ad)
    )
    with log.database.read() as connection:
        return {
            (name, ad): (float(count), float(hits), float("nan") if mean is None else float(mean))
            for name, ad, count, hits, mean in connection.execute(asked)
        }


def of_others(log: "Feedback", name: str, outcome: str) -> list[Count]:
    """The ads of a client's other names, all that is logged of them. Raises FeedbackError."""
    own, task = impressions.c.client == name.split("/")[0], impressions.c.task == "recommendation"
    return list(counted(log, outcome, own, task, impressions.c.name != name).values())


def strength_of(ads: Iterable[Count]) -> float:
    """The prior's strength under which the clicks of some ads are likeliest."""
    table = np.array([each for each in ads if np.isfinite(each[2])], dtype=float).reshape(-1, 3)
    return fit_strength(*table.T)


def seen_by(log: "Feedback", name: str, user: str, since: float) -> dict[str, int]:
    """Ad -> how often a user, by their stored key, saw it since a moment."""
    asked = (
        select(shown.c.ad, func.count())
        .join_from(shown, impressions, impressions.c.id == shown.c.impression)
        .where(
            impressions.c.name == name,
            impressions.c.user_key == user,
            impressions.c.at >= since,
            impressions.c.arm.is_distinct_from("shadow"),
        )
        .group_by(shown.c.ad)
    )
    with log.database.read() as connection:
        return {ad: int(count) for ad, count in connection.execute(asked)}


def clicked_since(log: "Feedback", name: str, outcome: str, since: float) -> dict[str, int]:
    """Ad -> its outcomes since a moment."""
    asked = (
        select(shown.c.ad, func.count())
        .join_from(shown, impressions, impressions.c.id == shown.c.impression)
        .join(
            outcomes,
            and_(
                outcomes.c.impression == shown.c.impression,
                outcomes.c.position == shown.c.position,
                outcomes.c.kind == outcome,
            ),
        )
        .where(impressions.c.name == name, outcomes.c.at >= since)
        .group_by(shown.c.ad)
    )
    with log.database.read() as connection:
        return {ad: int(count) for ad, count in connection.execute(asked)}
