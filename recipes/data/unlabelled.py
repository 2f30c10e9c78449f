"""Rows of which nobody has said the label: tickets of last year, reviews that nobody has read. They are read as
requests are, and the adapter gives them labels itself (`recipes/learn/guesses.py`).

Left out are rows whose text stands among those with labels, a text that comes again, and empty ones.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recipes.data.columns import column_called, is_derived, near
from recipes.data.pii import is_masked, masked
from recipes.data.rendering import render_row
from recipes.data.tables import Data, read_tables
from recipes.errors import DataError, Problem, RecipeError, printable
from recipes.examples import Example, Source, Splits
from recipes.tasks.templates import NotText

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
        RecipeError: for any other.
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
        problems += table.problems
        for row in () if table.problems else _read(table, recipe, splits, problems):
            if row.text.strip() and row.text not in known:
                found.setdefault(row.text, row)
    if not problems and not found:
        fix = "Give texts that do not stand among the rows with labels, or leave the file out"
        problems.append(
            Problem(", ".join(each.name for each in sources), "no row has a text of its own", fix)
        )
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
        f"{kept:,} rows without labels are trained on, once each, by the label that the adapter "
        "gives it when it has learned from the others, and for at most a third of a row"
    )
    if different < rows:
        yield (
            f"{rows - different:,} of {rows:,} rows without labels are left out: they are empty, their text comes "
            "again, or it stands among the rows with labels"
        )
    if kept < different:
        yield f"{kept:,} of {different:,} rows without labels were drawn, as many as are read in a minute or so"


def _read(table: "Table", recipe: "Recipe", splits: Splits, problems: list[Problem]) -> Iterator[Example]:
    """The rows of one file, of the columns that those with labels are read by."""
    called = recipe.data.columns
    wanted = [name for name in splits.train[0].fields if not is_derived(recipe, name)]
    of = {name: column_called(called.get(name, name), table.columns) for name in wanted}
    missing = [name for name, column in of.items() if column is None]
    for name in missing:
        own = called.get(name, name)
        fix = f"It needs the columns of the rows with labels. {near(own, table.columns)}"
        problems.append(Problem(table.name, f"no column `{own}`", fix, line=1))
    if missing:
        return

    def private(name: str, text: str) -> str:
        shown = called.get(name, name)
        # What a recipe refuses in rows with labels is masked here: nobody mends thousands of rows by hand.
        hides = recipe.data.pii == "refuse" or is_masked(recipe.data.pii, recipe.task, name)
        return masked(shown, text) if hides else text

    for row in table.rows:
        cells: dict[str, Any] = {name: row.cells.get(column) for name, column in of.items() if column}
        try:
            fields, text = render_row(cells, recipe, private)
        except NotText as error:
            problems.append(Problem(table.name, error.what, error.fix, row.line, error.name))
            continue
        yield Example(text, row.line, fields=fields, file=table.name, key=text)
