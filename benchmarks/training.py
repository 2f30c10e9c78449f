"""Many small adapters trained on one 4-bit base, beside stock PEFT: `python -m benchmarks.training`; with the word
`agency` or `smollm2` behind it only that part, whose figures then carry their own date.

in turn     8 jobs on one base that is loaded once: a plain PyTorch loop around PEFT, one job after another
runs        8 separate runs of PEFT with transformers' Trainer, each loading its base
one job     the same loop around PEFT, and ours, for one job alone
agency      the first 6 steps of 32 click-prediction jobs of 200 to 2,000 rows with 8 to 128 tokens, validated twice,
            early stopping on: by the loop around PEFT, by ours one by one, and fused; with the peak memory
smollm2     4 jobs of 8 rows of 40 tokens on SmolLM2-135M, in turn and fused, in CPU seconds of one thread; with what
            the products with the base's weights alone would take, and where the rest goes

A head on the last token, batch 4, LoRA of rank 8 on all linear layers, dropout 0.05, AdamW, clipping.
"""

import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import peft
import torch
import transformers as tf
from sklearn.metrics import roc_auc_score

from adapters import Base, load_base
from adapters.slots.slots import Slots
from benchmarks import llama28m, smollm2
from benchmarks.measure import interleaved, keep_freed_memory, machine, medians, now, ratio, versions
from recipes import Order, Recipe
from recipes.learn.fused import Fused
from recipes.learn.job import Job
from recipes.runs.order import prepare
from recipes.runs.run import PASS_TOKENS

RESULT = llama28m.ROOT / "benchmarks" / "results" / "training.json"
JOBS, BATCH, TOKENS, STEPS = 8, 4, 32, 6
ROUNDS = 5
RECIPE = {
    # As PEFT's loop has it.
    "head.init": "random",
    "head.pooling": "last",
    "train.epochs": 4,
    "train.batch_size": BATCH,
    "train.learning_rate": 1e-3,
    "train.head_learning_rate": 5e-3,
    "train.evaluate_every": 10**6,
    "train.patience": None,
    "data.max_tokens": 128,
}


AGENCY: dict[str, Any] = {
    "train.batch_size": 8,
    "train.max_steps": 6,
    "train.evaluate_every": 3,
    "train.patience": 1,
    "data.validation_share": 0.05,
}


def main(arguments: Sequence[str]) -> int:
    """Measure and write the result; `--agency WAY FOLDER` is one side of `agency`, in its own process."""
    keep_freed_memory()
    tf.logging.set_verbosity_error()
    if arguments[:1] == ["--agency"]:
        way, folder = arguments[1], Path(arguments[2])
        print(json.dumps(peft_agency(folder) if way == "peft" else agency(way, folder)))
        return 0
    about = machine()
    folder = Path(tempfile.mkdtemp())
    if arguments:
        result, part = json.loads(RESULT.read_text()), arguments[0]
        found = agencies(folder) if part == "agency" else on_smollm2(folder)
        result[part] = found | {"machine": about, "date": now()}
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
        print(json.dumps(result[part], indent=2))
        return 0
    files = [clicks(folder / f"{job}.csv", 200, (TOKENS, TOKENS), job) for job in range(JOBS)]
    base = load_base(str(llama28m.base()), "nf4")
    seconds = interleaved(variants(base, files), ROUNDS)
    result = {
        "benchmark": "training",
        "command": "python -m benchmarks.training",
        "shape": llama28m.SHAPE | {"jobs": JOBS, "batch": BATCH, "tokens": TOKENS, "steps": STEPS, "rank": 8},
        "milliseconds": medians(seconds),
        "ratios": {
            "PEFT in turn / fused": ratio(seconds, "PEFT in turn", "fused"),
            "PEFT, 8 runs of Trainer / fused": ratio(seconds, "PEFT, 8 runs of Trainer", "fused"),
            "ours in turn / fused": ratio(seconds, "ours in turn", "fused"),
            "one job: PEFT / ours": ratio(seconds, "one job, PEFT", "one job, ours"),
        },
        "agency": agencies(folder),
        "smollm2": on_smollm2(folder),
        "machine": about,
        "versions": versions("torch", "transformers", "peft", "bitsandbytes"),
        "date": now(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


def clicks(path: Path, rows: int, lengths: tuple[int, int], seed: int) -> Path:
    """Texts of so many letters, each a token of this base; a click where `a` is more frequent than `b`, mostly."""
    draw = random.Random(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "clicked"])
        for _ in range(rows):
            length = draw.randint(*lengths)
            liking = draw.random()
            text = "".join(draw.choice("ab" if draw.random() < 0.5 else "cdefgh") for _ in range(length))
            text = "".join(("a" if draw.random() < liking else "b") if c in "ab" else c for c in text)
            writer.writerow([text, int((liking > 0.5) == (draw.random() < 0.9))])
    return path


def variants(base: Base, files: Sequence[Path]) -> dict[str, Callable[[], Any]]:
    """`STEPS` steps of each job."""
    recipe = Recipe.load("recommendation", **RECIPE)
    slots, jobs = begun(base, recipe, files)
    fused = Fused(base, slots, 2048)
    batches = [[[row.ids for row in job.next_batch()] for _ in range(STEPS)] for job in jobs]
    labels = torch.randint(0, 2, (STEPS, BATCH))
    theirs = peft_model(JOBS)

    def run_peft(numbers: Sequence[int]) -> None:
        for number in numbers:
            peft_steps(theirs, f"a{number}", batches[number], labels)

    def run_ours(groups: Sequence[Sequence[Any]]) -> None:
        for group in groups:
            for _ in range(STEPS):
                fused.turn(group)

    return {
        "PEFT in turn": lambda: run_peft(range(JOBS)),
        "PEFT, 8 runs of Trainer": lambda: [trainer_run(batches[n], labels) for n in range(JOBS)],
        "ours in turn": lambda: run_ours([[job] for job in jobs]),
        "fused": lambda: run_ours([jobs]),
        "one job, PEFT": lambda: run_peft([0]),
        "one job, ours": lambda: run_ours([jobs[:1]]),
    }


def begun(base: Base, recipe: Recipe, files: Sequence[Path]) -> tuple[Slots, list[Job]]:
    """A job for each file, at its first step."""
    jobs = [prepare(Order(recipe, file), base) for file in files]
    slots = Slots(base, len(jobs), dtype=torch.float32, trains=True)
    for slot, job in enumerate(jobs):
        slots.load(slot, job.adapter)
        job.begin(slots, slot)
    return slots, jobs


def on_smollm2(
    folder: Path, jobs: int = 4, rows: int = 8, tokens: int = 40, rounds: int = 3
) -> dict[str, Any]:
    """A step of each job: CPU seconds in turn and fused, the roof, and the costliest operations."""
    torch.set_num_threads(1)
    base = load_base(str(smollm2.base()), "nf4")
    recipe = Recipe.load("recommendation", **RECIPE | {"train.batch_size": rows, "data.max_tokens": tokens})
    files = [clicks(folder / f"smollm2-{job}.csv", 100, (4 * tokens, 4 * tokens), job) for job in range(jobs)]
    slots, own = begun(base, recipe, files)
    fused = Fused(base, slots, PASS_TOKENS["cpu"])

    def in_turn() -> None:
        for job in own:
            fused.turn([job])

    seconds = interleaved({"in turn": in_turn, "fused": lambda: fused.turn(own)}, rounds, process_time)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        fused.turn(own)
    spent = {event.key.removeprefix("aten::"): event.self_cpu_time_total for event in profile.key_averages()}
    weights = sum(linear.in_features * linear.out_features for linear in base.linears.values())
    operations = 4 * weights * jobs * rows * tokens  # forward, and the gradient of what a layer reads
    square, began = torch.ones(2048, 2048), process_time()
    for _ in range(3):
        square @ square
    rate = 3 * 2 * 2048**3 / (process_time() - began)
    roof = operations / rate
    return {
        "shape": {"jobs": jobs, "rows": rows, "tokens": tokens, "rounds": rounds, "threads": 1},
        "CPU seconds": {way: [round(each, 2) for each in own] for way, own in seconds.items()},
        "in turn / fused": ratio(seconds, "in turn", "fused"),
        "GFLOP of the base's products": round(operations / 1e9),
        "GFLOP/s of a product of 2,048": round(rate / 1e9, 1),
        "roof, seconds": round(roof, 2),
        "fused / roof": round(median(seconds["fused"]) / roof, 2),
        "share of the costliest operations": {
            name: round(spent[name] / sum(spent.values()), 3)
            for name in sorted(spent, key=lambda name: -spent[name])[:12]
        },
    }


def classifier() -> Any:
    """The base with a head, in 4 bits, as transformers loads it."""
    config = tf.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32, llm_int8_skip_modules=["score"],
    )  # fmt: skip
    return tf.AutoModelForSequenceClassification.from_pretrained(
        llama28m.base(), dtype=torch.float32, num_labels=2, quantization_config=config
    )


def lora() -> peft.LoraConfig:
    """What the recipe trains, in PEFT's words."""
    return peft.LoraConfig(
        task_type="SEQ_CLS", r=8, lora_alpha=16, lora_dropout=0.05, target_modules="all-linear"
    )


def peft_model(count: int) -> Any:
    """One base with `count` adapters, none of them merged."""
    model = peft.get_peft_model(classifier(), lora(), adapter_name="a0")
    for number in range(1, count):
        model.add_adapter(f"a{number}", lora())
    return model


def peft_steps(model: Any, name: str, batches: Sequence[Sequence[Any]], labels: torch.Tensor) -> None:
    """A plain loop: forward, backward, clip, step."""
    model.set_adapter(name)
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01, fused=True)
    for batch, own in zip(batches, labels, strict=True):
        ids = torch.tensor(batch)
        model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=own).loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def trainer_run(batches: Sequence[Sequence[Any]], labels: torch.Tensor) -> None:
    """One run of transformers' Trainer, from loading the base on."""
    rows = [
        {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": int(label)}
        for batch, own in zip(batches, labels, strict=True)
        for ids, label in zip(batch, own, strict=True)
    ]
    settings = tf.TrainingArguments(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=BATCH, max_steps=STEPS, learning_rate=1e-3,
        report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    model = peft.get_peft_model(classifier(), lora())
    tf.Trainer(model, settings, train_dataset=rows).train()  # type: ignore[arg-type]


def agencies(folder: Path) -> dict[str, Any]:
    """32 jobs fused and one after another, each in a process of its own."""
    sizes = random.Random(0)
    for job in range(32):
        clicks(folder / f"agency-{job:02d}.csv", sizes.randint(200, 2000), (8, 128), 100 + job)
    found = {}
    for way in ("one", "fused", "turn", "peft"):
        command = [sys.executable, "-m", "benchmarks.training", "--agency", way, str(folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[way] = json.loads(done.stdout.splitlines()[-1])
    gap = max(abs(a - b) for a, b in zip(found["fused"]["metrics"], found["turn"]["metrics"], strict=True))
    return {
        "PEFT in turn / fused, seconds": round(found["peft"]["seconds"] / found["fused"]["seconds"], 2),
        "ours in turn / fused, seconds": round(found["turn"]["seconds"] / found["fused"]["seconds"], 2),
        "mean validation AUC": {
            way: round(sum(found[way]["metrics"]) / 32, 4) for way in ("fused", "turn", "peft")
        },
        "largest difference of a job's validation AUC": round(gap, 5),
        "peak, 32 fused without their states / one": round(
            (found["fused"]["peak MiB"] - found["fused"]["MiB of states"])
            / (found["one"]["peak MiB"] - found["one"]["MiB of states"]),
            2,
        ),
        **found,
    }


def agency(way: str, folder: Path) -> dict[str, Any]:
    """Train the 32 jobs fused, in turn, or only the first, until early stopping ends each; reading the data and the
    final measuring, which are the same for both, are not timed."""
    recipe = Recipe.load("recommendation", **RECIPE | AGENCY)
    base = load_base(str(llama28m.base()), "nf4")
    files = sorted(folder.glob("agency-*.csv"))[: 1 if way == "one" else None]
    slots, jobs = begun(base, recipe, files)
    fused = Fused(base, slots, PASS_TOKENS["cpu"])
    before, began = peak(), perf_counter()
    for group in [jobs] if way == "fused" else [[job] for job in jobs]:
        while active := [job for job in group if not job.done]:
            fused.turn(active)
            for job in active:
                if not job.done and job.due():
                    job.judge(base, slots)
    seconds = perf_counter() - began
    assert not any(job.failure for job in jobs)
    return {
        "seconds": round(seconds, 1),
        "peak MiB": peak(),
        "MiB before the first step": before,
        "MiB of states": round(
            sum(6 * 4 * p.numel() for j in jobs for p in j.trained.parameters.values()) / 2**20
        ),
        "steps": sum(job.step for job in jobs),
        "useful tokens of computed": round(fused.useful / fused.computed, 3),
        "metrics": [round(job.best_metric, 5) for job in jobs],
    }


def peft_agency(folder: Path) -> dict[str, Any]:
    """The same jobs by a plain loop around PEFT on one base that is loaded once: batches as they come from the shuffled
    rows, padded to their longest, the same steps and validations."""
    recipe = Recipe.load("recommendation", **RECIPE | AGENCY)
    base = load_base(str(llama28m.base()), "none")  # for its tokenizer only
    jobs = [prepare(Order(recipe, path), base) for path in sorted(folder.glob("agency-*.csv"))]
    model = peft_model(len(jobs))
    for (
        module
    ) in model.modules():  # or bitsandbytes repacks the weights at the first validation, and nothing learns
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    began, metrics, useful, computed = perf_counter(), [], 0, 0
    for number, job in enumerate(jobs):
        model.set_adapter(f"a{number}")
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01, fused=True)
        order = random.Random(number).sample(job.train, len(job.train))
        best = 0.0
        for step in range(1, AGENCY["train.max_steps"] + 1):
            model.train()
            rows = order[(step - 1) * 8 : step * 8]
            ids, mask = padded(rows)
            useful, computed = useful + int(mask.sum()), computed + mask.numel()
            labels = torch.tensor([row.label for row in rows])
            model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if step % AGENCY["train.evaluate_every"] == 0:
                model.eval()
                scores: list[float] = []
                with torch.no_grad():
                    for at in range(0, len(job.validation), 32):
                        ids, mask = padded(job.validation[at : at + 32])
                        logits = model(input_ids=ids, attention_mask=mask).logits
                        scores += logits.softmax(-1)[:, 1].tolist()
                best = max(best, float(roc_auc_score([row.label for row in job.validation], scores)))
        metrics.append(round(best, 5))
    return {
        "seconds": round(perf_counter() - began, 1),
        "useful tokens of computed": round(useful / computed, 3),
        "metrics": metrics,
    }


def padded(rows: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, padded on the left."""
    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([[0] * (width - len(row.ids)) + list(row.ids) for row in rows])
    return ids, (ids != 0).long()


def peak() -> int:
    """MiB that this process has taken at the most."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
