"""Is an adapter any good? Its test rows beside the base's and every baseline's, and how sure the differences are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from adapters import Base
from adapters.serving import Sampling
from adapters.slots import Slots
from recipes.answer.blend import Blend, Mix, blend, fit_mix
from recipes.answer.linear import Linear, learn
from recipes.examples import Example, Splits
from recipes.judge.groups import by_group
from recipes.judge.report import BEFORE
from recipes.learn.encode import encode, encode_prompt, sample
from recipes.learn.job import Job
from recipes.learn.predict import copy_losses, logits, probabilities, states, texts
from recipes.measure import baselines as learned
from recipes.measure import intervals
from recipes.measure.calibration import Calibration, fit_temperature, shift_for, shifted
from recipes.measure.intervals import Floats
from recipes.measure.metrics import reliability
from recipes.tasks import ad_copy, behavior, recommendation, task_for

PRIOR, FROZEN = "constant prior", "frozen base + logistic regression"
_MOST_STATES = 1000  # training rows that the frozen base reads for its baseline


@dataclass(frozen=True)
class Outcome:
    """What a model said of the test rows. metrics: the task's; predictions: heads, probabilities [rows, labels];
    ad-copy, `ad_copy.Written`."""

    metrics: dict[str, Any]
    predictions: Any


@dataclass(frozen=True)
class Assessment:
    """report: the part of a report that speaks of the test split. after: what is served. guesses: a baseline's name ->
    its predictions, as in `Outcome`. calibration: of a head. blend: where one is served."""

    report: dict[str, Any]
    after: Outcome
    guesses: Mapping[str, Any]
    calibration: Calibration | None = None
    blend: Blend | None = None


def evaluate(job: Job, base: Base, slots: Slots, adapted: bool = True) -> Outcome:
    """The held-out test split, with the adapter or, without `adapted`, with the base untouched (for heads: under the
    untrained head). Probabilities are not calibrated."""
    if job.recipe.task == "ad-copy":
        return _outcome(job, _write(job, base, slots, adapted))
    rows = encode(base, job.recipe, job.splits.test)
    return _outcome(job, probabilities(base, slots, job.slot, rows, adapted))


def assess(job: Job, before: Outcome, base: Base, slots: Slots) -> Assessment:
    """The trained adapter beside the base untouched and every baseline. A head is calibrated first, then blended where
    the recipe says so."""
    if job.recipe.task == "ad-copy":
        after = evaluate(job, base, slots)
        guesses = ad_copy.guesses(job.splits, job.recipe)
        return Assessment(_report(job, before, after, guesses), after, guesses)
    return _assess_head(job, before, base, slots)


def _assess_head(job: Job, before: Outcome, base: Base, slots: Slots) -> Assessment:
    splits, several = job.splits, job.splits.multi_label
    known = logits(base, slots, job.slot, job.validation)
    truth = learned.label_matrix(splits.validation, len(splits.labels))
    weights = learned.weights_of(splits.validation)
    plain = Calibration.from_info(job.adapter.info)  # it may have a shift, for how its rows were sampled
    temperature = fit_temperature(known, truth, weights, several, plain.shift)
    calibration = Calibration(temperature, plain.shift)
    raw = logits(base, slots, job.slot, encode(base, job.recipe, splits.test))
    after = _outcome(job, np.asarray(calibration.apply(raw, several)))
    # The baselines guess the validation rows too, for the blend: [validation rows, then test rows]
    both = replace(splits, test=(*splits.validation, *splits.test))
    found = dict(task_for(job.recipe.task).guesses(both, job.recipe))
    found[FROZEN] = _frozen(job, both, base, slots)
    models = {model.name: model for model in learn(splits, job.recipe)} if job.recipe.blend else {}
    found |= {name: _guess(model, both.test, several) for name, model in models.items()}
    cut = len(splits.validation)
    guesses = {name: guess[cut:] for name, guess in found.items()}
    earlier = {name: guess[:cut] for name, guess in found.items()}
    report = _report(job, before, after, guesses)
    report["calibration"] = _calibration(job, plain.apply(raw, several), after, calibration)
    if job.recipe.grouped:
        report["groups"] = by_group(splits.test, after.predictions, job.recipe.task, job.recipe.grouped)
    name, mix = _best_mix(job, np.asarray(calibration.apply(known, several)), earlier, models or earlier)
    mixed = _outcome(job, blend(after.predictions, guesses[name], mix, several))
    report["blend"] = _blend(job, name, mix, mixed, after)
    served = Blend(models[name], mix) if name in models and mix.weight else None
    if job.recipe.blend:
        report["blend"]["served"] = served is not None
    if served is None:
        return Assessment(report, after, guesses, calibration)
    report["blended"] = _blended(job, report, before, mixed, guesses)
    return Assessment(report, mixed, guesses, calibration, served)


def _guess(model: Linear, examples: Sequence[Example], multi_label: bool) -> Floats:
    """What a model that can travel says of rows, as `Blend.apply` asks it."""
    return model.probabilities([e.text for e in examples], [e.fields for e in examples], multi_label)


def _outcome(job: Job, predictions: Any) -> Outcome:
    splits = job.splits
    return Outcome(task_for(job.recipe.task).metrics(splits.test, predictions, splits.labels), predictions)


def _report(job: Job, before: Outcome, after: Outcome, guesses: Mapping[str, Any]) -> dict[str, Any]:
    """before, after, baselines, intervals, gains."""
    baselines = task_for(job.recipe.task).baselines(job.splits, job.recipe, guesses)
    if job.recipe.task == "recommendation":
        # A log loss over that of the constant prior (He et al. 2014, doi:10.1145/2648584.2648589): below 1 it knows
        # more than the click rate.
        least = baselines[PRIOR]["log_loss"]
        for metrics in (before.metrics, after.metrics, *baselines.values()):
            metrics["normalized_entropy"] = metrics["log_loss"] / least
    others = {BEFORE: before.predictions, **guesses}
    return {
        "before": before.metrics,
        "after": after.metrics,
        "baselines": baselines,
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


def _calibration(job: Job, raw: Any, after: Outcome, calibration: Calibration) -> dict[str, Any]:
    """temperature and shift; log loss and calibration error on the test rows without (raw: their probabilities) and
    with the temperature; `curve`: mean probability, observed share and share of the rows in each bin."""
    task = recommendation if job.recipe.task == "recommendation" else behavior
    plain = _outcome(job, raw).metrics
    bins = reliability(*task.decisions(job.splits.test, after.predictions))
    return {
        **calibration.to_info(),
        **{
            name: {"raw": plain[name], "calibrated": after.metrics[name]}
            for name in ("log_loss", "calibration_error")
        },
        "curve": [
            {"predicted": float(p), "observed": float(o), "share": float(s)}
            for p, o, s in zip(*bins, strict=True)
        ],
    }


def _best_mix(
    job: Job, known: Floats, earlier: Mapping[str, Floats], among: Collection[str]
) -> tuple[str, Mix]:
    """Of these baselines the one that helps the adapter most on the validation rows, and how they are mixed. known,
    earlier: the adapter's and each baseline's probabilities of the validation rows."""
    splits = job.splits
    truth = learned.label_matrix(splits.validation, len(splits.labels))
    weights, prior = learned.weights_of(splits.validation), earlier[PRIOR][0]
    fitted = {
        name: fit_mix(known, earlier[name], prior, truth, weights, splits.multi_label) for name in among
    }
    best = min(fitted, key=lambda name: fitted[name][1])
    return best, fitted[best][0]


def _blend(job: Job, name: str, mix: Mix, mixed: Outcome, after: Outcome) -> dict[str, Any]:
    """The baseline, how it is mixed in, and on the test rows the mix's metric and its gain over the adapter alone."""
    metric = job.metric_name
    gains = _certainty(job, mixed.predictions, {"adapter": after.predictions})["gains"]
    return {
        "baseline": name,
        "weight": mix.weight,
        "sharpness": mix.sharpness,
        "shift": mix.shift,
        "metric": metric,
        "value": mixed.metrics[metric],
        "gain": gains["adapter"][metric],
    }


def _blended(
    job: Job, report: Mapping[str, Any], before: Outcome, mixed: Outcome, guesses: Mapping[str, Floats]
) -> dict[str, Any]:
    """after, intervals, gains and groups of what is served, as those of the adapter alone stand in the report."""
    if job.recipe.task == "recommendation":
        prior = report["baselines"][PRIOR]["log_loss"]
        mixed.metrics["normalized_entropy"] = mixed.metrics["log_loss"] / prior
    found = {
        "after": mixed.metrics,
        **_certainty(job, mixed.predictions, {BEFORE: before.predictions, **guesses}),
    }
    if job.recipe.grouped:
        found["groups"] = by_group(job.splits.test, mixed.predictions, job.recipe.task, job.recipe.grouped)
    return found


def _frozen(job: Job, splits: Splits, base: Base, slots: Slots) -> Floats:
    """Logistic regression on what the base itself makes of the texts. Of many training rows, a sample."""
    some, train = sample(splits, job.train, _MOST_STATES, seed=0)
    rows = (train, job.validation, encode(base, job.recipe, splits.test))
    guess = learned.on_states(some, *(states(base, slots, part) for part in rows))
    return shifted(guess, shift_for(splits.negative_share)) if job.recipe.task == "recommendation" else guess


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
    policy = settings.policy.rules()
    return ad_copy.Written(made, nats / tokens, tokens, products, settings.max_chars, losses, policy)
