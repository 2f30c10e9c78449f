"""Logs of other systems, row by row: ad platforms' exports, and those of the Open Bandit and Criteo kind.

    timestamp,item_id,position,click,propensity_score,user_feature_0      LogRow(at, ad, position, clicked, propensity,
    2019-11-24 00:00:17+00:00,14,2,0,0.0294,81ce123c                             features={"user_feature_0": ...})

A column is found by its role's name or one that such logs call it; `columns` says otherwise. What is wrong with one row
is its own: the others are read.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.errors import RequestError
from adapters.fields import shown
from hub.feedback.events import moment
from recipes.data import streamed
from recipes.errors import DataError
from recipes.tasks import text_of

if TYPE_CHECKING:
    from recipes.data import Table

ROLES: Mapping[str, Sequence[str]] = {
    "at": ("timestamp", "time", "date", "datetime"),
    "ad": ("item", "item_id", "ad_id", "creative", "headline"),
    "user": ("history", "profile", "customer"),
    "user_key": ("user_id", "uid", "cookie"),
    "position": ("slot",),
    "propensity": ("propensity_score", "pscore", "action_prob"),
    "probability": ("score",),
    "clicked": ("click", "clicks"),
    "converted": ("conversion", "sale"),
    "converted_at": ("conversion_timestamp", "conversion_time"),
    "value": ("revenue", "sales_amount", "reward"),
    "consent": (),
}
"""Role -> what logs call its column too."""
_YES, _NO = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no", ""}


class BadRow(ValueError):
    """A row that cannot be read, in a sentence."""


@dataclass(frozen=True)
class LogRow:
    """One impression of another system's log, and what came of it. None is what the log does not say."""

    line: int
    ad: str
    at: float | None = None
    user: str | None = None
    user_key: str | None = None
    position: int = 1
    propensity: float | None = None
    probability: float | None = None
    clicked: bool | None = None
    converted: bool | None = None
    converted_at: float | None = None
    value: float | None = None
    consent: bool | None = None
    features: Mapping[str, Any] = field(default_factory=dict)


class LogFile:
    """A log that is read as it is needed, and as often.

    Args:
        path: of any kind that `train` takes.
        columns: role -> column, where the file calls it otherwise.
        needed: roles that must have a column.
        features: further columns that are read.

    Raises:
        DataError: with everything that is wrong with the file.
        RequestError: a column is missing, or a role is none.
    """

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, str],
        needed: Sequence[str] = ("ad",),
        features: Sequence[str] = (),
    ) -> None:
        self.table: Table = streamed(path)
        self.columns = _found(self.table, columns, needed, features)
        if faults := self.table.faults_of({*self.columns.values(), *features}):
            raise DataError(faults)
        self._needed, self._features = tuple(needed), tuple(features)

    def __iter__(self) -> Iterator[LogRow | str]:
        """Each row, or the sentence that says what is wrong with it."""
        for row in self.table.rows:
            try:
                yield self._row(row.line, row.cells)
            except (BadRow, RequestError) as error:
                yield f"line {row.line}: {error}"

    def _row(self, line: int, cells: Mapping[str, Any]) -> LogRow:
        given: dict[str, Any] = {}
        for role, column in self.columns.items():
            cell = cells.get(column)
            if cell is not None and (cell != "" or role in ("clicked", "converted")):
                given[role] = _READ[role](cell, column)
        for role in self._needed:
            if given.get(role) in (None, ""):
                raise BadRow(f"{self.columns[role]} is empty; every row says it")
        features = {name: text_of(cells.get(name)) for name in self._features}
        return LogRow(line=line, features=features, **given)


def _found(
    table: "Table", columns: Mapping[str, str], needed: Sequence[str], features: Sequence[str]
) -> dict[str, str]:
    """Role -> column of those that the file has."""
    if odd := sorted(columns.keys() - ROLES.keys()):
        raise RequestError(f"{', '.join(odd)}: no such role of a log; there are {', '.join(ROLES)}")
    if absent := sorted({*columns.values(), *features} - {*table.columns}):
        raise RequestError(
            f"{table.name} has no column {', '.join(absent)}; its columns are {', '.join(table.columns)}"
        )
    taken = {*columns.values(), *features}
    found = dict(columns)
    for role, names in ROLES.items():
        own = [name for name in (role, *names) if name in table.columns and name not in taken]
        if role not in found and own:
            found[role] = own[0]
    if missing := [role for role in needed if role not in found]:
        raise RequestError(
            f"{table.name} has no column for {', '.join(missing)}; name it, such as --column "
            f"{missing[0]}=COLUMN. Its columns are {', '.join(table.columns)}"
        )
    return found


def _text(cell: Any, column: str) -> str:
    return text_of(cell)


def _flag(cell: Any, column: str) -> bool:
    told = text_of(cell).lower()
    if told not in _YES | _NO:
        raise BadRow(f"{column} is {shown(cell)}; expected 1 or 0")
    return told in _YES


def _number(cell: Any, column: str) -> float:
    try:
        number = float(text_of(cell)) if isinstance(cell, str | bool) else float(cell)
    except (ValueError, TypeError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise BadRow(f"{column} is {shown(cell)}; expected a finite number")
    return number


def as_probability(cell: Any, column: str) -> float:
    """A cell that says a probability. Raises BadRow for one that does not."""
    number = _number(cell, column)
    if not 0 <= number <= 1:
        raise BadRow(f"{column} is {shown(cell)}; expected a probability, 0 to 1")
    return number


def _propensity(cell: Any, column: str) -> float:
    number = _number(cell, column)
    if not 0 < number <= 1:
        raise BadRow(f"{column} is {shown(cell)}; expected above 0 and at most 1: what was shown could be")
    return number


def _position(cell: Any, column: str) -> int:
    number = _number(cell, column)
    if number < 1 or number != int(number):
        raise BadRow(f"{column} is {shown(cell)}; expected 1 for the first, 2, 3 ...")
    return int(number)


def _moment(cell: Any, column: str) -> float:
    """A time without its zone is read as UTC, as such logs write it."""
    try:
        if isinstance(cell, str):
            try:
                cell = float(cell)
            except ValueError:
                cell = datetime.fromisoformat(cell)
        if isinstance(cell, datetime) and cell.tzinfo is None:
            cell = cell.replace(tzinfo=UTC)
        return moment(cell)
    except (ValueError, OverflowError):
        raise BadRow(
            f"{column} is {shown(cell)}; expected seconds since 1970, or a time such as 2026-03-01T09:30:00+00:00"
        ) from None


_READ: Mapping[str, Any] = {
    "at": _moment,
    "ad": _text,
    "user": _text,
    "user_key": _text,
    "position": _position,
    "propensity": _propensity,
    "probability": as_probability,
    "clicked": _flag,
    "converted": _flag,
    "converted_at": _moment,
    "value": _number,
    "consent": _flag,
}
