"""Rows of which nobody has said the label: tickets of last year, reviews that nobody has read. They are read as
requests are, and the adapter gives them labels itself (`recipes/learn/guesses.py`).

Left out are rows whose text stands among those with labels, a text that comes again, and empty ones.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recipes.data.columns import Columns, column_called, is_derived, is_headless, near
from recipes.data.edge import at_the_edge
from recipes.data.header import no_header
from recipes.data.pii import is_masked, masked
from recipes.data.rendering import render_row
from recipes.data.strays import Strays
from recipes.data.tables import Data, read_tables
from recipes.errors import DataError, Problem, RecipeError, printable
from recipes.examples import Example, Source, Splits
from recipes.tasks.templates import NotText, placeholders

if TYPE_CHECKING:
    from recipes.data.tables import Table
    from recipes.recipe import Recipe

_MOST = 10_000  # rows, about as many as a minute reads


def with_unlabelled(splits: Splits, recipe: "Recipe", data: Data) -> Splits:
    """The splits with rows without labels, at most `_MOST` of them, drawn from the seed.

    Args:
        splits: of the rows that have labels.
        recipe: of behavior with one label a row.
        data: paths or a data set.

    Raises:
        DataError: with every problem of the files.
        RecipeError: for any other recipe.
    """
    if recipe.task != "behavior" or recipe.data.separator is not None:
        raise RecipeError(
            "rows without labels: only behavior with one label a row learns from them; leave them out"
        )
    digest, problems, sources = hashlib.sha256(splits.digest.encode()), list[Problem](), list[Source]()
    found: dict[str, Example] = {}
    known = {each.text for each in (*splits.train, *splits.validation, *splits.test)}
    for table in read_tables(data, digest, recipe.data.format):
        table = replace(table, name=printable(table.name))
        sources.append(Source(table.title, table.sha256, table.bytes, len(table.rows)))
        with at_the_edge(table.name, problems):
            for row in _read(table, recipe, splits, problems):
                if row.text not in known:
                    found.setdefault(row.text, row)
    if not problems and not found:
        name = ", ".join(each.name for each in sources) or "rows without labels"
        fix = "Give texts that do not stand among the rows with labels, or leave the file out"
        problems.append(Problem(name, "no row has a text of its own", fix))
    if problems:
        raise DataError(problems)
    every = tuple(found.values())
    drawn = np.random.default_rng(recipe.data.seed).permutation(len(every))[:_MOST]
    kept = tuple(every[at] for at in sorted(drawn.tolist()))
    return replace(
        splits,
        unlabelled=kept,
        digest=digest.hexdigest(),
        files=(*splits.files, *sources),
        notes=(*splits.notes, *_notes(len(kept), len(every), sum(each.rows for each in sources))),
    )


def _notes(kept: int, different: int, rows: int) -> Iterator[str]:
    yield (
        f"{kept:,} rows without labels follow the others in training, each at most once, by the label that the adapter "
        "gives it then, and for at most a third of a row"
    )
    if different < rows:
        yield (
            f"{rows - different:,} of {rows:,} rows without labels are left out: they are empty or not understood, "
            "their text comes again, or it stands among the rows with labels"
        )
    if kept < different:
        yield f"{kept:,} of {different:,} rows without labels were drawn, as many as are read in a minute or so"


def _read(table: "Table", recipe: "Recipe", splits: Splits, problems: list[Problem]) -> Iterator[Example]:
    """The rows of one file, of the columns that those with labels are read by; rows of which nothing can be read are
    left out up to `data.skip_bad_rows`."""
    if not len(table.rows):
        problems += table.problems
        return
    wrong = [each for each in table.problems if each.of_row]
    faults = [each for each in table.problems if not each.of_row]
    wanted = (name for name in _rendered(recipe, splits.train) if not is_derived(recipe, name))
    # A feature goes by its own name, also where that is a role's.
    called = {name: recipe.data.columns.get(name, name) if name == "text" else name for name in wanted}
    found = {name: column_called(own, table.columns) for name, own in called.items()}
    columns = {name: column for name, column in found.items() if column is not None}
    missing = [called[name] for name in found if name not in columns]
    if missing and is_headless(table):
        faults.append(no_header(table.name, table.columns))
    else:
        fix = "It needs the columns of the rows with labels."
        faults += (
            Problem(table.name, f"no column `{own}`", f"{fix} {near(own, table.columns)}", line=1)
            for own in missing
        )
    faults += table.faults_of(columns.values())
    problems += faults
    if faults:
        return
    strays = Strays(table, Columns(columns, ()))
    for row in table.rows:
        cells: dict[str, Any] = {name: row.cells.get(column) for name, column in columns.items()}
        try:
            fields, text = render_row(cells, recipe, lambda name, text: _shown(recipe, name, text))
        except NotText as error:
            wrong.append(Problem(table.name, error.what, error.fix, row.line, columns.get(error.name or "")))
            continue
        own = fields["text"] if "text" in columns else "".join(fields.values())
        if own.strip() and not strays.header(row):
            yield Example(text, row.line, fields=fields, file=table.name, key=text)
    if len(wrong) > recipe.data.skip_bad_rows * len(table.rows):
        problems += wrong


def _rendered(recipe: "Recipe", train: Sequence[Example]) -> list[str]:
    """The roles and features that stand in a text, in the order of the rows' fields."""
    data, fields = recipe.data, train[0].fields
    named = placeholders(data.prompt) if data.prompt is not None else ()
    every = data.features == "all"
    return [name for name in fields if every or name == "text" or name in data.features or name in named]


def _shown(recipe: "Recipe", name: str, text: str) -> str:
    """With what is private masked, also where a recipe refuses such rows: nobody mends thousands by hand."""
    if recipe.data.pii != "refuse" and not is_masked(recipe.data.pii, recipe.task, name):
        return text
    return masked(recipe.data.columns.get(name, name), text)
