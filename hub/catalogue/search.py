"""Search: which versions of a hub fit, asked of its index.

    found = hub.search("season", client="acme", metric=["auc>=0.8"], sort="auc", limit=10)
    hub.resolve(found[0].reference)     # the whole version, from the hub's own files

What is found is read from the index, which is as new as the hub when a search begins; whatever is loaded afterwards is
checked as always.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from hub.catalogue.tables import LIES, metric_columns, unpacked
from hub.errors import BadSearch
from hub.storage.layout import projection
from hub.storage.names import LATEST

if TYPE_CHECKING:
    from hub.catalogue.index import Index

_CONDITION = re.compile(r"\s*([^\s<>=]+)\s*(>=|<=|>|<|==?)\s*(\S+)\s*")
_SHOWN = (
    "n.name, v.number, v.task, v.method, v.size, b.base, v.created, v.publisher, m.message, t.tags, v.data, v.digest, "
    "v.removed, v.number IS n.newest, "
    "(SELECT group_concat(alias, ' ') FROM alias a WHERE a.name = n.id AND a.number = v.number)"
)
_BY_NAME = "name n CROSS JOIN version v ON v.name = n.id"
_BY_VERSION = "version v CROSS JOIN name n ON n.id = v.name"
_BY_MESSAGE = (
    "message m CROSS JOIN version v ON v.name = m.name AND v.number = m.number "
    "CROSS JOIN name n ON n.id = v.name"
)
_WHOLE = (
    "CROSS JOIN version v ON v.name = found.name AND v.number = found.number CROSS JOIN name n ON n.id = v.name "
    "CROSS JOIN message m ON m.name = v.name AND m.number = v.number CROSS JOIN base b ON b.id = v.base "
    "CROSS JOIN tags t ON t.id = v.tags"
)
_DATA = "CASE typeof(v.data) WHEN 'blob' THEN lower(hex(v.data)) ELSE v.data END"


class Filters(TypedDict, total=False):
    """What a version must be to be found; of a filter that is None or empty, anything.

    Attributes:
        client: the first part of its name.
        campaign: the second part.
        name: the whole of it.
        task: what the adapter does, such as `ad-copy`.
        method: `lora`, `dora` or `prefix`.
        base: the base's id.
        tag: one that it has, or several, all of which it has.
        data: how the sha256 of its data begins.
        metric: a condition on its held-out metrics, `auc>=0.8`, or several.
        alias: one that means it.
        all_versions: also those that are not the newest of their name.
        removed: also those that were removed.
        sort: `name`, `created` with the newest first, or a metric with the best first.
        limit: at most so many.
    """

    client: str | None
    campaign: str | None
    name: str | None
    task: str | None
    method: str | None
    base: str | None
    tag: str | Sequence[str] | None
    data: str | None
    metric: str | Sequence[str] | None
    alias: str | None
    all_versions: bool
    removed: bool
    sort: str | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """One version, as far as a list shows it; `hub.resolve(found.reference)` is the whole of it.

    Attributes:
        name: `client/campaign/task`.
        number: 1, 2, 3 ...
        task: what the adapter does; None where no recipe made it.
        method: `lora`, `dora` or `prefix`.
        size: rank, or positions of a prefix.
        base: id, revision, fingerprint.
        created: UTC, ISO 8601.
        publisher: who published it.
        message: what is new in it.
        tags: words to find it by.
        data_digest: sha256 of the rows that it was trained on.
        digest: of its content: equal for equal files.
        removed: whether it was removed.
        aliases: those that mean it, `latest` included.
        metrics: measured on held-out rows, with the adapter.
    """

    name: str
    number: int
    task: str | None
    method: str
    size: int
    base: Mapping[str, str | None]
    created: str
    publisher: str
    message: str
    tags: tuple[str, ...]
    data_digest: str | None
    digest: str
    removed: bool
    aliases: tuple[str, ...]
    metrics: Mapping[str, float]
    _root: Path | None = field(default=None, repr=False)

    @property
    def folder(self) -> Path | None:
        """As in `Version`."""
        return self._root and self._root / projection(self.name, self.number)

    @property
    def reference(self) -> str:
        """`client/campaign/task@3`: means this version for ever."""
        return f"{self.name}@{self.number}"


def search(index: "Index", text: str, filters: Filters, root: Path | None) -> tuple[Found, ...]:
    """Every version that fits.

    Args:
        index: of the hub.
        text: words that its name or its message has, all of them, whatever their case.
        filters: what else it must be.
        root: the hub's folder, None in a remote hub.

    Raises:
        BadSearch: for a filter or an order that cannot be read.
    """
    try:
        return _read(index, text, filters, root, anew=False)
    except LIES:
        return _read(index, text, filters, root, anew=True)


def _read(index: "Index", text: str, filters: Filters, root: Path | None, anew: bool) -> tuple[Found, ...]:
    with index.reading(anew) as db:
        columns = metric_columns(db)
        conditions = list(_conditions(text, filters, columns))
        order, limit = _order(filters.get("sort"), columns), filters.get("limit")
        shown = ", ".join([_SHOWN, *(f"v.{column}" for column in columns.values())])
        wanted = " AND ".join(["TRUE", *(condition for condition, _ in conditions)])
        found = f"SELECT v.name, v.number FROM {_read_first(text, filters)} WHERE {wanted} ORDER BY {order} LIMIT ?"
        rows = db.execute(
            f"SELECT {shown} FROM ({found}) AS found {_WHOLE} ORDER BY {order}",
            [*(value for _, given in conditions for value in given), -1 if limit is None else limit],
        ).fetchall()
    parsed = cache(json.loads)
    return tuple(_found(row, columns, root, parsed) for row in rows)


def _read_first(text: str, filters: Filters) -> str:
    """The tables that tell what fits, in the order in which the least is read: all of the first, and of the next what
    belongs to rows that fit so far."""
    if text.split():
        return _BY_MESSAGE
    of_few_names = any(filters.get(key) for key in ("name", "client", "campaign", "alias"))
    return _BY_NAME if of_few_names or not filters.get("all_versions") else _BY_VERSION


def _conditions(
    text: str, filters: Filters, columns: Mapping[str, str]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """SQL, and the values for its question marks."""
    alias, whole = filters.get("alias"), filters.get("name")
    if alias not in (None, LATEST):
        yield "v.number IN (SELECT number FROM alias a WHERE a.name = n.id AND a.alias = ?)", (alias,)
    elif alias or not filters.get("all_versions"):
        yield "v.number = n.newest", ()
    if not filters.get("removed"):
        yield "NOT v.removed", ()
    if whole is not None:
        yield "n.name = ?", (whole,)
    if (client := filters.get("client")) is not None:
        yield "substr(n.name, 1, length(?)) = ?", (f"{client}/", f"{client}/")
    if (campaign := filters.get("campaign")) is not None:
        yield "instr(n.name, ?)", (f"/{campaign}/",)
    if (task := filters.get("task")) is not None:
        yield "v.task = ?", (task,)
    if (method := filters.get("method")) is not None:
        yield "v.method = ?", (method,)
    if (base := filters.get("base")) is not None:
        yield "v.base IN (SELECT id FROM base WHERE json_extract(base, '$.id') = ?)", (base,)
    for tag in _several(filters.get("tag")):
        yield (
            "v.tags IN (SELECT t.id FROM tags t WHERE EXISTS (SELECT 1 FROM json_each(t.tags) WHERE value = ?))",
            (tag,),
        )
    if data := filters.get("data"):
        yield f"substr({_DATA}, 1, length(?)) = ?", (data, data)
    for condition in _several(filters.get("metric")):
        yield _measured(condition, columns)
    for word in text.split():
        yield (
            "(instr(coalesce(m.folded, m.message), ?) OR m.name IN (SELECT id FROM name WHERE instr(name, ?)))",
            (word.casefold(),) * 2,
        )


def _measured(condition: str, columns: Mapping[str, str]) -> tuple[str, tuple[float]]:
    """`auc>=0.8` as SQL. Raises BadSearch."""
    parts = _CONDITION.fullmatch(condition)
    try:
        metric, sign, value = parts.groups() if parts else ("", "", "")
        limit = float(value)
    except ValueError:
        raise BadSearch(
            f"{condition!r} is no condition on a metric; write it as auc>=0.8, with >=, <=, >, < or ="
        ) from None
    return f"{_column(metric, columns)} {sign} ?", (limit,)


def _order(by: str | None, columns: Mapping[str, str]) -> str:
    if by in (None, "name"):
        return "n.name, v.number"
    if by == "created":
        return "v.created DESC, n.name, v.number DESC"
    assert by is not None
    from recipes.tasks import all_metrics

    direction = "ASC" if all_metrics().get(by) == "min" else "DESC"
    return f"{_column(by, columns)} {direction} NULLS LAST, n.name, v.number DESC"


def _column(metric: str, columns: Mapping[str, str]) -> str:
    """Where a metric stands; NULL in a hub without metrics. Raises BadSearch for one that no version has."""
    if columns and metric not in columns:
        raise BadSearch(f"no version here has a metric {metric!r}; there are {', '.join(sorted(columns))}")
    return f"v.{columns[metric]}" if columns else "NULL"


def _several(value: str | Sequence[str] | None) -> Sequence[str]:
    return [value] if isinstance(value, str) else value or ()


def _found(
    row: tuple[Any, ...], columns: Mapping[str, str], root: Path | None, parsed: Callable[[str], Any]
) -> Found:
    """parsed: a JSON value that many versions share."""
    head, measured = row[: -len(columns) or None], row[len(row) - len(columns) :]
    name, number, task, method, size, base, created, publisher, message, tags, data, digest = head[:12]
    removed, newest, aliases = head[12:]
    return Found(
        name=name,
        number=number,
        task=task,
        method=method,
        size=size,
        base=dict(parsed(base)),
        created=created,
        publisher=publisher,
        message=message,
        tags=tuple(parsed(tags)),
        data_digest=unpacked(data),
        digest=unpacked(digest) or "",
        removed=bool(removed),
        aliases=(*(sorted(aliases.split()) if aliases else ()), *((LATEST,) if newest else ())),
        metrics={metric: value for metric, value in zip(columns, measured, strict=True) if value is not None},
        _root=root,
    )
