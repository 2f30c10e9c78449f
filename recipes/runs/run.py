"""A run: many jobs on one base. They train group by group, in shared turns, and leave with their adapter; a run that
was killed goes on from its last snapshot."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adapters import Adapter, Base
from adapters.errors import RepertoireError
from adapters.format import read
from adapters.slots import Slots
from adapters.unseen import visible
from recipes.errors import TrainingError
from recipes.judge.info import AdapterInfo
from recipes.learn import memory
from recipes.learn.cross_fit import is_asked
from recipes.learn.fused import Fused
from recipes.learn.job import Job
from recipes.learn.linear_probe import probe
from recipes.learn.parallel import Processes
from recipes.learn.untouched import Untouched
from recipes.runs import snapshots as resume
from recipes.runs.dealing import Size, deal
from recipes.runs.deferred import deferred
from recipes.runs.log_lines import doing
from recipes.runs.order import Order, finish, prepare
from recipes.runs.tracking import Trackers

PASS_TOKENS = {"cpu": 1024, "cuda": 16384}
"""The most padded tokens of one forward and backward."""

_SNAPSHOT_EVERY = 60.0  # seconds
_SNAPSHOT_SHARE = 0.05  # of the time, at the most


@dataclass(frozen=True)
class Settings:
    """How a run uses its machine; none of it changes what a job learns.

    pass_tokens: the most padded tokens of one forward and backward, None for what the device takes. checkpoint: compute
    layers again in the backward, where memory is short. state: folder for snapshots, with which a run that was killed
    goes on where it was; None for none. snapshot_seconds: between two of them, longer where they take more than a
    twentieth of the time; 0 for one after every turn. track: trackers (`tracking.py`) that draw curves, into
    the folder `curves`.
    """

    pass_tokens: int | None = None
    checkpoint: bool = False
    state: str | os.PathLike[str] | None = None
    snapshot_seconds: float = _SNAPSHOT_EVERY
    track: tuple[str, ...] = ()
    curves: str | os.PathLike[str] = "curves"


Result = Adapter | RepertoireError


class Unwritten(TrainingError):
    """What a job has trained cannot be written; its snapshot stays, and a run that goes on writes it."""


class Run:
    """Jobs on one base: who waits, who runs in which slot, and what came of the others. A group of them (`dealing.py`)
    begins when the one before it is done, on slots of its own, so that no other group shows in what it learns.

    For a search: at_once: how many jobs run at the same time, in one group; None for a group's, as far as memory takes
    them. on_validation: told of each validation, by the job's index; where it says True, the job leaves at once.
    finish: what is done with a job that leaves without a failure. `add` lets further jobs in.
    """

    def __init__(
        self,
        orders: Sequence[Order],
        base: Base,
        settings: Settings,
        on_result: Callable[[int, Result], None] | None,
        progress: bool,
        *,
        at_once: int | None = None,
        on_validation: Callable[[int, Job], bool] | None = None,
        finish: Callable[[Order, Job, Untouched, float, Fused], None] = finish,
    ) -> None:
        self.base, self.settings, self.orders = base, settings, list(orders)
        self.processes = Processes.here()
        self.state = None if settings.state is None else Path(settings.state)
        self._on_result, self._on_validation, self._finish = on_result, on_validation, finish
        tracked = settings.track if self.processes.rank == 0 else ()
        self._trackers = Trackers(tracked, Path(settings.curves))
        self._found: dict[int, Result] = {}
        self.unwritten = False
        self.measures = ""  # what is done between two turns, such as "validating acme"
        self.jobs: dict[int, Job] = {}
        self.running: dict[int, float] = {}  # since when, by the index in `orders`
        for index, order in enumerate(orders):
            try:
                with doing(f"preparing {order.name or order.recipe.task}", progress):
                    self.jobs[index] = prepare(order, base, progress)
            except RepertoireError as error:
                self._found[index] = error
                self._tell(index)
            except Exception as error:  # a library's: the other jobs are trained all the same
                self._found[index] = TrainingError(f"{order.name}: its data cannot be read: {error!r}")
                self._tell(index)
        self._most = settings.pass_tokens or PASS_TOKENS[base.device.type]
        dealt = deal([Size.of(job, self._most) for job in self.jobs.values()])
        places = list(self.jobs)
        self._groups = [[places[at] for at in group] for group in dealt]
        self.waiting = [index for group in self._groups for index in group]
        snapshot = None if self.state is None else resume.load(self.state)
        self._digests = [] if self.state is None else self._identify()
        if snapshot is not None and snapshot[0]["digests"] != self._digests:
            raise TrainingError(
                f"{self.state} holds a run of other recipes, data or base; give another folder, or remove it"
            )
        self._at_once = at_once
        self._open(self._groups[0] if self._groups else [])
        self._untouched = Untouched(base, self.slots)
        self._saved, self._saving = time.perf_counter(), 0.0
        if snapshot is not None:
            self._resume(*snapshot)

    @property
    def results(self) -> list[Result]:
        """Of all orders, when none waits or runs any more."""
        return [self._found[index] for index in range(len(self.orders))]

    @property
    def free(self) -> int:
        """Slots that no job runs in or waits for."""
        return self.slots.count - len(self.running) - len(self.waiting)

    def has_failed(self, index: int) -> bool:
        """Whether an error came of a job."""
        return isinstance(self._found.get(index), Exception)

    def add(self, order: Order, job: Job) -> int:
        """Let a further job wait for a slot; returns its index. Raises as `Slots.reserve`, and then nothing waits."""
        self.slots.reserve(job.adapter)
        index = len(self.orders)
        self.orders.append(order)
        self.jobs[index] = job
        self.waiting.append(index)
        self._group.add(index)
        return index

    def turn(self) -> bool:
        """Let jobs in, train a turn, let jobs out; False when all are done."""
        self._admit()
        if not self.running:
            return False
        active = {index: self.jobs[index] for index in self.running if not self.jobs[index].done}
        if active:
            self._train(list(active.values()))
        for index, job in active.items():
            if not job.done and job.due():
                self._judge(index, job)
        left = [index for index in self.running if self.jobs[index].done]
        if any(is_asked(self.jobs[index], self.processes) for index in left):
            self._save(at_once=True)  # what follows takes as long as the training
        for index in left:
            self._leave(index)
        self._save(
            at_once=bool(left)
        )  # before a result is told, or a run that is killed now would tell another
        for index in left:
            self._tell(index)
        return True

    def _train(self, jobs: Sequence[Job]) -> None:
        """A micro-batch of each job. Who asks the process to end meanwhile waits for it, and a snapshot keeps it."""
        fused = self._fuse(jobs[0])
        if self.processes.count > 1:  # the others may have ended already, and one would wait for them
            fused.turn(jobs)
            return
        with deferred() as signal:
            fused.turn(jobs)
        if signal.number is not None:
            # What is to be validated first goes on from the snapshot before.
            if not any(job.done or job.due() for job in jobs):
                self._save(at_once=True)
            signal.deliver()

    def close(self) -> None:
        """Leave the base as it was found."""
        self.slots.close()
        self._trackers.close()

    def _open(self, group: Sequence[int], count: int | None = None) -> None:
        """Slots for a group, and nothing of the one before. count: how many, where a snapshot says it."""
        self._group = set(group)
        self.slots = Slots(
            self.base, count or self._at_once or self._slots_that_fit(group), dtype=torch.float32, trains=True
        )
        for index in group:  # the same slots whoever comes first, also after a resume
            self.slots.reserve(self.jobs[index].adapter)
        self._fused: Fused | None = None
        self._budget: int | None = None  # as a snapshot has it

    def _slots_that_fit(self, group: Sequence[int]) -> int:
        """How many jobs of a group may run at once: as many as memory takes."""
        jobs = [self.jobs[index] for index in group]
        largest = max((memory.job_bytes(job.recipe, job.adapter) for job in jobs), default=0)
        return max(1, min(len(jobs), memory.slots_that_fit(largest, self.base.device)))

    def _admit(self) -> None:
        if self.waiting and not self.running and self.waiting[0] not in self._group:
            self.slots.close()
            self._open(next(group for group in self._groups if self.waiting[0] in group))
            self._untouched.slots = self.slots
        free = [
            slot for slot in range(self.slots.count) if slot not in {self.jobs[p].slot for p in self.running}
        ]
        for slot in free:
            if not self.waiting or self.waiting[0] not in self._group:
                return
            index = self.waiting.pop(0)
            job = self.jobs[index]
            self.slots.load(slot, job.adapter)
            self.running[index] = time.perf_counter()
            job.begin(self.slots, slot)
            if job.starts_with_probe:
                self._probe(job)

    def _probe(self, job: Job) -> None:
        try:
            probe(job, self.base, self.slots, self._untouched)
        except Exception as error:
            job.fail(TrainingError(f"{job.name}: the linear probe of its head failed: {error!r}"))

    def _fuse(self, job: Job) -> Fused:
        if self._fused is None:
            budget = self._budget or memory.token_budget(self.base, self.slots, job.slot, self._most)
            self._fused = Fused(self.base, self.slots, budget, self.settings.checkpoint, self.processes)
        return self._fused

    def _judge(self, index: int, job: Job) -> None:
        self.measures = f"validating {job.name}"
        try:
            job.judge(self.base, self.slots)
        except Exception as error:
            job.fail(TrainingError(f"{job.name}: validating at step {job.step} failed: {error!r}"))
            return
        finally:
            self.measures = ""
        self._trackers.log(job.name, job.history[-1], job.step)
        if self._on_validation is not None and self._on_validation(index, job):
            job.done = True

    def _leave(self, index: int) -> None:
        job, order = self.jobs[index], self.orders[index]
        again = is_asked(job, self.processes)
        self.measures = f"{'training on parts of the rows of' if again else 'measuring'} {job.name}"
        result: Result
        try:
            if job.failure is not None:
                raise job.failure
            # All processes measure: a base that is sharded answers only when all of them ask. The first one writes.
            own = order if self.processes.rank == 0 else replace(order, out=None)
            seconds = time.perf_counter() - self.running[index]
            self._finish(own, job, self._untouched, seconds, self._fuse(job))
            result = job.adapter
            if (report := AdapterInfo.of(result.info).report) is not None:
                self._trackers.log(f"{job.name}/test", report.served.after.numbers, job.step)
        except RepertoireError as error:
            result = error
        except OSError as error:
            self.unwritten = True  # the last snapshot stays, with what trained it
            result = Unwritten(
                f"{job.name}: the trained adapter cannot be written to {order.out} ({error}); free some space and "
                "run it again, with --resume where a snapshot was taken"
            )
        except Exception as error:
            result = TrainingError(f"{job.name}: measuring the trained adapter failed: {error!r}")
        self.measures = ""
        self._found[index] = result
        del self.running[index]
        self.slots.clear(job.slot)
        job.release()

    def _tell(self, index: int) -> None:
        if self._on_result is not None and self.processes.rank == 0:
            self._on_result(index, self._found[index])

    def _save(self, at_once: bool = False) -> None:
        """A snapshot, when it is time for one, or at once. One that cannot be written (a full disk) must not stop the
        training."""
        began = time.perf_counter()
        wait = self.settings.snapshot_seconds
        wait = max(wait, self._saving / _SNAPSHOT_SHARE) if wait else 0.0
        if self.state is None or self.unwritten or self.processes.rank:
            return
        if not at_once and began - self._saved < wait:
            return
        if self.processes.count > 1 and any(self.jobs[index].in_window for index in self.running):
            return  # each process holds a part of the window's gradient
        states = {index: self.jobs[index].state() for index in self.running}
        manifest = {
            "digests": self._digests,
            "slots": self.slots.count,
            "budget": self._fused.budget if self._fused else self._budget,
            "running": [
                {
                    "place": index,
                    "slot": self.jobs[index].slot,
                    "seconds": began - since,
                    "job": states[index][0],
                }
                for index, since in self.running.items()
            ],
            "failed": {
                str(index): str(result)
                for index, result in self._found.items()
                if isinstance(result, RepertoireError) and index in self.jobs
            },
            "done": [index for index, result in self._found.items() if isinstance(result, Adapter)],
        }
        try:
            resume.save(self.state, manifest, {index: tensors for index, (_, tensors) in states.items()})
        except OSError as error:
            told = f"No snapshot could be written to {self.state} ({error}); the training goes on."
            print(visible(told), file=sys.stderr, flush=True)
        self._saved = time.perf_counter()
        self._saving = self._saved - began

    def _resume(self, manifest: Mapping[str, Any], tensors: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Go on where a snapshot stands."""
        for index in manifest["done"]:
            out = self.orders[index].out
            if out is not None and Path(out).is_dir():
                self.waiting.remove(index)
                self._found[index] = read(out)
                self._tell(index)
        for index, message in manifest["failed"].items():
            self.waiting.remove(int(index))
            self._found[int(index)] = TrainingError(message)
            self._tell(int(index))
        self._open_again(manifest)
        now = time.perf_counter()
        for entry in manifest["running"]:
            index, job = entry["place"], self.jobs[entry["place"]]
            self.waiting.remove(index)
            self.slots.load(entry["slot"], job.adapter)
            job.begin(self.slots, entry["slot"])
            job.restore(entry["job"], tensors[index])
            self.running[index] = now - entry["seconds"]

    def _open_again(self, manifest: Mapping[str, Any]) -> None:
        """Slots as a snapshot had them, for the group that had begun and was not done."""
        begun = {*(entry["place"] for entry in manifest["running"]), *manifest["done"]}
        begun.update(map(int, manifest["failed"]))
        groups = [g for g in self._groups if begun.intersection(g) and set(self.waiting).intersection(g)]
        if groups:  # of a version that knew no groups there may be several
            self.slots.close()
            self._open([index for group in groups for index in group], manifest["slots"])
            self._untouched.slots, self._budget = self.slots, manifest["budget"]

    def _identify(self) -> list[str | None]:
        """What each job is: its recipe, its data as it trains on it, its base and its parent."""
        base = [self.base.fingerprint, self.base.quantization]
        digests: list[str | None] = []
        for index in range(len(self.orders)):
            job = self.jobs.get(index)
            if job is None:
                digests.append(None)
                continue
            about = [job.recipe.to_dict(), job.splits.digest, base, AdapterInfo.of(job.adapter.info).parent]
            digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
            for row in job.train:
                digest.update(repr(row).encode())
            digests.append(digest.hexdigest())
        return digests
