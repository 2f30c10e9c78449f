"""A canary: a new version proves itself on a small share of the users before everybody gets it.

    start     alias `canary` -> the new version; `name@live` gives it to a share of the users, by a stable hash of their
              keys, and the others get `production`
    decide    as often as one likes: better beyond doubt -> `production` moves; worse, or a guardrail broken -> the
              canary ends at once; neither after `max_days` -> production stays
    shadow    the canary answers too, and nobody sees it
    replace   a newer version takes the place of a canary that is undecided; its comparison begins anew

`arms.py` says who counts, and `comparing.py` what is compared and how sure it is. Every decision is an event of the
alias log, with its numbers.
"""

from collections.abc import Sequence
from dataclasses import replace as changed
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, select, update

from adapters.errors import RequestError
from hub.errors import NotInHub
from hub.feedback.arms import CANARY, DECIDES, PRODUCTION, Canary, all_running, running, task_of
from hub.feedback.comparing import FAILED, Compared, Decision, compare
from hub.feedback.tables import canaries, challenged

if TYPE_CHECKING:
    from hub.feedback.log import Feedback
    from hub.hub import Hub

__all__ = [
    "CANARY", "FAILED", "PRODUCTION", "Canary", "Compared", "Decision", "all_running", "compare", "decide", "hold",
    "promote", "replace", "running", "start", "stop",
]  # fmt: skip


def start(
    hub: "Hub",
    log: "Feedback",
    name: str,
    version: int,
    share: float = 0.05,
    outcome: str | None = None,
    max_days: float = 14.0,
    shadow: bool = False,
    why: str = "",
    grouped: Sequence[str] = (),
) -> Canary:
    """Begin a canary.

    Args:
        hub: whose aliases move.
        log: of the hub.
        name, version, share, max_days, shadow, grouped: as of `Canary`.
        outcome: that decides; None is the usual one of the task, such as click.
        why: for the alias log.

    Raises:
        NotInHub: no such version, or the name has no production.
        RequestError: a canary of the name runs, or it is in production already, or an argument is out of range.
        FeedbackError: the log does not answer.
    """
    may = DECIDES[task_of(name)]
    outcome = may[0] if outcome is None else outcome
    if not 0 < share <= 0.5 or not max_days > 0 or outcome not in may:
        raise RequestError(
            f"a canary has a share above 0 and at most 0.5, days above 0, and {' or '.join(may)} decides"
        )
    against = hub.aliases(name).get(PRODUCTION)
    if against is None:
        raise NotInHub(
            f"{name} has no production to compare with; `repertoire alias set {name} production N`"
        )
    hub.resolve(f"{name}@{version}")
    if against == version:
        raise RequestError(f"{name}@{version} is in production already; name another version")
    made = Canary(
        name, version, against, log.now(), share, outcome, max_days, shadow=shadow, grouped=tuple(grouped)
    )
    with log.database.write() as connection:
        if connection.execute(select(canaries.c.name).where(canaries.c.name == name)).first() is not None:
            raise RequestError(f"a canary of {name} runs already; `repertoire canary stop {name}` ends it")
        made = _next(connection, made)
        hub.set_alias(
            name, CANARY, version, why=why or f"canary for {share:.0%} of the users, against @{against}"
        )
        connection.execute(canaries.insert().values(**made.row()))
    return made


def replace(hub: "Hub", log: "Feedback", name: str, version: int, why: str) -> Canary:
    """Let a newer version take the place of a canary that is undecided. Users are dealt anew, nothing of the old
    comparison counts, and the new one needs more evidence (`Canary.spent`), so that however many canaries production
    meets, the probability that one of them that is no better takes its place stays what it is for one.

    Args:
        hub: whose aliases move.
        log: of the hub.
        name: `client/campaign/task`.
        version: the newer one.
        why: for the alias log.

    Raises:
        NotInHub: no such version.
        RequestError: no canary runs, a person holds it, or the version is in production or the canary itself.
    """
    found = _running(log, name)
    hub.resolve(f"{name}@{version}")
    if found.held or version in (found.version, found.against):
        raise RequestError(
            f"the canary {name}@{found.version} cannot be replaced by @{version}: "
            + ("a person holds it" if found.held else "it is in use already")
        )
    same = (canaries.c.name == name) & (canaries.c.started == found.started) & ~canaries.c.held
    with log.database.write() as connection:
        made = _next(connection, changed(found, version=version, started=log.now()))
        if not connection.execute(update(canaries).where(same).values(**made.row())).rowcount:
            raise RequestError(
                f"the canary {name}@{found.version} was held or ended meanwhile; look at it again"
            )
        hub.set_alias(name, CANARY, version, why=why)
    return made


def _next(connection: Connection, canary: Canary) -> Canary:
    """A canary with its turn: which one against its production it is."""
    own = (challenged.c.name == canary.name) & (challenged.c.against == canary.against)
    turns = connection.execute(select(challenged.c.turns).where(own)).scalar()
    if turns is None:
        turns = 0
        connection.execute(challenged.insert().values(name=canary.name, against=canary.against, turns=0))
    connection.execute(update(challenged).where(own).values(turns=turns + 1))
    return changed(canary, turn=turns + 1)


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
    """Look at a canary, and do what its figures say, unless it is held, or was held, replaced or ended while they were
    read. It may be called as often as one likes.

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
    if dry_run or found.held or running(log, name) != found:
        return compared
    if compared.decision == "promote":
        _promote(hub, log, found, compared.why)
    elif compared.decision in ("roll back", "keep"):
        _end(hub, log, found, compared.why)
    return compared


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
