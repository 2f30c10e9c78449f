"""From an order to a job, and from a trained job to an adapter with its report, gates and page."""

import os
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters import Adapter, Base
from adapters.format import write
from adapters.slots import Slots
from recipes.data.augment import Augmenter, augment
from recipes.data.lengths import check_lengths
from recipes.data.load import load_splits
from recipes.data.profiling import profile
from recipes.examples import Splits
from recipes.judge import gates, page
from recipes.judge.assess import assess, evaluate
from recipes.judge.cases import pick
from recipes.learn.encode import count_tokens, token_limit
from recipes.learn.initial_weights import continued, start
from recipes.learn.job import Job
from recipes.measure.calibration import Calibration, shift_for
from recipes.recipe import Recipe

if TYPE_CHECKING:
    from recipes.data.tables import Data


@dataclass(frozen=True)
class Order:
    """What to train: a recipe, its data (or what `load_splits` made of it), and where to write the adapter (None:
    nowhere). name: for messages.

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


def prepare(order: Order, base: Base, progress: bool = False) -> Job:
    """Load, check and encode the data of an order. Raises DataError and BaseError, and as `augment`, before anything is
    trained."""
    recipe = order.recipe
    splits = load_splits(recipe, order.data, order.validation, order.test, progress=progress)
    adapter = untrained(recipe, splits, base, order.parent)
    limit = token_limit(base, recipe)
    rows = augment(splits.train, recipe, order.augmenter)
    notes = [*splits.notes]
    if recipe.data.augment is not None:
        notes.append(
            f"{len(rows) - len(splits.train)} copies of {len(splits.train)} training rows were added to train on "
            "(data.augment); a row and its copies together count as the row did"
        )
    lengths = check_lengths(
        replace(splits, train=rows), lambda example: count_tokens(base, recipe, example), limit
    )
    found = profile(splits, recipe, lambda example: sum(count_tokens(base, recipe, example)), limit)
    adapter.info["data"] = {
        "digest": splits.digest,
        "files": [asdict(source) for source in splits.files],
        "roles": list(splits.train[0].fields),
        "notes": [*notes, str(lengths)],
        "profile": found.to_dict(),
    }
    return Job.prepare(recipe, splits, rows, adapter, base, order.name)


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
        adapter.info["calibration"] = Calibration(shift=shift_for(splits.negative_share)).to_info()
    return adapter


def finish(order: Order, job: Job, base: Base, slots: Slots, seconds: float) -> None:
    """Measure a trained job's best weights on the test rows, beside the base and the baselines; write the adapter."""
    splits = job.splits
    slots.load(job.slot, job.adapter)  # as it started: the base is measured under the untrained head
    before = evaluate(job, base, slots, adapted=False)
    job.restore_best()
    found = assess(job, before, base, slots)
    report = {
        "metric": job.metric_name,
        **found.report,
        "rows": {
            "train": len(splits.train),
            "validation": len(splits.validation),
            "test": len(splits.test),
        },
        "steps": job.step,
        "best_step": job.best_step,
        "history": job.history,
        "seconds": round(seconds, 2),
    }
    if job.ranks:
        report["ranks"] = job.ranks
    job.adapter.info |= {
        "recipe": _published(order.recipe),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "quantization": base.quantization,
        "report": report,
        "gates": gates.mark(gates.judge(report, order.recipe.gates)),
    }
    if found.calibration is not None:
        job.adapter.info["calibration"] = found.calibration.to_info()
    if found.blend is not None:
        job.adapter.info["blend"] = found.blend.to_info()
    if order.out is not None:
        write(job.adapter, order.out)
        page.write(job.adapter, pick(job, before, found), page.folder_of(order.out))


def _published(recipe: Recipe) -> dict[str, Any]:
    """A recipe as it travels with the adapter: the synonyms' file, like those of the data, without its folders."""
    made = recipe.to_dict()
    if recipe.data.augment is not None and recipe.data.augment.synonyms is not None:
        made["data"]["augment"]["synonyms"] = Path(recipe.data.augment.synonyms).name
    return made
