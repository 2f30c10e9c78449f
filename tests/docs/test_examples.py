"""The examples run, each made quick and in a folder of its own."""

import runpy
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), "--quick", "--folder", "made"])
    runpy.run_path(str(script), run_name="__main__")
    assert (tmp_path / "made").is_dir()
    assert "Traceback" not in capsys.readouterr().out


def test_there_is_a_line_for_every_example() -> None:
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert [script.name for script in EXAMPLES if f"]({script.name})" not in page] == []
