"""Impressions and clicks as counts, as clients write them: 1250, 1,250, 120.00; or a share of them, 0.0308, 3.08 %."""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from recipes.tasks.numerals import plain

if TYPE_CHECKING:
    from recipes.tasks.task import Cells

COUNTS = frozenset({"impressions", "clicks", "ctr"})
_MOST_DIGITS = 15  # of a count that a float holds to the last one
_SHARE = re.compile(r"(\d*\.?\d+(?:e-?\d+)?)(\s?%)?", re.ASCII | re.IGNORECASE)
_OUTCOME = re.compile(r"([01])(\.0*)?")


def counted(roles: Collection[str]) -> bool:
    """Whether there are impressions, and how many of them were clicked."""
    return "impressions" in roles and ("clicks" in roles or "ctr" in roles)


def uncounted(roles: Collection[str]) -> list[str]:
    """What counts lack."""
    return ["clicks"] if "impressions" in roles else ["impressions"]


def counts_of(cells: "Cells") -> tuple[int, int]:
    """(impressions, clicks) of a row; clicks of a share are rounded to whole ones."""
    shown = _count(cells, "impressions")
    if not cells.has("clicks"):
        return shown, _of_share(cells, shown)
    clicked = _count(cells, "clicks")
    if clicked > shown and cells.sound:
        fix = "Check the row: a click needs an impression"
        cells.report("clicks", f"more clicks than impressions ({shown})", fix, str(clicked))
    return shown, clicked


def outcome_of(text: str) -> int | None:
    """0 or 1, also as a number with decimals that are zeros."""
    found = _OUTCOME.fullmatch(text)
    return int(found[1]) if found else None


def whole(text: str) -> int | None:
    """A whole number of at least 0, whose digits may be grouped and whose decimals are zeros; None where it is none.

    A point groups no digits: 1.250 may be a number with decimals.
    """
    if text.endswith("%"):
        return None
    digits = text if text.isdecimal() else _zeros_off(plain(text.removesuffix("."), "point") or "")
    return int(digits) if digits.isdecimal() and len(digits) <= _MOST_DIGITS else None


def _zeros_off(number: str) -> str:
    before, _, after = number.partition(".")
    return number if after.strip("0") else before


def share_of(text: str) -> float | None:
    """A share from 0 to 1, also as a percentage; None where it is none."""
    found = _SHARE.fullmatch(text)
    if found is None:
        return None
    share = float(found[1]) / (100 if found[2] else 1)
    return share if 0 <= share <= 1 else None


def _count(cells: "Cells", role: str) -> int:
    count = whole(cells.text(role))
    if count is not None:
        return count
    fix = "Write how often in digits, such as 1250"
    cells.report(role, "expected a whole number of at least 0", fix, cells.text(role))
    return 0


def _of_share(cells: "Cells", shown: int) -> int:
    share = share_of(cells.text("ctr"))
    if share is not None:
        return round(share * shown)
    fix = "Write the share as 0.0308, or as 3.08%; with a decimal comma set data.format.decimal=comma"
    cells.report("ctr", "expected a share from 0 to 1", fix, cells.text("ctr"))
    return 0
