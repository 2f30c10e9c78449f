"""A file in, a file of answers out: row by row in memory that does not grow with it, and resumable at any moment.

data.csv  ->  requests  ->  registry.map  ->  out.parquet.state  ->  with the rows of data.csv again  ->  out.parquet
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.errors import RepertoireError, RequestError
from hub.bulk.asking import Asking, Rows, as_columns, stops
from hub.bulk.journal import open_journal
from hub.bulk.reading import read_rows
from hub.bulk.tables import Answered, check_absent, check_columns, check_ending, write_table
from hub.registry.requests import Request
from recipes.options import FormatOptions

if TYPE_CHECKING:
    from hub.registry.registry import Registry
    from recipes.data import Table


@dataclass(frozen=True)
class FileAnswered:
    """What came of a file. rows: of it; errors: those that have an error in the place of an answer; refused: texts that
    broke a rule and are not given; resumed: rows that an earlier run had answered; notes: how the file was read, where
    that is not the usual, and what its cells hold that a reader should know."""

    rows: int
    errors: int = 0
    refused: int = 0
    resumed: int = 0
    notes: tuple[str, ...] = field(default=(), compare=False)


def state_of(out: Path) -> Path:
    """Where the answers are kept until the file is written."""
    return out.with_name(f"{out.name}.state")


def answer_file(
    registry: "Registry",
    asking: Asking,
    data: Path,
    out: Path,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, rows: None,
    written: FormatOptions | None = None,
    read: "Table | None" = None,
) -> FileAnswered:
    """Answer every row of a file into another one, which has all its columns and the answers'.

    A run that was stopped goes on where it was when the same is asked again; what a reference meant at its beginning it
    means to its end. What is wrong with one row stands in its column `error`.

    Args:
        registry: that answers.
        asking: what is asked about each row.
        data: of any kind that training takes.
        out: CSV, TSV, JSONL or Parquet, by its ending.
        force: overwrite what is there, and begin again where a stopped run asked something else.
        progress: is called with the rows that are answered, and all of them.
        written: how the file is written; without it, as the adapter's training files were where that fits, else as its
            first lines say.
        read: the rows of the file, where somebody has read them already.

    Returns:
        How many rows, errors and refused texts there are.

    Raises:
        DataError: with everything that is wrong with the file; nothing is answered then.
        RequestError: the output is there already; a stopped run asked something else; a column is missing.
        RepertoireError: the adapter, where one is named for all rows, cannot answer; the hub cannot be reached. What is
            answered by then is kept.
    """
    check_out(data, out, force)
    state = state_of(out)
    table, taken = read_rows(registry, asking, data, written, read)
    asked = asdict(asking) | {"data": table.sha256}
    if how := taken.model_dump(exclude_defaults=True):
        asked["format"] = how
    with open_journal(state, asked, force) as journal:
        resumed = journal.count
        rows = Rows(asking, table, registry, journal)
        ranked = asking.call == "recommend" and rows.ranked
        columns = {asking.prefix + name: kind for name, kind in asking.answer_columns(ranked).items()}
        check_columns(table, [*columns])
        progress(resumed, len(table.rows))
        for answer, group, score in _answers(registry, rows, table, resumed):
            journal.add(answer, group, score)
            progress(journal.count, len(table.rows))
        counted = _Counted(FileAnswered(len(table.rows), resumed=resumed))
        write_table(
            Answered(table, columns, counted.through(journal.answers(ranked), asking.prefix)), out, force
        )
        journal.remove()
    return replace(counted.told(), notes=(*table.notes, *rows.notes()))


def check_out(data: Path, out: Path, force: bool) -> None:
    """See that answers can be written, before a base is loaded for them. Raises RequestError."""
    check_ending(out)
    if out.resolve() == data.resolve():
        raise RequestError(f"{out} is the file that is read; write the answers to another one")
    if not out.parent.is_dir():
        raise RequestError(f"there is no folder {out.parent}; make it first")
    if not force:
        check_absent(out)


_Told = tuple[dict[str, Any], str | None, float | None]


def _answers(registry: "Registry", rows: Rows, table: "Table", begin: int) -> Iterator[_Told]:
    """The answer to each row from the one at `begin` on, what it is ranked in, and by which number."""
    waiting: deque[tuple[str | None, str]] = deque()

    def requests() -> Iterator[Request | RepertoireError]:
        for number, row in enumerate(table.rows):
            if number < begin:
                rows.look(row)
                continue
            request, group, version = rows.request(row)
            waiting.append((group, version))
            yield request

    for answer in registry.map(requests()):
        if isinstance(answer, RepertoireError) and stops(answer):
            raise answer
        group, version = waiting.popleft()
        told, score = as_columns(answer, version)
        yield told, group, score


class _Counted:
    """Counts answers as they go by."""

    def __init__(self, begun: FileAnswered) -> None:
        self._begun, self._errors, self._refused = begun, 0, 0

    def through(self, answers: Iterator[Mapping[str, Any]], prefix: str) -> Iterator[dict[str, Any]]:
        """The same, under the names of their columns."""
        for answer in answers:
            self._errors += "error" in answer
            self._refused += len(answer.get("refused", ()))
            yield {prefix + name: value for name, value in answer.items()}

    def told(self) -> FileAnswered:
        """What was counted."""
        return replace(self._begun, errors=self._errors, refused=self._refused)
