"""Where a run stands, on standard error: a line at each validation, and on a terminal bars, of all jobs together and of
each that runs."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from adapters.unseen import visible
from recipes.runs.log_lines import LogLines, has_bars, say

if TYPE_CHECKING:
    from recipes.learn.job import Job
    from recipes.runs.run import Run


class Shown:
    """Shows a run while it is entered. on: whether anybody wants to see it; clock: in seconds."""

    def __init__(self, run: "Run", on: bool, clock: Callable[[], float] = time.monotonic) -> None:
        shown = on and run.processes.rank == 0
        bars = _Bars(run) if shown and has_bars() else None
        self._views: list[_Bars | _Lines] = [bars or _Lines(run, clock)] if shown else []
        self._open = ExitStack()

    def __enter__(self) -> "Shown":
        for view in self._views:
            self._open.enter_context(view)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def update(self) -> None:
        """Show where the run stands."""
        for view in self._views:
            view.update()


class _News:
    """What a run has not told yet: its validations, and the jobs that ended."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        # What a run that goes on has told before is not told again.
        self._told = {index: len(job.history) for index, job in run.jobs.items()}
        self._active = set(run.running)

    def __call__(self) -> list[str]:
        """From any thread: the run goes on meanwhile."""
        run, found = self._run, []
        for index, job in list(run.jobs.items()):
            if len(job.history) > self._told.get(index, 0):
                found.append(f"{job.name}: {', '.join([_step(job), *_numbers(job)])}")
                self._told[index] = len(job.history)
        running = set(run.running)
        for index in sorted(self._active - running):
            found.append(f"{run.jobs[index].name}: {'failed' if run.has_failed(index) else 'done'}")
        self._active = running
        return found


class _Now(ProgressColumn):
    """What is done between two turns, such as measuring: asked whenever it is drawn, since no turn ends meanwhile."""

    def __init__(self, run: "Run") -> None:
        super().__init__()
        self._run = run

    def render(self, task: Task) -> Text:
        """Beside all jobs' bar alone."""
        return Text(visible(self._run.measures) if task.fields.get("whole") else "")


class _Bars:
    """A bar of all jobs and one of each that runs; and above them, to stay, a line at each validation."""

    def __init__(self, run: "Run") -> None:
        self._run, self._news = run, _News(run)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            _Now(run),
        )
        self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
        self._lines: dict[int, Any] = {}

    def __enter__(self) -> "_Bars":
        self._bars.start()
        self._all = self._bars.add_task("all jobs", total=None, whole=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def update(self) -> None:
        run = self._run
        for line in self._news():
            say(line)
        for index in [index for index in self._lines if index not in run.running]:
            self._bars.remove_task(self._lines.pop(index))
        for index in run.running:
            job = run.jobs[index]
            if index not in self._lines:
                self._lines[index] = self._bars.add_task(visible(job.name), total=job.steps)
            told = visible(" ".join([job.name, *_numbers(job)]))
            self._bars.update(self._lines[index], completed=job.step, description=told)
        steps, planned = _steps(run)
        self._bars.update(self._all, completed=steps, total=planned)


class _Lines:
    """A line at each validation, and at the end of each job; else every half minute, where the run stands."""

    def __init__(self, run: "Run", clock: Callable[[], float]) -> None:
        self._run, self._clock = run, clock
        self._lines = LogLines(self._stands, _News(run), clock)
        self._began, self._before = clock(), _steps(run)[0]

    def __enter__(self) -> "_Lines":
        steps, planned = _steps(self._run)
        after = f", after step {steps:,}" if steps else ""
        if self._run.jobs:  # a search lets them in one by one
            say(f"training {_jobs(len(self._run.jobs))}, {planned:,} steps{after}")
        self._lines.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.__exit__()

    def update(self) -> None:
        self._lines.look()

    def _stands(self) -> str:
        run = self._run
        steps, planned = _steps(run)
        told = [f"step {steps:,} of {planned:,}"]
        if len(run.jobs) > 1:
            gone = len(run.jobs) - len(run.running) - len(run.waiting)
            told.append(f"{gone} of {_jobs(len(run.jobs))} done")
        if run.measures:
            told.append(f"now {run.measures}")
        elif steps > self._before:
            left = (planned - steps) * (self._clock() - self._began) / (steps - self._before)
            told.append(f"about {_duration(left)} left")
        return ", ".join(told)


def _numbers(job: "Job") -> list[str]:
    """Of a job's last validation: "loss 0.431", "auc 0.712"."""
    last = job.history[-1] if job.history else {}
    return [f"{name} {value:.4g}" for name, value in last.items() if name != "step"]


def _step(job: "Job") -> str:
    return f"step {job.step:,} of {job.steps:,}"


def _steps(run: "Run") -> tuple[int, int]:
    """Optimizer steps of all jobs: those taken (all of one that has left), and those planned."""
    jobs = list(run.jobs.items())
    here = {*run.running, *run.waiting}
    taken = sum(job.step if index in here else job.steps for index, job in jobs)
    return taken, sum(job.steps for _, job in jobs)


def _jobs(count: int) -> str:
    return f"{count} {'job' if count == 1 else 'jobs'}"


def _duration(seconds: float) -> str:
    """`95` -> `2 min`."""
    if seconds < 60:
        return "a minute"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
