"""Is an adapter any good? Its test rows beside the base's and every baseline's, and how sure the differences are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters import Base
from adapters.sampling import Sampling
from adapters.slots import Slots
from recipes import baselines as learned
from recipes import intervals
from recipes.calibration import Calibration, fit_temperature
from recipes.encode import encode, encode_prompt
from recipes.evaluate import reliability
from recipes.intervals import Floats
from recipes.job import Job
from recipes.predict import copy_losses, logits, texts
from recipes.tasks import ad_copy, behavior, recommendation, task_for

BEFORE = "before"  # what the base untouched is called in a report


@dataclass(frozen=True)
class Outcome:
    """What a model said of the test rows. metrics: the task's; predictions: heads, probabilities [rows, labels];
    ad-copy, `ad_copy.Written`; logits: heads, what they come from, [rows, labels]."""

    metrics: dict[str, Any]
    predictions: Any
    logits: Floats | None = None


def evaluate(
    job: Job, base: Base, slots: Slots, adapted: bool = True, calibration: Calibration | None = None
) -> Outcome:
    """The held-out test split, with the adapter or, without `adapted`, with the base untouched (for heads: under the
    untrained head). calibration: of the head's probabilities, None for none."""
    splits = job.splits
    raw: Floats | None
    found: Any
    if job.recipe.task == "ad-copy":
        raw, found = None, _write(job, base, slots, adapted)
    else:
        raw = logits(base, slots, job.slot, encode(base, job.recipe, splits.test), adapted)
        found = (calibration or Calibration()).apply(raw, splits.multi_label)
    return Outcome(task_for(job.recipe.task).metrics(splits.test, found, splits.labels), found, raw)


def calibrate(job: Job, base: Base, slots: Slots) -> Calibration | None:
    """The calibration of a trained head, fitted on its validation rows; None for ad-copy."""
    if job.recipe.task == "ad-copy":
        return None
    raw, rows = logits(base, slots, job.slot, job.validation), job.splits.validation
    truth = learned.label_matrix(rows, len(job.splits.labels))
    return Calibration(fit_temperature(raw, truth, learned.weights_of(rows), job.splits.multi_label))


def compare(
    job: Job, before: Outcome, after: Outcome, calibration: Calibration | None = None
) -> dict[str, Any]:
    """The part of a report that speaks of the test split: before, after, baselines, intervals, gains, for heads
    calibration."""
    task, splits = task_for(job.recipe.task), job.splits
    guesses = task.guesses(splits, job.recipe)
    others = {BEFORE: before.predictions, **guesses}
    return {
        "before": before.metrics,
        "after": after.metrics,
        "baselines": task.baselines(splits, job.recipe, guesses),
        **_certainty(job, after.predictions, others),
        **({"calibration": _calibration(job, after, calibration)} if calibration is not None else {}),
    }


def _calibration(job: Job, after: Outcome, calibration: Calibration) -> dict[str, Any]:
    """temperature and shift; log loss and calibration error on the test rows without and with them; `curve`: mean
    probability, observed share and share of the rows in each bin."""
    splits = job.splits
    assert after.logits is not None, "only heads are calibrated"
    task = recommendation if job.recipe.task == "recommendation" else behavior
    raw = task.metrics(splits.test, Calibration().apply(after.logits, splits.multi_label), splits.labels)
    bins = reliability(*task.decisions(splits.test, after.predictions))
    return {
        **calibration.to_info(),
        **{
            name: {"raw": raw[name], "calibrated": after.metrics[name]}
            for name in ("log_loss", "calibration_error")
        },
        "curve": [
            {"predicted": float(p), "observed": float(o), "share": float(s)}
            for p, o, s in zip(*bins, strict=True)
        ],
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
