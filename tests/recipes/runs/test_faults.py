"""What befalls a training is told, costs nobody else anything, and a resume ends with the same bits: short runs of the
scenarios that `benchmarks/training_faults.py` runs long."""

import json
from pathlib import Path

import pytest

from benchmarks.training_faults import PAGE, RESULTS, table
from tests.recipes.runs import faults
from tests.recipes.runs.faults import Counts


def sound(counts: Counts, cases: int) -> bool:
    return counts.cases == cases and not any(counts.faults().values())


def test_ended_by_any_signal_and_resumed_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    counts = faults.interrupted(tmp_path, 1, seed=3)
    assert sound(counts, 1), counts


def test_data_that_changed_before_a_resume_are_told(tmp_path: Path) -> None:
    counts = faults.changed(tmp_path)
    assert sound(counts, 4), counts


def test_a_full_disk_is_told_and_gone_on_from(tmp_path: Path) -> None:
    try:
        counts = faults.full_disk(tmp_path, [300])
    except OSError as error:
        pytest.skip(f"no small file system can be mounted here: {error}")
    assert sound(counts, 1), counts


def test_numbers_that_are_none_are_their_own_jobs_problem(tmp_path: Path) -> None:
    counts = faults.odd(tmp_path)
    assert sound(counts, 10), counts


def test_of_two_runs_with_one_out_one_trains(tmp_path: Path) -> None:
    counts = faults.one_place(tmp_path, 1)
    assert sound(counts, 1), counts


def test_many_jobs_at_once_and_one_after_another(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    counts = faults.many(tmp_path / "many", 6)
    assert sound(counts, 6), counts
    (tmp_path / "each").mkdir()
    counts, seen = faults.one_after_another(tmp_path / "each", 3, 1)
    assert sound(counts, 3) and len(seen) == 2, counts


def test_the_page_has_the_table_of_the_results() -> None:
    assert table(json.loads(RESULTS.read_text())) + "\n\n" in PAGE.read_text(encoding="utf-8")
