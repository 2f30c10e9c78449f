"""Is an adapter any good? Its test rows beside the base's and every baseline's, and how sure the differences are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters import Base
from adapters.sampling import Sampling
from adapters.slots import Slots
from recipes import intervals
from recipes.encode import encode, encode_prompt
from recipes.job import Job
from recipes.predict import copy_losses, probabilities, texts
from recipes.tasks import ad_copy, task_for

BEFORE = "before"  # what the base untouched is called in a report


@dataclass(frozen=True)
class Outcome:
    """What a model said of the test rows. metrics: the task's; predictions: heads, probabilities [rows, labels];
    ad-copy, `ad_copy.Written`."""

    metrics: dict[str, Any]
    predictions: Any


def evaluate(job: Job, base: Base, slots: Slots, adapted: bool = True) -> Outcome:
    """The held-out test split, with the adapter or, without `adapted`, with the base untouched (for heads: under the
    untrained head)."""
    test = job.splits.test
    if job.recipe.task == "ad-copy":
        found: Any = _write(job, base, slots, adapted)
    else:
        found = probabilities(base, slots, job.slot, encode(base, job.recipe, test), adapted)
    return Outcome(task_for(job.recipe.task).metrics(test, found, job.splits.labels), found)


def compare(job: Job, before: Outcome, after: Outcome) -> dict[str, Any]:
    """The part of a report that speaks of the test split: before, after, baselines, intervals, gains."""
    task, splits = task_for(job.recipe.task), job.splits
    guesses = task.guesses(splits, job.recipe)
    others = {BEFORE: before.predictions, **guesses}
    return {
        "before": before.metrics,
        "after": after.metrics,
        "baselines": task.baselines(splits, job.recipe, guesses),
        **_certainty(job, after.predictions, others),
    }


def _certainty(job: Job, after: Any, others: Mapping[str, Any]) -> dict[str, Any]:
    """`intervals`: metric -> low, high of the adapter's own; `gains`: other -> metric -> difference, low, high."""
    task, test, labels = task_for(job.recipe.task), job.splits.test, job.splits.labels
    units = int(intervals.units_of(test).max()) + 1
    own = task.statistics(test, after, labels)
    theirs = {name: task.statistics(test, found, labels) for name, found in others.items()}
    pairs = {
        (name, metric): each[metric] for name, each in theirs.items() for metric in each if metric in own
    }
    drawn = intervals.resample(own, units)
    drawn_others = intervals.resample(pairs, units)
    points = {metric: intervals.point(statistic, units) for metric, statistic in own.items()}
    gains: dict[str, dict[str, dict[str, float]]] = {name: {} for name in others}
    for (name, metric), statistic in pairs.items():
        difference = points[metric] - intervals.point(statistic, units)
        between = intervals.interval(drawn[metric] - drawn_others[name, metric])
        gains[name][metric] = {"difference": difference, **between}
    return {
        "intervals": {metric: intervals.interval(values) for metric, values in drawn.items()},
        "gains": gains,
    }


def _write(job: Job, base: Base, slots: Slots, adapted: bool) -> ad_copy.Written:
    test, settings = job.splits.test, job.recipe.write
    losses = copy_losses(base, slots, job.slot, encode(base, job.recipe, test), adapted)
    nats, tokens = sum(each for each, _ in losses), sum(count for _, count in losses)
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
    return ad_copy.Written(made, nats / tokens, tokens, products, settings.max_chars, losses)
