"""repertoire tune: search for a recipe's values, to a recipe file."""

import shlex
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.shell_words import in_shell
from hub.cli.claim import claimed
from hub.cli.from_options import chosen_recipe, ray_workers
from hub.cli.options import (
    DEFAULT_BASE,
    BaseToTrain,
    Changes,
    ColumnNames,
    Columns,
    DataFiles,
    FormatNamed,
    Json,
    Labels,
    Quantization,
    QuantizationToTrain,
    RayAddress,
    RecipeName,
    WorkerCpus,
    Workers,
)
from hub.cli.output import document, show
from hub.cli.stopping import stoppable

if TYPE_CHECKING:
    from hub.fleet import OnRay
    from recipes.runs import Tuned


def tune(
    context: typer.Context,
    recipe: RecipeName,
    data: DataFiles,
    space: Annotated[
        Path, typer.Option(help="YAML: `train.learning_rate: {low: 1e-4, high: 1e-2, log: true}`")
    ],
    out: Annotated[Path, typer.Option(help="File for the best recipe; it must be new.")],
    trials: Annotated[int, typer.Option(min=1, help="How many sets of values to try.")] = 20,
    together: Annotated[int, typer.Option(min=1, help="How many of them train at the same time.")] = 8,
    seed: Annotated[int, typer.Option(help="The same seed tries the same values.")] = 0,
    base: BaseToTrain = DEFAULT_BASE,
    quantization: QuantizationToTrain = Quantization.nf4,
    validation: Annotated[
        list[Path] | None, typer.Option(help="Rows to compare trials by. [default: cut from DATA]")
    ] = None,
    test: Annotated[
        list[Path] | None, typer.Option(help="Rows that the search must not use. [default: cut from DATA]")
    ] = None,
    column: Columns = None,
    label: Labels = None,
    format_: FormatNamed = None,
    columns: ColumnNames = None,
    set_: Changes = None,
    ray: RayAddress = None,
    workers: Workers = 2,
    cpus: WorkerCpus = 1,
    as_json: Json = False,
) -> None:
    """Search for the values of a recipe that do best on the validation rows; trials train together on one base.

    The search never looks at how good a trial is on the test rows, and keeps no weights: train with the recipe that it
    writes.

    Example: `repertoire tune recommendation clicks.csv --space space.yaml --trials 20 --together 8 --out best.yaml`,
    then `repertoire train best.yaml clicks.csv --out my-adapter`
    """
    command = context.obj
    kept = (
        f"A search keeps nothing before its end. To begin again, with the same trials: {shlex.join(command)}"
    )
    with claimed(out, command), stoppable(lambda: kept):
        if out.exists():
            raise typer.BadParameter(f"{out} is there already; give a new file", param_hint="--out")

        import optuna

        from recipes.data import load_splits
        from recipes.runs import doing, read_space

        shown = not as_json
        chosen = chosen_recipe(recipe, column, label, set_, format_, columns)
        # What is wrong with the space or the data is said before the base loads.
        read_space(space, chosen)
        with doing("reading the data", shown):
            splits = load_splits(chosen, data, validation or None, test or None, progress=shown)

        from recipes.runs import trials_table

        optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it tells of each study it makes
        search = _searcher(base, quantization, ray_workers(ray, workers, cpus, base, quantization), shown)
        found = search(chosen, space, splits, trials=trials, together=together, seed=seed, progress=shown)
        out.write_text(found.recipe.to_yaml(), encoding="utf-8")
    if as_json:
        about = {"file": str(out), "metric": found.metric, "value": found.value, "best": found.best.number}
        document(about | {"recipe": found.recipe.to_dict(), "trials": [asdict(t) for t in found.trials]})
        return
    show(trials_table(found), *(f"- {trial.error}" for trial in found.trials if trial.error))
    same = [("--validation", each) for each in validation or ()] + [("--test", each) for each in test or ()]
    files = [*map(in_shell, data), *(f"{option} {in_shell(each)}" for option, each in same)]
    show(
        f"Trial {found.best.number} is in {out}. Its {found.metric} is that of the rows that chose it, so too good; "
        f"training measures it on rows that chose nothing: repertoire train {in_shell(out)} {' '.join(files)} "
        "--out FOLDER"
    )


def _searcher(
    base: str, quantization: Quantization, on_ray: "OnRay | None", shown: bool
) -> "Callable[..., Tuned]":
    """Who trains the trials: this process, on a base that it loads, or workers."""
    if on_ray is not None:
        from hub.fleet import tune_on_ray

        return partial(tune_on_ray, on_ray)
    from adapters import load_base
    from recipes.runs import doing
    from recipes.runs import tune as search

    with doing(f"loading {base}", shown):
        return partial(search, base=load_base(base, quantization.value))
