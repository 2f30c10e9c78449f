"""Numbers as people write them: `1,234.5`, `1.234,5`, `12 %`; which sign is the decimal one, and the plain number.

1,234.5    point           1.234,5    comma          the last of two signs is the decimal one
1,234,567  point           2,5        comma          a sign that comes again groups; two digits are no group
1,234      either                                    a column of counts says which: they are whole
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

Sign = Literal["point", "comma"]

_SIGNS: dict[str, Sign] = {".": "point", ",": "comma"}
_OTHER: dict[Sign, Sign] = {"point": "comma", "comma": "point"}
_NUMERAL = re.compile(r"([-+\u2212]?)(\d[\d.,' \u00a0\u202f\u2019]*)(\s?%)?")
_SPACES = r"' \u00a0\u202f\u2019"  # what groups digits where neither sign does
_GROUPS = {
    decimal: re.compile(
        rf"\d+(?:{after}\d+)?|\d{{1,3}}(?:[{group}{_SPACES}]\d{{2,3}})*[{group}{_SPACES}]\d{{3}}(?:{after}\d+)?"
    )
    for decimal, after, group in (("point", r"\.", ","), ("comma", ",", "."))
}


def is_numeral(text: str) -> bool:
    """Whether a text is a number, written with either decimal sign."""
    found = _NUMERAL.fullmatch(text)
    return found is not None and any(groups.fullmatch(found[2].strip()) for groups in _GROUPS.values())


def plain(text: str, decimal: Sign) -> str | None:
    """A number as Python writes it, a percentage as its share; None where the text is none."""
    found = _NUMERAL.fullmatch(text)
    if found is None or not _GROUPS[decimal].fullmatch(digits := found[2].strip()):
        return None
    sign = "-" if found[1] in ("-", "\u2212") else ""
    number = sign + "".join(_kept(character, decimal) for character in digits)
    return f"{Decimal(number).scaleb(-2):f}" if found[3] else number


def sign_of(text: str, whole: bool = False) -> Sign | None:
    """Which decimal sign a number shows; None where it may be either. whole: a count, which has no decimals."""
    signs = [character for character in text if character in _SIGNS]
    if not signs or not is_numeral(text):
        return None
    last = _SIGNS[signs[-1]]
    if len(set(signs)) > 1:
        return last
    before, _, after = text.partition(signs[0])
    digits = len(re.match(r"\d*", after)[0])  # type: ignore[index]
    if len(signs) > 1 or (whole and digits == 3):
        return _OTHER[last]
    if digits != 3 or len(before.lstrip("-+\u2212")) > 3 or before.lstrip("-+\u2212") == "0":
        return last
    return None


def signs_of(texts: Iterable[str], whole: bool = False) -> set[Sign]:
    """The decimal signs that some numbers show."""
    return {sign for text in texts if (sign := sign_of(text, whole)) is not None}


def _kept(character: str, decimal: Sign) -> str:
    if character.isdigit():
        return character
    return "." if _SIGNS.get(character) == decimal else ""
