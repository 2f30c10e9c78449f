"""Options that several commands take."""

import json
from pathlib import Path

import pytest

from adapters.format import files
from hub.hub import Hub
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, prefix


def test_the_hub_comes_from_the_option_or_the_environment(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("publish", folder, NAME, "--hub", "one")
    monkeypatch.setenv("REPERTOIRE_HUB", str(tmp_path / "two"))
    run("publish", files.write(prefix(), tmp_path / "second"), "globex/launch/ad-copy")
    assert Hub("one", create=False).names() == (NAME,)
    assert [item["name"] for item in json.loads(run("ls", "--json")[1])] == ["globex/launch/ad-copy"]
    assert [item["name"] for item in json.loads(run("ls", "--hub", "one", "--json")[1])] == [NAME]
    assert "No adapters in" in run("ls", "--client", "nobody")[1]
