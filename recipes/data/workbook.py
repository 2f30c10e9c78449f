"""Excel workbooks: the first sheet that holds rows, its cells as they are meant and not as they are shown.

python-calamine reads them, of the extra `files`. Line 1 is the sheet's first row.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

from recipes.data.formats import report_header
from recipes.data.formulas import Uncomputed, uncomputed
from recipes.data.header import header_below
from recipes.data.packed import unpacked
from recipes.data.records import Row, table_records
from recipes.errors import Problem
from recipes.options.data import FormatName, FormatOptions

NEEDS = "pip install 'adapter-repertoire[files]'"


@dataclass(frozen=True)
class Sheet:
    """One sheet of a workbook. rows: the cells of each. above: rows above the header. notes: what of it a reader should
    know. report: which ad platform's it is. chosen: among which other sheets. uncomputed: columns, from 0, with
    formulas whose values are not in the file."""

    name: str
    rows: Sequence[Sequence[Any]]
    above: int
    notes: tuple[str, ...]
    report: FormatName | None = None
    chosen: str = ""
    uncomputed: Mapping[int, Uncomputed] = field(default_factory=dict)

    def records(self, columns: Sequence[str]) -> "Iterator[Row | Problem | str]":
        """The rows below the header. columns: their names, where the sheet has no header."""
        yield from self._without_values(columns or [str(cell).strip() for cell in self.rows[self.above]])
        cells = (
            (line, list(row))
            for line, row in enumerate(self.rows[self.above :], start=self.above + 1)
            if any(cell != "" for cell in row)
        )
        yield from table_records(self.name, cells, columns, "one value")

    def _without_values(self, header: Sequence[str]) -> "Iterator[Problem]":
        """What is wrong with columns of formulas. header: the names of the columns."""
        for at, (count, row) in self.uncomputed.items():
            if name := "".join(header[at : at + 1]):
                message = f"holds {count:,} formulas whose values are not in the file"
                fix = "Open the file in Excel or LibreOffice, let it compute, and save it; or save it as CSV there"
                yield Problem(self.name, message, fix, row, name, of_column=True)


def open_sheet(path: Path, given: FormatOptions) -> "Sheet | Problem":
    """The sheet that is read, or why none is."""
    try:
        from python_calamine import CalamineError, load_workbook
    except ImportError:
        return Problem(
            str(path), "Excel files need python-calamine", f"Install it: {NEEDS}; or save it as CSV"
        )
    try:
        with unpacked(path) as file:
            content = file.read()
        book = load_workbook(io.BytesIO(content))
        sheets = {
            name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names
        }
    except (CalamineError, OSError, ValueError, KeyError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Problem(
            str(path), f"no valid Excel workbook ({told})", "Open it in Excel and save it again, or as CSV"
        )
    full = [name for name, rows in sheets.items() if any(any(cell != "" for cell in row) for row in rows)]
    if not full:
        return Problem(str(path), "no sheet holds a cell", "Export it again; it needs a header and rows")
    rows = [list(map(_plain, row)) for row in sheets[full[0]]]
    notes, chosen = [], ""
    if len(full) > 1:
        others = ", ".join(full[1:])
        chosen = f"of the sheet {full[0]!r}; not read: {others}"
        notes.append(
            f"{path.name}: the sheet {full[0]!r} is read; save others as files of their own: {others}"
        )
    first = next(number for number, row in enumerate(rows) if any(cell != "" for cell in row))
    report = None
    if given.header:
        above = given.header - 1
    elif given.headless:
        above = first
    else:
        tops = [list(map(str, row)) for row in rows[first : first + 60]]
        report = report_header(tops)
        above = first + (report[1] if report is not None else header_below(tops) or 0)
        if above > 0:
            notes.append(
                f"{path.name}: the header stands in row {above + 1}; what stands above it is not read "
                "(data.format.header)"
            )
    notes += _merged(path, book.get_sheet_by_name(full[0]).merged_cell_ranges or (), above)
    formulas = uncomputed(content, full[0], above if given.headless else above + 1)
    return Sheet(
        str(path), rows, above, tuple(notes), None if report is None else report[0], chosen, formulas
    )


def _merged(
    path: Path, ranges: Sequence[tuple[tuple[int, int], tuple[int, int]]], above: int
) -> Iterator[str]:
    """A note on cells that run over several rows below the header. ranges: first and last (row, column) of each."""
    over = [first for (first, _), (last, _) in ranges if last > first > above]
    if over:
        yield (
            f"{path.name}: {len(over)} merged cells run over several rows, the first in row {min(over) + 1}; only the "
            "first row of each has what stands there, and the others are empty: take them apart and fill them in"
        )


def _plain(cell: Any) -> Any:
    """Whole numbers without a fraction, which Excel does not tell apart; moments as ISO 8601."""
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell) if isinstance(cell, timedelta) else cell
