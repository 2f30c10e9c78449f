"""Who has a canary, and what became of the users of each arm.

A user counts once, by the first impression since the canary's start, when that is old enough for its outcome: users are
independent, and impressions of one are not.

    first   [ True  False False  True ...]   of the canary        in the order of the users' first impressions
    hits    [ True  True  False False ...]   the outcome came in time
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from hub.feedback.observed import Observed
from hub.feedback.tables import canaries

if TYPE_CHECKING:
    from hub.feedback.log import Feedback

CANARY, PRODUCTION = "canary", "production"
DECIDES: Mapping[str, Sequence[str]] = {
    "recommendation": ("click", "conversion"),
    "behavior": ("label",),
    "ad-copy": ("accepted",),
}
"""Task -> outcomes that may decide, the usual one first."""


def task_of(name: str) -> str:
    """What a name's adapter does: its last part where that is a task, and else recommendation."""
    task = name.rpartition("/")[2]
    return task if task in DECIDES else "recommendation"


@dataclass(frozen=True)
class Canary:
    """A canary that runs.

    Attributes:
        name: `client/campaign/task`.
        version, against: its number, and production's when it began.
        started: seconds since 1970.
        share: of the users, 0 to 1.
        outcome: that decides.
        max_days: after which production stays.
        held: a person decides.
        shadow: nobody sees its answers.
        turn: which canary against this production it is, 1 for the first.
        grouped: columns of which no value's users may be served worse.
    """

    name: str
    version: int
    against: int
    started: float
    share: float = 0.05
    outcome: str = "click"
    max_days: float = 14.0
    held: bool = False
    shadow: bool = False
    turn: int = 1
    grouped: tuple[str, ...] = ()

    def has(self, user: str) -> bool:
        """Whether a user, by their stored key, gets it: the same answer as long as it runs."""
        told = hashlib.sha256(f"{self.name}@{self.version}\0{self.started!r}\0{user}".encode()).digest()
        return int.from_bytes(told[:8]) < self.share * 2**64

    @property
    def dealt(self) -> float:
        """The share of the users who see its answers: of a shadow none."""
        return 0.0 if self.shadow else self.share

    @property
    def spent(self) -> float:
        """Its part of the error of all canaries against this production, of which the k-th has 1 / (k (k + 1)): all
        together have 1, however many there will be."""
        return 1 / (self.turn * (self.turn + 1))

    def row(self) -> dict[str, Any]:
        """As it stands in the table."""
        return vars(self) | {"grouped": json.dumps(self.grouped)}


def running(log: "Feedback", name: str) -> Canary | None:
    """The canary of a name; None where none runs. Raises FeedbackError."""
    with log.database.read() as connection:
        row = connection.execute(select(canaries).where(canaries.c.name == name)).first()
    return None if row is None else _canary(row._mapping)


def all_running(log: "Feedback") -> list[Canary]:
    """Every canary, by name. Raises FeedbackError."""
    with log.database.read() as connection:
        rows = connection.execute(select(canaries).order_by(canaries.c.name)).all()
    return [_canary(row._mapping) for row in rows]


def _canary(row: Any) -> Canary:
    return Canary(**{**row, "grouped": tuple(json.loads(row["grouped"]))})


@dataclass(frozen=True)
class Users:
    """Users of both arms in the order of their first impressions, `[users]` each. rows: where that impression stands in
    what was observed."""

    first: NDArray[np.bool_]
    hits: NDArray[np.bool_]
    rows: NDArray[np.int64]

    def count(self, canary: bool) -> tuple[int, int]:
        """Hits and users of an arm."""
        own = self.first == canary
        return int((self.hits & own).sum()), int(own.sum())


def users(rows: Observed, canary: Canary, now: float, window: float) -> Users:
    """The users of a canary and of its production whose outcome has had its time.

    Args:
        rows: of the name, since the canary began.
        canary: that runs.
        now: seconds since 1970.
        window: seconds within which the outcome must come.
    """
    arms = {CANARY: canary.version, PRODUCTION: canary.against}
    at: dict[str, int] = {}
    hits: dict[str, bool] = {}
    for row, (version, arm, user, delay) in enumerate(
        zip(rows.version.tolist(), rows.arm, rows.user, rows.delay.tolist(), strict=True)
    ):
        if not user or arms.get(arm) != version:
            continue
        begun = at.setdefault(user, row)
        if rows.at[row] == rows.at[begun]:  # another place of the same impression
            hits[user] = hits.get(user, False) or delay <= window
    settled = [user for user, row in at.items() if rows.at[row] <= now - window]
    return Users(
        np.array([rows.arm[at[user]] == CANARY for user in settled], dtype=bool),
        np.array([hits[user] for user in settled], dtype=bool),
        np.array([at[user] for user in settled], dtype=np.int64),
    )
