"""A recipe to edit, written after a look at a client's file: every guess stands there with its reason."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from recipes.data.click_shape import measured
from recipes.data.columns import is_headless, listed
from recipes.data.guessing import Column, Guess, called, guess_task
from recipes.data.load import check
from recipes.data.report_words import counts
from recipes.data.tables import Table, read_tables
from recipes.errors import DataError
from recipes.options.data import FormatOptions
from recipes.options.reading import read_yaml
from recipes.recipe import Recipe
from recipes.tasks.numerals import Sign, is_numeral, plain, sign_of
from recipes.tasks.templates import NotText, text_of

_LOOKED_AT = 1_000  # rows


@dataclass(frozen=True)
class Proposal:
    """A recipe as YAML, and what the file's rows still say against it, if anything."""

    text: str
    problems: tuple[str, ...] = ()


def propose(path: str | Path, written: FormatOptions | None = None) -> Proposal:
    """Look at a file and write a recipe to edit: task, columns, labels and format, each guess with its reason.

    Args:
        path: a file as `train` takes it.
        written: what is known of how it is written.

    Raises:
        DataError: the file cannot be read.
    """
    file = _read(Path(path), written or FormatOptions())
    guess = guess_task(file.columns, file.counted)
    text = _yaml(guess, file)
    problems, notes = _checked(text, path)
    if any("are masked as <email>" in note for note in notes):
        guess.masked = "its texts hold e-mail addresses or phone numbers; mask, or refuse, allow_own, allow"
        text = _yaml(guess, file)
    return Proposal(text, problems)


@dataclass(frozen=True)
class _File:
    """What was looked at. written: how it is written, as far as it does not tell itself; why: that was guessed;
    columns: what their first rows hold, of those with nothing wrong."""

    path: Path
    table: Table
    written: FormatOptions
    why: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> dict[str, Column]:
        rows = list(islice(self.table.rows, _LOOKED_AT))
        return {
            name: Column(name, Counter(_text_of(row.cells.get(name)) for row in rows))
            for name in self.table.columns
            if name and name not in self.table.faults
        }

    @cached_property
    def counted(self) -> dict[str, str]:
        """Impressions and clicks -> their columns, where a third one is their rate."""
        names = [*self.columns]
        rows = [[_text_of(row.cells.get(name)) for name in names] for row in islice(self.table.rows, 100)]
        found = measured(rows)
        return (
            {} if found is None else {"impressions": names[found.impressions], "clicks": names[found.clicks]}
        )

    def again(self, why: str, **written: Any) -> "_File":
        """The same, read as the file seems to be written."""
        changed = self.written.model_copy(update=written)
        [table] = read_tables(self.path, written=changed)
        if table.problems:
            return self
        return replace(self, table=table, written=changed, why=(*self.why, *([why] if why else ())))


def _read(path: Path, written: FormatOptions) -> _File:
    """A file: without a header where its first line is a row, its numbers as they are meant."""
    [table] = read_tables(path, written=written)
    file = _File(path, table, written)
    twice = any("looks like a row" in problem.message for problem in table.problems)
    if not written.headless and (twice or (not table.problems and is_headless(table))):
        file = file.again("", header=0)
        if file.written.headless:
            names = {"columns": list(file.table.columns), "header": None}
            file = replace(file, written=file.written.model_copy(update=names))
    if file.table.problems:
        raise DataError(file.table.problems)
    return _percentages(_commas(file))


def _commas(file: _File) -> _File:
    """Read with a decimal comma, where numbers show one and none shows a point."""
    if file.written.decimal is not None:
        return file
    shown: dict[Sign, tuple[str, str]] = {}
    for column in file.columns.values():
        if column.all(is_numeral):
            for text in column.values:
                if (sign := sign_of(text, counts(column.name) and "%" not in text)) is not None:
                    shown.setdefault(sign, (column.name, text))
    if shown.keys() != {"comma"}:
        return file
    name, text = shown["comma"]
    return file.again(
        f"`{name}` holds {text}: the comma is the decimal sign, the point groups", decimal="comma"
    )


def _percentages(file: _File) -> _File:
    """Read a click rate as percentages without their sign, where it counts: beside impressions, and without clicks."""
    name = called("ctr", file.columns)
    if (
        name is None
        or called("clicks", file.columns) is not None
        or called("impressions", file.columns) is None
    ):
        return file
    values = [float(number) for text in file.columns[name].values if (number := plain(text, "point"))]
    if not file.columns[name].all(is_numeral) or not 1 < max(values, default=0) <= 100:
        return file
    why = f"`{name}` holds numbers up to {max(values):g}: percentages without their sign"
    return file.again(why, percent=[name])


def _text_of(cell: Any) -> str:
    """A cell as text; what is none is told when the rows are checked."""
    try:
        return text_of(cell)
    except NotText:
        return ""


def _yaml(guess: Guess, file: _File) -> str:
    return "".join(f"{_one_line(line)}\n" for line in _lines(guess, file))


def _one_line(line: str) -> str:
    """A line of YAML whose comment may quote a column's name, which may run over several."""
    return "".join(character if character.isprintable() else " " for character in line)


def _lines(guess: Guess, file: _File) -> Iterator[str]:
    path, table = file.path, file.table
    yield f"# Guessed from {path.name}, {len(table.rows):,} rows; read it, change what is wrong, then:"
    yield f"#   repertoire profile RECIPE {path.name} --check"
    for note in (*table.notes, *table.idle_faults(())):
        yield f"# {note}"
    yield ""
    yield f"# {guess.why}"
    yield f"task: {guess.task}"
    yield "data:"
    given = file.written.model_dump(exclude_defaults=True)
    if given:
        yield "  # how the file is written"
        yield from (f"  # {why}" for why in file.why)
        if "columns" in given:
            yield "  # there is no header; give the columns names of your own, here and below"
        yield f"  format: {_flow(given)}"
    if guess.roles:
        yield "  columns:"
    for role, (name, why) in guess.roles.items():
        yield f"    # {why}"
        yield f"    {role}: {_text(name)}"
    if guess.labels:
        yield f"  # {guess.labels_why}"
        yield f"  labels: {_flow(guess.labels)}"
    taken = {name for name, _ in guess.roles.values()}
    rest = [name for name in file.columns if name not in taken and name not in guess.features]
    if guess.features:
        yield f"  # {guess.features_why}"
        yield f"  features: {_flow(list(guess.features))}"
    elif rest:
        yield f"  # not read: {listed(rest)}; a column that should be stands in this list"
        yield "  features: []"
    if guess.masked:
        yield f"  # {guess.masked}"
        yield "  pii: mask"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(str(key))}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """A text that YAML reads as itself: in quotes unless it is a plain word."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", text) and text.lower() not in ("true", "false", "null")
    return text if plain else "".join(map(_seen, json.dumps(text, ensure_ascii=False)))


def _seen(character: str) -> str:
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def _checked(text: str, path: str | Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the file's rows say against a recipe, and what is noted of them where they say nothing."""
    try:
        return (), check(Recipe.from_dict(read_yaml(text)), path).notes
    except DataError as error:
        return tuple(str(problem) for problem in error.problems), ()
