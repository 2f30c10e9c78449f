"""repertoire train jobs.yaml: the many jobs of a file together, each published when it is done and passed."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from hub.cli.options import Quantization
from hub.cli.output import document, show

if TYPE_CHECKING:
    from adapters import Adapter
    from recipes import Settings
    from recipes.runs import Result


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

    def done(place: int, result: "Result") -> None:
        entries[place] = entry(orders[place], result)
        if told is not None and not isinstance(result, Exception):
            entries[place] |= told(orders[place].name, result)
        try:
            write_night(entries, page.parent)
        except OSError as error:  # such as for a full disk; the others go on
            print(f"{page} cannot be written ({error}); the training goes on.", file=sys.stderr)

    loaded = load_base(base, quantization.value)
    train_many(orders, loaded, progress=not as_json, settings=settings, on_result=done)
    if Processes.here().rank:
        return
    if as_json:
        document(entries)
    else:
        show(_table(entries), *_reasons(entries), f"{counts(entries)}.")
        show(f"The adapters are in {out}; {page} leads to the report of each.")
    if any(each["error"] or _unpublished(each) for each in entries):
        raise typer.Exit(4)


def _publisher(address: str) -> "Callable[[str, Adapter], dict[str, str]]":
    """Publishes a job's adapter as soon as it is trained. Done again after a resume, it gives the same version."""
    from adapters.errors import RepertoireError
    from adapters.format import WEIGHTS, render
    from hub.hub import Hub

    hub = Hub(address)

    def publish(name: str, adapter: "Adapter") -> dict[str, str]:
        weights = hashlib.sha256(render(adapter)[WEIGHTS]).hexdigest()
        try:
            return {"published": hub.publish(adapter, name, publish_id=weights).reference}
        except (RepertoireError, OSError) as error:  # it lies in its folder, and the others go on
            return {"refused": str(error)}

    return publish


def _unpublished(entry: dict[str, Any]) -> bool:
    """Whether a hub refused what no gate held back."""
    return entry["refused"] is not None and entry["state"] != "closed"


def _table(entries: list[dict[str, Any]]) -> Table:
    from recipes.judge import number
    from recipes.runs import STATES

    result = Table(title="Jobs", title_justify="left")
    result.add_column("job", no_wrap=True, min_width=max(len(each["name"]) for each in entries))
    for column in ("metric", "base alone", "best baseline", "adapter", "result", "published"):
        result.add_column(column, justify="left" if column in ("metric", "result", "published") else "right")
    for each in entries:
        values = (number(each.get("metric", ""), each.get(key)) for key in ("before", "baseline", "after"))
        published = (each["published"] or "").removeprefix(each["name"])
        result.add_row(each["name"], each.get("metric", ""), *values, STATES[each["state"]], published)
    return result


def _reasons(entries: list[dict[str, Any]]) -> list[str]:
    """Why jobs failed, did not pass, or were not published."""
    told = [f"{each['name']} failed: {each['error']}" for each in entries if each["error"]]
    for each in entries:
        verdicts = (each["gates"] or {}).get("verdicts", [])
        told += [f"{each['name']}: {v['gate']}: {v['sentence']}" for v in verdicts if not v["passed"]]
    told += [f"{each['name']} was not published: {each['refused']}" for each in entries if _unpublished(each)]
    return told
