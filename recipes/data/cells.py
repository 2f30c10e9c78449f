"""From one row of a table to what the task needs of it; each function reads one role and says what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from recipes.data import pii
from recipes.data.columns import Columns
from recipes.data.rendering import render_row
from recipes.errors import Problem
from recipes.tasks.roles import FILL, Role
from recipes.tasks.task import task_for
from recipes.tasks.templates import NotText, text_of

if TYPE_CHECKING:
    from recipes.data.records import Row
    from recipes.recipe import Recipe


_KINDS = {"email": "an e-mail address", "phone": "a phone number"}

# One of each is made for every row; frozen ones take three times as long to make.


@dataclass(slots=True)
class Parsed:
    """One row that was understood.

    text: what the model reads. outcomes: (0 or 1, weight) for recommendation, (None, weight) otherwise; none at all for
    a row of 0 impressions. names: the labels' names, for behavior. group: what is ranked together. key: its rows stay
    in one split; None where there is neither group nor user id. user: what stands in `user`, or None. time: a number,
    or a date as ISO 8601 made it seconds since 1970; `dated` says which. column: the label's. masked: how much that was
    private in it is masked.
    """

    text: str
    fields: Mapping[str, str]
    outcomes: tuple[tuple[int | None, float], ...]
    names: tuple[str, ...]
    copy: str | None
    group: str | None
    key: str | None
    user: str | None
    time: float | None
    dated: bool
    file: str
    line: int
    column: str
    masked: int = 0


def parse(recipe: "Recipe", file: str, row: "Row", columns: Columns) -> Parsed | list[Problem]:
    """The row, or everything that is wrong with it."""
    cells = _Cells(recipe, file, row, columns, [])
    try:
        parsed = cells.parsed()
    except NotText:
        return _without_text(recipe, file, row, columns)
    return cells.problems or parsed


def _without_text(recipe: "Recipe", file: str, row: "Row", columns: Columns) -> list[Problem]:
    """What is wrong with a row some of whose cells are no text: those, and what is wrong with the others."""
    found = {}
    for name in dict.fromkeys((*columns.of.values(), *columns.features, *recipe.grouped)):
        try:
            text_of(row.cells.get(name))
        except NotText as error:
            found[name] = Problem(file, error.what, error.fix, row.line, name)
    rest = parse(recipe, file, replace(row, cells={**row.cells, **dict.fromkeys(found)}), columns)
    others = [] if isinstance(rest, Parsed) else rest
    return [*found.values(), *(other for other in others if other.column not in (None, *found))]


@dataclass(slots=True)
class _Cells:
    """The cells of one row by role, as a task asks for them (`recipes.tasks.task.Cells`)."""

    options: "Recipe"
    file: str
    row: "Row"
    columns: Columns
    problems: list[Problem]
    masked: int = 0

    @property
    def sound(self) -> bool:
        return not self.problems

    def has(self, role: str) -> bool:
        return role in self.columns.of

    def cell(self, role: str) -> Any:
        return self.row.cells.get(self.columns.of[role])

    def text(self, role: str) -> str:
        return text_of(self.cell(role))

    def filled(self, role: str) -> str:
        text = self.text(role)
        if not text:
            self.report(role, "is empty", FILL)
        return text

    def report(self, role: str | None, message: str, fix: str, value: str | None = None) -> None:
        column = self.columns.of[role] if role is not None else None
        if value == "" and role is not None and isinstance(cell := self.cell(role), float):
            value = str(cell)  # NaN, which is no text
        self.problems.append(Problem(self.file, message, fix, self.row.line, column, value))

    def shown(self, role: str, text: str) -> str:
        handling = self.options.data.pii
        if handling == "allow":
            return text
        column = self.columns.of.get(role, role)
        if not (found := pii.find(text, column)):
            return text
        if pii.is_masked(handling, self.options.task, role):
            self.masked += len(found)
            return pii.mask(text, found)
        if handling != "refuse":
            return text
        for private in found:
            message = f"holds {_KINDS[private.kind]}, {text[private.start : private.end]}"
            fix = "Remove it; or set data.pii to mask (<email> and <phone> in its place), allow or allow_own"
            self.problems.append(Problem(self.file, message, fix, self.row.line, column))
        return text

    def parsed(self) -> Parsed:
        task = task_for(self.options.task)
        fields, text = render_row(self._read(task.ROLES), self.options, self.shown)
        for role in [name for name, field in fields.items() if not field and name in self.columns.of]:
            if task.ROLES[role].filled:
                self.report(role, "is empty", "; ".join(filter(None, (FILL, task.ROLES[role].if_empty))))
        if not text.strip() and self.sound:
            self.report(None, "the row holds no text at all", FILL)
        weight = self._weight()
        group, user = self._optional("group"), self._optional("user_id")
        time, dated = self._time()
        target = task.target(self, weight)
        return Parsed(
            text=text,
            fields=fields | self._groups(fields) if self.options.grouped else fields,
            outcomes=target.outcomes,
            names=target.names,
            copy=target.copy,
            group=group or user,
            key=f"group {group}" if group else f"user {user}" if user else None,
            user=self.text("user") if self.has("user") else None,
            time=time,
            dated=dated,
            file=self.file,
            line=self.row.line,
            column=self.columns.of.get("label", ""),
            masked=self.masked,
        )

    def _read(self, roles: Mapping[str, Role]) -> dict[str, Any]:
        """The cells that the model or a baseline reads: of roles, then of features."""
        cells = {role: self.cell(role) for role in self.columns.of if roles[role].read}
        return cells | {name: self.row.cells.get(name) for name in self.columns.features}

    def _groups(self, fields: Mapping[str, str]) -> dict[str, str]:
        """The columns that the report groups by and nothing reads."""
        return {
            name: text_of(self.row.cells.get(name)) for name in self.options.grouped if name not in fields
        }

    def _optional(self, role: str) -> str | None:
        """The text of a role that may be absent from the file, but not from a row."""
        return self.filled(role) if self.has(role) else None

    def _weight(self) -> float:
        if not self.has("weight"):
            return 1.0
        text = self.text("weight")
        weight = _number(text)
        if weight is None or weight <= 0:
            fix = "Write how much the row counts, such as 1 or 2.5, and remove rows that should not count"
            self.report("weight", "expected a number above 0", fix, text)
            return 1.0
        return weight

    def _time(self) -> tuple[float | None, bool]:
        """(moment, whether it is a date). ISO 8601 becomes seconds since 1970, UTC where it says no offset."""
        if not self.has("timestamp"):
            return None, False
        cell = self.cell("timestamp")
        text = text_of(cell)
        number = None if isinstance(cell, date) else _number(text)
        if number is not None:
            return number, False
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            fix = "Write ISO 8601 such as 2026-03-31T18:05:00, or a number that grows with time"
            self.report("timestamp", "expected a date or a number", fix, text)
            return None, False
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), True


def _number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None
