"""Formulas of an Excel workbook that nobody has computed. Programs that write workbooks leave their values out, or
write 0 in their place, and whoever reads the file without computing it sees empty cells, or zeros.

    <c r="C2"><f>A2*B2</f><v>12</v></c>    computed
    <c r="C2"><f>A2*B2</f><v></v></c>      not
    <c r="C2"><f>A2*B2</f><v>0</v></c>     not, where all of the column are 0 and the workbook asks to be computed again

Office Open XML (ECMA-376, part 1), §18.3.1.4 `c`, §18.3.1.40 `f`, §18.2.2 `calcPr`.
"""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_BOOK = "xl/workbook.xml"
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_YES = ("1", "true")


class Uncomputed(NamedTuple):
    """Formulas of one column without their values. formulas: how many; row: of the first, from 1."""

    formulas: int
    row: int


def uncomputed(book: bytes, sheet: str, above: int) -> dict[int, Uncomputed]:
    """The columns of a sheet, from 0, that hold formulas without their values.

    Args:
        book: the workbook; one that is no Office Open XML has none.
        sheet: its name.
        above: rows that are passed over, the header's too.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(book)) as parts:
            workbook = ElementTree.fromstring(parts.read(_BOOK))
            content = parts.read(_part(parts, workbook, sheet))
        if _FORMULA.search(content) is None:
            return {}
        again = any(
            _local(each.tag) == "calcPr" and each.get("fullCalcOnLoad") in _YES for each in workbook.iter()
        )
        return _of_columns(content, above, again)
    except (zipfile.BadZipFile, KeyError, ValueError, ElementTree.ParseError):
        # Of another kind, or laid out otherwise: whatever of it can be read, was.
        return {}


def _part(parts: zipfile.ZipFile, workbook: "Element", sheet: str) -> str:
    """Which part of a workbook a sheet is. Raises KeyError, and ValueError where no sheet or several have its name."""
    [own] = [each for each in workbook.iter() if _local(each.tag) == "sheet" and each.get("name") == sheet]
    number = next((value for name, value in own.attrib.items() if _local(name) == "id"), None)
    relations = ElementTree.fromstring(parts.read("xl/_rels/workbook.xml.rels"))
    targets = {each.get("Id"): each.get("Target", "") for each in relations}
    return posixpath.normpath(posixpath.join("/xl", targets[number])).lstrip("/")


def _of_columns(content: bytes, above: int, again: bool) -> dict[int, Uncomputed]:
    """again: whether the workbook asks to be computed when it is opened."""
    empty: dict[int, list[int]] = {}
    zeros: dict[int, list[int]] = {}
    others: set[int] = set()
    for column, row, value in _formulas(content):
        if row <= above:
            continue
        if value is None:
            empty.setdefault(column, []).append(row)
        elif again and value == "0":
            zeros.setdefault(column, []).append(row)
        else:
            others.add(column)
    rows = {column: sorted([*empty.get(column, ()), *own]) for column, own in zeros.items()}
    rows = empty | {column: own for column, own in rows.items() if column not in others}
    return {column: Uncomputed(len(own), own[0]) for column, own in sorted(rows.items())}


def _formulas(content: bytes) -> Iterator[tuple[int, int, str | None]]:
    """Column from 0, row from 1, and value of each formula; None where there is none."""
    row = column = 0
    for event, element in ElementTree.iterparse(io.BytesIO(content), events=("start", "end")):
        name = _local(element.tag)
        if event == "start":
            if name == "row":
                row, column = int(element.get("r", row + 1)), -1
            elif name == "c":
                place = _PLACE.fullmatch(element.get("r", ""))
                column = _number(place[1]) if place else column + 1
        elif name == "c":
            inside = {_local(each.tag): each.text or "" for each in element}
            if "f" in inside:
                said = inside.get("v", "")
                # A text may be empty, and then that is its value.
                has = said or ("v" in inside and element.get("t") == "str")
                yield column, row, said if has else None
        elif name == "row":
            element.clear()


def _number(letters: str) -> int:
    """A -> 0, Z -> 25, AA -> 26."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _local(name: str) -> str:
    """A name without its namespace, of which there are two (transitional and strict)."""
    return name.rpartition("}")[2]
