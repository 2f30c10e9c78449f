"""A head that starts where a linear probe stands, and not at chance.

Logistic regression on the vectors that the head will read, before anything is trained; its weights become the head's.
Training then moves the base's features less than an untrained head would make it: "LP-FT" of Kumar et al., Fine-Tuning
can Distort Pretrained Features and Underperform Out-of-Distribution, 2022. A row trains under a probe that has not seen
it, see `held_out`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from adapters import Base, Lora
from adapters.slots import Slots
from recipes.data.named_labels import with_names
from recipes.learn.encode import EncodedRow, encode, sample
from recipes.learn.held_out import HeldOut
from recipes.learn.predict import states
from recipes.measure.baselines import linear_probes
from recipes.measure.intervals import Floats

if TYPE_CHECKING:
    from recipes.learn.job import Job
    from recipes.learn.untouched import Untouched

_MOST_ROWS = 4000


def probe(job: "Job", base: Base, slots: Slots, untouched: "Untouched") -> None:
    """Put a linear probe into the head of a job that has its slot and has not trained yet.

    It learns from the labels' names too, where the job does. How strongly it is regularised is chosen as
    `baselines.best_regression` does. A head without a bias gets a regression without an intercept. A LoRA changes
    nothing before its first step, unless it starts at LoftQ, so that the base is read alone, and once for all jobs on
    the same rows and for their baseline. Rows that are sampled, and those that have copies, train under the mean of the
    probes.
    """
    head = slots.head(job.slot).head
    some, rows = sample(job.splits, job.train, _MOST_ROWS, job.recipe.train.seed)
    alone = isinstance(job.adapter.method, Lora) and job.recipe.lora.init != "loftq"

    def read(part: Sequence[EncodedRow]) -> Floats:
        if alone:
            return untouched.states(part, head.pooling)
        return states(base, slots, part, job.slot, head.pooling)

    train = read(rows)
    named = with_names(some.train, some, job.recipe)
    if names := named[len(rows) :]:
        train = np.concatenate([train, read(encode(base, job.recipe, names))])
    found = linear_probes(replace(some, train=named), train, read(job.validation), head.bias)
    weights = torch.from_numpy(found.weights.transpose(0, 2, 1).astype(np.float32)).to(base.device)
    biases = torch.from_numpy(found.biases.astype(np.float32)).to(base.device)
    weight, bias = weights.mean(0), biases.mean(0)
    job.start_head(weight, bias)
    if found.part is not None and len(found.part) == len(job.train):
        job.hold_out(HeldOut(weights - weight, biases - bias, torch.from_numpy(found.part)))
