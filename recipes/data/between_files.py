"""What no single row can show: one text in two files, labels that only one of them has."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from recipes.data.cells import Parsed
from recipes.data.columns import near
from recipes.errors import Problem
from recipes.tasks.roles import CALLED

if TYPE_CHECKING:
    from recipes.recipe import Recipe


def between_files(recipe: "Recipe", rows: Mapping[str, Sequence[Parsed]]) -> list[Problem]:
    """What no single row can show: unknown labels, one text in two files."""
    problems = list(_unknown_labels(rows))
    if recipe.data.repeats == "refuse":
        for row, part, other in _repeated(rows):
            message = f"its text stands in the {CALLED[part]} file too ({other.file}, line {other.line})"
            fix = "Remove it from one of them; or set data.repeats to drop (it is not trained on) or keep"
            problems.append(Problem(row.file, message, fix, row.line))
    return problems


def _unknown_labels(rows: Mapping[str, Sequence[Parsed]]) -> Iterator[Problem]:
    """Labels of a validation or test file that the training file does not have."""
    known = {name for row in rows["train"] for name in row.names}
    for part, group in rows.items():
        for row in group if known else ():
            for name in row.names:
                if name not in known:
                    message = f"the label is in the {CALLED[part]} file only, so that it cannot be learned"
                    fix = f"Add rows of it for training, or rename it with data.labels. {near(name, sorted(known))}"
                    yield Problem(row.file, message, fix, row.line, row.column, name)


def _repeated(rows: Mapping[str, Sequence[Parsed]]) -> Iterator[tuple[Parsed, str, Parsed]]:
    """Rows whose text stands in an earlier part's file too, with that part and that row."""
    first: dict[str, tuple[str, Parsed]] = {}
    for part, group in rows.items() if len(rows) > 1 else ():
        for row in group:
            known, other = first.setdefault(row.text, (part, row))
            if known != part:
                yield row, known, other


def without_repeats(rows: Mapping[str, Sequence[Parsed]], notes: list[str]) -> dict[str, list[Parsed]]:
    """Without the training (and validation) rows whose text stands in a validation or test file; the test stays."""
    kept: dict[str, list[Parsed]] = {}
    later: set[str] = set()
    for part in reversed(list(rows)):
        kept[part] = [row for row in rows[part] if row.text not in later]
        later |= {row.text for row in rows[part]}
        if dropped := len(rows[part]) - len(kept[part]):
            notes.append(
                f"{dropped} {CALLED[part]} rows are left out: their texts stand in another split's file too"
            )
    return {part: kept[part] for part in rows}
