"""What the log says of ads: how often each was shown and clicked, and what was predicted of it; of a user, how often
they saw each; of a day, what was spent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import and_, case, func, select

from hub.feedback.tables import impressions, outcomes, shown
from hub.placement.posterior import Floats, fit_strength

if TYPE_CHECKING:
    from hub.feedback.log import Feedback


@dataclass(frozen=True)
class Evidence:
    """Of one name. counts: ad -> impressions, impressions with the outcome, and the mean prediction. strength: of the
    prior, in pseudo-observations."""

    counts: Mapping[str, tuple[float, float, float]]
    strength: float

    @property
    def seen(self) -> float:
        """Impressions of all ads."""
        return sum(shown for shown, _, _ in self.counts.values())

    def of(self, ads: Sequence[str]) -> tuple[Floats, Floats, Floats]:
        """Impressions, outcomes and mean predictions of ads, `[ads]` each; zeros of those that were never shown."""
        table = np.array([self.counts.get(ad, (0.0, 0.0, 0.0)) for ad in ads], dtype=float).reshape(-1, 3)
        return table[:, 0], table[:, 1], table[:, 2]


def evidence(log: "Feedback", name: str, outcome: str) -> Evidence:
    """What is known of a name's ads; the strength is fitted on those of all its client's names.

    Args:
        log: of the hub.
        name: `client/campaign/task`.
        outcome: that counts, such as click.

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
        .where(
            impressions.c.client == name.split("/")[0],
            impressions.c.task == "recommendation",
            impressions.c.arm.is_distinct_from("shadow"),
        )
        .group_by(impressions.c.name, shown.c.ad)
    )
    with log.database.read() as connection:
        rows = connection.execute(asked).all()
    fitted = [row for row in rows if row[4] is not None]
    strength = fit_strength(*(np.array([row[at] for row in fitted], dtype=float) for at in (2, 3, 4)))
    own = {
        ad: (float(count), float(hits), 0.0 if mean is None else float(mean))
        for of, ad, count, hits, mean in rows
        if of == name
    }
    return Evidence(own, strength)


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
