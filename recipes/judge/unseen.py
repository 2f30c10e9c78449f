"""The rows that a calibration and a blend are fitted on: those that validate, and where these are few the training rows
too, each as a training on others answers it (see `learn/cross_fit.py`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from recipes.answer.blend import Baseline, Mix, fit_mix
from recipes.answer.travelling import travelling
from recipes.examples import Example
from recipes.measure import baselines as learned
from recipes.measure import intervals
from recipes.measure.calibration import Calibration, fit_calibration
from recipes.measure.intervals import Floats, Indices

if TYPE_CHECKING:
    from recipes.learn.cross_fit import Fold
    from recipes.learn.job import Job


@dataclass(frozen=True)
class Unseen:
    """Held rows of folds, then the validation rows. logits: what the adapter says of each, `[rows, labels]`."""

    job: "Job"
    logits: Tensor
    folds: "Sequence[Fold]"

    @classmethod
    def of(cls, job: "Job", validation: Tensor, folds: "Sequence[Fold]") -> "Unseen":
        """validation: logits of the validation rows."""
        return cls(job, torch.cat([*(fold.logits for fold in folds), validation]), folds)

    @property
    def examples(self) -> tuple[Example, ...]:
        """The rows."""
        held = (example for fold in self.folds for example in fold.splits.test)
        return (*held, *self.job.splits.validation)

    @cached_property
    def _truth(self) -> tuple[learned.Bools, Floats, Indices]:
        """Whether a row has a label, `[rows, labels]`; the rows' weights, and what of them stays together."""
        examples, labels = self.examples, len(self.job.splits.labels)
        return (
            learned.label_matrix(examples, labels),
            learned.weights_of(examples),
            intervals.together(examples),
        )

    def calibration(self, shift: float) -> Calibration:
        """The temperature and the bias that these rows allow."""
        truth, weights, units = self._truth
        splits = self.job.splits
        common = learned.common_labels(splits, self.job.metric_name)
        return fit_calibration(self.logits, truth, common, weights, splits.multi_label, shift, units)

    def guesses(self, models: Mapping[str, Baseline], validation: Mapping[str, Floats]) -> dict[str, Floats]:
        """What baselines that can travel say of these rows, `[rows, labels]`, each learned again for the rows of a
        fold.

        Args:
            models: learned from all training rows.
            validation: what each says of the validation rows.
        """
        several = self.job.splits.multi_label
        found = {name: [validation[name]] for name in models}
        for fold in reversed(self.folds):
            again = travelling(fold.splits, self.job.recipe)
            found = {
                name: [guess(again[name], fold.splits.test, several), *rest]
                for name, rest in found.items()
                if name in again
            }
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def best_mix(
        self, calibration: Calibration, guesses: Mapping[str, Floats], prior: Floats
    ) -> tuple[str, Mix]:
        """Of some baselines the one that helps the adapter most, and how they are mixed. prior: `[labels]`."""
        (truth, weights, units), several = self._truth, self.job.splits.multi_label
        known = np.asarray(calibration.apply(self.logits, several))
        fitted = {
            name: fit_mix(known, each, prior, truth, weights, several, units)
            for name, each in guesses.items()
        }
        best = min(fitted, key=lambda name: fitted[name][1])
        return best, fitted[best][0]


def guess(model: Baseline, examples: Sequence[Example], multi_label: bool) -> Floats:
    """What a model that can travel says of rows, as `Blend.apply` asks it."""
    return model.probabilities([e.text for e in examples], [e.fields for e in examples], multi_label)
