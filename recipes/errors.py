"""What can be wrong with a recipe or with a client's data; every message gathers all problems and their fixes.

RepertoireError
├── RecipeError     unknown keys, wrong values, unknown presets
├── DataError       files, columns, cells, splits
└── TrainingError   a job that cannot go on, such as a loss that is not finite
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from adapters.errors import RepertoireError, without_credentials

_VALUES = 4  # of one column that are told one by one; with more of them the first stands for all
SHOWN = 20  # kinds of problems that a message spells out before it counts the rest


class RecipeError(RepertoireError):
    """A recipe is wrong. `problems` holds one line per fault."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        every = (problems,) if isinstance(problems, str) else problems
        self.problems: tuple[str, ...] = tuple(map(printable, every))
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Problem:
    """One fault in the data and what to do about it.

    file: the file's name as it was given; `line`: 1 for the first line of a text file, the record's number for
    Parquet and data sets, None where the whole file is meant; `column`: the file's column; `value`: what stands there;
    `of_row`: whether nothing else is wrong, so that the file would do without this row; `of_column`: the same of the
    column, which only matters where it is read.
    """

    file: str
    message: str
    fix: str
    line: int | None = None
    column: str | None = None
    value: str | None = None
    of_row: bool = field(default=False, compare=False)
    of_column: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return self.told()

    def told(self, more: int = 0) -> str:
        """The problem as one sentence that says where; `more` further rows have the very same problem."""
        where = self.file if self.line is None else f"{self.file}, line {self.line}"
        if more:
            where += f" (and {more} more like it)"
        subject = ""
        if self.column is not None and self.value is not None:
            subject = f"`{self.column}` is {_short(self.value)!r}; "
        elif self.column is not None:
            subject = f"`{self.column}` "
        return printable(f"{where}: {subject}{self.message}. {self.fix}")

    @property
    def what(self) -> str:
        """What is wrong, without where and without the fix."""
        return printable(self.message if self.value is None else f"{_short(self.value)!r}; {self.message}")


class DataError(RepertoireError):
    """The data cannot be trained on. `problems` holds every fault; the message tells equal ones together."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(str(self))

    def __str__(self) -> str:
        kinds: dict[tuple[str, str, str, str | None], list[Problem]] = {}
        for problem in self.problems:
            key = (problem.file, problem.message, problem.fix, problem.column)
            kinds.setdefault(key, []).append(problem)
        count = len(self.problems)
        lines = [f"{count} problem{'s' if count != 1 else ''} in the data; nothing was done with it."]
        groups = [group for kind in kinds.values() for group in _by_value(kind)]
        lines += [f"- {group[0].told(more=len(group) - 1)}" for group in groups[:SHOWN]]
        rest = sum(len(group) for group in groups[SHOWN:])
        if rest:
            lines.append(f"- and {rest} more; mend these first and run it again.")
        return "\n".join(lines)


def _by_value(problems: Sequence[Problem]) -> list[list[Problem]]:
    """Problems that differ in their values alone: each value for itself, or all as one where there are many."""
    values: dict[str | None, list[Problem]] = {}
    for problem in problems:
        values.setdefault(problem.value, []).append(problem)
    return [*values.values()] if len(values) <= _VALUES else [[*problems]]


class TrainingError(RepertoireError):
    """A job cannot go on; other jobs of the same batch are not touched."""


def printable(text: str) -> str:
    """A text that any file and terminal takes: half characters, of which JSON and names of files can hold some, are
    written as escapes; what addresses in it hold of credentials is left out."""
    text = without_credentials(text)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _short(value: str, limit: int = 60) -> str:
    """A cell's value, cut where it would fill the message."""
    return value if len(value) <= limit else value[: limit - 1] + "…"
