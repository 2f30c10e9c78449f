"""repertoire train jobs.yaml: the many jobs of a file together, each published when it is done and passed."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from adapters.shell_words import in_shell
from hub.cli.options import Quantization
from hub.cli.output import document, say, show

if TYPE_CHECKING:
    from adapters import Adapter
    from hub.fleet import OnRay
    from recipes import Settings
    from recipes.runs import Brief, Result, TrainMany


def train_jobs(
    file: str,
    out: Path,
    base: str,
    quantization: Quantization,
    settings: "Settings",
    publish: str | None,
    as_json: bool,
    on_ray: "OnRay | None" = None,
) -> None:
    """Train a file of jobs.

    Args:
        file: YAML, the jobs.
        out: folder for all adapters, new or empty.
        base: of `--base`.
        quantization: how to hold it.
        settings: of the run, the same for all jobs.
        publish: the hub that a job's adapter goes to as soon as it is trained; None publishes nothing.
        as_json: tell it as a document.
        on_ray: workers that train; None trains here.

    Raises:
        typer.Exit: with 4 where a job has failed, or was refused by the hub; the others are trained.
    """
    from hub.storage.names import check_name
    from recipes.runs import load_jobs

    orders = load_jobs(file, out)
    for order in orders if publish is not None else ():
        check_name(order.name)

    from recipes.judge import PAGE, folder_of
    from recipes.learn import Processes
    from recipes.runs import brief, counts, write_night

    briefs, page = [brief(order, None) for order in orders], folder_of(out) / PAGE
    told = None if publish is None else _publisher(publish)

    def done(index: int, result: "Result") -> None:
        briefs[index] = brief(orders[index], result)
        if told is not None and not isinstance(result, Exception):
            briefs[index] = told(briefs[index], result)
        try:
            write_night(briefs, page.parent)
        except OSError as error:  # such as for a full disk; the others go on
            say(f"{page} cannot be written ({error}); the training goes on.", error=True)

    train = _trainer(base, quantization, on_ray, not as_json)
    train(orders, progress=not as_json, settings=settings, on_result=done)
    if Processes.here().rank:
        return
    if as_json:
        document([each.to_dict() for each in briefs])
    else:
        show(_table(briefs), *_reasons(briefs), f"{counts(briefs)}.")
        show(f"The adapters are in {out}; {page} leads to the report of each.")
    if any(each.error or each.is_held_back for each in briefs):
        raise typer.Exit(4)


def _trainer(base: str, quantization: Quantization, on_ray: "OnRay | None", shown: bool) -> "TrainMany":
    """Who trains: this process, on a base that it loads, or workers."""
    if on_ray is not None:
        from hub.fleet import train_on_ray

        return partial(train_on_ray, on_ray)
    from adapters import load_base
    from recipes.runs import doing, train_many

    with doing(f"loading {base}", shown):
        loaded = load_base(base, quantization.value)
    return partial(train_many, base=loaded)


def _publisher(address: str) -> "Callable[[Brief, Adapter], Brief]":
    """Publishes a job's adapter as soon as it is trained. Done again after a resume, it gives the same version."""
    from adapters.errors import RepertoireError
    from adapters.format import WEIGHTS, render
    from hub.hub import Hub
    from recipes.judge import AdapterInfo, loses

    hub = Hub(address)

    def publish(job: "Brief", adapter: "Adapter") -> "Brief":
        if (worse := loses(AdapterInfo.of(adapter.info))) is not None:
            fix = f"repertoire publish {in_shell(job.folder)} {job.name} --yes; or gates.allow_worse in its recipe"
            return replace(job, refused=f"{worse.sentence} To publish it all the same: {fix}")
        weights = hashlib.sha256(render(adapter)[WEIGHTS]).hexdigest()
        try:
            return replace(job, published=hub.publish(adapter, job.name, publish_id=weights).reference)
        except (RepertoireError, OSError) as error:  # it lies in its folder, and the others go on
            return replace(job, refused=str(error))

    return publish


def _table(briefs: "list[Brief]") -> Table:
    from recipes.judge import number
    from recipes.runs import STATES

    result = Table(title="Jobs", title_justify="left")
    result.add_column("job", no_wrap=True, min_width=max(len(each.name) for each in briefs))
    for column in ("metric", "base alone", "best baseline", "adapter", "result", "published"):
        result.add_column(column, justify="left" if column in ("metric", "result", "published") else "right")
    for each in briefs:
        found = each.figures
        metric = "" if found is None else found.metric
        values = (None,) * 3 if found is None else (found.before, found.baseline, found.after)
        published = (each.published or "").removeprefix(each.name)
        shown = (number(metric, value) for value in values)
        result.add_row(each.name, metric, *shown, STATES[each.state], published)
    return result


def _reasons(briefs: "list[Brief]") -> list[str]:
    """Why jobs failed, did not pass, or were not published."""
    told = [f"{each.name} failed: {each.error}" for each in briefs if each.error]
    for each in briefs:
        told += [f"{each.name}: {v.gate}: {v.sentence}" for v in (each.gates.failed if each.gates else ())]
    told += [f"{each.name} was not published: {each.refused}" for each in briefs if each.is_held_back]
    return told
