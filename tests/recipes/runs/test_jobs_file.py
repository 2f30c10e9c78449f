"""A file of jobs."""

from pathlib import Path

import pytest

from recipes.errors import RecipeError
from recipes.runs.jobs_file import is_jobs, load_jobs

GOOD = """
defaults: {train: {patience: 1, epochs: 2}}
jobs:
  - name: acme/spring/behavior
    recipe: behavior
    data: tickets.csv
    set: {train.epochs: 7, data.columns.text: message}
  - name: acme/spring/ad-copy
    recipe: copy.yaml
    data: [a.csv, b.csv]
    test: /elsewhere/test.csv
  - name: globex/launch/behavior
    recipe: {task: behavior, method: prefix, train: {patience: 9}}
    data: rows.jsonl
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "jobs.yaml"
    path.write_text(text)
    (folder / "copy.yaml").write_text("task: ad-copy\nwrite: {max_chars: 60}\n")
    return path


def test_each_job_is_its_preset_then_the_defaults_then_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    first, second, third = load_jobs(path, "night")
    assert (first.name, first.out, first.data) == (
        "acme/spring/behavior", Path("night/acme/spring/behavior"), [tmp_path / "tickets.csv"]
    )  # fmt: skip
    assert (first.recipe.train.epochs, first.recipe.train.patience) == (7, 1)
    assert first.recipe.data.columns == {"text": "message"} and first.recipe.train.metric == "accuracy"
    assert second.data == [tmp_path / "a.csv", tmp_path / "b.csv"]
    assert second.test == [Path("/elsewhere/test.csv")] and second.validation is None
    assert (second.recipe.write.max_chars, second.recipe.train.epochs) == (60, 2)
    assert (third.recipe.method, third.recipe.train.patience) == ("prefix", 9)


def test_a_file_of_jobs_is_told_from_a_recipe(tmp_path: Path) -> None:
    assert is_jobs(written(tmp_path, GOOD))
    assert (
        not is_jobs(tmp_path / "copy.yaml") and not is_jobs("behavior") and not is_jobs(tmp_path / "absent")
    )


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
jobs:
  - {name: acme/spring/behavior, recipe: behaviour, data: a.csv}
  - {name: acme/spring/behavior, recipe: behavior, data: a.csv, set: {train.epoch: 3}}
  - {name: ../etc, recipe: behavior, data: a.csv}
  - {name: acme/x, recipe: {task: behavior, train: {epochs: 0}}, data: a.csv}
""",
    )
    with pytest.raises(RecipeError) as caught:
        load_jobs(path, "night")
    text = str(caught.value)
    for part in (
        "2 jobs are called acme/spring/behavior",
        "did you mean behavior",
        "did you mean `epochs`",
        "'../etc' cannot be a folder",
        "acme/x: recipe: train.epochs: 0",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("text", "part"),
    [("jobs: []", "jobs"), ("jobs: [{name: a}]", "jobs.0.recipe"), ("jobs: [", "no valid YAML")],
)
def test_a_file_of_another_shape_is_refused_with_the_place(text: str, part: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=part):
        load_jobs(written(tmp_path, text), "night")
