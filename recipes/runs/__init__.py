"""From orders to adapters: a night of jobs on one base, its snapshots and curves, and the search for settings."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.runs.jobs_file import is_jobs, load_jobs
    from recipes.runs.log_lines import LogLines, doing
    from recipes.runs.night import STATES, Brief, brief, counts, write_night
    from recipes.runs.order import Order, prepare
    from recipes.runs.run import PASS_TOKENS, Result, Settings
    from recipes.runs.search_space import read_space
    from recipes.runs.snapshots import last_snapshot
    from recipes.runs.training import train, train_many
    from recipes.runs.tuning import Tuned, trials_table, tune
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.runs.jobs_file": ["is_jobs", "load_jobs"],
            "recipes.runs.log_lines": ["LogLines", "doing"],
            "recipes.runs.night": ["STATES", "Brief", "counts", "brief", "write_night"],
            "recipes.runs.order": ["Order", "prepare"],
            "recipes.runs.run": ["PASS_TOKENS", "Result", "Settings"],
            "recipes.runs.search_space": ["read_space"],
            "recipes.runs.snapshots": ["last_snapshot"],
            "recipes.runs.training": ["train", "train_many"],
            "recipes.runs.tuning": ["Tuned", "trials_table", "tune"],
        },
    )

__all__ = [
    "PASS_TOKENS",
    "STATES",
    "Brief",
    "LogLines",
    "Order",
    "Result",
    "Settings",
    "Tuned",
    "brief",
    "counts",
    "doing",
    "is_jobs",
    "last_snapshot",
    "load_jobs",
    "prepare",
    "read_space",
    "train",
    "train_many",
    "trials_table",
    "tune",
    "write_night",
]
