"""repertoire train jobs.yaml: the many jobs of a file together, each published when it is done and passed."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from hub.cli.options import Quantization
from hub.cli.output import document, show

if TYPE_CHECKING:
    from adapters import Adapter
    from recipes import Settings
    from recipes.runs import Entry, Result


def train_jobs(
    file: str,
    out: Path,
    base: str,
    quantization: Quantization,
    settings: "Settings",
    publish: str | None,
    as_json: bool,
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

    Raises:
        typer.Exit: with 4 where a job has failed, or was refused by the hub; the others are trained.
    """
    from hub.storage.names import check_name
    from recipes.runs import load_jobs

    orders = load_jobs(file, out)
    for order in orders if publish is not None else ():
        check_name(order.name)

    from adapters import load_base
    from recipes import train_many
    from recipes.judge import PAGE, folder_of
    from recipes.learn import Processes
    from recipes.runs import counts, entry, write_night

    entries, page = [entry(order, None) for order in orders], folder_of(out) / PAGE
    told = None if publish is None else _publisher(publish)

    def done(index: int, result: "Result") -> None:
        entries[index] = entry(orders[index], result)
        if told is not None and not isinstance(result, Exception):
            entries[index] = told(entries[index], result)
        try:
            write_night(entries, page.parent)
        except OSError as error:  # such as for a full disk; the others go on
            print(f"{page} cannot be written ({error}); the training goes on.", file=sys.stderr)

    loaded = load_base(base, quantization.value)
    train_many(orders, loaded, progress=not as_json, settings=settings, on_result=done)
    if Processes.here().rank:
        return
    if as_json:
        document([each.to_dict() for each in entries])
    else:
        show(_table(entries), *_reasons(entries), f"{counts(entries)}.")
        show(f"The adapters are in {out}; {page} leads to the report of each.")
    if any(each.error or each.is_held_back for each in entries):
        raise typer.Exit(4)


def _publisher(address: str) -> "Callable[[Entry, Adapter], Entry]":
    """Publishes a job's adapter as soon as it is trained. Done again after a resume, it gives the same version."""
    from adapters.errors import RepertoireError
    from adapters.format import WEIGHTS, render
    from hub.hub import Hub

    hub = Hub(address)

    def publish(job: "Entry", adapter: "Adapter") -> "Entry":
        weights = hashlib.sha256(render(adapter)[WEIGHTS]).hexdigest()
        try:
            return replace(job, published=hub.publish(adapter, job.name, publish_id=weights).reference)
        except (RepertoireError, OSError) as error:  # it lies in its folder, and the others go on
            return replace(job, refused=str(error))

    return publish


def _table(entries: "list[Entry]") -> Table:
    from recipes.judge import number
    from recipes.runs import STATES

    result = Table(title="Jobs", title_justify="left")
    result.add_column("job", no_wrap=True, min_width=max(len(each.name) for each in entries))
    for column in ("metric", "base alone", "best baseline", "adapter", "result", "published"):
        result.add_column(column, justify="left" if column in ("metric", "result", "published") else "right")
    for each in entries:
        found = each.figures
        metric = "" if found is None else found.metric
        values = (None,) * 3 if found is None else (found.before, found.baseline, found.after)
        published = (each.published or "").removeprefix(each.name)
        shown = (number(metric, value) for value in values)
        result.add_row(each.name, metric, *shown, STATES[each.state], published)
    return result


def _reasons(entries: "list[Entry]") -> list[str]:
    """Why jobs failed, did not pass, or were not published."""
    told = [f"{each.name} failed: {each.error}" for each in entries if each.error]
    for each in entries:
        told += [f"{each.name}: {v.gate}: {v.sentence}" for v in (each.gates.failed if each.gates else ())]
    told += [f"{each.name} was not published: {each.refused}" for each in entries if each.is_held_back]
    return told
