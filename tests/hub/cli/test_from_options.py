"""What options name, read from texts."""

import io
import pickle
from pathlib import Path
from typing import Any

import pytest
import typer

from hub.cli.from_options import chosen_recipe, lines, pairs, who_trains
from hub.cli.options import Quantization
from hub.feedback.campaigns import Campaign, CampaignFile


def test_pairs_keep_their_order_and_all_behind_the_first_sign() -> None:
    assert pairs(["name = Trail shoes", "note=a=b", "empty="], "--product") == [
        ("name", " Trail shoes"),
        ("note", "a=b"),
        ("empty", ""),
    ]
    assert pairs(None, "--product") == []
    with pytest.raises(typer.BadParameter, match="'shoes', '=95': write --product key=value"):
        pairs(["name=x", "shoes", "=95"], "--product")


def test_a_recipe_takes_columns_labels_and_values() -> None:
    recipe = chosen_recipe("recommendation", ["clicked=bought"], ["1=yes", "0=no"], ["train.epochs=5"])
    assert recipe.data.columns["clicked"] == "bought"
    assert recipe.data.labels == {"yes": 1, "no": 0}
    assert recipe.train.epochs == 5


def test_lines_come_from_a_file_or_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ads.txt").write_text("\ufeff one \n\n two\n", encoding="utf-8")
    assert lines(tmp_path / "ads.txt") == ["one", "two"]
    monkeypatch.setattr("sys.stdin", io.StringIO("three\n\n"))
    assert lines(Path("-")) == ["three"]
    assert lines(None) == []


def test_who_trains_campaigns_says_the_command_line_then_their_file_then_nobody_else() -> None:
    pytest.importorskip("ray")
    from hub.fleet import OnRay, train_on_ray

    campaigns = [Campaign(name="acme/spring/recommendation")]
    here = CampaignFile(campaigns=campaigns)
    there = CampaignFile(campaigns=campaigns, ray="10.0.0.7:6379", workers=4, cpus=3)

    def trains(file: CampaignFile, *given: Any) -> OnRay | None:
        found: Any = who_trains(file, *given, "base", Quantization.none)
        if found is None:
            return None
        assert pickle.loads(pickle.dumps(found)).func is train_on_ray  # a refresher is a process of its own
        (on_ray,) = found.args
        assert isinstance(on_ray, OnRay)
        return on_ray

    assert trains(here, None, None, None) is None
    assert trains(here, None, 5, 6) is None
    assert trains(here, "auto", None, None) == OnRay("auto", "base", "none", 2, 1)
    assert trains(there, None, None, None) == OnRay("10.0.0.7:6379", "base", "none", 4, 3)
    assert trains(there, "auto", 5, 6) == OnRay("auto", "base", "none", 5, 6)


def test_a_file_that_wants_ray_where_there_is_none_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.cli.from_options.find_spec", lambda _: None)
    file = CampaignFile(campaigns=[Campaign(name="acme/spring/recommendation")], ray="auto")
    with pytest.raises(typer.BadParameter, match="pip install"):
        who_trains(file, None, None, None, "base", Quantization.none)
