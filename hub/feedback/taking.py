"""Outcomes into the log: which are taken, which it has already, and which it refuses and why.

unknown impression, or another client's      refused, in the same words: nobody learns whose it is
not of the impression's task                 refused
before the impression, or in the future      refused beyond 5 minutes, by which clocks may differ
the same again                               known already; nothing changes
the same with another value                  refused: give each event an id where there are several
late, out of order                           taken
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from hub.feedback.database import insert_new
from hub.feedback.events import KINDS, Outcome, moment
from hub.feedback.tables import impressions, outcomes, shown

SLACK = 300.0
"""Seconds by which the clocks of two machines may differ."""
_AT_ONCE = 400  # ids of a query; SQLite takes 999 parameters at least


@dataclass(frozen=True)
class Taken:
    """What became of an outcome. why: of a refusal, in a sentence."""

    status: Literal["taken", "known", "refused"]
    why: str = ""


def take(
    connection: Connection,
    given: Sequence[Outcome],
    now: float,
    private: Callable[[str, str], str] = lambda name, text: text,
) -> list[Taken]:
    """Write outcomes in the transaction of a connection.

    Args:
        connection: of the log.
        given: in any order; each was seen to by itself.
        now: seconds since 1970.
        private: given a name and a text, the text as it may be stored.

    Returns:
        What became of each.
    """
    known = _impressions(connection, {each.impression for each in given})
    before = _outcomes(connection, set(known))
    fresh: list[dict[str, Any]] = []
    found = []
    for each in given:
        row = _row(each, now, private)
        if why := _refusal(each, row["at"], known.get(each.impression), now):
            found.append(Taken("refused", why))
            continue
        key = (each.impression, each.position, each.kind, each.event)
        if key not in before:
            before[key] = (row["value"], row["text"])
            fresh.append(row)
            found.append(Taken("taken"))
        elif before[key] == (row["value"], row["text"]):
            found.append(Taken("known"))
        else:
            found.append(
                Taken(
                    "refused",
                    f"{each.kind} of {each.impression} was told before, with another value; where there are several, "
                    "give each an id of its own: event",
                )
            )
    insert_new(connection, outcomes, fresh)
    return found


def _row(given: Outcome, now: float, private: Callable[[str, str], str]) -> dict[str, Any]:
    return {
        "impression": given.impression,
        "position": given.position,
        "kind": given.kind,
        "event": given.event,
        "at": now if given.at is None else moment(given.at),
        "value": None if given.value is None else float(given.value),
        "text": None if given.text is None else json.dumps(private("text", given.text)),
        "received": now,
    }


def _refusal(given: Outcome, at: float, impression: Any, now: float) -> str:
    """Why an outcome is not taken; empty where it is."""
    if impression is None or not given.may_be_of(impression.name):
        return f"there is no impression {given.impression!r}; give the id that the answer came with"
    if given.kind not in KINDS.get(impression.task, ()):
        may = ", ".join(KINDS.get(impression.task, ())) or "nothing"
        return f"{given.kind} is no outcome of {impression.task}; there may come of it: {may}"
    if given.position > impression.places:
        return f"{given.impression} has {impression.places} positions, and no position {given.position}"
    if at > now + SLACK:
        return f"it lies {at - now:.0f} s in the future; mend the clock, or the time's zone"
    if at < impression.at - SLACK:
        return f"it lies {impression.at - at:.0f} s before its impression; mend the clock, or the time's zone"
    return ""


def _impressions(connection: Connection, ids: set[str]) -> dict[str, Any]:
    """Those that there are, by id, with how many positions each has."""
    places = (
        select(func.count()).where(shown.c.impression == impressions.c.id).scalar_subquery().label("places")
    )
    wanted = select(impressions.c.id, impressions.c.name, impressions.c.task, impressions.c.at, places)
    found: dict[str, Any] = {}
    for some in _some(sorted(ids)):
        for row in connection.execute(
            wanted.where(impressions.c.id.in_(some))
            .order_by(impressions.c.id)
            .with_for_update(of=impressions)
        ):
            found[row.id] = row
    return found


def _outcomes(connection: Connection, ids: set[str]) -> dict[tuple[str, int, str, str], tuple[Any, Any]]:
    """What is known of impressions already: its key -> value and text."""
    found: dict[tuple[str, int, str, str], tuple[Any, Any]] = {}
    for some in _some(sorted(ids)):
        for row in connection.execute(select(outcomes).where(outcomes.c.impression.in_(some))):
            found[row.impression, row.position, row.kind, row.event] = (row.value, row.text)
    return found


def _some(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]
