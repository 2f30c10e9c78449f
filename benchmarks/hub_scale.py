"""How a hub of 100,000 versions answers: `python -m benchmarks.hub_scale`, or with another number of versions.

Three hubs of as many versions each: 1,000 names, one name, and a name for each version. A name has an alias; a client
ten campaigns, a campaign ten or a hundred names. Their records are written as a publication writes them, byte for byte,
with a report of eight metrics and a recipe, but straight to their paths and without fsync; of blobs there are none,
since nothing here reads any. A minute or two for each hub, and half a gigabyte of disk while it is measured.

Opening and resolving are calls in one process. `list` and `search` are measured on a hub that was just opened, so that
reading the index is part of them, and `again` on one that has it in memory. What is found is read into Python. The
disk's cache is warm. Milliseconds, medians.
"""

import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

from benchmarks.measure import machine, now, versions
from hub import Hub
from hub.catalogue import FORMAT, Record
from hub.storage import INDEX, alias_log, log, numbered
from recipes import Recipe

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "hub-scale.json"
VERSIONS = 100_000
TASKS = ("recommendation", "behavior", "ad-copy")
METRICS = (
    "auc",
    "log_loss",
    "calibration_error",
    "accuracy",
    "ndcg@1",
    "ndcg@3",
    "ndcg@5",
    "normalised_entropy",
)


def main(total: int) -> int:
    """Make and measure each hub, and write the result; of fewer versions than 100,000 only print it."""
    result: dict[str, Any] = {
        "benchmark": "hub_scale",
        "command": "python -m benchmarks.hub_scale",
        "versions": total,
    }
    result["machine"] = machine()
    for names in (total // 100, 1, total):
        with tempfile.TemporaryDirectory(dir=ROOT.parent) as folder:
            result[f"{names:,} names x {total // names:,}"] = measure(
                Path(folder, "hub"), names, total // names
            )
    result |= {"versions of": versions("pydantic"), "date": now()}
    print(json.dumps(result, indent=2))
    if total == VERSIONS:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(path: Path, names: int, each: int) -> dict[str, Any]:
    """One hub: its making in seconds, everything else in milliseconds."""
    began = perf_counter()
    known = build(path, names, each)
    made = perf_counter() - began
    sleep(2.5)  # a change of the last two seconds is looked at again by every search
    stream = random.Random(0)
    began = perf_counter()
    Hub(path).index.rebuild()
    rebuilt = perf_counter() - began
    hub = Hub(path)
    client = known[0].split("/")[0]
    selective: dict[str, Any] = {"client": client, "task": known[0].split("/")[2].split(".")[0]}
    found = {
        "list, filtered": lambda opened: opened.list(**selective),
        "search, all versions: metric": lambda opened: opened.search(metric="auc>=0.99", all_versions=True),
        "search, all versions: text": lambda opened: opened.search("season 77", all_versions=True),
        "search, all versions: tag": lambda opened: opened.search(tag="week-7", all_versions=True),
        "search, all versions: best 10": lambda opened: opened.search(
            sort="auc", limit=10, all_versions=True
        ),
    }
    times = {
        "open": timed(lambda: Hub(path, create=False), 100),
        "resolve name": timed(lambda: hub.resolve(stream.choice(known)), 200),
        "resolve name@alias": timed(lambda: hub.resolve(f"{stream.choice(known)}@production"), 200),
        "resolve name@N": timed(
            lambda: hub.resolve(f"{stream.choice(known)}@{stream.randint(1, each)}"), 200
        ),
        **{name: timed(lambda ask=ask: ask(Hub(path)), 7) for name, ask in found.items()},
        **{f"{name}, again": timed(lambda ask=ask: ask(hub), 7) for name, ask in found.items()},
    }

    def published() -> None:
        name = stream.choice(known)
        hub.store.append(log(name), lambda there: record(name, there.next, stream))

    after = []
    for _ in range(7):
        published()
        after.append(timed(lambda: Hub(path).list(**selective), 1))
    rows = {name: len(ask(hub)) for name, ask in found.items()}
    return {
        "made, seconds": round(made, 1),
        "rebuild, seconds": round(rebuilt, 1),
        "index, MB": round((path / INDEX).stat().st_size / 1e6, 1),
        "found": rows,
        **times,
        "list, filtered, just after a publication": round(median(after), 3),
    }


def timed(call: Callable[[], Any], rounds: int) -> float:
    """Median milliseconds of a call."""
    seconds = []
    for _ in range(rounds):
        began = perf_counter()
        call()
        seconds.append(perf_counter() - began)
    return round(median(seconds) * 1000, 3)


def build(path: Path, names: int, each: int) -> list[str]:
    """A hub of `names` times `each` versions. Returns its names."""
    hub, stream = Hub(path), random.Random(1)
    per_campaign = 100 if names > 10_000 else 10
    known = [
        f"client-{index // (10 * per_campaign)}/campaign-{index // per_campaign % 10}"
        f"/{TASKS[index % 3]}.{index % per_campaign}"
        for index in range(names)
    ]
    for name in known:
        (path / log(name)).mkdir(parents=True)
        for number in range(1, each + 1):
            (path / numbered(log(name), number)).write_bytes(record(name, number, stream))
        event = {"alias": "production", "version": each, "who": "ops", "when": now(), "why": "gates passed"}
        alias = path / alias_log(name, "production")
        alias.mkdir(parents=True)
        (alias / "000001.json").write_text(json.dumps(event), encoding="utf-8")
    assert hub.resolve(known[-1]).number == each
    return known


def record(name: str, number: int, stream: random.Random) -> bytes:
    """A record as a publication of an adapter that a recipe made writes it."""
    task = name.split("/")[2].split(".")[0]
    digest = f"{stream.getrandbits(256):064x}"
    report = {
        "metric": "auc",
        **{part: {metric: round(stream.random(), 4) for metric in METRICS} for part in ("before", "after")},
        "baselines": {"constant": {"auc": 0.5, "log_loss": 0.69}},
        "rows": {"train": 700, "validation": 100, "test": 200},
    }
    return Record.model_validate(
        {
            "format": FORMAT,
            "name": name,
            "version": number,
            "parent": number - 1 or None,
            "publish_id": digest[:32],
            "created": f"2026-01-01T00:{number // 60 % 60:02d}:{number % 60:02d}.000+00:00",
            "publisher": "nightly",
            "message": f"season {stream.randrange(1000)}: trained on the clicks of one more week",
            "tags": ("nightly", f"week-{stream.randrange(52)}"),
            "files": [
                {"name": file, "sha256": digest, "size": 1000}
                for file in ("README.md", "adapter_config.json", "adapter_model.safetensors")
            ],
            "base": {"id": "Qwen/Qwen2.5-7B-Instruct", "revision": "main", "fingerprint": "ab" * 32},
            "method": "lora",
            "rank": 8,
            "length": None,
            "task": task,
            "labels": ("0", "1"),
            "quantization": "nf4",
            "recipe": RECIPES[task],
            "data_digest": f"{stream.getrandbits(256):064x}",
            "metrics": report,
        }
    ).to_bytes()


RECIPES = {task: Recipe.load(task).to_dict() for task in TASKS}

if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else VERSIONS))
