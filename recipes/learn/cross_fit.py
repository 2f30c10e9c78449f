"""What an adapter says of rows that it was not trained on, where few rows were left out of its training: each third of
the training rows is asked of a training on the others.

    training rows    a a a b b b c c c
    fold 0           - - - t t t t t t    says something of a
    fold 1           t t t - - - t t t                   of b
    fold 2           t t t t t t - - -                   of c

The trainings differ from the job's own in their rows alone, and share passes. What is fitted on all of these rows (see
`judge/unseen.py`) is fitted on ten times as many as validate, for twice the training (Wolpert 1992, "Stacked
generalization", doi:10.1016/S0893-6080(05)80023-1). They also say whether to train at all: on a few rows of much noise
the linear probe that a head starts at may know more of the next row than what is learned from there.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from adapters.slots import Slots
from adapters.unseen import visible
from recipes.examples import Splits
from recipes.learn import memory
from recipes.learn.encode import encode
from recipes.learn.fused import Fused
from recipes.learn.initial_weights import start
from recipes.learn.job import Job
from recipes.learn.linear_probe import probe
from recipes.learn.parallel import Processes
from recipes.learn.predict import logits
from recipes.learn.untouched import Untouched
from recipes.measure import metrics as evaluate
from recipes.measure.baselines import common_labels, folds, label_matrix, labels_of, weights_of
from recipes.measure.calibration import fit_calibration
from recipes.measure.intervals import together

if TYPE_CHECKING:
    from adapters import Base

_MOST_ROWS = 1_000  # with labels, and as many without, whose trainings take minutes


@dataclass(frozen=True)
class Fold:
    """splits: its `train` was trained on, its `test` was held out. logits: of the held rows, `[rows, labels]`; start:
    the same before the first step, of a head that starts at a probe."""

    splits: Splits
    logits: Tensor
    start: Tensor | None = None


def cross_fit(job: Job, fused: Fused) -> list[Fold]:
    """Train on parts of a job's rows and ask of the others. Nothing where it is not asked for, and where a training
    fails.

    Args:
        job: trained.
        fused: that trained it, whose limits hold here too.
    """
    if not is_asked(job, fused.processes):
        return []
    splits = job.splits
    some = replace(splits, unlabelled=splits.unlabelled[:_MOST_ROWS])
    parts = [_known(part) for part, *_ in folds(some)]
    if len(parts) < 2 or not all(part.train and part.test for part in parts):
        return []
    try:
        most = memory.slots_that_fit(memory.job_bytes(job.recipe, job.adapter), fused.base.device)
        return [
            fold for at in range(0, len(parts), most) for fold in _folds(job, parts[at : at + most], fused)
        ]
    except Exception as error:  # whatever it is, the adapter is trained and must not be lost for it
        why = (
            f"{job.name}: only the validation rows are asked, training on parts of the rows failed: {error!r}"
        )
        print(visible(why), file=sys.stderr, flush=True)
        return []


def is_asked(job: Job, processes: Processes) -> bool:
    """Whether a trained job is to be cross-fitted: a head with a blend, by few validation rows. Not where the best
    weights are kept whatever their number, as trainings on parts have nothing to choose theirs by; where rows are
    sampled or have copies, and where they are more than a thousand (of few groups); nor where an adapter goes on from
    a trained one, which may have seen them, and where a training failed or is divided among processes."""
    splits = job.splits
    return (
        processes.count == 1
        and job.failure is None
        and bool(splits.labels)
        and job.recipe.blend
        and not job.has_enough_to_choose
        and not job.keeps_best
        and "parent" not in job.adapter.info
        and splits.negative_share == 1
        and job.recipe.data.augment is None
        and len(splits.train) <= _MOST_ROWS
    )


def start_is_better(job: Job, folds: Sequence[Fold]) -> bool:
    """Whether the held rows have a lower log loss before the first step than after the last one, each with the
    calibration that these rows allow: what was learned is kept where it helps with rows unseen."""
    starts = [fold.start for fold in folds if fold.start is not None]
    if job.recipe.train.keep != "auto" or job.recipe.lora.adalora is not None or not starts:
        return False
    splits = job.splits
    held = [example for fold in folds for example in fold.splits.test]
    truth, weights = label_matrix(held, len(splits.labels)), weights_of(held)
    common, units = common_labels(splits, job.metric_name), together(held)

    def loss(parts: Sequence[Tensor]) -> float:
        found = torch.cat([*parts])
        own = fit_calibration(found, truth, common, weights, splits.multi_label, units=units)
        said = own.apply(found, splits.multi_label)
        return float(np.average(evaluate.losses_of(truth, said, splits.multi_label), weights=weights))

    return loss(starts) < loss([fold.logits for fold in folds])


def keep_start(job: Job, untouched: Untouched) -> None:
    """Make the weights before the first step a job's best ones. Its slot holds its adapter as it was made."""
    job.begin(untouched.slots, job.slot)
    probe(job, untouched.base, untouched.slots, untouched)
    job.keep(step=0)


def _known(part: Splits) -> Splits:
    """Without the held rows of a label that no other row has: nobody could know it."""
    seen = {label for example in part.train for label in labels_of(example)}
    return replace(part, test=tuple(each for each in part.test if seen.issuperset(labels_of(each))))


def _prepared(job: Job, part: Splits, base: "Base") -> Job:
    adapter = start(job.recipe, base, part.labels)
    return Job.prepare(job.recipe, part, part.train, adapter, base, job.name)


def _folds(of: Job, parts: Sequence[Splits], fused: Fused) -> Iterator[Fold]:
    """A job's training on each part, with the weights of its last step."""
    base = fused.base
    jobs = [_prepared(of, part, base) for part in parts]

    def told(job: Job) -> Tensor:
        return logits(base, slots, job.slot, encode(base, job.recipe, job.splits.test))

    starts: dict[Job, Tensor] = {}
    slots = Slots(base, len(jobs), dtype=torch.float32, trains=True)
    untouched = Untouched(base, slots)
    try:
        for job in jobs:
            slots.reserve(job.adapter)
        for slot, job in enumerate(jobs):
            slots.load(slot, job.adapter)
            job.begin(slots, slot)
            if job.starts_with_probe:
                probe(job, base, slots, untouched)
                starts[job] = told(job)
        own = Fused(base, slots, fused.budget, fused.checkpoint, fused.processes)
        while active := [job for job in jobs if job.failure is None and job.step < job.steps]:
            own.turn(active)
        for job in jobs:
            if job.failure is not None:
                raise job.failure
            yield Fold(job.splits, told(job), starts.get(job))
            job.release()
    finally:
        slots.close()
