"""What the log says of one name, as rows: what was shown, what was predicted, and what came of it in time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, and_, func, select

from hub.feedback.tables import impressions, outcomes, shown

if TYPE_CHECKING:
    from hub.feedback.log import Feedback

Floats = NDArray[np.float64]
_MOST = 200_000  # rows that are read, the newest


@dataclass(frozen=True)
class Observed:
    """Rows in the order of their times, `[rows]`. version: 0 where none is known; probability: NaN where there is none;
    delay: seconds from the impression to its outcome, infinite where none came; seconds: that the answer took, and
    refused: texts that broke a rule, NaN where nobody counted; arm, user, columns: as in the log."""

    at: Floats
    version: NDArray[np.int64]
    probability: Floats
    delay: Floats
    arm: list[str]
    user: list[str]
    columns: list[Mapping[str, Any]]
    seconds: Floats
    refused: Floats

    def __len__(self) -> int:
        return len(self.at)


def places(name: str, kinds: Sequence[str], since: float, *columns: ColumnElement[Any]) -> Select[Any]:
    """The query for each place of a name's impressions that somebody saw: `at`, the columns, and `came`, when an
    outcome of one of some kinds first came, None where none did.

    Args:
        name: `client/campaign/task`.
        kinds: that count.
        since: seconds since 1970.
        columns: of the impression and its place.
    """
    first = (
        select(
            outcomes.c.impression,
            outcomes.c.position,
            func.min(outcomes.c.at).label("came"),
        )
        .where(outcomes.c.kind.in_(kinds))
        .group_by(outcomes.c.impression, outcomes.c.position)
        .subquery()
    )
    return (
        select(impressions.c.at, *columns, first.c.came)
        .join_from(impressions, shown, impressions.c.id == shown.c.impression)
        .outerjoin(
            first, and_(first.c.impression == shown.c.impression, first.c.position == shown.c.position)
        )
        .where(
            impressions.c.name == name,
            impressions.c.at >= since,
            impressions.c.arm.is_distinct_from("shadow"),
        )
    )


def last_text(kinds: Sequence[str]) -> ColumnElement[Any]:
    """Of `places`, as `text`: what was told last of a place by outcomes of some kinds; None where no text was."""
    return (
        select(outcomes.c.text)
        .where(
            outcomes.c.impression == shown.c.impression,
            outcomes.c.position == shown.c.position,
            outcomes.c.kind.in_(kinds),
            outcomes.c.text.is_not(None),
        )
        .order_by(outcomes.c.at.desc(), outcomes.c.received.desc(), outcomes.c.event.desc())
        .limit(1)
        .scalar_subquery()
        .label("text")
    )


def observed(log: "Feedback", name: str, outcome: str, since: float = 0.0) -> Observed:
    """The impressions of a name, the newest 200,000 at the most, each place a row.

    Args:
        log: of the hub.
        name: `client/campaign/task`.
        outcome: that counts, such as click; of several the first. `label` is that nobody told another label than was
            answered, and has no delay.
        since: seconds since 1970.

    Raises:
        FeedbackError: the log does not answer.
    """
    asked = places(
        name,
        (outcome,),
        since,
        impressions.c.version,
        impressions.c.arm,
        impressions.c.user_key,
        impressions.c.columns,
        impressions.c.seconds,
        impressions.c.refused,
        shown.c.probability,
        *((impressions.c.candidates, shown.c.ad, last_text((outcome,))) if outcome == "label" else ()),
    )
    newest = asked.order_by(impressions.c.at.desc(), impressions.c.id, shown.c.position).limit(_MOST)
    log.flush()
    with log.database.read() as connection:
        rows = connection.execute(newest).all()[::-1]
    nan = float("nan")
    return Observed(
        np.array([row.at for row in rows], dtype=float),
        np.array([row.version or 0 for row in rows], dtype=np.int64),
        np.array([nan if row.probability is None else row.probability for row in rows], dtype=float),
        np.array([(_kept if outcome == "label" else _delay)(row) for row in rows], dtype=float),
        [row.arm or "" for row in rows],
        [row.user_key or "" for row in rows],
        [json.loads(row.columns) for row in rows],
        np.array([nan if row.seconds is None else row.seconds for row in rows], dtype=float),
        np.array([nan if row.refused is None else row.refused for row in rows], dtype=float),
    )


def _delay(row: Any) -> float:
    """Seconds from the impression to its outcome; infinite where none came."""
    return float("inf") if row.came is None else max(0.0, row.came - row.at)


def _kept(row: Any) -> float:
    """0 where nobody told another label than was answered, else infinite."""
    if row.text is None:
        return 0.0
    own = next(columns for ad, columns, _ in json.loads(row.candidates) if ad == row.ad)
    return 0.0 if json.loads(row.text) == own.get("answered") else float("inf")
