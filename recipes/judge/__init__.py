"""Is an adapter any good? Measured beside the base and the baselines, judged by its gates, told in tables and pages."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.answer.blend import Blend
    from recipes.judge.page import PAGE, folder_of
    from recipes.judge.report import (
        between,
        certainty_lines,
        labels_table,
        number,
        results,
        results_table,
        verdict_lines,
    )
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.answer.blend": ["Blend"],
            "recipes.judge.page": ["PAGE", "folder_of"],
            "recipes.judge.report": [
                "between",
                "certainty_lines",
                "labels_table",
                "number",
                "results",
                "results_table",
                "verdict_lines",
            ],
        },
    )

__all__ = [
    "PAGE",
    "Blend",
    "between",
    "certainty_lines",
    "folder_of",
    "labels_table",
    "number",
    "results",
    "results_table",
    "verdict_lines",
]
