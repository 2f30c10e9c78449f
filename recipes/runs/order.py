"""From an order to a job, and from a trained job to an adapter with its report, gates and page."""

import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters import Adapter, Base
from adapters.format import write
from recipes.data.augment import Augmenter, augment
from recipes.data.facts import DataFacts
from recipes.data.lengths import Lengths, check_lengths
from recipes.data.load import load_splits
from recipes.data.named_labels import are_read
from recipes.data.profiling import profile
from recipes.data.skipped import write_skipped
from recipes.data.unlabelled import with_unlabelled
from recipes.examples import Splits
from recipes.judge import page
from recipes.judge.assess import assess, evaluate_untouched
from recipes.judge.card import trained_card
from recipes.judge.cases import pick
from recipes.judge.gates import judge
from recipes.judge.info import AdapterInfo
from recipes.judge.results import best_baseline
from recipes.learn.cross_fit import Fold, cross_fit, keep_start, start_is_better
from recipes.learn.encode import count_prompt, count_tokens, token_limit
from recipes.learn.initial_weights import continued, start
from recipes.learn.job import Job
from recipes.measure.calibration import Calibration, shift_for
from recipes.recipe import Recipe
from recipes.tasks.ad_copy import known

if TYPE_CHECKING:
    from recipes.data.tables import Data
    from recipes.learn.fused import Fused
    from recipes.learn.untouched import Untouched


@dataclass(frozen=True)
class Order:
    """What to train: a recipe, its data (or what `load_splits` made of it), and where to write the adapter (None:
    nowhere). name: for messages. unlabelled: rows without labels that are trained on too, see `with_unlabelled`.

    parent: a trained adapter to go on from, and what it is called. augmenter: puts a text of a training row in other
    words, where the recipe's `data.augment` asks for copies; called once for each different text.
    """

    recipe: Recipe
    data: "Data | Splits"
    validation: "Data | None" = None
    test: "Data | None" = None
    out: str | os.PathLike[str] | None = None
    name: str = ""
    parent: tuple[Adapter, str] | None = None
    augmenter: Augmenter | None = None
    unlabelled: "Data | None" = None


def prepare(order: Order, base: Base, progress: bool = False) -> Job:
    """Load, check and encode the data of an order. Raises DataError and BaseError, and as `augment`, before anything is
    trained."""
    recipe = order.recipe
    splits = load_splits(recipe, order.data, order.validation, order.test, progress=progress)
    if order.unlabelled is not None:
        splits = with_unlabelled(splits, recipe, order.unlabelled)
    adapter = untrained(recipe, splits, base, order.parent)
    limit = token_limit(base, recipe)
    rows = augment(splits.train, recipe, order.augmenter)
    notes = [*splits.notes]
    if recipe.data.augment is not None:
        notes.append(
            f"{len(rows) - len(splits.train)} copies of {len(splits.train)} training rows were added to train on "
            "(data.augment); a row and its copies together count as the row did"
        )
    if are_read(splits, recipe):
        notes.append("the name of each label that has rows is a training row of it (data.label_names)")
    lengths = measured(replace(splits, train=rows), recipe, base)
    found = profile(splits, recipe, lambda example: sum(count_tokens(base, recipe, example)), limit)
    facts = DataFacts(
        digest=splits.digest,
        files=splits.files,
        roles=tuple(splits.train[0].fields),
        notes=(*notes, str(lengths)),
        profile=found,
    )
    adapter.info |= AdapterInfo(data=facts).to_info()
    if not splits.labels:
        adapter.info["sayings"] = known(splits).to_info()
    return Job.prepare(recipe, splits, rows, adapter, base, order.name)


def measured(splits: Splits, recipe: Recipe, base: Base) -> Lengths:
    """How long the rows are in a base's tokens. Raises DataError as `check_lengths` does."""
    return check_lengths(
        splits,
        lambda example: count_tokens(base, recipe, example),
        token_limit(base, recipe),
        least=0 if splits.labels else count_prompt(base, recipe, ""),
    )


def untrained(
    recipe: Recipe, splits: Splits, base: Base, parent: tuple[Adapter, str] | None = None
) -> Adapter:
    """An adapter before its first step on the data, which corrects for rows that were left out. Raises as `start` and
    `continued`."""
    if parent is None:
        adapter = start(recipe, base, splits.labels)
    else:
        adapter = continued(parent[0], recipe, base, splits.labels, parent[1])
    if splits.negative_share < 1:
        calibration = Calibration(shift=shift_for(splits.negative_share))
        adapter.info |= AdapterInfo(calibration=calibration).to_info()
    return adapter


def finish(order: Order, job: Job, untouched: "Untouched", seconds: float, fused: "Fused") -> None:
    """Measure a trained job's best weights on the test rows, beside the base and the baselines; write the adapter.

    Args:
        order: what was asked for; without `out` nothing is written.
        job: trained.
        untouched: the base, and the slots with the job's slot; of which the jobs of a run ask the same once.
        seconds: how long the job took so far.
        fused: that trained it.
    """
    # As it started: the base is measured under the untrained head.
    untouched.slots.load(job.slot, job.adapter)
    before = evaluate_untouched(job, untouched)
    began = time.perf_counter()
    folds = cross_fit(job, fused)
    if start_is_better(job, folds):
        keep_start(job, untouched)
        folds = [Fold(fold.splits, fold.start) for fold in folds if fold.start is not None]
    job.restore_best()
    seconds += time.perf_counter() - began
    found = assess(job, before, untouched, seconds, folds)
    job.adapter.info |= AdapterInfo(
        recipe=_published(order.recipe),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        quantization=untouched.base.quantization,
        report=found.report,
        gates=judge(found.report, order.recipe.gates),
        calibration=found.calibration,
        blend=None if found.blend is None else found.blend.to_info(),
    ).to_info()
    if order.out is None:
        return
    write(job.adapter, order.out, trained_card(job.adapter))
    best = best_baseline(found.report.served.gains, job.metric_name)
    picked = pick(
        job.splits,
        before.predictions,
        found.served.predictions,
        None if best is None else (best, found.guesses[best]),
    )
    page.write(job.adapter, picked, page.folder_of(order.out), order.name or Path(order.out).name)
    write_skipped(job.splits.skipped, page.folder_of(order.out))


def _published(recipe: Recipe) -> dict[str, Any]:
    """A recipe as it travels with the adapter: the synonyms' file, like those of the data, without its folders."""
    made = recipe.to_dict()
    if recipe.data.augment is not None and recipe.data.augment.synonyms is not None:
        made["data"]["augment"]["synonyms"] = Path(recipe.data.augment.synonyms).name
    return made
