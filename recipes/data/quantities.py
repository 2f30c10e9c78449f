"""Whether the columns of numbers hold what their roles need, written as Python reads it: one problem for one cause.

weight  1,2          a decimal comma: --set data.format.decimal=comma
clicks  1.250        thousands in one country, decimals in another
ctr     2.09         a percentage without its sign: --set data.format.percent=[CTR]
clicked 0.0311       a share, and not whether a row was clicked
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from recipes.data.columns import column_like, column_option
from recipes.errors import Problem
from recipes.tasks.counts import outcome_of, share_of, whole
from recipes.tasks.numerals import Sign, is_numeral, plain, sign_of
from recipes.tasks.templates import NotText, text_of

if TYPE_CHECKING:
    from recipes.data.tables import Table
    from recipes.recipe import Recipe

_LOOKED_AT = 1_000  # rows that say whether a column holds what its role needs
_FEWEST_SHARES = 3  # different numbers with a fraction that are no outcome
_MOST_RATINGS = 11  # whole numbers up to here may be ratings, each of which may mean 0 or 1
_COUNTS = ("impressions", "clicks")
_NUMBERS = (*_COUNTS, "ctr", "weight")
_POINTED = re.compile(r"\d{1,3}(\.\d{3})+", re.ASCII)
_FAULTS = 0.1  # of shares: fewer that are above 1 are faults of their rows
# A number as it is written -> the line of the first, and whether it is a text there.
_Numerals: TypeAlias = Mapping[str, tuple[int, bool]]


def misread(recipe: "Recipe", table: "Table", of: Mapping[str, str]) -> list[Problem]:
    """What is wrong with whole columns of numbers, where a problem for each row would say the same again and again.

    Args:
        recipe: with the roles.
        table: its first rows are looked at.
        of: role -> column.
    """
    roles = [role for role in (*_NUMBERS, "clicked") if role in of]
    if not roles:
        return []
    cells = {role: _numerals(table, of[role]) for role in roles}
    found = [*_shares(recipe, table, of, cells), *_percentages(table, of, cells)]
    told = {problem.column for problem in found}
    others = {role: each for role, each in cells.items() if of[role] not in told}
    return [*found, *_signs(recipe, table, of, others)]


def _numerals(table: "Table", column: str) -> _Numerals:
    """The different numbers of a column's first rows, as they are written."""
    found: dict[str, tuple[int, bool]] = {}
    for row in islice(table.rows, _LOOKED_AT):
        try:
            text = text_of(cell := row.cells.get(column))
        except NotText:
            continue  # told with its row
        if is_numeral(text):
            found.setdefault(text, (row.line, isinstance(cell, str)))
    return found


def _shares(
    recipe: "Recipe", table: "Table", of: Mapping[str, str], cells: Mapping[str, _Numerals]
) -> Iterator[Problem]:
    """A column of shares, amounts or ratings where one of clicks should be."""
    known = recipe.data.labels
    odd = {
        text: line
        for text, (line, _) in cells.get("clicked", {}).items()
        if text not in known and outcome_of(text) is None
    }
    if len(odd) < (_FEWEST_SHARES if all(not text.isdigit() for text in odd) else _MOST_RATINGS):
        return
    column = of["clicked"]
    value, line = next(iter(odd.items()))
    message = f"holds {len(odd)} different numbers such as {value}, and not whether a row was clicked"
    fix = "Map the column of 0 and 1: --column clicked=NAME"
    if all(share_of(text) is not None for text in odd):
        shown = column_like(table, "impressions", ("shown", "views", "shows")) or "NAME"
        fix = (
            "If it is the share of the impressions that were clicked, take it with their number: "
            f"{column_option('impressions', shown)} {column_option('ctr', column)}; else map the column of 0 and 1: "
            "--column clicked=NAME"
        )
    yield Problem(table.name, message, fix, line, column)


def _signs(
    recipe: "Recipe", table: "Table", of: Mapping[str, str], cells: Mapping[str, _Numerals]
) -> Iterator[Problem]:
    """Numbers with a comma or a point that Python reads otherwise or not at all: one problem for all columns."""
    if recipe.data.format.decimal is not None:
        return
    odd = {role: _unread(role, cells[role]) for role in _NUMBERS if role in cells}
    odd = {role: lines for role, lines in odd.items() if lines}
    if not odd:
        return
    role, lines = next(iter(odd.items()))
    value, line = next(iter(lines.items()))
    certain = [(each, text) for each, found in odd.items() if each not in _COUNTS for text in found]
    certain = [(each, text) for each, text in certain if sign_of(text) == "comma"]
    if certain:
        role, value = certain[0]
        line = odd[role][value]
        also = "".join(f"; so has `{of[each]}`" for each in odd if each != role)
        message = f"has a decimal comma{also}"
        fix = "Say so: --set data.format.decimal=comma (in the recipe: data.format.decimal)"
    else:
        message = "expected a whole number, and this" if role in _COUNTS else "the number"
        message += " may be in thousands or have decimals"
        fix = (
            "Say which sign the decimal one is: data.format.decimal=comma where the point groups thousands, =point "
            "where the comma does; or write it in digits alone"
        )
    yield Problem(table.name, message, fix, line, of[role], value)


def _unread(role: str, cells: _Numerals) -> dict[str, int]:
    """The numbers that a role does not read as they are and would with a sign declared, and counts such as 30.000."""
    reads = {"ctr": share_of, "weight": _float}.get(role, whole)
    found = {text: line for text, (line, written) in cells.items() if written}
    return {
        text: line
        for text, line in found.items()
        if (role in _COUNTS and _POINTED.fullmatch(text))
        or (reads(text) is None and any((number := plain(text, sign)) and reads(number) for sign in _SIGNS))
    }


_SIGNS: tuple[Sign, ...] = ("comma", "point")


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _percentages(table: "Table", of: Mapping[str, str], cells: Mapping[str, _Numerals]) -> Iterator[Problem]:
    """Shares of the impressions in percent, without the sign that would say so."""
    values = {text: _value(text) for text in cells.get("ctr", {}) if not text.endswith("%")}
    above = [text for text, value in values.items() if value > 1]
    if len(above) <= _FAULTS * len(values) or any(value > 100 for value in values.values()):
        return
    column = of["ctr"]
    named = column if re.fullmatch(r"\w+", column) else json.dumps(column, ensure_ascii=False)
    message = f"holds numbers above 1, such as {above[0]}, and no share of the impressions"
    comma = any(share_of(text) is None and plain(text, "point") is None for text in values)
    sign = "--set data.format.decimal=comma " if comma else ""
    fix = f"If they are percentages without their sign, say so: {sign}--set 'data.format.percent=[{named}]'"
    if (clicks := column_like(table, "clicks", ())) is not None:
        fix += f"; or count the clicks instead: {column_option('clicks', clicks)}, without --column ctr"
    yield Problem(table.name, message, fix, cells["ctr"][above[0]][0], column)


def _value(text: str) -> float:
    """A number in whichever of both readings it has."""
    return float(plain(text, "point") or plain(text, "comma") or "nan")
