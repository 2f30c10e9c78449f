"""--data FILE --out FILE of recommend, analyze and write: every row of a file answered, in one mixed run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hub.cli.from_options import pairs, written
from hub.cli.output import document, show
from hub.cli.progress import rows_done
from hub.cli.stopping import stoppable

if TYPE_CHECKING:
    from hub.bulk import Asking, FileAnswered
    from hub.registry.registry import Registry
    from recipes.options import FormatOptions

_KEPT = "What is answered is kept, and the same command goes on."

RowsToAnswer = Annotated[
    Path | None,
    typer.Option("--data", help="Answer each row of this file, of any kind that `train` takes. Needs --out."),
]
FileOfAnswers = Annotated[
    Path | None,
    typer.Option("--out", help="With --data: the rows with their answers, as CSV, TSV, JSONL or Parquet."),
]
RowColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="ROLE=COLUMN",
        help="With --data: what a column is called in the file. [default: as in training]",
    ),
]
ByColumn = Annotated[
    str | None,
    typer.Option("--by", metavar="COLUMN", help="With --data: the column that names each row's adapter."),
]
Prefix = Annotated[
    str, typer.Option("--prefix", help="With --data: before the names of the answers' columns.")
]
Force = Annotated[bool, typer.Option("--force", help="With --data: overwrite what is there.")]

FormatChanges = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="data.format.KEY=VALUE",
        help="With --data: how the file is written, such as data.format.encoding=gb18030.",
    ),
]


@dataclass(frozen=True)
class WholeFile:
    """What the options of whole files say.

    Attributes:
        data: of `--data`.
        out: of `--out`.
        column: of `--column`.
        by: of `--by`.
        prefix: of `--prefix`.
        force: of `--force`.
        format: of `--format`.
        columns: of `--columns`.
        set: of `--set`.
    """

    data: Path | None
    out: Path | None
    column: Sequence[str] | None
    by: str | None
    prefix: str
    force: bool
    format: str | None = None
    columns: str | None = None
    set: Sequence[str] | None = None

    @property
    def written(self) -> "FormatOptions | None":
        """How the file is written; None where nothing is said of it."""
        if self.format is None and self.columns is None and not self.set:
            return None
        return written(self.format, self.columns, self.set)


def answer_rows(
    call: Literal["recommend", "analyze", "write"],
    reference: str,
    file: WholeFile,
    open_by: "Callable[[str], Registry]",
    hub: str,
    as_json: bool,
    n: int = 1,
    options: Mapping[str, Any] | None = None,
) -> bool:
    """Answer each row of a file, and say what came of it.

    Args:
        call: of the registry.
        reference: the adapter; with `--by`, that of rows that name none.
        file: the options.
        open_by: a registry on the base of an adapter.
        hub: address of the hub.
        as_json: say it as a document.
        n: texts of each product.
        options: further ones of `Write`.

    Returns:
        Whether a file was asked about; where none was, the reference is there, and nothing was done.

    Raises:
        typer.BadParameter: options are missing, or say nothing without a file.
        RepertoireError: as `answer_file`.
    """
    if file.data is None:
        if file.format is not None or file.columns is not None or file.set:
            raise typer.BadParameter(
                "--format, --columns and --set are for whole files; name one: --data FILE"
            )
        if file.out is not None or file.by is not None:
            raise typer.BadParameter("--out and --by are for whole files; name one: --data FILE")
        if not reference:
            raise typer.BadParameter("name the adapter: client/campaign/task")
        return False
    data, out, by = file.data, file.out, file.by
    from hub.bulk import Asking, answer_file, check_out, first_reference
    from hub.hub import Hub
    from recipes.data import streamed

    if out is None:
        raise typer.BadParameter("--data FILE needs --out FILE for the answers, such as answers.csv")
    if not reference and by is None:
        raise typer.BadParameter("name the adapter, or with --by the column that names each row's")
    asking = Asking(
        call, reference, by, dict(pairs(file.column, "--column")), n, dict(options or {}), file.prefix
    )
    check_out(data, out, file.force)
    how = file.written
    rows = None if reference else streamed(data, how)
    first = reference if rows is None else first_reference(asking, rows, Hub(hub, create=False).resolve)
    loaded = open_by(first)
    try:
        with stoppable(lambda: _KEPT), rows_done(f"answering {data.name}", bar=not as_json) as progress:
            found = answer_file(loaded, asking, data, out, file.force, progress, how, rows)
    finally:
        loaded.close()
    if as_json:
        document({"out": str(out), **asdict(found)})
        return True
    show(*_told(found, out, asking))
    return True


def _told(found: "FileAnswered", out: Path, asking: "Asking") -> list[str]:
    """What came of a file, in sentences."""
    told = [f"{found.rows:,} rows answered: {out}"]
    if found.resumed:
        told.append(f"{found.resumed:,} of them an earlier run had answered.")
    if found.errors:
        told.append(f"{found.errors:,} have no answer; the column {asking.prefix}error says why.")
    if found.refused:
        told.append(
            f"{found.refused:,} texts broke a rule and are not given; the column {asking.prefix}refused says which."
        )
    return [*told, *(f"- {note}" for note in found.notes)]
