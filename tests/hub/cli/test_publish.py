"""repertoire init and publish; gates that refuse are in tests/hub/intake."""

import json
from pathlib import Path

from adapters.format import files
from hub.hub import Hub
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora


def test_publish_ls_and_show_tell_a_person(run: Run, folder: Path) -> None:
    code, out, _ = run("publish", folder, NAME, "--tag", "spring", "-m", "first season")
    assert code == 0
    assert f"Published {NAME}@1 to campaigns" in out
    assert str(Path("campaigns/adapters") / NAME / "v000001") in out
    code, out, _ = run("ls")
    assert code == 0
    assert NAME in out and "lora, rank 2" in out and "first season" in out
    code, out, _ = run("show", NAME)
    assert code == 0
    assert "1 of 1 (latest)" in out and "cd" * 32 in out and "spring" in out
    assert "with the adapter" in out and "0.812" in out


def test_init_makes_a_hub_once(run: Run) -> None:
    made = json.loads(run("init", "--hub", "one", "--json")[1])
    assert (made["made"], made["id"]) == (True, Hub("one", create=False).id)
    assert json.loads(run("init", "--hub", "one", "--json")[1]) == made | {"made": False}
    assert run("init", "--hub", "two")[1] == "Made a hub in two.\n"
    Path("full").mkdir()
    Path("full", "thesis.tex").touch()
    assert run("init", "--hub", "full")[0] == 4


def losing(folder: Path, **gates: object) -> Path:
    gain = {"difference": -0.14, "low": -0.19, "high": -0.09}
    report = {
        "metric": "auc",
        "after": {"auc": 0.7},
        "baselines": {"TF-IDF": {"auc": 0.84}},
        "gains": {"TF-IDF": {"auc": gain}},
    }
    return files.write(lora(report=report, recipe={"task": "recommendation", "gates": gates}), folder)


def test_what_loses_to_a_baseline_is_published_only_when_somebody_says_so(run: Run, tmp_path: Path) -> None:
    folder = losing(tmp_path / "worse")
    code, out, error = run("publish", folder, NAME)
    assert code == 2 and "TF-IDF beats this adapter by 14 points (9 to 19)" in error
    assert "--yes" in error and "--dry-run" not in error and not Path("campaigns").exists()
    code, out, _ = run("publish", folder, NAME, "--yes")
    assert code == 0 and out.index("TF-IDF beats") < out.index(f"Published {NAME}@1")


def test_a_recipe_or_a_reason_lets_pass_what_loses(run: Run, tmp_path: Path) -> None:
    assert run("publish", losing(tmp_path / "allowed", allow_worse=True), NAME)[0] == 0
    assert run("publish", losing(tmp_path / "worse"), NAME, "--force", "--reason", "a test")[0] == 0
