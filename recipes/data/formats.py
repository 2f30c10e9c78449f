"""The formats that have a name, `data.format.name`: how each is written, and how one is known by its first lines.

    google-ads, meta-ads,       reports of ad platforms: titles, totals, numbers with signs (reports.py), in the
    microsoft-ads, ga4          languages in which they are exported (report_words.py)
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

from recipes.data.click_shape import measured
from recipes.data.report_words import said_by
from recipes.options.data import FormatName, FormatOptions
from recipes.tasks.numerals import is_numeral

REPORTS: tuple[FormatName, ...] = ("google-ads", "meta-ads", "microsoft-ads", "ga4")
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
_BETWEEN = ",\t;"
_MEASURED = frozenset({"impressions", "clicks", "ctr", "cost"})
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_AMOUNT = re.compile(r"[(（][A-Z]{3}[)）]$")
_YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")
_FROM = re.compile(r"#[^:：]+[:：]\s*20\d{6}\s*")  # `# Start date: 20260601`, in any language
# How Microsoft's reports begin, in the languages in which they are exported.
_TITLE = re.compile(
    r"(?:report (?:name|time)|berichts(?:name|zeit(?:raum)?)|(?:nom|heure|période) du rapport|"
    r"(?:nombre|hora|período) del informe|nome d(?:el|o) (?:report|rapporto|relatório)|rapportnaam|"
    r"レポート名|报表名称|报告名称|報表名稱|보고서 이름|название отчета)\s*[:：]",
    re.IGNORECASE,
)
_HEX = re.compile(r"[0-9a-f]{8}")
_SHOWN = re.compile(r"N\d+(-[01])?( N\d+(-[01])?)*")


def as_named(path: Path, given: FormatOptions, lines: Sequence[str] = ()) -> FormatOptions:
    """The settings of a file whose format has a name, below what the recipe says itself. lines: its first ones."""
    usual: dict[str, Any] = {}
    if given.name == "criteo":
        bare = bool(lines) and lines[0].count("\t") == len(CRITEO) - 2  # of its test set, which has no labels
        usual = {"delimiter": "tab", "quote": "none", "columns": list(CRITEO[bare:])}
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
    found = [report_header([_split(line, delimiter) for line in lines]) for delimiter in _BETWEEN]
    return next((report[0] for report in found if report is not None), None)


def header_line(name: FormatName, lines: Sequence[str]) -> tuple[int, str] | None:
    """Which of the first lines is the header of a report, and what separates its cells; None where none is known."""
    if name == "ga4":
        at = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
        return None if at is None else (at, max(_BETWEEN, key=lines[at].count))
    for delimiter in _BETWEEN:
        found = report_header([_split(line, delimiter) for line in lines])
        if found is not None and found[0] == name:
            return found[1], delimiter
    return None


def report_header(lines: Sequence[Sequence[str]]) -> tuple[FormatName, int] | None:
    """Which ad platform's report a table is, and in which of its first lines the header stands; None for any other.

    lines: the cells of each.
    """
    for at, cells in enumerate(lines):
        names = [cell.strip() for cell in cells if cell.strip()]
        if len(names) > 2:
            if _is_meta(names, cells, lines[at + 1 :]):
                return "meta-ads", at
            if _is_microsoft(names, lines[:at]):
                return "microsoft-ads", at
            if _is_google(names, lines[:at]) or _is_titled(cells, lines[:at], lines[at + 1 :]):
                return "google-ads", at
    return None


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _is_meta(names: Sequence[str], cells: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """By the columns from when to when; in any other language by two of dates, the same in all rows or in each, and by
    an amount such as `Amount spent (EUR)`."""
    said = said_by(names)
    if {"starts", "ends"} <= said:
        return bool(said & {"impressions", "campaign", "ad_group", "ad"})
    rows = [[cell.strip() for cell in row] for row in below if len(row) == len(cells)]
    if not rows or not said & _MEASURED or not any(map(_AMOUNT.search, names)):
        return False
    dates = [column for column in zip(*rows, strict=True) if all(map(_DAY.fullmatch, column))]
    return len(dates) == 2 and (dates[0] == dates[1] or all(len(set(column)) == 1 for column in dates))


def _is_microsoft(names: Sequence[str], above: Sequence[Sequence[str]]) -> bool:
    """Below titles of which each says what it is, `Report Name: ...`; or by `TimePeriod`, as the programming interface
    calls the time."""
    if not said_by(names) & {*_MEASURED, "spend"}:
        return False
    titled = any(_TITLE.match(cell.strip()) for cells in above for cell in cells)
    return titled or any(name.casefold() == "timeperiod" for name in names)


def _is_google(names: Sequence[str], above: Sequence[Sequence[str]]) -> bool:
    """By the columns' names, of which `Impr.` is this platform's own; or below titles that say from when to when."""
    said = said_by(names)
    beside = said & {"campaign", "ad_group", "ad", "ctr", "cost", "currency"}
    if any(name.casefold() == "impr." for name in names):
        return bool(beside or "clicks" in said)
    titles = [[cell for cell in cells if cell.strip()] for cells in above]
    period = any(len(_YEAR.findall(" ".join(cells))) > 1 for cells in titles)
    if period and all(len(cells) < 3 for cells in titles) and len(said & _MEASURED) > 1:
        return True
    english = any(name.casefold() in ("impressions", "clicks") for name in names)
    return not english and {"impressions", "clicks"} <= said and len(beside & {"ctr", "cost", "currency"}) > 1


def _is_titled(cells: Sequence[str], above: Sequence[Sequence[str]], below: Sequence[Sequence[str]]) -> bool:
    """A report in any language: titles, the columns' names, and below them clicks, impressions and their rate."""
    titles = [filled for line in above if (filled := [cell for cell in line if cell.strip()])]
    if not titles or any(len(title) > 2 for title in titles) or any(map(is_numeral, cells)):
        return False
    return measured([row for row in below if len(row) == len(cells)]) is not None


def chat_of(record: Any) -> FormatName | None:
    """The format of a chat as JSON: a list of turns, and beside it nothing that a task would read."""
    if not isinstance(record, dict) or record.keys() & READ:
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


# What a record has that is a row itself.
READ = frozenset({"text", "label", "user", "ad", "clicked", "product", "copy", "impressions"})


def _movielens(path: Path) -> list[str]:
    stem = path.name.split(".")[0].lower()
    return list(_MOVIELENS[stem]) if stem in _MOVIELENS else list(_MOVIELENS["ratings"])


def _is_criteo(cells: Sequence[str]) -> bool:
    """With its label, or without, as its test set is."""
    if len(cells) == len(CRITEO) and cells[0] in ("0", "1"):
        cells = cells[1:]
    return (
        len(cells) == len(CRITEO) - 1
        and all(re.fullmatch(r"-?\d*", cell) for cell in cells[:13])
        and all(not cell or _HEX.fullmatch(cell) for cell in cells[13:])
    )


def _is_ga4(lines: Sequence[str]) -> bool:
    """Lines of `#` that say from when to when, above the table."""
    said = [line for line in lines if line.startswith("#")]
    return bool(said) and lines[0].startswith("#") and any(map(_FROM.fullmatch, said))
