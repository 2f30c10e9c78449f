"""Is an adapter any good? Its test rows beside the base's and every baseline's, and how sure the differences are."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from adapters import Base
from adapters.serving import Sampling
from adapters.slots import Slots
from recipes.answer import chosen, draws
from recipes.answer.blend import Blend, Mix, blend
from recipes.answer.travelling import travelling
from recipes.answer.voice import answered
from recipes.examples import Splits
from recipes.judge.certainty import Certainty
from recipes.judge.groups import by_group
from recipes.judge.report import (
    BEFORE,
    Bin,
    BlendReport,
    CalibrationReport,
    Measured,
    Metrics,
    RawAndCalibrated,
    Report,
    RowCounts,
    Validation,
)
from recipes.judge.unseen import Unseen, guess
from recipes.learn.encode import encode, encode_prompt, sample
from recipes.learn.predict import copy_losses, logits, probabilities, texts
from recipes.measure import baselines as learned
from recipes.measure import intervals
from recipes.measure.calibration import UNCALIBRATED, Calibration, shift_for, shifted
from recipes.measure.intervals import Floats
from recipes.measure.metrics import reliability
from recipes.measure.sayings import Sayings
from recipes.measure.shrinkage import evidence
from recipes.tasks.ad_copy import Written
from recipes.tasks.task import label_task, task_for, text_task

if TYPE_CHECKING:
    from recipes.learn.cross_fit import Fold
    from recipes.learn.job import Job
    from recipes.learn.untouched import Untouched

PRIOR, FROZEN = "constant prior", "frozen base + logistic regression"
_Write = Callable[[Sequence[Sequence[int]], Sequence[Sampling]], list[str]]
"""Texts for prompts' tokens."""
_OWN, _MIXED = "adapter", "adapter and a baseline mixed"
_FEWEST_STATES, _MOST_STATES = 1_000, 100_000  # training rows that the frozen base reads for its baseline
_FORWARDS = 3  # take about as long as a forward and a backward


@dataclass(frozen=True)
class Predicted:
    """What a model said of the test rows, and how good that is.

    metrics: the task's. predictions: heads, probabilities [rows, labels]; texts, `Written`.
    """

    metrics: Mapping[str, Any]
    predictions: Any


@dataclass(frozen=True)
class Assessment:
    """What came of a trained adapter's test rows.

    report: all that was measured. served: what a registry would answer. guesses: a baseline's name -> its predictions,
    as in `Predicted`. calibration: of a head. blend: where one is served.
    """

    report: Report
    served: Predicted
    guesses: Mapping[str, Any]
    calibration: Calibration | None = None
    blend: Blend | None = None


def evaluate(job: "Job", base: Base, slots: Slots) -> Predicted:
    """Answer the held-out test split. Probabilities are not calibrated.

    Args:
        job: whose rows, and whose adapter lies in its slot.
        base: that answers.
        slots: that hold the adapter.
    """
    rows = encode(base, job.recipe, job.splits.test, job.frame)
    if job.splits.labels:
        return _predicted(job, probabilities(base, slots, job.slot, rows))
    losses = copy_losses(base, slots, job.slot, rows)
    made = _drafted(job, base, lambda prompts, how: texts(base, slots, job.slot, prompts, how))
    return _predicted(job, _written(job, losses, made))


def evaluate_untouched(job: "Job", untouched: "Untouched") -> Predicted:
    """As `evaluate`, by the base without the adapter: for heads, under the head that lies in the job's slot."""
    base, slots = untouched.base, untouched.slots
    rows = encode(base, job.recipe, job.splits.test, job.frame)
    if not job.splits.labels:
        written = _drafted(job, base, untouched.texts)
        return _predicted(job, _written(job, untouched.copy_losses(rows), written))
    head = slots.head(job.slot)
    with torch.inference_mode():
        found = head.of_pooled(torch.from_numpy(untouched.states(rows, head.head.pooling))).double().cpu()
    return _predicted(job, np.asarray(UNCALIBRATED.apply(found, head.head.multi_label)))


def assess(
    job: "Job", before: Predicted, untouched: "Untouched", seconds: float, folds: "Sequence[Fold]"
) -> Assessment:
    """Measure a trained adapter beside the base untouched and every baseline. A head is calibrated first, then blended
    where the recipe says so.

    Args:
        job: with its best weights in its slot.
        before: what the base untouched said.
        untouched: the base, and the slots that hold the adapter.
        seconds: how long the job took so far.
        folds: what trainings on parts of its rows say of the others, as of `cross_fit`.
    """
    if not job.splits.labels:
        after = evaluate(job, untouched.base, untouched.slots)
        guesses = task_for(job.recipe.task).guesses(job.splits, job.recipe)
        sure = _certainty(job, before, {_OWN: after}, guesses)
        return Assessment(_report(job, before, after, guesses, sure, seconds), after, guesses)
    return _assess_head(job, before, untouched, seconds, folds)


def _assess_head(
    job: "Job", before: Predicted, untouched: "Untouched", seconds: float, folds: "Sequence[Fold]"
) -> Assessment:
    base, slots = untouched.base, untouched.slots
    splits, several = job.splits, job.splits.multi_label
    unseen = Unseen.of(job, logits(base, slots, job.slot, job.validation), folds)
    # It may have a shift, for how its rows were sampled.
    plain = Calibration.from_info(job.adapter.info, len(splits.labels))
    calibration = unseen.calibration(plain.shift)
    raw = logits(base, slots, job.slot, encode(base, job.recipe, splits.test))
    after = _predicted(job, answered(raw, splits.test, several, calibration))
    # The baselines guess the validation rows too, for the blend: [validation rows, then test rows]
    both = replace(splits, test=(*splits.validation, *splits.test))
    found = dict(task_for(job.recipe.task).guesses(both, job.recipe))
    found[FROZEN] = _frozen(job, both, untouched)
    models = travelling(splits, job.recipe) if job.recipe.blend else {}
    found |= {name: guess(model, both.test, several) for name, model in models.items()}
    cut = len(splits.validation)
    guesses = {name: each[cut:] for name, each in found.items()}
    earlier = {name: each[:cut] for name, each in found.items()}
    own = unseen.guesses(models, earlier) if models else earlier
    name, mix = unseen.best_mix(calibration, own, earlier[PRIOR][0])
    served = Blend(models[name], mix) if name in models and mix.weight else None
    if served is None:
        mixed = _predicted(job, blend(after.predictions, guesses[name], mix, several))
    else:
        mixed = _predicted(job, answered(raw, splits.test, several, calibration, served))
    sure = _certainty(job, before, {_OWN: after, _MIXED: mixed}, guesses)
    report = _report(
        job,
        before,
        after,
        guesses,
        sure,
        seconds,
        calibration=_calibration(job, plain.apply(raw, several), after, calibration),
        blend=_blend(job, name, mix, mixed, sure, served),
        blended=None if served is None else mixed,
        cross_fitted=sum(len(fold.splits.test) for fold in folds) or None,
    )
    return Assessment(report, after if served is None else mixed, guesses, calibration, served)


def _predicted(job: "Job", predictions: Any) -> Predicted:
    splits = job.splits
    return Predicted(task_for(job.recipe.task).metrics(splits.test, predictions, splits.labels), predictions)


def _report(
    job: "Job",
    before: Predicted,
    after: Predicted,
    guesses: Mapping[str, Any],
    sure: Certainty,
    seconds: float,
    calibration: CalibrationReport | None = None,
    blend: BlendReport | None = None,
    blended: Predicted | None = None,
    cross_fitted: int | None = None,
) -> Report:
    """blended: what the blend said, where it is served. cross_fitted: as in `Report`."""
    baselines = task_for(job.recipe.task).baselines(job.splits, job.recipe, guesses)
    prior = baselines[PRIOR] if job.splits.labels else None
    others = (BEFORE, *guesses)
    alone = _measured(job, after, sure, _OWN, others, prior)
    train, validation, test = (
        len(part) for part in (job.splits.train, job.splits.validation, job.splits.test)
    )
    return Report(
        metric=job.metric_name,
        before=_metrics(job, before.metrics, prior),
        baselines={name: _metrics(job, each, prior) for name, each in baselines.items()},
        after=alone.after,
        intervals=alone.intervals,
        gains=alone.gains,
        groups=alone.groups,
        calibration=calibration,
        blend=blend,
        blended=None if blended is None else _measured(job, blended, sure, _MIXED, others, prior),
        rows=RowCounts(train=train, validation=validation, test=test),
        steps=job.step,
        best_step=job.best_step,
        kept="start" if not job.best_step else "best" if job.keeps_best else "last",
        history=tuple(Validation.model_validate(each) for each in job.history),
        seconds=round(seconds, 2),
        ranks=job.ranks or None,
        cross_fitted=cross_fitted,
    )


def _metrics(job: "Job", found: Mapping[str, Any], prior: Mapping[str, Any] | None) -> Metrics:
    """prior: the metrics of the constant prior, where there is one."""
    beside = {} if prior is None else label_task(job.recipe.task).beside_prior(found, prior)
    return Metrics.model_validate({**found, **beside})


def _measured(
    job: "Job",
    own: Predicted,
    sure: Certainty,
    name: str,
    others: Collection[str],
    prior: Mapping[str, Any] | None,
) -> Measured:
    """name, others: of `own` in `sure`, and of what it is compared to."""
    grouped = job.recipe.grouped if job.splits.labels else ()
    return Measured(
        after=_metrics(job, own.metrics, prior),
        intervals=sure.intervals(name),
        gains=sure.gains(name, others),
        groups=by_group(job.splits.test, own.predictions, job.recipe.task, grouped) if grouped else None,
    )


def _certainty(
    job: "Job", before: Predicted, own: Mapping[str, Predicted], guesses: Mapping[str, Any]
) -> Certainty:
    """own: the adapter, and where it was mixed the mix."""
    models = {name: each.predictions for name, each in own.items()}
    return Certainty(
        task_for(job.recipe.task), job.splits, models | {BEFORE: before.predictions} | dict(guesses)
    )


def _calibration(job: "Job", raw: Any, after: Predicted, calibration: Calibration) -> CalibrationReport:
    """raw: probabilities of the test rows with the shift alone, [rows, labels]."""
    plain = _predicted(job, raw).metrics
    bins = reliability(*label_task(job.recipe.task).decisions(job.splits.test, after.predictions))
    test = job.splits.test
    number = evidence(learned.weights_of(test), intervals.units_of(test))
    log_loss, error = (
        RawAndCalibrated(raw=plain[name], calibrated=after.metrics[name])
        for name in ("log_loss", "calibration_error")
    )
    return CalibrationReport(
        temperature=calibration.temperature,
        shift=calibration.shift,
        log_loss=log_loss,
        calibration_error=error,
        curve=tuple(
            Bin(predicted=p, observed=o, share=share, rows=share * number)
            for p, o, share in zip(*bins, strict=True)
        ),
    )


def _blend(
    job: "Job", name: str, mix: Mix, mixed: Predicted, sure: Certainty, served: Blend | None
) -> BlendReport:
    """The baseline, how it is mixed in, and on the test rows the mix's metric and its gain over the adapter alone."""
    metric = job.metric_name
    return BlendReport(
        baseline=name,
        weight=mix.weight,
        sharpness=mix.sharpness,
        shift=mix.shift,
        metric=metric,
        value=mixed.metrics[metric],
        gain=sure.gains(_MIXED, [_OWN])[_OWN][metric],
        served=served is not None if job.recipe.blend else None,
    )


def _frozen(job: "Job", splits: Splits, untouched: "Untouched") -> Floats:
    """Logistic regression on what the base itself makes of the texts: of all training rows, or of a sample of as many
    as take as long to read as the training took. splits: whose test rows are the validation and then the test rows."""
    trained = job.drawn * job.recipe.train.batch_size
    most = min(max(_FEWEST_STATES, _FORWARDS * trained), _MOST_STATES)
    some, train = sample(splits, job.train, most, seed=0)
    # Part by part, as `evaluate_untouched` reads the test rows.
    rows = (train, job.validation, encode(untouched.base, job.recipe, job.splits.test))
    seen, validation, test = (untouched.states(part) for part in rows)
    guess = learned.on_states(some, seen, validation, np.concatenate([validation, test]))
    return shifted(guess, shift_for(splits.negative_share)) if splits.negative_share < 1 else guess


def _drafted(job: "Job", base: Base, write: _Write) -> list[str]:
    """A text for each test product that is written for: of its drafts, which keep no rules here, the one that is most
    like the others."""
    settings = job.recipe.write
    first = Sampling(
        settings.max_new_tokens,
        settings.temperature,
        settings.top_p,
        settings.top_k,
        job.recipe.train.seed,
        settings.repetition_penalty,
        tuple(settings.stop),
        min_p=settings.min_p,
    )
    how = draws(first, settings.drafts, first.seed + 1)
    prompts = [encode_prompt(base, job.recipe, product, job.frame) for product in _products(job)]
    made = write([prompt for prompt in prompts for _ in how], how * len(prompts))
    each = [made[at : at + len(how)] for at in range(0, len(made), len(how))]
    return [drafts[chosen(drafts)] for drafts in each]


def _products(job: "Job") -> tuple[str, ...]:
    """The test products that are written for."""
    return text_task(job.recipe.task).inputs(job.splits.test, job.recipe.write.evaluated)


def _written(job: "Job", losses: list[tuple[float, int]], made: list[str]) -> Written:
    """losses: of the test rows' copy; made: a text for each product."""
    nats, tokens = sum(each for each, _ in losses), sum(count for _, count in losses)
    settings, sayings = job.recipe.write, Sayings.from_info(job.adapter.info)
    policy = settings.policy.rules().knowing(sayings)
    return Written(made, nats / tokens, tokens, _products(job), settings.max_chars, losses, policy, sayings)
