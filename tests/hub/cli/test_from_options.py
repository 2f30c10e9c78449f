"""What options name, read from texts."""

import io
from pathlib import Path

import pytest
import typer

from hub.cli.from_options import chosen_recipe, lines, pairs


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
