"""How good answers are and how sure that is: plain functions of numbers and texts, and what needs no language model."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.measure.calibration import Calibration
    from recipes.measure.metrics import auc
    from recipes.measure.policy import Kind, Limit, Policy, Violation, stays, violations, width
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.measure.calibration": ["Calibration"],
            "recipes.measure.metrics": ["auc"],
            "recipes.measure.policy": [
                "Kind",
                "Limit",
                "Policy",
                "Violation",
                "stays",
                "violations",
                "width",
            ],
        },
    )

__all__ = [
    "Calibration",
    "Kind",
    "Limit",
    "Policy",
    "Violation",
    "auc",
    "stays",
    "violations",
    "width",
]
