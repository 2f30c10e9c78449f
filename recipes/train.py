"""Train adapters: load, check, train, evaluate, save. One job is the case N = 1 of many on one base."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from adapters import Adapter, Base
from adapters.errors import RepertoireError
from adapters.files import read, write
from adapters.sampling import Sampling
from adapters.slots import Slots
from recipes import memory, resume
from recipes.calibration import UNCALIBRATED, Calibration
from recipes.data import check_lengths, load_splits
from recipes.encode import count_tokens, encode, encode_prompt, token_limit
from recipes.errors import TrainingError
from recipes.fused import Fused
from recipes.job import Job
from recipes.predict import copy_loss, probabilities, texts
from recipes.profile import profile
from recipes.recipe import Recipe
from recipes.start import start
from recipes.tasks import ad_copy, task_for

if TYPE_CHECKING:
    from recipes.tables import Data

PASS_TOKENS = {"cpu": 2048, "cuda": 16384}
"""The most padded tokens of one forward and backward."""

_PASSES = 4  # so many full passes a turn are enough to choose rows of like length from
_SNAPSHOT_EVERY = 60.0  # seconds
_SNAPSHOT_SHARE = 0.05  # of the time, at the most


@dataclass(frozen=True)
class Order:
    """What to train: a recipe, its data, and where to write the adapter (None: nowhere). name: for messages."""

    recipe: Recipe
    data: "Data"
    validation: "Data | None" = None
    test: "Data | None" = None
    out: str | os.PathLike[str] | None = None
    name: str = ""


@dataclass(frozen=True)
class Settings:
    """How a run uses its machine; none of it changes what a job learns.

    pass_tokens: the most padded tokens of one forward and backward, None for what the device takes. checkpoint: compute
    layers again in the backward, where memory is short. state: folder for snapshots, with which a run that was killed
    goes on where it was; None for none. snapshot_seconds: between two of them, longer where they take more than a
    twentieth of the time; 0 for one after every turn.
    """

    pass_tokens: int | None = None
    checkpoint: bool = False
    state: str | os.PathLike[str] | None = None
    snapshot_seconds: float = _SNAPSHOT_EVERY


Result = Adapter | RepertoireError


def train(
    recipe: Recipe,
    data: "Data",
    base: Base,
    *,
    validation: "Data | None" = None,
    test: "Data | None" = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
    settings: Settings | None = None,
) -> Adapter:
    """Train one adapter and measure it against the base and the task's baselines on held-out data.

    data, validation, test: files (CSV, JSONL, JSON, Parquet); splits that are not given are cut from `data`.
    out: folder for the PEFT directory. The adapter's `info["report"]` holds before, after and baselines.

    Raises DataError (every problem of the data, before anything is trained or written), BaseError, TrainingError.
    """
    order = Order(recipe, data, validation, test, out)
    (result,) = train_many([order], base, progress=progress, settings=settings)
    if isinstance(result, RepertoireError):
        raise result
    return result


def train_many(
    orders: Sequence[Order],
    base: Base,
    *,
    progress: bool = False,
    settings: Settings | None = None,
    on_result: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """Train several adapters together: their rows share each forward and backward of the base.

    Everything else is each job's own, so that each gets what it would get alone. What goes wrong in one job is its own
    result: an error in its place, and the others are trained. Jobs that do not fit beside the others wait for their
    turn. on_result: told of each result, by its place in `orders`, as soon as it is there.

    Raises TrainingError where `settings.state` holds a run of other jobs.
    """
    settings = settings or Settings()
    run = _Run(orders, base, settings, on_result, progress)
    try:
        with _Shown(run, progress) as shown:
            while run.turn():
                shown.update()
    finally:
        run.close()
    if settings.state is not None:
        resume.forget(Path(settings.state))
    return run.results


class _Run:
    """Jobs on one base: who waits, who runs in which slot, and what came of the others."""

    def __init__(
        self,
        orders: Sequence[Order],
        base: Base,
        settings: Settings,
        on_result: Callable[[int, Result], None] | None,
        progress: bool,
    ) -> None:
        self.base, self.settings, self.orders = base, settings, orders
        self.state = None if settings.state is None else Path(settings.state)
        self._on_result = on_result
        self._found: dict[int, Result] = {}
        self.jobs: dict[int, Job] = {}
        self.running: dict[int, float] = {}  # since when, by the place in `orders`
        for place, order in enumerate(orders):
            try:
                self.jobs[place] = prepare(order, base, progress)
            except RepertoireError as error:
                self._end(place, error)
        self.waiting = list(self.jobs)
        self._most = settings.pass_tokens or PASS_TOKENS[base.device.type]
        snapshot = None if self.state is None else resume.load(self.state)
        if snapshot is not None and snapshot[0]["digests"] != self._digests():
            raise TrainingError(
                f"{self.state} holds a run of other recipes, data or base; give another folder, or remove it"
            )
        count = self._places() if snapshot is None else snapshot[0]["slots"]
        self.slots = Slots(base, count, dtype=torch.float32, trains=True)
        for job in self.jobs.values():  # the same places whoever comes first, also after a resume
            self.slots.reserve(job.adapter)
        self._fused: Fused | None = None
        self._saved, self._saving = time.perf_counter(), 0.0
        if snapshot is not None:
            self._resume(*snapshot)

    @property
    def results(self) -> list[Result]:
        """Of all orders, when none waits or runs any more."""
        return [self._found[place] for place in range(len(self.orders))]

    def turn(self) -> bool:
        """Let jobs in, train a turn, let jobs out; False when all are done."""
        self._admit()
        if not self.running:
            return False
        active = [self.jobs[place] for place in self.running if not self.jobs[place].done]
        if active:
            self._fuse(active[0]).turn(active)
        for job in active:
            if not job.done and job.due():
                self._judge(job)
        for place in [place for place in self.running if self.jobs[place].done]:
            self._leave(place)
        self._save()
        return True

    def close(self) -> None:
        """Leave the base as it was found."""
        self.slots.close()

    def _places(self) -> int:
        """How many jobs may run at once: as many as memory takes, and no more than fill a few passes a turn."""
        if not self.jobs:
            return 1
        largest = max(_bytes(job.adapter) for job in self.jobs.values())
        tokens, count = 0.0, 0
        for job in self.jobs.values():
            tokens, count = tokens + job.batch_tokens, count + 1
            if tokens >= _PASSES * self._most:
                break
        return min(count, memory.places(largest, self.base.device))

    def _admit(self) -> None:
        free = [
            slot for slot in range(self.slots.count) if slot not in {self.jobs[p].slot for p in self.running}
        ]
        for slot in free:
            if not self.waiting:
                return
            place = self.waiting.pop(0)
            job = self.jobs[place]
            self.slots.load(slot, job.adapter)
            job.begin(self.slots, slot)
            self.running[place] = time.perf_counter()
            try:
                job.before = evaluate(job, self.base, self.slots, adapted=False)
            except Exception as error:
                job.fail(TrainingError(f"{job.name}: measuring the base failed: {error!r}"))

    def _fuse(self, job: Job) -> Fused:
        if self._fused is None:
            budget = memory.token_budget(self.base, self.slots, job.slot, self._most)
            self._fused = Fused(self.base, self.slots, budget, self.settings.checkpoint)
        return self._fused

    def _judge(self, job: Job) -> None:
        try:
            job.judge(self.base, self.slots)
        except Exception as error:
            job.fail(TrainingError(f"{job.name}: validating at step {job.step} failed: {error!r}"))

    def _leave(self, place: int) -> None:
        job, order = self.jobs[place], self.orders[place]
        result: Result
        try:
            if job.failure is not None:
                raise job.failure
            job.restore_best()
            _finish(order, job, self.base, self.slots, time.perf_counter() - self.running[place])
            result = job.adapter
        except RepertoireError as error:
            result = error
        except OSError as error:
            result = TrainingError(
                f"{job.name}: the trained adapter cannot be written to {order.out} ({error}); free some space and "
                "run it again with --resume"
            )
        except Exception as error:
            result = TrainingError(f"{job.name}: measuring the trained adapter failed: {error!r}")
        del self.running[place]
        self.slots.clear(job.slot)
        self._end(place, result)

    def _end(self, place: int, result: Result) -> None:
        self._found[place] = result
        if self._on_result is not None:
            self._on_result(place, result)

    def _save(self) -> None:
        """A snapshot, when it is time for one. One that cannot be written (a full disk) must not stop the training."""
        began = time.perf_counter()
        wait = self.settings.snapshot_seconds
        wait = max(wait, self._saving / _SNAPSHOT_SHARE) if wait else 0.0
        if self.state is None or began - self._saved < wait:
            return
        states = {place: self.jobs[place].state() for place in self.running}
        manifest = {
            "digests": self._digests(),
            "slots": self.slots.count,
            "budget": self._fused.budget if self._fused else None,
            "running": [
                {
                    "place": place,
                    "slot": self.jobs[place].slot,
                    "seconds": began - since,
                    "job": states[place][0],
                }
                for place, since in self.running.items()
            ],
            "failed": {
                str(place): str(result)
                for place, result in self._found.items()
                if isinstance(result, RepertoireError) and place in self.jobs
            },
            "done": [place for place, result in self._found.items() if isinstance(result, Adapter)],
        }
        try:
            resume.save(self.state, manifest, {place: tensors for place, (_, tensors) in states.items()})
        except OSError as error:
            print(
                f"No snapshot could be written to {self.state} ({error}); the training goes on.", flush=True
            )
        self._saved = time.perf_counter()
        self._saving = self._saved - began

    def _resume(self, manifest: Mapping[str, Any], tensors: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Go on where a snapshot stands."""
        for place in manifest["done"]:
            out = self.orders[place].out
            if out is not None and Path(out).is_dir():
                self.waiting.remove(place)
                self._end(place, read(out))
        for place, message in manifest["failed"].items():
            self.waiting.remove(int(place))
            self._end(int(place), TrainingError(message))
        now = time.perf_counter()
        for entry in manifest["running"]:
            place, job = entry["place"], self.jobs[entry["place"]]
            self.waiting.remove(place)
            self.slots.load(entry["slot"], job.adapter)
            job.begin(self.slots, entry["slot"])
            job.restore(entry["job"], tensors[place])
            self.running[place] = now - entry["seconds"]
        if manifest["budget"] is not None:
            self._fused = Fused(self.base, self.slots, manifest["budget"], self.settings.checkpoint)

    def _digests(self) -> list[str | None]:
        """What each job is: its recipe, data and base."""
        base = [self.base.fingerprint, self.base.quantization]
        digests: list[str | None] = []
        for place in range(len(self.orders)):
            job = self.jobs.get(place)
            about = job and json.dumps([job.recipe.to_dict(), job.splits.digest, base], sort_keys=True)
            digests.append(hashlib.sha256(about.encode()).hexdigest() if about else None)
        return digests


class _Shown:
    """Progress bars: of all jobs together, and of each that runs."""

    def __init__(self, run: _Run, on: bool) -> None:
        self._run = run
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, disable=not on, transient=True)
        self._lines: dict[int, Any] = {}

    def __enter__(self) -> "_Shown":
        self._bars.start()
        total = sum(job.steps for job in self._run.jobs.values())
        self._all = self._bars.add_task("all jobs", total=total)
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def update(self) -> None:
        """Show where the run stands."""
        run = self._run
        for place in [place for place in self._lines if place not in run.running]:
            self._bars.remove_task(self._lines.pop(place))
        for place in run.running:
            job = run.jobs[place]
            if place not in self._lines:
                self._lines[place] = self._bars.add_task(job.name, total=job.steps)
            last = job.history[-1] if job.history else {}
            told = " ".join([job.name, *(f"{k} {v:.4g}" for k, v in last.items() if k != "step")])
            self._bars.update(self._lines[place], completed=job.step, description=told)
        steps = sum(
            job.step if place in (*run.running, *run.waiting) else job.steps
            for place, job in run.jobs.items()
        )
        self._bars.update(self._all, completed=steps)


def evaluate(job: Job, base: Base, slots: Slots, adapted: bool = True) -> dict[str, Any]:
    """The task's metrics on the held-out test split, with the adapter or, without `adapted`, with the base untouched
    (for heads: under the untrained head)."""
    task, test = task_for(job.recipe.task), job.splits.test
    rows = encode(base, job.recipe, test)
    if job.recipe.task != "ad-copy":
        calibration = Calibration.from_info(job.adapter.info) if adapted else UNCALIBRATED
        found = probabilities(base, slots, job.slot, rows, adapted, calibration)
        return task.metrics(test, found, job.splits.labels)
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
    return ad_copy.metrics(test, ad_copy.Written(made, total / count, count, products, settings.max_chars))


def prepare(order: Order, base: Base, progress: bool = False) -> Job:
    """Load, check and encode the data of an order. Raises as `train` does, before anything is trained."""
    recipe = order.recipe
    splits = load_splits(recipe, order.data, order.validation, order.test, progress=progress)
    adapter = start(recipe, base, splits.labels)
    limit = token_limit(base, recipe)
    lengths = check_lengths(splits, lambda example: count_tokens(base, recipe, example), limit)
    found = profile(splits, recipe, lambda example: sum(count_tokens(base, recipe, example)), limit)
    adapter.info["data"] = {
        "digest": splits.digest,
        "files": [asdict(source) for source in splits.files],
        "roles": list(splits.train[0].fields),
        "notes": [*splits.notes, str(lengths)],
        "profile": found.to_dict(),
    }
    if splits.negative_share < 1:
        adapter.info["calibration"] = Calibration(shift=shift_for(splits.negative_share)).to_info()
    return Job.prepare(recipe, splits, adapter, base, order.name)


def _finish(order: Order, job: Job, base: Base, slots: Slots, seconds: float) -> None:
    splits = job.splits
    job.adapter.info |= {
        "recipe": order.recipe.to_dict(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "quantization": base.quantization,
        "report": {
            "metric": job.metric_name,
            "before": job.before,
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


def _bytes(adapter: Adapter) -> int:
    return sum(4 * tensor.numel() for tensor in adapter.tensors.values())
