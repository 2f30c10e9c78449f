"""repertoire train: one recipe on one client's data, to a PEFT directory."""

from pathlib import Path
from typing import Annotated

import typer

from hub.cli.options import Json, Quantization, pairs
from hub.cli.output import document, show


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="recommendation, behavior or ad-copy, each also with -prefix; or a YAML file.",
            show_default=False,
        ),
    ],
    data: Annotated[
        list[Path], typer.Argument(help="CSV, TSV, JSONL, JSON or Parquet; several are read as one.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the adapter; it must be new or empty.")],
    base: Annotated[str, typer.Option(help="`starter`, a Hugging Face id or a folder.")] = "starter",
    quantization: Annotated[Quantization, typer.Option(help="How to hold the base.")] = Quantization.nf4,
    validation: Annotated[
        list[Path] | None, typer.Option(help="Rows to stop early by. [default: cut from DATA]")
    ] = None,
    test: Annotated[
        list[Path] | None, typer.Option(help="Rows to measure on. [default: cut from DATA]")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=COLUMN", help="What a column is called in the file.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="MEANING=VALUE", help="What a label is called in the file.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any value of the recipe.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train an adapter on a client's data and measure it on rows that it has not seen.

    Example: `repertoire train recommendation clicks.csv --out adapters/acme --column clicked=bought --label 1=yes
    --label 0=no --set train.epochs=5`
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise typer.BadParameter(
            f"{out} holds files already; give a new folder, or empty this one", param_hint="--out"
        )

    from recipes.data import load_splits
    from recipes.recipe import Recipe, parse_override

    columns = {f"data.columns.{role}": name for role, name in pairs(column or (), "--column")}
    values = {f"data.labels.{value}": _meaning(meaning) for meaning, value in pairs(label or (), "--label")}
    changes = dict(parse_override(text) for text in set_ or ())
    chosen = Recipe.load(recipe, **columns, **values, **changes)
    # What is wrong with the data is said before the base loads.
    load_splits(chosen, data, validation or None, test or None)

    from adapters import load_base
    from recipes.page import PAGE, folder_of
    from recipes.report import certainty_lines, labels_table, table, verdict_lines
    from recipes.train import train as run

    loaded = load_base(base, quantization.value)
    adapter = run(
        chosen, data, loaded, validation=validation or None, test=test or None, out=out, progress=not as_json
    )
    report, gates, notes = adapter.info["report"], adapter.info["gates"], adapter.info["data"]["notes"]
    if as_json:
        about = {"folder": str(out), "task": adapter.task, "base": loaded.id, "report": report}
        document(about | {"gates": gates, "notes": notes, "page": str(folder_of(out) / PAGE)})
        return
    show(
        *filter(None, [table(report), labels_table(report)]),
        *certainty_lines(report),
        *(f"- {note}" for note in notes),
        *verdict_lines(gates),
    )
    show(f"The report, with rows of the data, is in {folder_of(out) / PAGE}.")
    publish = f"repertoire publish {out} CLIENT/CAMPAIGN/{adapter.task}"
    if gates is None or gates["passed"]:
        show(f"The adapter is in {out}. Next: {publish}")
    else:
        show(
            f"The adapter is in {out}, but it did not pass its gates: publish will refuse it. Change the recipe or the "
            f"data and train again; or say why it may pass: {publish} --force --reason TEXT"
        )


def _meaning(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
