"""A canary: a new version proves itself on a small share of the users before everybody gets it.

    start     alias `canary` -> the new version; `name@live` gives it to a share of the users, by a stable hash of their
              keys, and the others get `production`
    decide    as often as one likes: better beyond doubt -> `production` moves; worse, or a guardrail broken -> the
              canary ends at once; neither after `max_days` -> production stays
    shadow    the canary answers too, and nobody sees it

A user counts once, by the first impression since the start, when that is old enough for its outcome: users are
independent, and impressions of one are not. The comparisons hold at all times together (`sequences.py`): the
probability that two equal versions are ever told apart is at most 5 %, 2 % for the outcome and 1 % for each guardrail.
Every decision is an event of the alias log, with its numbers.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from sqlalchemy import delete, func, select, update

from adapters.errors import RequestError
from hub.errors import NotInHub
from hub.feedback.live import WINDOWS, sample_ratio
from hub.feedback.observed import Observed, observed
from hub.feedback.sequences import Running, apart, mean, rate
from hub.feedback.tables import canaries, impressions

if TYPE_CHECKING:
    from hub.feedback.log import Feedback
    from hub.hub import Hub

CANARY, PRODUCTION = "canary", "production"
FAILED = "failed"
"""The chooser of an impression whose answer was an error."""
_OUTCOME, _GUARDRAIL = 0.02, 0.01
_OFF = 0.02  # further from calibrated than production by so much is broken
_DAY = 86_400.0

Decision = Literal["promote", "roll back", "keep", "wait"]


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

    def has(self, user: str) -> bool:
        """Whether a user, by their stored key, gets it: the same answer as long as it runs."""
        told = hashlib.sha256(f"{self.name}@{self.version}\0{self.started!r}\0{user}".encode()).digest()
        return int.from_bytes(told[:8]) < self.share * 2**64


@dataclass(frozen=True)
class Compared:
    """A canary beside production. why: the decision in a sentence, with its numbers."""

    canary: Canary
    decision: Decision
    why: str
    outcome: tuple[Running, Running]


def running(log: "Feedback", name: str) -> Canary | None:
    """The canary of a name; None where none runs. Raises FeedbackError."""
    with log.database.read() as connection:
        row = connection.execute(select(canaries).where(canaries.c.name == name)).first()
    return None if row is None else Canary(**row._mapping)


def all_running(log: "Feedback") -> list[Canary]:
    """Every canary, by name. Raises FeedbackError."""
    with log.database.read() as connection:
        rows = connection.execute(select(canaries).order_by(canaries.c.name)).all()
    return [Canary(**row._mapping) for row in rows]


def start(
    hub: "Hub",
    log: "Feedback",
    name: str,
    version: int,
    share: float = 0.05,
    outcome: str = "click",
    max_days: float = 14.0,
    shadow: bool = False,
    why: str = "",
) -> Canary:
    """Begin a canary.

    Raises:
        NotInHub: no such version, or the name has no production.
        RequestError: a canary of the name runs, or it is in production already, or an argument is out of range.
        FeedbackError: the log does not answer.
    """
    if not 0 < share <= 0.5 or max_days <= 0 or outcome not in ("click", "conversion"):
        raise RequestError(
            "a canary has a share above 0 and at most 0.5, days above 0, and click or conversion decides"
        )
    against = hub.aliases(name).get(PRODUCTION)
    if against is None:
        raise NotInHub(
            f"{name} has no production to compare with; `repertoire alias set {name} production N`"
        )
    hub.resolve(f"{name}@{version}")
    if against == version:
        raise RequestError(f"{name}@{version} is in production already; name another version")
    made = Canary(name, version, against, log.now(), share, outcome, max_days, False, shadow)
    with log.database.write() as connection:
        if connection.execute(select(canaries.c.name).where(canaries.c.name == name)).first() is not None:
            raise RequestError(f"a canary of {name} runs already; `repertoire canary stop {name}` ends it")
        hub.set_alias(
            name, CANARY, version, why=why or f"canary for {share:.0%} of the users, against @{against}"
        )
        connection.execute(canaries.insert().values(**asdict(made)))
    return made


def stop(hub: "Hub", log: "Feedback", name: str, why: str = "stopped by a person") -> Canary:
    """End a canary; everybody gets production. Raises RequestError where none runs."""
    found = _running(log, name)
    _end(hub, log, found, why)
    return found


def promote(hub: "Hub", log: "Feedback", name: str, why: str = "promoted by a person") -> Canary:
    """Let a canary be production, whatever the figures say. Raises RequestError where none runs, and Moved where
    production moved since it began."""
    found = _running(log, name)
    _promote(hub, log, found, why)
    return found


def hold(log: "Feedback", name: str, held: bool = True) -> Canary:
    """Leave the decision to a person, or no longer. Raises RequestError where none runs."""
    _running(log, name)
    with log.database.write() as connection:
        connection.execute(update(canaries).where(canaries.c.name == name).values(held=held))
    return _running(log, name)


def decide(hub: "Hub", log: "Feedback", name: str, dry_run: bool = False) -> Compared:
    """Look at a canary, and do what its figures say, unless it is held. It may be called as often as one likes.

    Args:
        hub: whose aliases move.
        log: of the hub.
        name: `client/campaign/task`.
        dry_run: only say what would be done.

    Raises:
        RequestError: no canary of the name runs.
        FeedbackError: the log does not answer.
    """
    found = _running(log, name)
    compared = compare(log, found, hub.aliases(name).get(PRODUCTION))
    if dry_run or found.held:
        return compared
    if compared.decision == "promote":
        _promote(hub, log, found, compared.why)
    elif compared.decision in ("roll back", "keep"):
        _end(hub, log, found, compared.why)
    return compared


def compare(log: "Feedback", canary: Canary, production: int | None) -> Compared:
    """What the figures say of a canary now. production: the version that is in production. Raises FeedbackError."""
    now, window = log.now(), WINDOWS[canary.outcome]
    rows = observed(log, canary.name, canary.outcome, canary.started)
    arms = [_users(rows, arm, number, now, window) for arm, number in _arms(canary)]
    dislikes = observed(log, canary.name, "dislike", canary.started)
    disliked = [_users(dislikes, arm, number, now, WINDOWS["dislike"]) for arm, number in _arms(canary)]
    own, other = ((int(hits.sum()), len(hits)) for hits, _ in arms)
    figures = (rate(*own, _OUTCOME / 2), rate(*other, _OUTCOME / 2))
    told = f"{canary.outcome} rate {figures[0]} users against {figures[1]} of @{canary.against}"

    def said(decision: Decision, why: str) -> Compared:
        return Compared(canary, decision, f"{why}: {told}", figures)

    if production == canary.version:
        return said("promote", f"@{canary.version} is in production")
    if production != canary.against:
        return said("keep", f"production moved to @{production} meanwhile, so that nothing can be compared")
    if broken := _broken(log, canary, arms, disliked):
        return said("roll back", broken)
    if alarm := sample_ratio(rows, canary):
        return said("wait", alarm)
    found = apart(own, other, _OUTCOME)
    if found > 0:
        return said("promote", f"@{canary.version} is better beyond doubt")
    if found < 0:
        return said("roll back", f"@{canary.version} is worse beyond doubt")
    if now > canary.started + canary.max_days * _DAY:
        return said("keep", f"neither was better after {canary.max_days:g} days, so that production stays")
    return said("wait", "nothing can be said yet")


_Arm = tuple["np.ndarray[tuple[int], np.dtype[np.bool_]]", "np.ndarray[tuple[int], np.dtype[np.float64]]"]


def _arms(canary: Canary) -> tuple[tuple[str, int], tuple[str, int]]:
    return (CANARY, canary.version), (PRODUCTION, canary.against)


def _users(rows: Observed, arm: str, version: int, now: float, window: float) -> _Arm:
    """Of the users of an arm, whether the outcome of their first impression came in time, and what was predicted of
    its first place: `[users]` each."""
    first: dict[str, tuple[float, bool, float]] = {}
    for at, number, of, user, delay, predicted in zip(
        rows.at, rows.version, rows.arm, rows.user, rows.delay, rows.probability, strict=True
    ):
        if of != arm or number != version or not user:
            continue
        if user not in first:
            first[user] = (at, bool(delay <= window), predicted)
        elif first[user][0] == at and delay <= window:  # another place of the same impression
            first[user] = (at, True, first[user][2])
    settled = [(hit, predicted) for at, hit, predicted in first.values() if at <= now - window]
    return np.array([hit for hit, _ in settled], dtype=bool), np.array([p for _, p in settled], dtype=float)


def _broken(log: "Feedback", canary: Canary, arms: Sequence[_Arm], disliked: Sequence[_Arm]) -> str:
    """Which guardrail is broken beyond doubt, in words; empty where none is."""
    failed = [_failures(log, canary, arm, number) for arm, number in _arms(canary)]
    if apart(failed[0], failed[1], _GUARDRAIL) > 0:
        return f"@{canary.version} fails more often ({failed[0][0]:,} of {failed[0][1]:,} requests)"
    counts = [(int(hits.sum()), len(hits)) for hits, _ in disliked]
    if apart(counts[0], counts[1], _GUARDRAIL) > 0:
        return f"@{canary.version} is disliked more ({counts[0][0]:,} of {counts[0][1]:,} users)"
    if all(len(hits) and np.isfinite(predicted).all() for hits, predicted in arms):
        off = [mean((hits - predicted + 1) / 2, _GUARDRAIL / 2) for hits, predicted in arms]
        least = max(0.0, 2 * off[0].low - 1, 1 - 2 * off[0].high)
        most = max(abs(2 * off[1].low - 1), abs(2 * off[1].high - 1))
        if least > most + _OFF:
            return f"@{canary.version} is off by at least {least:.3f}, production by at most {most:.3f}"
    return ""


def _failures(log: "Feedback", canary: Canary, arm: str, version: int) -> tuple[int, int]:
    """Requests of an arm that ended in an error, and all of them. A failed one has no version."""
    asked = (
        select(impressions.c.chooser, func.count())
        .where(
            impressions.c.name == canary.name,
            impressions.c.at >= canary.started,
            impressions.c.arm == arm,
            (impressions.c.version == version) | (impressions.c.chooser == FAILED),
        )
        .group_by(impressions.c.chooser)
    )
    with log.database.read() as connection:
        counts = {chooser: int(count) for chooser, count in connection.execute(asked)}
    return counts.get(FAILED, 0), sum(counts.values())


def _running(log: "Feedback", name: str) -> Canary:
    found = running(log, name)
    if found is None:
        raise RequestError(
            f"no canary of {name} runs; `repertoire canary start {name} --version N` begins one"
        )
    return found


def _promote(hub: "Hub", log: "Feedback", canary: Canary, why: str) -> None:
    """Stopped anywhere, it is finished by doing it again."""
    if hub.aliases(canary.name).get(PRODUCTION) != canary.version:
        hub.set_alias(canary.name, PRODUCTION, canary.version, why=why, expect=canary.against)
    _end(hub, log, canary, why)


def _end(hub: "Hub", log: "Feedback", canary: Canary, why: str) -> None:
    if CANARY in hub.aliases(canary.name):
        hub.remove_alias(canary.name, CANARY, why=why)
    with log.database.write() as connection:
        connection.execute(
            delete(canaries).where(canaries.c.name == canary.name, canaries.c.started == canary.started)
        )
