"""From orders to adapters: a night of jobs on one base, its snapshots and curves, and the search for settings."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.runs.dealing import Size, deal
    from recipes.runs.jobs_file import is_jobs, load_jobs
    from recipes.runs.log_lines import LogLines, doing, say
    from recipes.runs.night import STATES, Brief, brief, counts, write_night
    from recipes.runs.order import Order, prepare
    from recipes.runs.run import PASS_TOKENS, Result, Settings, Unwritten
    from recipes.runs.search import Search, Stand, Tuned
    from recipes.runs.search_space import read_space
    from recipes.runs.snapshots import forget, is_of_groups, last_snapshot, newest, of_group
    from recipes.runs.training import TrainMany, size_of, train, train_group, train_many
    from recipes.runs.trial_jobs import TrialJobs
    from recipes.runs.trials import Trials
    from recipes.runs.tuning import check_search, trials_table, tune
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.runs.dealing": ["Size", "deal"],
            "recipes.runs.jobs_file": ["is_jobs", "load_jobs"],
            "recipes.runs.log_lines": ["LogLines", "doing", "say"],
            "recipes.runs.night": ["STATES", "Brief", "counts", "brief", "write_night"],
            "recipes.runs.order": ["Order", "prepare"],
            "recipes.runs.run": ["PASS_TOKENS", "Result", "Settings", "Unwritten"],
            "recipes.runs.search": ["Search", "Stand", "Tuned"],
            "recipes.runs.search_space": ["read_space"],
            "recipes.runs.snapshots": ["forget", "is_of_groups", "last_snapshot", "newest", "of_group"],
            "recipes.runs.training": ["TrainMany", "size_of", "train", "train_group", "train_many"],
            "recipes.runs.trial_jobs": ["TrialJobs"],
            "recipes.runs.trials": ["Trials"],
            "recipes.runs.tuning": ["check_search", "trials_table", "tune"],
        },
    )

__all__ = [
    "PASS_TOKENS",
    "STATES",
    "Brief",
    "LogLines",
    "Order",
    "Result",
    "Search",
    "Settings",
    "Size",
    "Stand",
    "TrainMany",
    "TrialJobs",
    "Trials",
    "Tuned",
    "Unwritten",
    "brief",
    "check_search",
    "counts",
    "deal",
    "doing",
    "forget",
    "is_jobs",
    "is_of_groups",
    "last_snapshot",
    "load_jobs",
    "newest",
    "of_group",
    "prepare",
    "read_space",
    "say",
    "size_of",
    "train",
    "train_group",
    "train_many",
    "trials_table",
    "tune",
    "write_night",
]
