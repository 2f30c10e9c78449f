"""A night of jobs on a cluster: dealt into the groups of a night on one machine, each trained by whoever is free.

    driver     weigh -> deal -> hear of each result -> read its adapter -> gates, hub, page, as on one machine
    workers              group 0 | group 3          snapshots in STATE/group-0000, adapters in their folders

Which jobs share a group does not depend on the workers, so that neither does what a job learns. A worker that dies is
replaced, and its group goes on from its last snapshot; the driver alone publishes.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from adapters.errors import RepertoireError
from adapters.format import read
from hub.fleet.crew import Crew, OnRay, crew
from hub.fleet.trainer import Trainer
from recipes.errors import TrainingError
from recipes.runs import Order, Result, Settings, Unwritten, deal, forget, newest, of_group, say


def train_on_ray(
    on_ray: OnRay,
    orders: Sequence[Order],
    *,
    progress: bool = False,
    settings: Settings | None = None,
    on_result: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """As `recipes.train_many`, by workers on a Ray cluster.

    Args:
        on_ray: which cluster, how many workers, on which base.
        orders: what to train, each with a folder `out` that all machines see.
        progress: say what is done, on standard error.
        settings: how each worker uses its machine; `state` is a folder that all machines see.
        on_result: told of each result, by its index in `orders`, as soon as it is there.

    Returns:
        An adapter or an error for each order.

    Raises:
        NoCluster: where no Ray answers at the address.
        NoWorker: where no worker lives long enough to load the base.
        BaseError: where a worker cannot load it.
        TrainingError: where an order has no folder, or a worker does not see that of this process.
    """
    if any(order.out is None for order in orders):
        raise TrainingError("what is trained on Ray needs a folder each; give every order an `out`")
    night = _Night(orders, settings or Settings(), on_result, progress)
    given = (os.getcwd(), on_ray.base, on_ray.quantization, on_ray.cpus)
    with crew(on_ray, Trainer, *given) as hired:
        night.train(hired, on_ray.workers)
    return night.results()


class _Night:
    """Orders, and what came of them."""

    def __init__(
        self,
        orders: Sequence[Order],
        settings: Settings,
        on_result: Callable[[int, Result], None] | None,
        progress: bool,
    ) -> None:
        self._orders, self._settings = orders, settings
        self._on_result, self._progress = on_result, progress
        self._state = None if settings.state is None else Path(settings.state)
        self._found: dict[int, Result] = {}
        self._keeps = False  # something is left that only the snapshots have

    def train(self, hired: Crew, workers: int) -> None:
        """Weigh, deal and train."""
        self._say(f"weighing {_jobs(len(self._orders))}")
        for index, order in enumerate(self._orders):
            hired.give(index, "weigh", order, self._settings)
        sizes = {}
        for index, size in hired.told():
            if isinstance(size, Exception):
                self._tell(index, self._problem(index, size))
            else:
                sizes[index] = size
        weighed = sorted(sizes)
        groups = [[weighed[at] for at in group] for group in deal([sizes[index] for index in weighed])]
        self._say(f"training {_jobs(len(weighed))} in {len(groups)} groups, with {workers} workers")
        # The heaviest first: the last ones to end are then the light ones.
        for number in sorted(range(len(groups)), key=lambda at: -sum(sizes[i].tokens for i in groups[at])):
            own = [self._orders[index] for index in groups[number]]
            state = None if self._state is None else of_group(self._state, number)
            settings = replace(self._settings, state=state)
            mark = None if state is None else partial(newest, state)
            hired.give(number, "train", own, settings, mark=mark)
        for number, told in hired.told():
            if isinstance(told, Exception):
                self._keeps = True
                for index in groups[number]:
                    if index not in self._found:
                        self._tell(index, self._problem(index, told))
            else:
                self._hear(groups[number][told[0]], told[1])

    def results(self) -> list[Result]:
        """Of all orders; snapshots go, unless something stands in them alone."""
        if self._state is not None and not self._keeps:
            forget(self._state)
        return [self._found[index] for index in range(len(self._orders))]

    def _hear(self, index: int, problem: TrainingError | None) -> None:
        """A worker has told a result; of a group that goes on after a death it may be known already."""
        if index in self._found:
            return
        if problem is not None:
            self._keeps |= isinstance(problem, Unwritten)
            self._tell(index, problem)
            return
        out: Any = self._orders[index].out
        try:
            self._tell(index, read(out))
        except (RepertoireError, OSError) as error:
            self._keeps = True
            told = f"{self._name(index)}: it is trained, but {out} cannot be read here ({error}); machines that train "
            self._tell(index, TrainingError(f"{told}together need one folder that all of them see"))

    def _tell(self, index: int, result: Result) -> None:
        self._found[index] = result
        self._say(f"{self._name(index)}: {'failed' if isinstance(result, Exception) else 'done'}")
        if self._on_result is not None:
            self._on_result(index, result)

    def _problem(self, index: int, error: Exception) -> TrainingError:
        """What a worker could not do, as a problem of this job."""
        if isinstance(error, TrainingError):
            return error
        told = str(error) if isinstance(error, RepertoireError) else repr(error)
        return TrainingError(f"{self._name(index)}: {told}")

    def _name(self, index: int) -> str:
        return self._orders[index].name or self._orders[index].recipe.task

    def _say(self, line: str) -> None:
        if self._progress:
            say(line)


def _jobs(count: int) -> str:
    return f"{count} {'job' if count == 1 else 'jobs'}"
