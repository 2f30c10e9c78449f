"""The formats that have a name, `data.format.name`: how each is written, and how one is known by its first lines.

    google-ads, meta-ads, ga4   reports of ad platforms: titles, totals, numbers with signs (reports.py)
    criteo, movielens           public sets without a header
    mind                        behaviors.tsv, joined with news.tsv beside it (mind.py)
    chatml, sharegpt            chats in JSON lines (chats.py)

After the public descriptions of these exports. What is known by its lines is told; what the recipe names is not asked
again.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipes.options.data import FormatName, FormatOptions

REPORTS: tuple[FormatName, ...] = ("google-ads", "meta-ads", "ga4")
CHATS: dict[FormatName, tuple[str, str, str]] = {
    "chatml": ("messages", "role", "content"),
    "sharegpt": ("conversations", "from", "value"),
}
BEHAVIORS = ("impression_id", "user_id", "time", "history", "impressions")
NEWS = (
    "news_id",
    "category",
    "subcategory",
    "title",
    "abstract",
    "url",
    "title_entities",
    "abstract_entities",
)
CRITEO = (
    "label",
    *(f"integer_{number}" for number in range(1, 14)),
    *(f"category_{number}" for number in range(1, 27)),
)
_MOVIELENS = {
    "ratings": ("user_id", "movie_id", "rating", "timestamp"),
    "movies": ("movie_id", "title", "genres"),
    "users": ("user_id", "gender", "age", "occupation", "zip_code"),
}
# Columns that only this platform's reports have, and those of which a report has one at least.
_HEADERS: dict[FormatName, tuple[frozenset[str], frozenset[str]]] = {
    "google-ads": (frozenset({"Impr."}), frozenset({"Clicks", "CTR", "Cost", "Campaign", "Ad group"})),
    "meta-ads": (
        frozenset({"Reporting starts", "Reporting ends"}),
        frozenset({"Ad name", "Ad set name", "Campaign name", "Impressions"}),
    ),
}
_HEX = re.compile(r"[0-9a-f]{8}")
_SHOWN = re.compile(r"N\d+(-[01])?( N\d+(-[01])?)*")


def as_named(path: Path, given: FormatOptions) -> FormatOptions:
    """The settings of a file whose format has a name, below what the recipe says itself."""
    usual: dict[str, Any] = {}
    if given.name == "criteo":
        usual = {"delimiter": "tab", "quote": "none", "columns": list(CRITEO)}
    elif given.name == "movielens":
        usual = {"delimiter": "::", "quote": "none", "columns": _movielens(path)}
    elif given.name == "mind":
        usual = {"delimiter": "tab", "quote": "none", "columns": list(BEHAVIORS)}
    if given.header is not None:
        usual.pop("columns", None)
    return given.model_copy(
        update={key: value for key, value in usual.items() if getattr(given, key) is None}
    )


def recognized(lines: Sequence[str]) -> FormatName | None:
    """The name of a CSV or TSV file's format, where its first lines leave no doubt."""
    some = [line.rstrip("\r\n") for line in lines if line.strip()]
    if len(some) > 2 and all(len(line.split("::")) > 2 for line in some):
        return "movielens"
    tabbed = [line.split("\t") for line in some]
    if tabbed and all(map(_is_criteo, tabbed)):
        return "criteo"
    if tabbed and all(len(cells) == 5 and _SHOWN.fullmatch(cells[4]) for cells in tabbed):
        return "mind"
    if _is_ga4(some):
        return "ga4"
    for name in _HEADERS:
        if header_line(name, lines) is not None:
            return name
    return None


def header_line(name: FormatName, lines: Sequence[str]) -> tuple[int, str] | None:
    """Which of the first lines is the header of a report, and what separates its cells; None where none is known."""
    if name == "ga4":
        at = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
        return None if at is None else (at, max(",\t;", key=lines[at].count))
    for at, line in enumerate(lines):
        for delimiter in ",\t;":
            names = {cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])}
            if len(names) > 2 and _HEADERS[name][0] <= names and _HEADERS[name][1] & names:
                return at, delimiter
    return None


def chat_of(record: Any) -> FormatName | None:
    """The format of a chat as JSON: a list of turns, and beside it nothing that a task would read."""
    if not isinstance(record, dict) or record.keys() & _ROLES:
        return None
    for name, (key, role, content) in CHATS.items():
        turns = record.get(key)
        if (
            isinstance(turns, list)
            and turns
            and all(isinstance(t, dict) and {role, content} <= t.keys() for t in turns)
        ):
            return name
    return None


_ROLES = frozenset({"text", "label", "user", "ad", "clicked", "product", "copy", "impressions"})


def _movielens(path: Path) -> list[str]:
    stem = path.name.split(".")[0].lower()
    return list(_MOVIELENS[stem]) if stem in _MOVIELENS else list(_MOVIELENS["ratings"])


def _is_criteo(cells: Sequence[str]) -> bool:
    return (
        len(cells) == len(CRITEO)
        and cells[0] in ("0", "1")
        and all(re.fullmatch(r"-?\d*", cell) for cell in cells[1:14])
        and all(not cell or _HEX.fullmatch(cell) for cell in cells[14:])
    )


def _is_ga4(lines: Sequence[str]) -> bool:
    """Lines of `#` that say from when to when, above the table."""
    said = [line for line in lines if line.startswith("#")]
    return bool(said) and lines[0].startswith("#") and any("Start date" in line for line in said)
