"""From a table to rows that were understood, with everything that is wrong with the others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.progress import Progress

from adapters.unseen import visible
from recipes.data.cells import Parsed, parse
from recipes.data.columns import Columns
from recipes.data.leaks import Leaks
from recipes.data.remarks import Remarks
from recipes.data.strays import Strays
from recipes.data.timestamps import Timestamps
from recipes.errors import Problem
from recipes.examples import Source
from recipes.tasks.history import finds

if TYPE_CHECKING:
    from recipes.data.tables import Table
    from recipes.recipe import Recipe


@dataclass
class Read:
    """What files came to.

    rows: those of each part that were understood; skipped: what is wrong with rows that `data.skip_bad_rows` leaves
    out; names: of each part's files; labels: each with its rows; digest: sha256 over the bytes of all
    files.
    """

    rows: dict[str, list[Parsed]]
    problems: list[Problem] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    files: list[Source] = field(default_factory=list)
    digest: str = ""


def parse_table(
    recipe: "Recipe",
    table: "Table",
    columns: Columns,
    read: Read,
    times: Timestamps,
    bars: Progress,
    keep: bool,
) -> list[Parsed]:
    """The rows of one table that were understood, those of 0 impressions too."""
    understood: list[Parsed] = []
    wrong = [problem for problem in table.problems if problem.of_row]
    read.problems += (problem for problem in table.problems if not problem.of_row)
    strays, unshown, bad = Strays(table, columns), 0, len(wrong)
    masked = private = 0
    remarks, looked_at = Remarks(), (*columns.of.values(), *columns.features)
    leaks = Leaks(len(table.rows))
    for row in bars.track(table.rows, total=len(table.rows), description=visible(f"checking {table.title}")):
        parsed = strays.header(row) or parse(recipe, table.name, row, columns)
        parsed = strays.total(row, parsed) or parsed
        if not isinstance(parsed, Parsed):
            wrong += parsed
            bad += 1
            continue
        times.add(parsed)
        remarks.look(row, looked_at)
        leaks.add(parsed)
        for name in parsed.names:
            read.labels[name] += 1
        unshown += not parsed.outcomes
        if parsed.masked:
            masked, private = masked + 1, private + parsed.masked
        if keep:
            understood.append(parsed)
    _leave_out(recipe.data.skip_bad_rows, table, wrong, bad, read)
    read.notes += strays.heavy()
    read.notes += (*remarks.notes(table.title), *leaks.notes(table.title))
    if masked:
        read.notes.append(
            f"{table.title}: {private:,} e-mail addresses and phone numbers in {masked:,} rows are masked as <email> "
            "and <phone>, and so they are in requests; data.pii says what else may be done (refuse, allow_own, allow)"
        )
    if unshown:
        read.notes.append(f"{table.title}: {unshown} rows with 0 impressions say nothing and are left out")
    if recipe.data.negative_share is not None and "impressions" in columns.of:
        fix = "Leave data.negative_share out: counts are weights already, and need no sampling"
        message = "rows of impressions and clicks cannot be sampled"
        read.problems.append(Problem(table.name, message, fix, line=1))
    read.problems += _history_misses(recipe, table, understood, read.notes)
    return understood


def _leave_out(most: float, table: "Table", wrong: Sequence[Problem], bad: int, read: Read) -> None:
    """Leave out the rows with something wrong where they are few enough, and tell it; else they are problems. bad: how
    many rows they are, of which several may stand in one line."""
    # What is no row at all, such as half a line of JSON, is not among the table's rows.
    rows = len(table.rows) + sum(problem.of_row for problem in table.problems)
    if bad > most * rows:
        read.problems += wrong
    elif bad:
        read.skipped += wrong
        read.notes.append(
            f"{table.title}: {bad:,} of {rows:,} rows are left out, for what is wrong with them "
            "(data.skip_bad_rows); they are listed in skipped.jsonl, beside the report"
        )


def _history_misses(
    recipe: "Recipe", table: "Table", rows: Sequence[Parsed], notes: list[str]
) -> list[Problem]:
    """Patterns of `data.history` that find nothing: a problem in all rows, a note in some."""
    history = recipe.data.history
    problems = []
    for name in ("liked", "disliked", "target") if history is not None and rows else ():
        pattern = getattr(history, name)
        if pattern is None:
            continue
        misses = [row for row in rows if not finds(pattern, "\n".join(row.fields.values()))]
        if len(misses) == len(rows):
            fix = f"Mend data.history.{name}; the first row reads: {rows[0].text[:80]!r}"
            problems.append(Problem(table.name, f"data.history.{name} ({pattern}) matches no row", fix))
        elif misses:
            notes.append(
                f"{table.title}: data.history.{name} matches not in {len(misses)} of {len(rows)} rows"
            )
    return problems
