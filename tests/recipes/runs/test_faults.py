"""What befalls a training is told, costs nobody else anything, and a resume ends with the same bits: short runs of the
scenarios that `benchmarks/training_faults.py` runs long."""

import json
from pathlib import Path

import pytest

from benchmarks.training_faults import PAGE, RESULTS, table
from tests.recipes.runs import faults, no_room
from tests.recipes.runs.faults import Counts, Whole


def sound(counts: Counts, cases: int) -> bool:
    return counts.cases == cases and not any(counts.faults().values())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A night of two jobs."""
    return faults.whole(tmp_path_factory.mktemp("night"), ("prefix", "copy"))


def test_ended_by_any_signal_and_resumed_it_ends_with_the_same_bits(whole: Whole, tmp_path: Path) -> None:
    counts = faults.interrupted(whole, tmp_path, 1, seed=3)
    assert sound(counts, 1), counts


def test_data_that_changed_before_a_resume_are_told(whole: Whole, tmp_path: Path) -> None:
    counts = faults.changed(whole, tmp_path / "out")
    assert sound(counts, 4), counts


def test_a_full_disk_is_told_and_gone_on_from(tmp_path: Path) -> None:
    counts = no_room.each_write(tmp_path, ["copy"], every=25)
    assert sound(counts, counts.cases) and counts.cases > 3, counts


def test_numbers_that_are_none_are_their_own_jobs_problem(tmp_path: Path) -> None:
    counts = faults.odd(tmp_path, ["nan"], [1e30])
    assert sound(counts, 3), counts


def test_of_two_runs_with_one_out_one_trains(tmp_path: Path) -> None:
    counts = faults.one_place(tmp_path, 1)
    assert sound(counts, 1), counts


def test_many_jobs_at_once(tmp_path: Path) -> None:
    counts = faults.many(tmp_path, 4)
    assert sound(counts, 4), counts


def test_nothing_is_kept_of_trainings_that_are_over(tmp_path: Path) -> None:
    """Not one object of each: once it was the hundreds of a graph, and the texts of ad copy."""
    with faults.plain_pages():
        counts, early, late = faults.one_after_another(
            tmp_path, 4, 2, ("lora", "copy"), **{"train.max_steps": 1}
        )
    assert sound(counts, 8), counts
    assert late.objects - early.objects < 4, (early, late)


def test_the_page_has_the_table_of_the_results() -> None:
    assert table(json.loads(RESULTS.read_text())) + "\n\n" in PAGE.read_text(encoding="utf-8")
