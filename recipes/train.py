"""Train adapters: load, check, train, evaluate, save. One job is the case N = 1 of many on one base."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from adapters import Adapter, Base
from adapters.files import write
from adapters.forward import Hidden, forward, pad
from adapters.rows import join
from adapters.sampling import Sampling
from adapters.slots import Slots
from recipes.data import check_lengths, load_splits
from recipes.encode import EncodedRow, count_tokens, encode, encode_prompt, token_limit
from recipes.errors import TrainingError
from recipes.job import Job
from recipes.predict import copy_loss, probabilities, texts
from recipes.recipe import Recipe
from recipes.start import start
from recipes.tasks import ad_copy, task_for

if TYPE_CHECKING:
    from recipes.tables import Data

_PADDING = 1.25  # a shared forward may pad jobs' batches to at most this many times their own tokens


@dataclass(frozen=True)
class Order:
    """What to train: a recipe, its data, and where to write the adapter (None: nowhere)."""

    recipe: Recipe
    data: "Data"
    validation: "Data | None" = None
    test: "Data | None" = None
    out: str | os.PathLike[str] | None = None
    name: str = ""


def train(
    recipe: Recipe,
    data: "Data",
    base: Base,
    *,
    validation: "Data | None" = None,
    test: "Data | None" = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Adapter:
    """Train one adapter and measure it against the base and the task's baselines on held-out data.

    data, validation, test: files (CSV, JSONL, JSON, Parquet); splits that are not given are cut from `data`.
    out: folder for the PEFT directory. The adapter's `info["report"]` holds before, after and baselines.

    Raises DataError (every problem of the data, before anything is trained or written), BaseError, TrainingError.
    """
    return train_many([Order(recipe, data, validation, test, out)], base, progress=progress)[0]


def train_many(orders: Sequence[Order], base: Base, *, progress: bool = False) -> list[Adapter]:
    """Train several adapters together: their rows share each forward and backward of the base.

    Everything else is each job's own, so that each gets what it would get alone. Raises as `train`, and
    TrainingError only after the other jobs are finished and written.
    """
    began = time.perf_counter()
    jobs = [prepare(order, base) for order in orders]
    slots = Slots(base, len(jobs), dtype=torch.float32, trains=True)
    try:
        for slot, job in enumerate(jobs):
            slots.load(slot, job.adapter)
        for slot, job in enumerate(jobs):
            job.begin(slots, slot)
        before = [evaluate(job, base, slots, adapted=False) for job in jobs]
        _fit(jobs, base, slots, progress)
        for order, job, first in zip(orders, jobs, before, strict=True):
            if job.failure is None:
                job.restore_best()
                _finish(order, job, first, base, slots, time.perf_counter() - began)
    finally:
        slots.close()
    failed = next((job.failure for job in jobs if job.failure), None)
    if failed is not None:
        raise failed
    return [job.adapter for job in jobs]


def evaluate(job: Job, base: Base, slots: Slots, adapted: bool = True) -> dict[str, Any]:
    """The task's metrics on the held-out test split, with the adapter or, without `adapted`, with the base untouched
    (for heads: under the untrained head)."""
    task, test = task_for(job.recipe.task), job.splits.test
    rows = encode(base, job.recipe, test)
    if job.recipe.task != "ad-copy":
        return task.metrics(test, probabilities(base, slots, job.slot, rows, adapted), job.splits.labels)
    total, count = copy_loss(base, slots, job.slot, rows, adapted)
    settings = job.recipe.write
    sampling = Sampling(
        settings.max_new_tokens,
        settings.temperature,
        settings.top_p,
        settings.top_k,
        job.recipe.train.seed,
        settings.repetition_penalty,
        tuple(settings.stop),
    )
    products = ad_copy.inputs(test, settings.evaluated)
    prompts = [encode_prompt(base, job.recipe, product) for product in products]
    made = texts(base, slots, job.slot, prompts, sampling, adapted)
    written = ad_copy.Written(
        made, total / count, count, products, settings.max_chars, settings.policy.rules()
    )
    return ad_copy.metrics(test, written)


def prepare(order: Order, base: Base) -> Job:
    """Load, check and encode the data of an order. Raises as `train` does, before anything is trained."""
    recipe = order.recipe
    splits = load_splits(recipe, order.data, order.validation, order.test)
    adapter = start(recipe, base, splits.labels)
    lengths = check_lengths(
        splits, lambda example: count_tokens(base, recipe, example), token_limit(base, recipe)
    )
    adapter.info["data"] = {
        "digest": splits.digest,
        "files": [asdict(source) for source in splits.files],
        "roles": list(splits.train[0].fields),
        "notes": [*splits.notes, str(lengths)],
    }
    return Job.prepare(recipe, splits, adapter, base)


def _fit(jobs: Sequence[Job], base: Base, slots: Slots, progress: bool) -> None:
    """Each turn: a micro-batch of every unfinished job, one forward, one backward, each job's own step."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not progress, transient=True) as bar:
        lines = {id(job): bar.add_task(job.recipe.task, total=job.steps) for job in jobs}
        while active := [job for job in jobs if not job.done]:
            turn(active, base, slots)
            for job in active:
                if not job.done and job.due():
                    job.judge(base, slots)
                last = job.history[-1] if job.history else {}
                text = " ".join([job.recipe.task, *(f"{k} {v:.4g}" for k, v in last.items() if k != "step")])
                bar.update(lines[id(job)], completed=job.step, description=text)


def turn(jobs: Sequence[Job], base: Base, slots: Slots) -> None:
    """A micro-batch of each job, forward and backward. A loss that is not finite stops its own job alone."""
    for group in _alike([(job, job.next_batch()) for job in jobs]):
        _pass(group, base, slots)


def _alike(batches: Sequence[tuple[Job, list[EncodedRow]]]) -> list[list[tuple[Job, list[EncodedRow]]]]:
    """Group micro-batches whose rows are of like length: padding must not cost more than sharing saves."""
    groups: list[list[tuple[Job, list[EncodedRow]]]] = []
    own = 0  # tokens of the last group, each job padded to its own longest row
    for job, batch in sorted(batches, key=lambda pair: max(map(len, pair[1]))):
        width = max(map(len, batch))
        rows = len(batch) + sum(len(other) for _, other in groups[-1]) if groups else len(batch)
        if not groups or rows * width > _PADDING * (own + len(batch) * width):
            groups.append([])
            own = 0
        groups[-1].append((job, batch))
        own += len(batch) * width
    return groups


def _pass(group: Sequence[tuple[Job, list[EncodedRow]]], base: Base, slots: Slots) -> None:
    """One forward and backward of the base over the rows of several jobs."""
    rows = join([(job.slot, len(batch)) for job, batch in group])
    tokens = pad(base, [(*row.ids, *row.target) for _, batch in group for row in batch])
    dropout = {job.slot: job.dropout for job, _ in group if job.dropout is not None}
    with base.lock:
        hidden = forward(base, slots, tokens, rows, dropout=dropout)
        sound: list[tuple[Job, torch.Tensor]] = []
        at = 0
        for job, batch in group:
            loss = job.loss(base, slots, _slice(hidden, at, at + len(batch)), batch)
            at += len(batch)
            if torch.isfinite(loss):
                sound.append((job, loss))
            else:
                place = f"{job.recipe.task}: the loss is {loss.item()} at step {job.step}"
                job.fail(TrainingError(f"{place}; lower train.learning_rate"))
        if not sound:
            return
        torch.stack([loss for _, loss in sound]).sum().backward()
        slots.collect_gradients([(job.slot, job.parameters) for job, _ in sound])
    for job, loss in sound:
        job.after_backward(loss.item())


def _slice(hidden: Hidden, start: int, stop: int) -> Hidden:
    pooler = None if hidden.pooler is None else hidden.pooler[start:stop]
    return Hidden(hidden.states[start:stop], hidden.mask[start:stop], pooler)


def _finish(order: Order, job: Job, before: dict[str, Any], base: Base, slots: Slots, seconds: float) -> None:
    splits = job.splits
    job.adapter.info |= {
        "recipe": order.recipe.to_dict(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "quantization": base.quantization,
        "report": {
            "metric": job.metric_name,
            "before": before,
            "after": evaluate(job, base, slots),
            "baselines": task_for(order.recipe.task).baselines(splits, order.recipe),
            "rows": {
                "train": len(splits.train),
                "validation": len(splits.validation),
                "test": len(splits.test),
            },
            "steps": job.step,
            "best_step": job.best_step,
            "history": job.history,
            "seconds": round(seconds, 2),
        },
    }
    if order.out is not None:
        write(job.adapter, order.out)
