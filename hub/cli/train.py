"""repertoire train: one recipe on one client's data, to a PEFT directory."""

from pathlib import Path
from typing import Annotated

import typer

from hub.cli.options import Changes, Columns, DataFiles, Json, Labels, Quantization, RecipeName, chosen_recipe
from hub.cli.output import document, show


def train(
    recipe: RecipeName,
    data: DataFiles,
    out: Annotated[Path, typer.Option(help="Folder for the adapter; it must be new or empty.")],
    base: Annotated[str, typer.Option(help="`starter`, a Hugging Face id or a folder.")] = "starter",
    quantization: Annotated[Quantization, typer.Option(help="How to hold the base.")] = Quantization.nf4,
    validation: Annotated[
        list[Path] | None, typer.Option(help="Rows to stop early by. [default: cut from DATA]")
    ] = None,
    test: Annotated[
        list[Path] | None, typer.Option(help="Rows to measure on. [default: cut from DATA]")
    ] = None,
    column: Columns = None,
    label: Labels = None,
    set_: Changes = None,
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

    chosen = chosen_recipe(recipe, column, label, set_)
    # What is wrong with the data is said before the base loads.
    load_splits(chosen, data, validation or None, test or None, progress=not as_json)

    from adapters import load_base
    from recipes.page import PAGE, folder_of
    from recipes.profile import table as profile_table
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
        profile_table(adapter.info["data"]["profile"]),
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
