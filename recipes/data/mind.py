"""MIND, the news data set: behaviors.tsv joined with the news.tsv beside it, a row for each news item that was shown.

    1 | U13740 | 11/11/2019 9:05:58 AM | N55189 N42782 | N55689-1 N35729-0

    user                          ad            clicked  user_id  group  ad_id
    title of N55189; of N42782    its title     1        U13740   1      N55689
    title of N55189; of N42782    its title     0        U13740   1      N35729

A row's line is its number: several rows stand in one line of the file.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from recipes.data.formats import BEHAVIORS, NEWS
from recipes.data.packed import unpacked
from recipes.data.records import Row
from recipes.errors import Problem

NOBODY = "new"  # a user without a history
_WRITTEN = "%m/%d/%Y %I:%M:%S %p"
_BESIDE = ("news.tsv", "news.tsv.gz", "news.tsv.zst")
_News = Mapping[str, tuple[str, str, str]]


def is_news(path: Path) -> bool:
    """Whether a file is the one that is joined, and no rows of its own."""
    return path.name.lower() in _BESIDE


def read_news(behaviors: Path) -> "dict[str, tuple[str, str, str]] | Problem":
    """id -> (title, category, subcategory) of the news beside a file of behaviors."""
    path = next((found for name in _BESIDE if (found := behaviors.parent / name).is_file()), None)
    if path is None:
        fix = f"Put news.tsv of the same set beside it, into {behaviors.parent}"
        return Problem(str(behaviors), "there is no news.tsv beside it, which says what was shown", fix)
    news: dict[str, tuple[str, str, str]] = {}
    with unpacked(path) as file:
        try:
            for number, line in enumerate(file, start=1):
                cells = line.decode("utf-8-sig").rstrip("\r\n").split("\t")
                if cells == [""]:
                    continue
                if len(cells) < 4:
                    fix = f"Its columns are {', '.join(NEWS)}, separated by tabs; download it again"
                    return Problem(
                        str(path), f"the row has {len(cells)} cells and no title", fix, line=number
                    )
                news[cells[0]] = (cells[3].strip(), cells[1], cells[2])
        except (UnicodeDecodeError, OSError, EOFError) as error:
            return Problem(str(path), f"it cannot be read ({error})", "Download it again")
    return news


def joined(
    name: str, behaviors: "Iterator[Row | Problem | str]", news: _News
) -> "Iterator[Row | Problem | str]":
    """A row for each news item that was shown."""
    number, unknown, unsaid = 0, 0, 0
    for record in behaviors:
        if not isinstance(record, Row):
            yield record
            continue
        impression, user, time, history, shown = (str(record.cells[column]) for column in BEHAVIORS)
        read = [news[each][0] for each in history.split() if each in news]
        moment = _moment(time)
        if moment is None:
            fix = "MIND writes 11/11/2019 9:05:58 AM; download the file again"
            yield Problem(name, "expected a date and a time", fix, record.line, "time", time)
            continue
        for item in shown.split():
            ad, sign, clicked = item.partition("-")
            if ad not in news:
                unknown += 1
                continue
            number += 1
            title, category, subcategory = news[ad]
            unsaid += not sign
            yield Row(
                number,
                {
                    "user": "; ".join(read) or NOBODY,
                    "ad": title,
                    **({"clicked": clicked} if sign else {}),
                    "user_id": user,
                    "ad_id": ad,
                    "group": impression,
                    "timestamp": moment,
                    "category": category,
                    "subcategory": subcategory,
                },
            )
    if unsaid:
        yield (
            f"{Path(name).name}: {unsaid} impressions do not say which were clicked, as in the test set: nothing is "
            "learned from them; take behaviors.tsv of the training or validation set"
        )
    if unknown:
        yield f"{Path(name).name}: {unknown} impressions of news that news.tsv does not have are left out"


def _moment(text: str) -> str | None:
    try:
        return datetime.strptime(text, _WRITTEN).isoformat()
    except ValueError:
        return None
