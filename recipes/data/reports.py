"""Reports of ad platforms, `google-ads`, `meta-ads`, `microsoft-ads`, `ga4`, and tables whose decimal sign is declared.

    Campaign | Ad          | Impr. | Clicks | CTR        Campaign | Ad          | Impr. | Clicks | CTR
    Spring   | Trail shoes | 1,234 | 38     | 3.08%  →   Spring   | Trail shoes | 1234  | 38     | 0.0308
    Autumn   | --          | 90    | --     | 0.00%      Autumn   |             | 90    |        | 0.0000
    Total: Account |  --   | 1,324 | 38     | 2.87%      left out, and told

A column is one of numbers where its cells are, but for a few; others stay as they are, and so does a cell that is no
number. Totals are rows that say so and name nothing else.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from recipes.data.records import Row
from recipes.data.report_words import counts, names_something
from recipes.data.totals import names_total
from recipes.errors import Problem
from recipes.tasks.numerals import Sign, is_numeral, plain, sign_of

Records = Callable[[], "Iterator[Row | Problem | str]"]

# In the place of a value that a row does not have; the last in Microsoft's alone.
NOTHING = ("--", "—", "–", "-")
# Currencies, dates and shares name nothing.
_IDLE = re.compile(r"[A-Z]{3}|\d{4}-\d{2}-\d{2}|\d{8}|[<>]\s?\d+\s?%")

_LOST = 10_000  # cells that are no numbers: of a column that is a text, the rest is not asked about
_FEW = 0.05  # of a column of numbers: cells that are faults, and none


@dataclass
class _Seen:
    """What the cells of a column are like. numbers, others: how many are filled, with a number or not; signs: the
    decimal signs that they show, with the line of the first; either: the first that may have either."""

    numbers: int = 0
    others: int = 0
    signs: dict[Sign, tuple[int, str]] = field(default_factory=dict)
    either: tuple[int, str] | None = None

    @property
    def numeric(self) -> bool:
        """Whether it is a column of numbers."""
        return self.numbers > 0 and self.others <= _FEW * self.numbers


@dataclass(frozen=True)
class Report:
    """Records as plain numbers, without totals; what of it a reader should know, and what is open."""

    records: Records
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def tidied(
    name: str, records: Records, kind: str | None, decimal: Sign | None, percent: Collection[str]
) -> Report:
    """Read a report's records as they are meant. kind: its format's name; None takes numbers alone. percent: columns of
    percentages without their sign; where neither kind nor decimal is given, only these are read otherwise."""
    if kind is None and decimal is None:
        return Report(_plain_numbers(records, set(), "point", percent))
    kept = _without_totals(name, records, kind) if kind is not None else records
    columns = _look(kept)
    numeric = {column for column, seen in columns.items() if seen.numeric}
    if decimal is None:
        settled = _decimal(name, {column: columns[column] for column in numeric})
        if isinstance(settled, Problem):
            return Report(kept, problems=(settled,))
        decimal = settled
    title = Path(name).name
    notes = (
        (f"{title}: numbers are read with a decimal {decimal} (data.format.decimal)",)
        if decimal is not None
        else ()
    )
    return Report(_plain_numbers(kept, numeric, decimal or "point", percent), notes)


def _look(records: Records) -> dict[str, _Seen]:
    """Each column, gone through once."""
    columns: dict[str, _Seen] = {}
    for record in records():
        if not isinstance(record, Row):
            continue
        for column, cell in record.cells.items():
            seen = columns.setdefault(column, _Seen())
            if cell in ("", None) or seen.others > _LOST:
                continue
            if isinstance(cell, str) and not is_numeral(cell):
                seen.others += 1
                continue
            seen.numbers += 1
            if isinstance(cell, str) and ("," in cell or "." in cell):
                sign = sign_of(cell, whole=counts(column) and "%" not in cell)
                if sign is not None:
                    seen.signs.setdefault(sign, (record.line, cell))
                else:
                    seen.either = seen.either or (record.line, cell)
    return columns


def _decimal(name: str, columns: Mapping[str, _Seen]) -> "Sign | Problem | None":
    """The decimal sign of a file; None where no number has one or the other."""
    signs = {sign: (column, *at) for column, seen in columns.items() for sign, at in seen.signs.items()}
    fix = "Say which sign is the decimal one: data.format.decimal=point or comma"
    if len(signs) > 1:
        column, line, text = signs["comma"]
        other, at, value = signs["point"]
        message = f"has a decimal comma, but `{other}` a decimal point ({value}, line {at})"
        return Problem(name, message, fix, line, column, text)
    either = next(((column, *seen.either) for column, seen in columns.items() if seen.either), None)
    if not signs and either is not None:
        column, line, text = either
        return Problem(
            name, "may be in thousands or have decimals, and no number says which", fix, line, column, text
        )
    return next(iter(signs), None)


def _plain_numbers(records: Records, numeric: set[str], decimal: Sign, percent: Collection[str]) -> Records:
    def read() -> "Iterator[Row | Problem | str]":
        for record in records():
            if isinstance(record, Row):
                cells = {
                    column: _plain(cell, decimal) if column in numeric and isinstance(cell, str) else cell
                    for column, cell in record.cells.items()
                }
                for column in record.cells.keys() & percent:
                    cells[column] = _share(record.cells.get(column), cells.get(column))
                yield record.read_as(cells)
            else:
                yield record

    return read


def _plain(cell: str, decimal: Sign) -> str:
    number = plain(cell, decimal)
    return cell if number is None else number


def _share(written: Any, cell: Any) -> Any:
    """A percentage as its share, unless it has its sign and is one already. written: as the file has it."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return cell
    if isinstance(written, str) and written.endswith("%"):
        return cell
    number = plain(cell, "point") if isinstance(cell, str) else repr(cell)
    if number is None or not re.fullmatch(r"-?\d+(\.\d+)?", number):
        return cell
    share = f"{Decimal(number).scaleb(-2):f}"
    return share if isinstance(cell, str) else float(share)


def _without_totals(name: str, records: Records, kind: str) -> Records:
    """Rows without totals, and empty where the report has a dash for nothing."""
    title = Path(name).name
    nothing = NOTHING if kind == "microsoft-ads" else NOTHING[:-1]

    def read() -> "Iterator[Row | Problem | str]":
        totals: list[int] = []
        for record in records():
            if not isinstance(record, Row):
                yield record
                continue
            cells = {column: "" if cell in nothing else cell for column, cell in record.cells.items()}
            if _is_total(cells, kind):
                totals.append(record.line)
            else:
                yield record.read_as(cells)
        if totals:
            lines = ", ".join(map(str, totals[:5])) + (" and more" if len(totals) > 5 else "")
            yield f"{title}: {len(totals)} rows of totals are left out, in line {lines}"

    return read


def _is_total(cells: Mapping[str, Any], kind: str) -> bool:
    """Whether a row names nothing but that it is a total; for Meta and Microsoft also one whose ad, ad set and campaign
    are empty."""
    texts = [cell for cell in cells.values() if isinstance(cell, str) and cell]
    said = [text for text in texts if not is_numeral(text) and not _IDLE.fullmatch(text)]
    if said:
        return all(names_total(text, certain=True) for text in said)
    names = [cell for column, cell in cells.items() if names_something(column)]
    return kind in ("meta-ads", "microsoft-ads") and bool(names) and not any(names)
