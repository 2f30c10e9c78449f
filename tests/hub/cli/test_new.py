"""repertoire new recipe: written once, loads, and profile --check and train accept it."""

import json
import shlex
from pathlib import Path

import pytest

from tests.hub.cli.clicks import clicks
from tests.hub.conftest import Run


def test_a_new_recipe_is_written_and_accepted(run: Run, tmp_path: Path) -> None:
    data = clicks(tmp_path / "clicks.csv")
    out = tmp_path / "clicks.yaml"
    code, told, err = run("new", "recipe", data, "--out", out)
    assert code == 0, err
    assert f"The recipe is in {out}" in told.replace("\n", " ").replace("  ", " ") or out.is_file()
    code, _, err = run("profile", out, data, "--check")
    assert code == 0, err
    code, _, err = run("new", "recipe", data, "--out", out)
    assert code == 2 and "there already" in err
    code, told, err = run("new", "recipe", data, "--json")
    assert code == 0 and json.loads(told)["recipe"] == out.read_text(encoding="utf-8")


def test_formats_and_columns_are_named_on_the_command_line(run: Run, tmp_path: Path) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_text("".join(f"order {number} is late again,{number % 2}\n" for number in range(40)))
    code, told, _ = run("new", "recipe", bare, "--columns", "text,label")
    assert code == 0 and "columns: [text, label]" in told
    code, told, err = run("profile", "behavior", bare, "--columns", "text,label", "--check")
    assert (code, told) == (0, "40 rows, and nothing wrong with any of them.\n"), err
    code, _, err = run("profile", "behavior", bare, "--format", "gogle-ads", "--check")
    assert code != 0 and "google-ads" in err


def test_the_command_that_comes_next_works_whatever_the_files_are_called(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = clicks(tmp_path / "-it's $(my) clicks.csv")
    code, told, err = run("new", "recipe", f"./{data.name}", "--out", "a recipe.yaml")
    assert code == 0, err
    program, *words = shlex.split(told.partition("Next: ")[2])
    assert program == "repertoire"
    code, _, err = run(*words)
    assert code == 0, err
