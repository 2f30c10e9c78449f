"""Processes of a test's own, forked from one that has imported what takes seconds and has computed nothing yet."""

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess

from tests.clock import LIMIT

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "tests.recipes.runs.test_training",
        "accelerate",  # what else training imports, when it needs it
        "matplotlib.figure",
        "py3langid",
        "sacrebleu.metrics",
        "sklearn.feature_extraction.text",
        "sklearn.linear_model",
    ]
)


def begin(work: Callable[..., object], *given: object) -> BaseProcess:
    """Call a function of a module with this, in a process of its own."""
    process = _FORKS.Process(target=work, args=given, daemon=True)
    process.start()
    return process


def finish(processes: Sequence[BaseProcess]) -> None:
    """Wait for them; all must have come through."""
    for process in processes:
        process.join(LIMIT)
    assert [process.exitcode for process in processes] == [0] * len(processes)
