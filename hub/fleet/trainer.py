"""A worker that trains: it loads the base once, and takes one group of jobs after another.

Of a worker that was taken for dead, and lives on where the cluster does not see it, the next one waits for the end: who
trains a group holds a lock of the kernel beside its snapshots, which ends with its process.
"""

import fcntl
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.errors import RepertoireError
from recipes.errors import TrainingError

if TYPE_CHECKING:
    from adapters.format import Quantization
    from recipes import Recipe
    from recipes.data import Splits
    from recipes.runs import Order, Settings, Size, Stand, Trials

    Shared = tuple[Recipe, Splits, Settings]


class Trainer:
    """An actor of a `Crew`. What it yields is what the driver hears.

    Args:
        folder: that relative paths begin in; every machine must have it.
        base: to load.
        quantization: how.
        threads: to compute with.
    """

    def __init__(self, folder: str, base: str, quantization: "Quantization", threads: int) -> None:
        self._folder, self._named, self._threads = folder, (base, quantization), threads
        self._base: Any = None
        self._trials: Trials | None = None

    def ready(self) -> Iterator[None]:
        """Load the base. Raises as `load_base`, and TrainingError where the folder is not there."""
        try:
            os.chdir(self._folder)
        except OSError as error:
            raise TrainingError(
                f"{self._folder} is not there on {os.uname().nodename} ({error.strerror}); machines that train "
                "together need one folder that all of them see"
            ) from None
        from adapters.base import settle_threads

        settle_threads()
        import torch

        from adapters import load_base

        torch.set_num_threads(self._threads)
        self._base = load_base(*self._named)
        yield None

    def weigh(self, order: "Order", settings: "Settings") -> "Iterator[Size]":
        """What an order takes. Raises TrainingError for whatever is wrong with it."""
        from recipes.runs import size_of

        with _plainly():
            yield size_of(order, self._base, settings)

    def train(
        self, orders: "Sequence[Order]", settings: "Settings"
    ) -> Iterator[tuple[int, TrainingError | None]]:
        """Train a group; of each result its index, and what went wrong. The adapters lie in their folders."""
        from recipes.runs import train_group

        with alone(settings.state):
            for index, result in train_group(orders, self._base, settings):
                yield index, _plain(result) if isinstance(result, RepertoireError) else None

    def look(self, shared: "Shared") -> Iterator[None]:
        """Whether the rows and the base of a search carry its recipe. Raises TrainingError where they do not."""
        self._of_search(shared)
        yield None

    def trial(
        self, shared: "Shared", number: int, recipe: "Recipe", validations: int, alive: Collection[int]
    ) -> "Iterator[Stand]":
        """As `Trials.stand`. Raises TrainingError for whatever is wrong with it."""
        trials = self._of_search(shared)
        with _plainly():
            yield trials.stand(number, recipe, validations, alive)

    def _of_search(self, shared: "Shared") -> "Trials":
        """The trials that are trained here, of the one search of this worker."""
        from recipes.runs import TrialJobs, Trials

        recipe, splits, settings = shared
        if self._trials is None:
            with _plainly():
                self._trials = Trials(TrialJobs(recipe, splits, self._base), settings)
        return self._trials


def _plain(error: RepertoireError) -> TrainingError:
    """An error as one that travels: with its message alone."""
    from recipes.runs import Unwritten

    return Unwritten(str(error)) if isinstance(error, Unwritten) else TrainingError(str(error))


@contextmanager
def _plainly() -> Iterator[None]:
    """What is raised travels."""
    try:
        yield
    except RepertoireError as error:
        raise _plain(error) from None


@contextmanager
def alone(state: str | os.PathLike[str] | None) -> Iterator[None]:
    """Nobody else trains the group of these snapshots meanwhile; who does is waited for."""
    if state is None:
        yield
        return
    lock = Path(f"{state}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
