"""Impressions and clicks known by what stands there, whatever the columns are called and in whichever language.

Annonsens rubrik 1 | Visn.  | Klick | Klickfrekv.
Lätta skor         | 19 320 | 612   | 3,17 %           612 / 19320 = 3.17 %, and so in every row
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from recipes.tasks.numerals import is_numeral, plain, sign_of

_COUNT = re.compile(r"\d{1,18}|\d{1,3}([.,' \u00a0\u202f\u2019]\d{3}){1,5}")
_MARKS = re.compile("[\u200e\u200f\u061c]")  # what turns a line round, in exports from right to left
_PERCENT, _SPACES = "%٪％﹪", " \u00a0\u202f"
_UNITS = 1.0, 0.01  # of a rate without a sign: 0.0317, or 3.17 below `CTR (%)`
_FEWEST = 3  # rows whose rate is told exactly enough to be no coincidence
_EXACT = 0.1  # of a rate: what its rounding may be off by
_FAULTS = 0.05  # of the rows


@dataclass(frozen=True)
class Measured:
    """Which columns, from 0, count impressions and clicks, and which is the rate of the two."""

    impressions: int
    clicks: int
    rate: int


def measured(rows: Sequence[Sequence[str]]) -> Measured | None:
    """The columns of impressions, clicks and their rate; None where no rate is the ratio of two counts in all rows.

    Args:
        rows: their cells; those with other than the usual number of cells are passed over.
    """
    width = max((len(row) for row in rows), key=[len(row) for row in rows].count, default=0)
    columns = [*zip(*(row for row in rows if len(row) == width), strict=True)]
    counts = {at: [_count(cell) for cell in column] for at, column in enumerate(columns)}
    rates = {
        (at, unit): [_rate(cell, unit) for cell in column]
        for at, column in enumerate(columns)
        for unit in _UNITS
    }
    counts = {at: found for at, found in counts.items() if sum(n is not None for n in found) >= _FEWEST}
    found = [
        (sum(n or 0 for n in shown), Measured(one, other, rate))
        for (rate, _), shares in rates.items()
        if sum(share is not None for share in shares) >= _FEWEST
        for one, shown in counts.items()
        for other, clicked in counts.items()
        if rate not in (one, other) and one != other and _agree(shown, clicked, shares)
    ]
    return max(found, key=lambda each: each[0])[1] if found else None


def _agree(
    shown: Sequence[int | None], clicked: Sequence[int | None], rates: Sequence[tuple[float, float] | None]
) -> bool:
    """Whether rates are the clicks by the impressions, where all three are told."""
    exact = wrong = seen = 0
    for impressions, clicks, rate in zip(shown, clicked, rates, strict=True):
        if not impressions or clicks is None or rate is None:
            continue
        seen += 1
        share, off = rate
        if clicks > impressions or abs(clicks / impressions - share) > off:
            wrong += 1
            # Whatever the other rows say; a wide table has many triples to ask.
            if wrong > _FAULTS * len(rates):
                return False
        elif 0 < clicks < impressions and off <= _EXACT * share:
            exact += 1
    return exact >= _FEWEST and wrong <= _FAULTS * seen


def _count(cell: str) -> int | None:
    text = _MARKS.sub("", cell).strip()
    return int(re.sub(r"\D", "", text)) if _COUNT.fullmatch(text) else None


def _rate(cell: str, unit: float) -> tuple[float, float] | None:
    """A share from 0 to 1 as it is told, and by how much its rounding may be off. unit: of a number without a sign."""
    text = _MARKS.sub("", cell).strip()
    if (bare := text.strip(_PERCENT + _SPACES)) != text:
        text = f"{bare}%"  # Turkish writes %3,17
    if not is_numeral(text) or (unit != 1 and bare != text):
        return None
    number = plain(text, sign_of(text) or "point") or plain(text, "comma")
    share = unit * float(number or 2 / unit)
    decimals = len((number or "").partition(".")[2])
    return (share, unit * 0.51 * 10.0**-decimals) if 0 <= share <= 1 and decimals else None
