"""repertoire train: one recipe on one client's data, to a PEFT directory; a file of many jobs goes to night.py."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.shell_words import in_shell
from hub.cli.claim import claimed
from hub.cli.from_options import chosen_recipe, ray_workers
from hub.cli.options import (
    DEFAULT_BASE,
    DEFAULT_HUB,
    BaseToTrain,
    Changes,
    ColumnNames,
    Columns,
    DataFilesUnlessJobs,
    FormatNamed,
    HubPath,
    Json,
    Labels,
    Quantization,
    QuantizationToTrain,
    RayAddress,
    RecipeName,
    TestFiles,
    UnlabelledFiles,
    ValidationFiles,
    WorkerCpus,
    Workers,
)
from hub.cli.output import document, show
from hub.cli.stopping import kept_of_run, resume_by, stoppable

if TYPE_CHECKING:
    from adapters import Adapter
    from recipes import Recipe, Settings


def train(
    context: typer.Context,
    recipe: RecipeName,
    out: Annotated[Path, typer.Option(help="Folder for the adapter, or for all of them; new or empty.")],
    data: DataFilesUnlessJobs = None,
    base: BaseToTrain = DEFAULT_BASE,
    quantization: QuantizationToTrain = Quantization.nf4,
    validation: ValidationFiles = None,
    test: TestFiles = None,
    unlabelled: UnlabelledFiles = None,
    column: Columns = None,
    label: Labels = None,
    format_: FormatNamed = None,
    columns: ColumnNames = None,
    set_: Changes = None,
    parent: Annotated[
        str | None,
        typer.Option("--from", metavar="REFERENCE", help="Go on from a published adapter, on new data."),
    ] = None,
    hub: HubPath = DEFAULT_HUB,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run of the same command that was stopped.")
    ] = False,
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="Spare memory: compute layers again in the backward.")
    ] = False,
    pass_tokens: Annotated[
        int | None, typer.Option(min=16, help="Most tokens of one forward. [default: by device and memory]")
    ] = None,
    snapshot: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="Between two snapshots, from which --resume goes on."),
    ] = 60.0,
    track: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACKER", help="tensorboard, wandb or mlflow: curves, beside OUT."),
    ] = None,
    publish: Annotated[
        str | None,
        typer.Option(
            "--publish", metavar="HUB", help="Publish each job that passes its gates, under its name."
        ),
    ] = None,
    ray: RayAddress = None,
    workers: Workers = 2,
    cpus: WorkerCpus = 1,
    as_json: Json = False,
) -> None:
    """Train an adapter on a client's data, or the many of a file of jobs together, and measure it on rows that it has
    not seen.

    Example: `repertoire train recommendation clicks.csv --out adapters/acme --column clicked=bought --label 1=yes
    --label 0=no --set train.epochs=5`

    Example: `repertoire train jobs.yaml --out night --publish campaigns`, and after a crash the same with `--resume`

    Example: `repertoire train jobs.yaml --out /shared/night --ray auto --workers 8`, by workers on several machines
    """
    state, command = out.with_name(out.name + ".state"), context.obj
    with claimed(out, command), stoppable(lambda: kept_of_run(out, state, command)):
        _check_folders(out, state, resume, command, ray is not None)

        from recipes import Settings
        from recipes.runs import is_jobs

        curves = out.with_name(out.name + "-curves")
        settings = Settings(pass_tokens, checkpoint, state, snapshot, tuple(track or ()), curves)
        if is_jobs(recipe):
            rows = data or validation or test or unlabelled
            if rows or column or label or set_ or parent or format_ or columns:
                raise typer.BadParameter(f"{recipe} is a file of jobs; its data and settings stand in it")
            from hub.cli.night import train_jobs

            on_ray = ray_workers(ray, workers, cpus, base, quantization)
            train_jobs(recipe, out, base, quantization, settings, publish, as_json, on_ray)
            return
        if not data:
            raise typer.BadParameter("give the client's data, or a file of jobs", param_hint="DATA")
        if publish is not None:
            raise typer.BadParameter("is for files of jobs, which have names", param_hint="--publish")
        if ray is not None:
            raise typer.BadParameter("is for files of jobs: one job is trained by one", param_hint="--ray")
        chosen = chosen_recipe(recipe, column, label, set_, format_, columns)
        known = None if parent is None else (hub, parent)
        files = data, validation or None, test or None, unlabelled or None
        _train_one(chosen, files, base, quantization, known, out, settings, as_json)


def _train_one(
    recipe: "Recipe",
    files: tuple[list[Path], list[Path] | None, list[Path] | None, list[Path] | None],
    base: str,
    quantization: Quantization,
    parent: tuple[str, str] | None,
    out: Path,
    settings: "Settings",
    as_json: bool,
) -> None:
    """One job. files: training, validation and test, and without labels; parent: a hub, and the reference in it to go
    on from."""
    from recipes.data import load_splits, with_unlabelled
    from recipes.runs import doing

    shown = not as_json
    # What is wrong with the data is said before the base loads.
    with doing("reading the data", shown):
        *labelled, unlabelled = files
        splits = load_splits(recipe, *labelled, progress=shown)
        if unlabelled:
            splits = with_unlabelled(splits, recipe, unlabelled)

    from adapters import load_base
    from hub.hub import Hub
    from recipes.learn import Processes
    from recipes.runs import train as run

    trained = None
    if parent is not None:
        known = Hub(parent[0], create=False)
        reference = known.resolve(parent[1]).reference
        trained = known.read(reference), reference
    with doing(f"loading {base}", shown):
        loaded = load_base(base, quantization.value)
    adapter = run(recipe, splits, loaded, out=out, parent=trained, progress=shown, settings=settings)
    if Processes.here().rank == 0:
        _told(adapter, out, loaded.id, as_json)


def _check_folders(out: Path, state: Path, resume: bool, command: Sequence[str], on_ray: bool) -> None:
    """Whether a run may begin in `out`, or go on from `state`. Raises typer.BadParameter."""
    if resume and not state.is_dir():
        raise typer.BadParameter(
            f"{state} is not there, so that nothing was stopped; run it without --resume",
            param_hint="--resume",
        )
    if not resume and state.is_dir():
        raise typer.BadParameter(
            f"{state} holds a run that was stopped; go on with --resume ({resume_by(command)}), or remove that folder",
            param_hint="--out",
        )
    if not resume and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise typer.BadParameter(
            f"{out} holds files already; give a new folder, or empty this one", param_hint="--out"
        )
    if resume:
        from recipes.runs import is_of_groups, last_snapshot

        if last_snapshot(state) is not None and is_of_groups(state) != on_ray:
            fix = "leave --ray out" if on_ray else "give --ray ADDRESS as then"
            raise typer.BadParameter(
                f"{state} was begun {'without' if on_ray else 'on'} Ray; {fix}", param_hint="--resume"
            )


def _told(adapter: "Adapter", out: Path, base: str, as_json: bool) -> None:
    """What came of one job."""
    from recipes.data import DataFacts, Profile, profile_table
    from recipes.judge import (
        PAGE,
        AdapterInfo,
        Report,
        certainty_lines,
        folder_of,
        gate_lines,
        labels_table,
        loses,
        rank_line,
        results_table,
        verdict,
    )

    info = AdapterInfo.of(adapter.info)
    data, report, gates = info.data or DataFacts(), info.report or Report(), info.gates
    first = verdict(report)
    if as_json:
        about = {"folder": str(out), "task": adapter.task, "base": base, "report": report.to_info()}
        judged = {"gates": None if gates is None else gates.to_info(), "notes": data.notes}
        told = {"verdict": None if first is None else asdict(first)}
        document(told | about | judged | {"page": str(folder_of(out) / PAGE)})
        return
    show(
        *([first.sentence] if first is not None else []),
        profile_table(data.profile or Profile()),
        *filter(None, [results_table(report), labels_table(report)]),
        *certainty_lines(report),
        *([f"ranks: {rank_line(report.ranks)}"] if report.ranks else []),
        *(f"- {note}" for note in data.notes),
        *gate_lines(gates),
    )
    show(f"The report, with rows of the data, is in {folder_of(out) / PAGE}.")
    publish = f"repertoire publish {in_shell(out)} CLIENT/CAMPAIGN/{adapter.task}"
    if loses(info) is not None:
        show(
            f"The adapter is in {out}. A baseline beats it: publish asks whether to take it all the same ({publish})"
        )
    elif gates is None or gates.passed:
        show(f"The adapter is in {out}. Next: {publish}")
    else:
        show(
            f"The adapter is in {out}, but it did not pass its gates: publish will refuse it. Change the recipe or the "
            f"data and train again; or say why it may pass: {publish} --force --reason TEXT"
        )
