"""From one row of a table to what the task needs of it; each function reads one role and says what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from recipes.data import pii
from recipes.data.columns import READ, Columns
from recipes.data.tables import Row, text_of
from recipes.errors import Problem
from recipes.options.recipe import Recipe
from recipes.tasks import recommendation, task_for

_ZERO_ONE = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
_FILL = "Fill it in, or remove the row"
_KINDS = {"email": "an e-mail address", "phone": "a phone number"}


@dataclass(frozen=True, slots=True)
class Parsed:
    """One row that was understood.

    text: what the model reads. outcomes: (0 or 1, weight) for recommendation, (None, weight) otherwise; none at all for
    a row of 0 impressions. names: the labels' names, for behavior. group: what is ranked together. key: its rows stay
    in one split; None where there is neither group nor user id. user: what stands in `user`, or None. time: a number,
    or a date as ISO 8601 made it seconds since 1970; `dated` says which. column: the label's.
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


def parse(recipe: Recipe, file: str, row: Row, columns: Columns) -> Parsed | list[Problem]:
    """The row, or everything that is wrong with it."""
    cells = _Cells(recipe, file, row, columns, [])
    parsed = cells.parsed()
    return cells.problems or parsed


@dataclass(frozen=True, slots=True)
class _Cells:
    recipe: Recipe
    file: str
    row: Row
    columns: Columns
    problems: list[Problem]

    def parsed(self) -> Parsed:
        task = self.recipe.task
        fields = self._fields()
        text = task_for(task).render(fields, self.recipe)
        if not text.strip() and not self.problems:
            self._report(None, "the row holds no text at all", _FILL)
        weight = self._weight()
        group, user = self._filled("group"), self._filled("user_id")
        time, dated = self._time()
        return Parsed(
            text=text,
            fields=fields,
            outcomes=self._outcomes(weight) if task == "recommendation" else ((None, weight),),
            names=self._labels() if task == "behavior" else (),
            copy=self._copy() if task == "ad-copy" else None,
            group=group or user,
            key=f"group {group}" if group else f"user {user}" if user else None,
            user=text_of(self._cell("user")) if "user" in self.columns.of else None,
            time=time,
            dated=dated,
            file=self.file,
            line=self.row.line,
            column=self.columns.of.get("label", ""),
        )

    def _cell(self, role: str) -> Any:
        return self.row.cells.get(self.columns.of[role])

    def _report(self, role: str | None, message: str, fix: str, value: str | None = None) -> None:
        column = self.columns.of[role] if role is not None else None
        self.problems.append(Problem(self.file, message, fix, self.row.line, column, value))

    def _fields(self) -> dict[str, str]:
        """Roles, then features, then what is derived from them; then columns that the report groups by."""
        fields = {role: text_of(self._cell(role)) for role in self.columns.of if role in READ}
        for role in ("text", "user", "ad", "product"):
            if role in fields and not fields[role]:
                extra = "; for a user without a history write a word such as new" if role == "user" else ""
                self._report(role, "is empty", _FILL + extra)
        fields |= {name: text_of(self.row.cells.get(name)) for name in self.columns.features}
        if self.recipe.data.pii != "allow":
            fields = {
                name: self._shown(self.columns.of.get(name, name), text) for name, text in fields.items()
            }
        fields |= recommendation.derived(fields, self.recipe.data.history)
        groups = [name for name in self.recipe.grouped if name not in fields]
        return fields | {name: text_of(self.row.cells.get(name)) for name in groups}

    def _copy(self) -> str | None:
        copy = self._filled("copy")
        return (
            copy
            if copy is None or self.recipe.data.pii == "allow"
            else self._shown(self.columns.of["copy"], copy)
        )

    def _shown(self, column: str, text: str) -> str:
        """A cell's text with what is private in it masked, or reported where the recipe refuses it."""
        found = pii.find(text, column)
        if found and self.recipe.data.pii == "mask":
            return pii.mask(text, found)
        for private in found:
            message = f"holds {_KINDS[private.kind]}, {text[private.start : private.end]}"
            fix = "Remove it; or set data.pii to mask (<email> and <phone> in its place) or allow"
            self.problems.append(Problem(self.file, message, fix, self.row.line, column))
        return text

    def _filled(self, role: str) -> str | None:
        """The text of a role that may be absent from the file, but not from a row."""
        if role not in self.columns.of:
            return None
        text = text_of(self._cell(role))
        if not text:
            self._report(role, "is empty", _FILL)
        return text

    def _outcomes(self, weight: float) -> tuple[tuple[int | None, float], ...]:
        if "clicked" in self.columns.of:
            return ((self._clicked(), weight),)
        shown, clicked = self._count("impressions"), self._count("clicks")
        if clicked > shown and not self.problems:
            fix = "Check the row: a click needs an impression"
            self._report("clicks", f"more clicks than impressions ({shown})", fix, str(clicked))
        counts = ((1, weight * clicked), (0, weight * (shown - clicked)))
        return tuple((outcome, count) for outcome, count in counts if count > 0)

    def _clicked(self) -> int | None:
        cell, labels = self._cell("clicked"), self.recipe.data.labels
        text = text_of(cell)
        if text in labels:
            return int(labels[text])
        if isinstance(cell, bool):
            return int(cell)
        if text not in _ZERO_ONE:
            expected = f"expected {', '.join(repr(value) for value in labels)}{', ' if labels else ''}0 or 1"
            fix = f"Write 0 or 1, or say what it means: --label 1={text} or --label 0={text} (data.labels)"
            if text:
                self._report("clicked", expected, fix, text)
            else:
                self._report("clicked", f"is empty; {expected}", _FILL)
        return _ZERO_ONE.get(text)

    def _count(self, role: str) -> int:
        text = text_of(self._cell(role))
        digits = text.removesuffix(".0")
        if digits.isascii() and digits.isdigit():
            return int(digits)
        self._report(
            role, "expected a whole number of at least 0", "Write how often in digits, such as 1250", text
        )
        return 0

    def _weight(self) -> float:
        if "weight" not in self.columns.of:
            return 1.0
        text = text_of(self._cell("weight"))
        weight = _number(text)
        if weight is None or weight <= 0:
            fix = "Write how much the row counts, such as 1 or 2.5, and remove rows that should not count"
            self._report("weight", "expected a number above 0", fix, text)
            return 1.0
        return weight

    def _labels(self) -> tuple[str, ...]:
        data = self.recipe.data
        cell = self._cell("label")
        listed = isinstance(cell, list | tuple)
        if listed and data.separator is None:
            fix = "Set data.separator to any character, and rows may have several labels"
            self._report("label", "a list of labels", fix, text_of(cell))
        parts = cell if listed else text_of(cell).split(data.separator) if data.separator else [cell]
        texts = [text_of(part) for part in parts]
        if not any(texts):
            self._report("label", "is empty", "Write a label; where none applies, a word such as none")
        elif not all(texts):
            self._report(
                "label", "one of its labels is empty", "Remove the separator that is too many", text_of(cell)
            )
        return tuple(dict.fromkeys(str(data.labels.get(text, text)) for text in texts))

    def _time(self) -> tuple[float | None, bool]:
        """(moment, whether it is a date). ISO 8601 becomes seconds since 1970, UTC where it says no offset."""
        if "timestamp" not in self.columns.of:
            return None, False
        cell = self._cell("timestamp")
        text = text_of(cell)
        number = None if isinstance(cell, date) else _number(text)
        if number is not None:
            return number, False
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            fix = "Write ISO 8601 such as 2026-03-31T18:05:00, or a number that grows with time"
            self._report("timestamp", "expected a date or a number", fix, text)
            return None, False
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), True


def _number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None
