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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from adapters.slots import Slots
from recipes.examples import Splits
from recipes.learn import memory
from recipes.learn.encode import encode
from recipes.learn.fused import Fused
from recipes.learn.initial_weights import start
from recipes.learn.job import Job
from recipes.learn.linear_probe import probe
from recipes.learn.predict import logits
from recipes.learn.untouched import Untouched
from recipes.measure import metrics as evaluate
from recipes.measure.baselines import folds, label_matrix, labels_of, weights_of
from recipes.measure.calibration import Calibration, fit_temperature
from recipes.measure.intervals import Floats, units_of
from recipes.measure.shrinkage import holds

if TYPE_CHECKING:
    from adapters import Base

_MOST_ROWS = 1_000  # whose trainings take minutes


@dataclass(frozen=True)
class Fold:
    """splits: its `train` was trained on, its `test` was held out. logits: of the held rows, `[rows, labels]`; start:
    the same before the first step, of a head that starts at a probe."""

    splits: Splits
    logits: Tensor
    start: Tensor | None = None


def cross_fit(job: Job, fused: Fused) -> list[Fold]:
    """Train on parts of a job's rows and ask of the others. Nothing where that says nothing of the job: of one that
    writes or goes on from a trained adapter, of rows that are sampled or have copies, or more than a thousand (of few
    groups), and where a training fails.

    Args:
        job: trained.
        fused: that trained it, whose limits hold here too.
    """
    splits = job.splits
    if not splits.labels or "parent" in job.adapter.info or splits.negative_share < 1:
        return []
    if not len(job.train) == len(splits.train) <= _MOST_ROWS:
        return []
    parts = [_known(part) for part, *_ in folds(splits)]
    if len(parts) < 2 or not all(part.train and part.test for part in parts):
        return []
    try:
        jobs = [_prepared(job, part, fused.base) for part in parts]
        most = memory.slots_that_fit(memory.job_bytes(job.recipe, job.adapter), fused.base.device)
        return [fold for at in range(0, len(jobs), most) for fold in _trained(jobs[at : at + most], fused)]
    except Exception:  # whatever it is, the adapter is trained and must not be lost for it
        return []


def start_is_better(job: Job, folds: Sequence[Fold]) -> bool:
    """Whether the held rows have a lower log loss before the first step than after the last one, by more than chance;
    each at the temperature that suits it best."""
    if job.recipe.lora.adalora is not None or not folds:
        return False
    splits = job.splits
    held = [example for fold in folds for example in fold.splits.test]
    truth, units = label_matrix(held, len(splits.labels)), units_of(held)

    def losses(parts: Sequence[Tensor | None]) -> Floats:
        found = torch.cat([part for part in parts if part is not None])
        temperature = fit_temperature(found, truth, weights_of(held), splits.multi_label, units=units)
        said = np.asarray(Calibration(temperature).apply(found, splits.multi_label))
        if splits.multi_label:
            return evaluate.multilabel_losses(truth, said)
        return evaluate.losses(truth.argmax(axis=1), said)

    starts = [fold.start for fold in folds]
    if any(start is None for start in starts):
        return False
    return holds(losses(starts), losses([fold.logits for fold in folds]), weights_of(held), units)


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


def _trained(jobs: Sequence[Job], fused: Fused) -> Iterator[Fold]:
    """What each job says of its held rows, with the weights of its last step."""
    base = fused.base

    def told(job: Job) -> Tensor:
        return logits(base, slots, job.slot, encode(base, job.recipe, job.splits.test))

    starts: dict[Job, Tensor] = {}
    slots = Slots(base, len(jobs), dtype=torch.float32, trains=True)
    try:
        for job in jobs:
            slots.reserve(job.adapter)
        for slot, job in enumerate(jobs):
            slots.load(slot, job.adapter)
            job.begin(slots, slot)
            if job.starts_with_probe:
                probe(job, base, slots, Untouched(base, slots))
                starts[job] = told(job)
        own = Fused(base, slots, fused.budget, fused.checkpoint, fused.processes)
        while active := [job for job in jobs if job.failure is None and job.step < job.steps]:
            own.turn(active)
        for job in jobs:
            if job.failure is not None:
                raise job.failure
            yield Fold(job.splits, told(job), starts.get(job))
    finally:
        slots.close()
