"""repertoire demo: two made-up clients, six adapters, one quantized base; all of it trained and measured now."""

import csv
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from adapters.shell_words import in_shell
from hub.cli import demo_days
from hub.cli.options import Json
from hub.cli.output import document, show

if TYPE_CHECKING:
    from adapters import Adapter, Base
    from adapters.errors import RepertoireError
    from hub.registry.registry import Registry
    from recipes.judge import Report

CAMPAIGNS = {"acme": "spring", "globex": "launch"}
# Both methods, so that the one batch at the end mixes them.
METHODS = {
    (client, task): "prefix" if task == "behavior" else "lora"
    for client in CAMPAIGNS
    for task in ("recommendation", "behavior", "ad-copy")
}
ROWS = {"recommendation": (1200, 400), "behavior": (400, 240), "ad-copy": (300, 60)}
# A small base takes larger steps than the presets. Its heads read the mean of all tokens, which it needs to notice that
# an ad matches a history; transformers' own heads read the last one (`pooling: last`), and only with that does stock
# PEFT give the same answers.
# What is shown is what adapters learn, and no baseline answers beside them.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "recommendation": {
        "blend": False,
        "train.epochs": 2,
        "train.batch_size": 16,
        "train.learning_rate": 3e-3,
        "train.head_learning_rate": 5e-3,
        "train.weight_decay": 0.1,
        "lora.rank": 16,
        "lora.dropout": 0.1,
        "head.init": "random",
        "head.pooling": "mean",
        "data.columns.group": "user_id",
    },
    "behavior": {
        "blend": False,
        "train.epochs": 5,
        "train.batch_size": 8,
        "train.learning_rate": 0.1,
        "train.head_learning_rate": 1e-2,
        "prefix.length": 32,
        "head.init": "random",
        "head.pooling": "mean",
        "data.repeats": "drop",
    },
    "ad-copy": {
        "train.epochs": 3,
        "train.batch_size": 8,
        "train.learning_rate": 4e-3,
        "lora.dropout": 0.0,
        "write.evaluated": 16,
        "write.max_new_tokens": 80,
    },
}
_OURS = {"demo.json", "data", "adapters", "hub", *demo_days.FILES}
_MINUTES = 4
_WAIT = ", and measure each on rows that it never saw: most of the time; a line at each validation"
_DAYS = ": users click, their taste turns, it is trained again and proves itself on some of them"
SHOWN = {"recommendation": "auc", "behavior": "accuracy", "ad-copy": "nll"}


@dataclass
class Clock:
    """Seconds of each phase, in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, quiet: bool, more: str = "") -> Iterator[None]:
        """Time a phase and say that it began. more: how long it may take, or what it shows."""
        if not quiet:
            show(f"· {name}{more}")
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 1)


def demo(
    folder: Annotated[Path, typer.Option(help="Where data, adapters and the hub go; made anew.")] = Path(
        "repertoire-demo"
    ),
    seed: Annotated[int, typer.Option(help="Another seed makes other clients' data.")] = 0,
    as_json: Json = False,
) -> None:
    """Train six adapters for two clients on one 4-bit base, publish them, and ask all of them in one batch.

    Example: `repertoire demo --folder /tmp/demo`
    """
    there = {each.name for each in folder.iterdir()} if folder.exists() else set()
    if there and ("demo.json" not in there or there - _OURS or _strangers(folder / "hub")):
        raise typer.BadParameter(
            f"{folder} holds something else too; give a new folder", param_hint="--folder"
        )
    if not as_json:
        show(
            "Two made-up clients, six adapters, one base in 4 bits: all of it is made, trained and measured now, "
            f"without the internet. About {_MINUTES} minutes on two quiet cores; it lies in {folder} afterwards."
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "demo.json").write_text("{}")

    from transformers.utils import logging

    from adapters import load_base
    from hub.registry.registry import Registry
    from recipes import train_many

    logging.disable_progress_bar()

    clock = Clock()
    with clock.phase("make two clients' data", as_json):
        orders, best = _orders(folder, seed)
    with clock.phase("load the base in 4 bits", as_json):
        base = load_base("starter", "nf4")
    with clock.phase("train six adapters in shared batches", as_json, _WAIT):
        results = train_many(list(orders.values()), base, progress=not as_json)
    adapters = {key: _sound(result) for key, result in zip(METHODS, results, strict=True)}
    registry = Registry(folder / "hub", base)
    with clock.phase("publish them", as_json):
        for (client, task), adapter in adapters.items():
            if (client, task) in best:
                _add_reachable(adapter, best[client, task])
            registry.publish(adapter, _name(client, task), message="repertoire demo")
    with clock.phase("answer one mixed batch for all six", as_json):
        answers = _ask(registry, seed)
    lived = _name("acme", "recommendation")
    with clock.phase(f"play three days of {lived}", as_json, _DAYS):
        days = demo_days.play(registry, lived, folder, seed)
    result = {
        "results": [_row(client, task, adapter) for (client, task), adapter in adapters.items()],
        **answers,
        "days": days,
        "memory": _memory(base, list(adapters.values())),
        "seconds": clock.seconds,
        "folder": str(folder),
    }
    (folder / "demo.json").write_text(json.dumps(result, ensure_ascii=False, indent=2))
    if as_json:
        document(result)
    else:
        _print(result, folder)


def _strangers(hub: Path) -> bool:
    """Whether somebody published for another client into the demo's hub."""
    clients = hub / "adapters"
    return clients.is_dir() and bool({each.name for each in clients.iterdir()} - {*CAMPAIGNS})


def _sound(result: "Adapter | RepertoireError") -> "Adapter":
    if isinstance(result, Exception):
        raise result
    return result


def _name(client: str, task: str) -> str:
    return f"{client}/{CAMPAIGNS[client]}/{task}"


def _orders(
    folder: Path, seed: int
) -> tuple[dict[tuple[str, str], Any], dict[tuple[str, str], dict[str, float]]]:
    """Write each client's files; the six trainings, and what no model could beat where the generator knows it."""
    from adapters.starter import best_auc, client_data
    from recipes import Order, Recipe

    orders, best = {}, {}
    for (client, task), method in METHODS.items():
        train_rows, test_rows = ROWS[task]
        logs = getattr(client_data(client, seed, train_rows + test_rows), task.replace("-", "_"))
        known = {row.get("user_id") for row in logs[:train_rows]} - {None}
        parts = {
            "train": logs[:train_rows],
            "test": [r for r in logs[train_rows:] if r.get("user_id") not in known],
        }
        if task == "recommendation":
            best[client, task] = {"auc": best_auc(parts["test"])}
        files = [folder / "data" / client / f"{task}-{part}.csv" for part in parts]
        for file, rows in zip(files, parts.values(), strict=True):
            _write_csv(file, [{k: v for k, v in row.items() if k != "probability"} for row in rows])
        recipe = Recipe.load(task if method == "lora" else f"{task}-prefix", **SETTINGS[task])
        out = folder / "adapters" / client / task
        orders[client, task] = Order(recipe, files[0], test=files[1], out=out, name=_name(client, task))
    return orders, best


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _ask(registry: "Registry", seed: int) -> dict[str, Any]:
    """One batch: both clients rank the same ads, label a text, and write for a product of their own."""
    from adapters.starter import client_data, same_ads
    from hub.registry.requests import Analyze, Recommend, Request, Write

    user, ads, truth = same_ads(seed)
    texts = {client: client_data(client, seed + 1, 2).behavior for client in CAMPAIGNS}
    products = {
        client: [
            {k: v for k, v in row.items() if k != "copy"} for row in client_data(client, seed + 1, 4).ad_copy
        ]
        for client in CAMPAIGNS
    }
    requests: list[Request] = []
    for client in CAMPAIGNS:
        requests.append(Recommend(_name(client, "recommendation"), user.text(), ads))
        requests.append(Analyze(_name(client, "behavior"), [row["text"] for row in texts[client]]))
        requests.extend(Write(_name(client, "ad-copy"), product) for product in products[client])
    found = registry.run(requests)
    for answer in found:
        if isinstance(answer, Exception):
            raise answer
    answered: list[Any] = list(found)
    ranking, analyses, written = {}, {}, {}
    for client in CAMPAIGNS:
        ranked, analysed, *copies = answered[:6]
        del answered[:6]
        true = dict(zip(ads, truth[client], strict=True))
        ranking[client] = [
            {"ad": item.ad, "probability": item.probability, "true_probability": true[item.ad]}
            for item in ranked
        ]
        analyses[client] = [
            {
                "text": row["text"],
                "label": item.label,
                "probability": item.probabilities[item.label],
                "true": row["label"],
            }
            for row, item in zip(texts[client], analysed, strict=True)
        ]
        written[client] = [
            {"product": product, "text": copy[0]}
            for product, copy in zip(products[client], copies, strict=True)
        ]
    return {"user": user.text(), "ranking": ranking, "analyses": analyses, "written": written}


def _add_reachable(adapter: "Adapter", best: Mapping[str, float]) -> None:
    """Only who made the data knows what can be reached."""
    from recipes.judge import AdapterInfo, Metrics

    report = _report(adapter).model_copy(update={"best_reachable": Metrics.read(best)})
    adapter.info |= AdapterInfo(report=report).to_info()


def _report(adapter: "Adapter") -> "Report":
    from recipes.judge import AdapterInfo, Report

    return AdapterInfo.of(adapter.info).report or Report()


def _row(client: str, task: str, adapter: "Adapter") -> dict[str, Any]:
    """What one adapter gained, on its task's metric."""
    from recipes.judge import best_baseline, verdict

    report, metric = _report(adapter), SHOWN[task]
    best, first = best_baseline(report.gains, metric), verdict(report)
    return {
        "name": _name(client, task),
        "method": METHODS[client, task],
        "metric": metric,
        "before": report.before.get(metric),
        "baseline": None if best is None else report.baselines[best].get(metric),
        "baseline_name": best,
        "after": report.after.get(metric),
        "best_reachable": None if report.best_reachable is None else report.best_reachable.get(metric),
        "verdict": None if first is None else first.sentence,
        "steps": report.steps,
        "bytes": adapter.size,
    }


def _memory(base: "Base", adapters: Sequence["Adapter"]) -> dict[str, int]:
    """Bytes: the base as it lies in memory, its float32 size, all adapters, the whole process."""
    import psutil

    whole = 4 * sum(linear.in_features * linear.out_features for linear in base.linears.values())
    whole += 4 * base.width * int(base.config.vocab_size)
    return {
        "base": base.memory_footprint(),
        "base_float32": whole,
        "adapters": sum(adapter.size for adapter in adapters),
        "process": psutil.Process().memory_info().rss,
    }


def _print(result: Mapping[str, Any], folder: Path) -> None:
    table = Table("adapter", "method", "metric", title="Held-out results", title_justify="left")
    for column in ("before", "baseline", "after", "best reachable"):
        table.add_column(column, justify="right")
    for row in result["results"]:
        arrow = "↓" if row["metric"] == "nll" else "↑"
        numbers = [
            "–" if row[key] is None else f"{row[key]:.3f}"
            for key in ("before", "baseline", "after", "best_reachable")
        ]
        table.add_row(row["name"], row["method"], f"{row['metric']} {arrow}", *numbers)
    show("", table)
    named = sorted({row["baseline_name"] for row in result["results"] if row["baseline_name"]})
    show(
        "before: the base under an untrained head, or writing untrained; "
        f"baseline: the best of its table ({'; '.join(named)})."
    )
    page = folder / "adapters" / "acme" / "recommendation-report" / "report.html"
    show("", f"What each comes to, by the first sentence of its page (such as {page}):")
    show(*(f"  {row['name']}: {row['verdict']}" for row in result["results"] if row["verdict"]))
    for client, texts in result["written"].items():
        show("", f"{client} writes:")
        show(*(f"  {item['product']['name']}: {item['text']}" for item in texts))
    show("", f"The same ads for one user ({result['user']}):")
    for client, ranked in result["ranking"].items():
        table = Table(
            "", "predicted", "true", "ad", title=_name(client, "recommendation"), title_justify="left"
        )
        for rank, item in enumerate(ranked, 1):
            table.add_row(
                str(rank), f"{item['probability']:.2f}", f"{item['true_probability']:.2f}", item["ad"]
            )
        show(table)
    for client, analyses in result["analyses"].items():
        for item in analyses:
            told = f"{item['label']} ({item['probability']:.2f}; in truth {item['true']})"
            show(f"{client} reads “{item['text']}” as {told}")
    demo_days.print_days(result["days"], _name("acme", "recommendation"))
    memory, seconds = result["memory"], result["seconds"]
    show(
        "",
        f"Memory: base {memory['base'] / 2**20:.1f} MiB ({memory['base_float32'] / 2**20:.1f} MiB in float32), six "
        f"adapters {memory['adapters'] / 2**20:.1f} MiB, process {memory['process'] / 2**20:.0f} MiB",
        "Seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()),
    )
    hub, data = folder / "hub", folder / "data" / "acme"
    show(
        "",
        "Next:",
        f"  repertoire ls --hub {in_shell(hub)}",
        f"  repertoire history {_name('acme', 'recommendation')} --hub {in_shell(hub)}",
        f'  repertoire write globex/launch/ad-copy --hub {in_shell(hub)} --product name="Velmora Halo" '
        "--product category=lamp "
        "--product 'price=$89' -n 3",
        f"  repertoire serve --hub {in_shell(hub)}        and then, with any client of OpenAI's:",
        '  curl http://127.0.0.1:8000/v1/chat/completions -H "content-type: application/json" -d '
        """'{"model": "acme/spring/ad-copy", "messages": [{"role": "user", "content": "please"}], """
        """"product": {"name": "Velmora Halo", "category": "lamp", "price": "$89"}}'""",
        f"  repertoire train behavior {in_shell(data / 'behavior-train.csv')} --out my-adapter",
    )
