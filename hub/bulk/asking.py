"""Rows of a file as requests, and answers as columns: what is asked of which adapter.

row      {"message": "so late", "adapter": "acme/spring/behavior"}
request  Analyze("acme/spring/behavior@3", [{"text": "so late"}])
answer   {"label": "mad", "probability": 0.97, "probabilities": {...}, "adapter": "acme/spring/behavior@3"}
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from adapters.errors import Busy, Cancelled, NotEnoughMemory, RepertoireError, RequestError
from hub.errors import BadName, HubError, NotInHub, Unreachable
from hub.registry.requests import Analysis, Analyze, Answer, Ranked, Recommend, Request, Texts, Write
from hub.registry.rules import NoneKept
from hub.storage.names import members
from recipes import DataError
from recipes.answer import Voice, empty_cells, filled_roles, read_columns
from recipes.data import Remarks
from recipes.tasks import text_of

if TYPE_CHECKING:
    from hub.bulk.journal import Journal
    from hub.registry.registry import Registry
    from recipes.data import Row, Table

GROUP = "group"


@dataclass(frozen=True)
class Asking:
    """What is asked about each row of a file.

    Attributes:
        call: of the registry.
        reference: the adapter, or with `+` between them several that answer as one; with `by`, that of rows that name
            none.
        by: the column of references.
        columns: role -> column, where that is not the one of training; `group` is what recommendations are ranked in.
        n: texts of each product.
        options: of `Write`, beside these.
        prefix: before the names of the answers' columns.
    """

    call: Literal["recommend", "analyze", "write"]
    reference: str = ""
    by: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    n: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = "answer_"

    def answer_columns(self, ranked: bool) -> dict[str, type]:
        """The answers' columns without their prefix, and what they hold. ranked: with a rank inside a group."""
        own: dict[str, type]
        if self.call == "write":
            texts = {name: str for name in text_columns(self.n)}
            own = {**texts, "refused": object}
        elif self.call == "recommend":
            own = {"probability": float, **({"rank": int} if ranked else {}), "cut": int}
        else:
            own = {"label": str, "probability": float, "probabilities": object, "cut": int}
        return own | {"adapter": str, "error": str}


def first_reference(asking: Asking, table: "Table", resolves: Callable[[str], object]) -> str:
    """The first adapter that is named and there: its base is the one to load.

    Args:
        asking: what is asked.
        table: the rows.
        resolves: looks a reference up, and raises NotInHub or BadName.

    Raises:
        NotInHub: no row names one; with what is wrong with the first.
    """
    if asking.reference or asking.by is None:
        return asking.reference
    failed: dict[str, HubError] = {}
    for row in table.rows:
        named = str(row.cells.get(asking.by) or "")
        if named and named not in failed:
            try:
                resolves(members(named)[0])
                return named
            except (NotInHub, BadName) as error:
                failed[named] = error
    why = next((str(error) for error in failed.values()), f"the column `{asking.by}` is empty")
    raise NotInHub(f"no row of {table.name} names an adapter that is there: {why}")


def text_columns(n: int) -> list[str]:
    """`text`, `text_2`, ..."""
    return ["text", *(f"text_{number}" for number in range(2, n + 1))]


@dataclass(frozen=True)
class _Known:
    """A reference that was looked up. version: what it means until the run is done, or why it means nothing; columns:
    role or feature -> column of the file; filled: the roles whose cells must not be empty; read: the columns."""

    version: str
    columns: Mapping[str, str] = field(default_factory=dict)
    filled: Sequence[str] = ()
    group: str | None = None
    error: RepertoireError | None = None
    read: tuple[str, ...] = ()


class Rows:
    """The rows of one file as requests. Raises RequestError where the file has no column of references, and as
    `Registry` and `read_columns` where the one adapter that is named for all rows cannot answer."""

    def __init__(
        self,
        asking: Asking,
        table: "Table",
        registry: "Registry",
        journal: "Journal",
    ) -> None:
        self._asking, self._table, self._registry, self._journal = asking, table, registry, journal
        self._known: dict[str, _Known] = {}
        self._remarks = Remarks()
        for column in filter(None, (asking.by, asking.columns.get(GROUP))):
            if column not in table.columns:
                had = ", ".join(f"`{name}`" for name in table.columns)
                raise RequestError(f"{table.name} has no column `{column}`; it has {had}")
            self._check_faults([column])
        if asking.by is None and (error := self._look_up(asking.reference).error) is not None:
            raise error

    @property
    def ranked(self) -> bool:
        """Whether rows are ranked in groups: a group is named, or the adapter of all rows was trained with one."""
        named = GROUP in self._asking.columns
        return named or (self._asking.by is None and self._look_up(self._asking.reference).group is not None)

    def request(self, row: "Row") -> tuple[Request | RepertoireError, str | None, str]:
        """What is asked about a row, or why nothing can be; what it is ranked in; and who answers."""
        known = self.look(row)
        if known.error is not None:
            return known.error, None, known.version
        cells = {name: row.cells.get(column) for name, column in known.columns.items()}
        if known.group is None:
            return self._asked(known, cells), None, known.version
        try:
            group = text_of(row.cells.get(known.group))
        except RequestError as error:
            return error, None, known.version
        if not group:
            return RequestError(f"`{known.group}`, what is ranked together, is empty"), None, known.version
        return self._asked(known, cells), group, known.version

    def look(self, row: "Row") -> _Known:
        """Who is asked about a row; what is odd in the cells that are read is kept for `notes`."""
        named = "" if self._asking.by is None else str(row.cells.get(self._asking.by) or "")
        known = self._look_up(named or self._asking.reference)
        self._remarks.look(row, known.read)
        return known

    def notes(self) -> list[str]:
        """What is odd in the rows that were looked at, as training notes it."""
        read = {column for known in self._known.values() for column in (*known.read, known.group) if column}
        return [*self._table.idle_faults({*read, self._asking.by}), *self._remarks.notes(self._table.title)]

    def _asked(self, known: _Known, cells: Mapping[str, Any]) -> Request | RepertoireError:
        try:
            empty = empty_cells(known.filled, cells)
        except RequestError as error:
            return error
        if empty:
            return RequestError(f"{' and '.join(f'`{known.columns[name]}`' for name in empty)} is empty")
        if self._asking.call == "write":
            return Write(known.version, cells, self._asking.n, **self._asking.options)
        if self._asking.call == "recommend":
            return Recommend(known.version, "", [cells])
        return Analyze(known.version, [cells])

    def _look_up(self, reference: str) -> _Known:
        if reference not in self._known:
            try:
                self._known[reference] = self._find(reference)
            except RepertoireError as error:
                if stops(error):
                    raise
                self._known[reference] = _Known(reference, error=error)
        return self._known[reference]

    def _find(self, reference: str) -> _Known:
        if not reference:
            raise RequestError("no adapter is named")
        if not reference.isascii():  # as all names are: what is no text cannot even be written down
            raise BadName(f"{reference!a} is no reference; write client/campaign/task")
        version = self._journal.version(reference)
        if version is None:
            found = [self._registry.hub.resolve(each).reference for each in members(reference)]
            version = "+".join(found)
            self._journal.remember(reference, version)
        voices = [self._registry.voice(each) for each in members(version)]
        named = {role: name for role, name in self._asking.columns.items() if role != GROUP}
        columns: dict[str, str] = {}
        for voice in voices:
            columns = read_columns(voice, self._table.columns, named) | columns
        filled = dict.fromkeys(name for voice in voices for name in filled_roles(voice))
        read, group = tuple(dict.fromkeys(columns.values())), self._group(voices)
        self._check_faults([*read, group])
        return _Known(version, columns, tuple(filled), group, read=read)

    def _check_faults(self, read: Sequence[str | None]) -> None:
        """Raise DataError where something is wrong with columns that are read."""
        if faults := self._table.faults_of(read):
            raise DataError(faults)

    def _group(self, voices: Sequence[Voice]) -> str | None:
        """The column of what is ranked together: the one that is named, or that of training where the file has it."""
        if GROUP in self._asking.columns:
            return self._asking.columns[GROUP]
        names = (voice.recipe.data.columns.get(GROUP, GROUP) for voice in voices)
        return next((name for name in names if name in self._table.columns), None)


def stops(error: RepertoireError) -> bool:
    """Whether an error is no row's own, so that a run had better go on later."""
    return isinstance(error, Busy | Cancelled | NotEnoughMemory | Unreachable)


def as_columns(answer: Answer, version: str) -> tuple[dict[str, Any], float | None]:
    """The answer to one row as columns, and what it is ranked by."""
    told: dict[str, Any] = {"adapter": version}
    if isinstance(answer, Texts | NoneKept):
        reasons = [{"text": each.text, "reasons": [*map(str, each.reasons)]} for each in answer.refused]
        told["refused"] = reasons
    if isinstance(answer, RepertoireError):
        return told | {"error": str(answer)}, None
    if isinstance(answer, Texts):
        return told | dict(zip(text_columns(len(answer)), answer, strict=True)), None
    (only,) = answer
    if isinstance(only, Ranked):
        return told | {"probability": only.probability, "cut": only.cut}, only.probability
    assert isinstance(only, Analysis)
    return told | {
        "label": ", ".join(only.labels),
        "probability": only.probabilities[only.label],
        "probabilities": dict(only.probabilities),
        "cut": only.cut,
    }, None
