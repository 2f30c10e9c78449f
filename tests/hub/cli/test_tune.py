"""repertoire tune: the best recipe, and what each trial did."""

import json
import shlex
from pathlib import Path

import pytest

from recipes.recipe import Recipe
from tests.hub.cli.clicks import WORDS, clicks
from tests.hub.conftest import Run


def test_tune_writes_the_best_recipe_and_tells_each_trial(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, space = clicks(tmp_path / "it's all clicks.csv"), tmp_path / "space.yaml"
    space.write_text("train.learning_rate: {low: 1e-4, high: 1e-2, log: true}\nlora.rank: [2, 4]\n")
    search = ("tune", "recommendation", data, "--space", space, *WORDS, "--set", "train.max_steps=2")
    few = ("--trials", "2", "--together", "2")
    code, out, err = run(*search, *few, "--out", "best.yaml", "--json")
    assert code == 0, err
    told = json.loads(out)
    best = told["trials"][told["best"]]
    assert [trial["state"] for trial in told["trials"]] == ["complete", "complete"]
    assert told["value"] == best["value"] == max(trial["value"] for trial in told["trials"])
    written = Recipe.load("best.yaml")
    assert written.to_dict() == told["recipe"] and written.lora.rank == best["values"]["lora.rank"]
    assert written.train.learning_rate == best["values"]["train.learning_rate"]
    code, out, err = run(*search, *few, "--out", "again it is.yaml")
    assert code == 0, err
    assert "2 of 2" in out and "complete" in out
    next_one = shlex.split(out.partition("rows that chose nothing: ")[2])
    assert next_one[:4] == ["repertoire", "train", "again it is.yaml", str(data)]
    assert not any(record.name.startswith("optuna") for record in caplog.records)
    assert Path("again it is.yaml").read_text() == Path("best.yaml").read_text()
    code, _, err = run(*search, "--out", "best.yaml")
    assert code == 2 and "best.yaml is there already" in err
    space.write_text("lora.rnak: [2]\ndata.seed: [1, 2]\n")
    code, _, err = run(*search, "--out", "third.yaml")
    assert code == 2 and "did you mean `rank`?" in err and "data.seed: changes the rows" in err
    assert not Path("third.yaml").exists()
