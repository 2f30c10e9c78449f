"""Train adapters: load, check, train, evaluate, save. One job is the case N = 1 of many on one base."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from adapters import Adapter, Base
from adapters.errors import RepertoireError
from recipes.data.augment import Augmenter
from recipes.recipe import Recipe
from recipes.runs import snapshots as resume
from recipes.runs.dealing import Size
from recipes.runs.order import Order, prepare
from recipes.runs.run import PASS_TOKENS, Result, Run, Settings
from recipes.runs.shown import Shown

if TYPE_CHECKING:
    from recipes.data.tables import Data
    from recipes.examples import Splits


def train(
    recipe: Recipe,
    data: "Data | Splits",
    base: Base,
    *,
    validation: "Data | None" = None,
    test: "Data | None" = None,
    out: str | os.PathLike[str] | None = None,
    parent: tuple[Adapter, str] | None = None,
    progress: bool = False,
    settings: Settings | None = None,
    augmenter: Augmenter | None = None,
    unlabelled: "Data | None" = None,
) -> Adapter:
    """Train one adapter and measure it against the base and the task's baselines on held-out data.

    An adapter that fails its recipe's gates is given and written all the same, but a hub refuses it.

    Args:
        recipe: task, method and settings.
        data: files (CSV, JSONL, JSON, Parquet), or what `recipes.data.load_splits` made of them.
        base: the loaded base.
        validation: as `data`; without it, rows of `data`.
        test: as `data`; without it, rows of `data`.
        out: folder for the PEFT directory; a page for people is written beside it (see `recipes.judge.page`).
        parent: a trained adapter to go on from, on new data, and what it is called.
        progress: show bars on a terminal, lines in a log.
        settings: how the run uses its machine.
        augmenter: a hook such as back-translation, see `Order`.
        unlabelled: rows without labels that are trained on too, each by the label that the adapter gives it when it has
            learned from the others; of behavior with one label a row.

    Returns:
        The adapter. Its `info["report"]` holds before, after, baselines, intervals and gains, its `info["gates"]` what
        the recipe's gates say of them.

    Raises:
        DataError: every problem of the data, before anything is trained or written.
        RecipeError: where the recipe cannot learn from rows without labels.
        BaseError: where the base cannot carry the recipe.
        TrainingError: where the job cannot go on, such as for a loss that is not finite.
    """
    order = Order(
        recipe, data, validation, test, out, parent=parent, augmenter=augmenter, unlabelled=unlabelled
    )
    (result,) = train_many([order], base, progress=progress, settings=settings)
    if isinstance(result, RepertoireError):
        raise result
    return result


class TrainMany(Protocol):
    """Trains orders on a base that it knows, here or elsewhere; as `train_many` in everything else."""

    def __call__(
        self,
        orders: Sequence[Order],
        *,
        progress: bool = False,
        settings: Settings | None = None,
        on_result: Callable[[int, Result], None] | None = None,
    ) -> list[Result]:
        """See `train_many`."""


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
    result: an error in its place, and the others are trained. They train in groups (`dealing.py`), one after another;
    jobs that do not fit beside the others of theirs wait for their turn.

    Args:
        orders: what to train, one job each.
        base: the loaded base, shared by all.
        progress: show bars on a terminal, lines in a log.
        settings: how the run uses its machine.
        on_result: told of each result, by its index in `orders`, as soon as it is there.

    Returns:
        An adapter or an error for each order.

    Raises:
        TrainingError: where `settings.state` holds a run of other jobs.
    """
    settings = settings or Settings()
    run = Run(orders, base, settings, on_result, progress)
    try:
        with Shown(run, progress) as shown:
            while run.turn():
                shown.update()
    finally:
        run.close()
    if settings.state is not None and not run.unwritten and run.processes.rank == 0:
        resume.forget(Path(settings.state))
    return run.results


def train_group(orders: Sequence[Order], base: Base, settings: Settings) -> Iterator[tuple[int, Result]]:
    """As `train_many`, for who trains a part of a night: its snapshots stay until all of the night is done.

    Args:
        orders: one group.
        base: the loaded base.
        settings: of the night, with `state` of this group alone.

    Yields:
        The index of an order and its result, as soon as it is there. Done again after a kill, those that were there
        come again, first.

    Raises:
        TrainingError: where `settings.state` holds a run of other jobs.
    """
    told: list[tuple[int, Result]] = []
    run = Run(orders, base, settings, lambda index, result: told.append((index, result)), False)
    try:
        goes_on = True
        while goes_on:
            goes_on = run.turn()
            yield from told
            told.clear()
    finally:
        run.close()


def size_of(order: Order, base: Base, settings: Settings) -> Size:
    """What an order takes, for `deal`. Raises as `prepare`."""
    return Size.of(prepare(order, base), settings.pass_tokens or PASS_TOKENS[base.device.type])
