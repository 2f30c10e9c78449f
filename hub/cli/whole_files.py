"""--data FILE --out FILE of recommend, analyze and write: every row of a file answered, in one mixed run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hub.cli.from_options import open_registry, pairs
from hub.cli.options import Quantization
from hub.cli.output import document, show
from hub.cli.progress import rows_done

if TYPE_CHECKING:
    from hub.bulk import Asking, FileAnswered

RowsToAnswer = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Answer each row of this file: CSV, TSV, JSONL, JSON or Parquet. Needs --out."
    ),
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


def answer_rows(
    call: Literal["recommend", "analyze", "write"],
    reference: str,
    data: Path,
    out: Path | None,
    column: Sequence[str] | None,
    by: str | None,
    prefix: str,
    force: bool,
    hub: str,
    base: str | None,
    quantization: Quantization | None,
    trust: Path | None,
    as_json: bool,
    n: int = 1,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Answer each row of a file, and say what came of it.

    Args:
        call: of the registry.
        reference: the adapter; with `by`, that of rows that name none.
        data: the file.
        out: the file of answers.
        column: of `--column`.
        by: the column of references.
        prefix: of the answers' columns.
        force: overwrite.
        hub: address of the hub.
        base: of `--base`.
        quantization: of `--quantization`.
        trust: of `--trust`.
        as_json: say it as a document.
        n: texts of each product.
        options: further ones of `Write`.

    Raises:
        RepertoireError: as `answer_file`.
    """
    from hub.bulk import Asking, answer_file, check_out, first_reference
    from hub.hub import Hub
    from recipes.data import streamed

    if out is None:
        raise typer.BadParameter("--data FILE needs --out FILE for the answers, such as answers.csv")
    if not reference and by is None:
        raise typer.BadParameter("name the adapter, or with --by the column that names each row's")
    asking = Asking(call, reference, by, dict(pairs(column, "--column")), n, dict(options or {}), prefix)
    check_out(data, out, force)
    first = reference or first_reference(asking, streamed(data), Hub(hub, create=False).resolve)
    loaded = open_registry(hub, first, base, quantization, trust)
    try:
        with rows_done(f"answering {data.name}", bar=not as_json) as progress:
            found = answer_file(loaded, asking, data, out, force, progress)
    except KeyboardInterrupt:
        typer.echo("repertoire: stopped; what is answered is kept, and the same command goes on", err=True)
        raise
    finally:
        loaded.close()
    if as_json:
        document({"out": str(out), **asdict(found)})
        return
    show(*_told(found, out, asking))


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
    return told


def needs_data(reference: str, out: Path | None, by: str | None) -> None:
    """Refuse the options of whole files where there is none, and a request that names no adapter."""
    if out is not None or by is not None:
        raise typer.BadParameter("--out and --by are for whole files; name one: --data FILE")
    if not reference:
        raise typer.BadParameter("name the adapter: client/campaign/task")
