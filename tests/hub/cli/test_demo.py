"""The demo, small: six adapters on the real starter, published and asked in one batch."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from hub import Feedback, Hub
from hub.cli import demo, demo_days, main
from hub.feedback.tables import canaries, impressions, outcomes

VERDICTS = ("Better than every baseline by ", "Cannot be told apart from ")


def test_the_demo_publishes_six_adapters_and_asks_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "ROWS", {"recommendation": (96, 40), "behavior": (40, 24), "ad-copy": (12, 6)})
    quick = {task: {**settings, "train.epochs": 1} for task, settings in demo.SETTINGS.items()}
    quick["ad-copy"] |= {"write.evaluated": 2, "write.max_new_tokens": 8}
    monkeypatch.setattr(demo, "SETTINGS", quick)
    monkeypatch.setattr(demo_days, "USERS", (16, 32, 40))
    monkeypatch.setattr(demo_days, "_WAVE", 20)
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
        assert row["verdict"].startswith(VERDICTS) or re.search(
            " beats this (adapter|blend) by ", row["verdict"]
        )
        record = hub.resolve(row["name"]).record
        assert record.base.id == "starter" and record.quantization == "nf4"
    for client in ("acme", "globex"):
        assert len(result["written"][client]) == 4
        ads = [item["ad"] for item in result["ranking"][client]]
        assert sorted(ads) == sorted(item["ad"] for item in result["ranking"]["acme"])
        assert all(0 < item["true_probability"] < 1 for item in result["ranking"][client])
    assert result["memory"]["base"] < result["memory"]["base_float32"]
    days_are_true(result["days"], hub, folder)


def days_are_true(rows: list[dict[str, Any]], hub: Hub, folder: Path) -> None:
    """What the three days tell is what the log and the hub say."""
    assert [row["what"].partition(":")[0] for row in rows[:2]] == ["served", "the taste turns"]
    assert rows[2]["what"].startswith("refresh, ") and rows[-1]["day"] == 3
    assert (folder / "refresh" / "refresh.md").is_file()
    log = Feedback(folder / "hub")
    with log.database.read() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (impressions, outcomes, canaries)
        ]
    log.close()
    assert counts == [*(sum(row[each] for row in rows) for each in ("impressions", "clicks")), 0]
    assert 0 < counts[1] < counts[0]
    told = [event.why for event in hub.history("acme/spring/recommendation") if event.why]
    assert "the demo's bad candidate: its labels are flipped" in told
    for row in rows[3:]:
        what, _, why = row["what"].partition(": ")
        assert what.startswith("canary ")
        assert why in told or what == "canary not decided"


def test_the_demo_never_empties_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--folder", str(tmp_path)])
    assert stopped.value.code == 2
    assert (tmp_path / "precious.txt").read_text() == "keep"
