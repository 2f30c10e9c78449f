"""Is an adapter any good? Measured beside the base and the baselines, judged by its gates, told to people.

    assess -> report -+-> gates                  whether it is good enough
                      +-> results -> tables      in the terminal
                                  -> page        for people, with cases: rows of the client's data
                                  -> card        the README.md beside the weights

`report` and `info` are the types of what an adapter carries, with their JSON form.
"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.judge.card import OURS, Subject, bullets, model_card, section, subject
    from recipes.judge.info import AdapterInfo
    from recipes.judge.page import PAGE, folder_of
    from recipes.judge.report import Gates, Metrics, Report
    from recipes.judge.results import (
        best_baseline,
        certainty_lines,
        gate_lines,
        number,
        rank_line,
        shown,
        verdicts_of,
    )
    from recipes.judge.tables import labels_table, results_table
    from recipes.judge.verdicts import Verdict, loses, verdict
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.judge.card": ["OURS", "Subject", "bullets", "model_card", "section", "subject"],
            "recipes.judge.info": ["AdapterInfo"],
            "recipes.judge.page": ["PAGE", "folder_of"],
            "recipes.judge.report": ["Gates", "Metrics", "Report"],
            "recipes.judge.results": [
                "best_baseline",
                "certainty_lines",
                "gate_lines",
                "number",
                "rank_line",
                "shown",
                "verdicts_of",
            ],
            "recipes.judge.tables": ["labels_table", "results_table"],
            "recipes.judge.verdicts": ["Verdict", "loses", "verdict"],
        },
    )

__all__ = [
    "OURS",
    "PAGE",
    "AdapterInfo",
    "Gates",
    "Metrics",
    "Report",
    "Subject",
    "Verdict",
    "best_baseline",
    "bullets",
    "certainty_lines",
    "folder_of",
    "gate_lines",
    "labels_table",
    "loses",
    "model_card",
    "number",
    "rank_line",
    "results_table",
    "section",
    "shown",
    "subject",
    "verdict",
    "verdicts_of",
]
