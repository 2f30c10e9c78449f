"""The demo, small: six adapters on the real starter, published and asked in one batch."""

import json
from pathlib import Path

import pytest

from hub import Hub
from hub.cli import demo, main

VERDICTS = ("Better than every baseline by ", "Cannot be told apart from ")


def test_the_demo_publishes_six_adapters_and_asks_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "ROWS", {"recommendation": (96, 40), "behavior": (40, 24), "ad-copy": (12, 6)})
    quick = {task: {**settings, "train.epochs": 1} for task, settings in demo.SETTINGS.items()}
    quick["ad-copy"] |= {"write.evaluated": 2, "write.max_new_tokens": 8}
    monkeypatch.setattr(demo, "SETTINGS", quick)
    folder = tmp_path / "demo"
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--folder", str(folder), "--json"])
    assert stopped.value.code == 0
    result = json.loads(capsys.readouterr().out)
    assert (folder / "adapters" / "acme" / "recommendation-report" / "report.html").is_file()
    hub = Hub(folder / "hub", create=False)
    assert set(hub.names()) == {row["name"] for row in result["results"]}
    assert {row["method"] for row in result["results"]} == {"lora", "prefix"}
    for row in result["results"]:
        assert row["steps"] > 0
        assert row["before"] != row["after"]
        assert row["verdict"].startswith(VERDICTS) or " beats this adapter by " in row["verdict"]
        record = hub.resolve(row["name"]).record
        assert record.base.id == "starter" and record.quantization == "nf4"
    for client in ("acme", "globex"):
        assert len(result["written"][client]) == 4
        ads = [item["ad"] for item in result["ranking"][client]]
        assert sorted(ads) == sorted(item["ad"] for item in result["ranking"]["acme"])
        assert all(0 < item["true_probability"] < 1 for item in result["ranking"][client])
    assert result["memory"]["base"] < result["memory"]["base_float32"]


def test_the_demo_never_empties_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--folder", str(tmp_path)])
    assert stopped.value.code == 2
    assert (tmp_path / "precious.txt").read_text() == "keep"
