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
    from recipes.judge.gates import gates_said
    from recipes.judge.info import AdapterInfo
    from recipes.judge.page import PAGE, folder_of, style_sheet
    from recipes.judge.report import Gates, Metrics, Report
    from recipes.judge.results import (
        beside,
        best_baseline,
        certainty_lines,
        columns,
        gate_lines,
        heading,
        number,
        own_row,
        plain,
        rank_line,
        shown,
        side_by_side,
        verdicts_of,
        weakest_first,
    )
    from recipes.judge.tables import labels_table, results_table
    from recipes.judge.verdicts import Verdict, loses, verdict
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.judge.card": ["OURS", "Subject", "bullets", "model_card", "section", "subject"],
            "recipes.judge.gates": ["gates_said"],
            "recipes.judge.info": ["AdapterInfo"],
            "recipes.judge.page": ["PAGE", "folder_of", "style_sheet"],
            "recipes.judge.report": ["Gates", "Metrics", "Report"],
            "recipes.judge.results": [
                "beside",
                "best_baseline",
                "certainty_lines",
                "columns",
                "gate_lines",
                "heading",
                "number",
                "own_row",
                "plain",
                "rank_line",
                "shown",
                "side_by_side",
                "verdicts_of",
                "weakest_first",
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
    "beside",
    "best_baseline",
    "bullets",
    "certainty_lines",
    "columns",
    "folder_of",
    "gate_lines",
    "gates_said",
    "heading",
    "labels_table",
    "loses",
    "model_card",
    "number",
    "own_row",
    "plain",
    "rank_line",
    "results_table",
    "section",
    "shown",
    "side_by_side",
    "style_sheet",
    "subject",
    "verdict",
    "verdicts_of",
    "weakest_first",
]
