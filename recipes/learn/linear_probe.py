"""A head that starts where a linear probe stands, and not at chance.

Logistic regression on the vectors that the head will read, before anything is trained; its weights become the head's.
Training then moves the base's features less than an untrained head would make it: "LP-FT" of Kumar et al., Fine-Tuning
can Distort Pretrained Features and Underperform Out-of-Distribution, 2022.
"""

from typing import TYPE_CHECKING

import torch

from adapters import Base, Lora
from adapters.slots import Slots
from recipes.learn.encode import sample
from recipes.learn.predict import states
from recipes.measure.baselines import linear_probe

if TYPE_CHECKING:
    from recipes.learn.job import Job
    from recipes.learn.untouched import Untouched

_MOST_ROWS = 4000


def probe(job: "Job", base: Base, slots: Slots, untouched: "Untouched") -> None:
    """Put a linear probe into the head of a job that has its slot and has not trained yet.

    How strongly it is regularised is chosen as `baselines.best_regression` does. A head without a bias gets a
    regression without an intercept. A LoRA changes nothing before its first step, unless it starts at LoftQ, so that
    the base is read alone, and once for all jobs on the same rows and for their baseline.
    """
    head = slots.head(job.slot).head
    some, rows = sample(job.splits, job.train, _MOST_ROWS, job.recipe.train.seed)
    if isinstance(job.adapter.method, Lora) and job.recipe.lora.init != "loftq":
        train, validation = (untouched.states(part, head.pooling) for part in (rows, job.validation))
    else:
        train, validation = (
            states(base, slots, part, job.slot, head.pooling) for part in (rows, job.validation)
        )
    weight, bias = linear_probe(some, train, validation, head.bias)
    job.start_head(torch.from_numpy(weight.T), torch.from_numpy(bias))
