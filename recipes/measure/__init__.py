"""How good answers are and how sure that is: plain functions of numbers and texts, and what needs no language model."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.measure.calibration import Calibration
    from recipes.measure.intervals import interval, ratio, resample
    from recipes.measure.metrics import auc, multilabel_losses
    from recipes.measure.policy import Kind, Limit, Policy, Violation, stays, violations, width
    from recipes.measure.policy_guide import PolicyGuide
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.measure.calibration": ["Calibration"],
            "recipes.measure.intervals": ["interval", "ratio", "resample"],
            "recipes.measure.metrics": ["auc", "multilabel_losses"],
            "recipes.measure.policy": [
                "Kind",
                "Limit",
                "Policy",
                "Violation",
                "stays",
                "violations",
                "width",
            ],
            "recipes.measure.policy_guide": ["PolicyGuide"],
        },
    )

__all__ = [
    "Calibration",
    "Kind",
    "Limit",
    "Policy",
    "PolicyGuide",
    "Violation",
    "auc",
    "interval",
    "multilabel_losses",
    "ratio",
    "resample",
    "stays",
    "violations",
    "width",
]
