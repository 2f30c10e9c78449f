"""A recipe to edit, written after a look at a client's file: every guess stands there with its reason."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from recipes.data.guessing import Column, Guess, guess_task
from recipes.data.header import is_row_above
from recipes.data.load import check
from recipes.data.tables import Table, read_tables
from recipes.errors import DataError
from recipes.options.data import FormatOptions
from recipes.options.reading import read_yaml
from recipes.recipe import Recipe
from recipes.tasks.templates import text_of

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
    written, table = _read(Path(path), written or FormatOptions())
    columns = _columns(table)
    guess = guess_task(columns)
    text = _yaml(Path(path), guess, table, columns, written)
    problems = _checked(text, path)
    if any("holds an e-mail address" in problem or "holds a phone number" in problem for problem in problems):
        guess.masked = (
            "its texts hold e-mail addresses or phone numbers, which are refused unless you say what to do"
        )
        text = _yaml(Path(path), guess, table, columns, written)
        problems = _checked(text, path)
    return Proposal(text, tuple(problems))


def _read(path: Path, written: FormatOptions) -> tuple[FormatOptions, Table]:
    """The file's table; without its header where the first line is a row."""
    [table] = read_tables(path, written=written)
    headless = written.model_copy(update={"header": 0})
    twice = any("looks like a row" in problem.message for problem in table.problems)
    if not written.headless and (twice or (not table.problems and _is_headless(table))):
        [bare] = read_tables(path, written=headless)
        if not bare.problems:
            named = written.model_copy(update={"columns": list(bare.columns)})
            return named, bare
    if table.problems:
        raise DataError(table.problems)
    return written, table


def _is_headless(table: Table) -> bool:
    rows = [row.cells for row in islice(table.rows, _LOOKED_AT)]
    return table.kind in ("text", "sheet") and is_row_above(table.columns, rows)


def _columns(table: Table) -> dict[str, Column]:
    rows = list(islice(table.rows, _LOOKED_AT))
    return {
        name: Column(name, Counter(text_of(row.cells.get(name)) for row in rows))
        for name in table.columns
        if name
    }


def _yaml(
    path: Path, guess: Guess, table: Table, columns: Mapping[str, Column], written: FormatOptions
) -> str:
    return "\n".join(_lines(path, guess, table, columns, written)) + "\n"


def _lines(
    path: Path, guess: Guess, table: Table, columns: Mapping[str, Column], written: FormatOptions
) -> Iterator[str]:
    yield f"# Guessed from {path.name}, {len(table.rows):,} rows; read it, change what is wrong, then:"
    yield f"#   repertoire profile RECIPE {path.name} --check"
    for note in table.notes:
        yield f"# {note}"
    yield ""
    yield f"# {guess.why}"
    yield f"task: {guess.task}"
    yield "data:"
    given = written.model_dump(exclude_defaults=True)
    if given:
        yield "  # how the file is written"
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
    rest = [name for name in columns if name not in taken and name not in guess.features]
    if guess.features:
        yield f"  # {guess.features_why}"
        yield f"  features: {_flow(list(guess.features))}"
    elif rest:
        yield f"  # not read: {', '.join(rest)}; a column that should be stands in this list"
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
    return text if plain else json.dumps(text, ensure_ascii=False)


def _checked(text: str, path: str | Path) -> list[str]:
    """What the file's rows say against a recipe."""
    try:
        check(Recipe.from_dict(read_yaml(text)), path)
    except DataError as error:
        return [str(problem) for problem in error.problems]
    return []
