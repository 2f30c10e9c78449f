"""Labels that are one to a reader are one to the head, and those that only look alike are told."""

from collections import Counter
from pathlib import Path

import pytest

from recipes.data.load import load_splits
from recipes.options import parse_override
from recipes.recipe import Recipe
from recipes.tasks.label_names import joined, look_alike, meaning, plain_label

NFC, NFD = "caf\u00e9 au lait", "cafe\u0301 au lait"


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        (NFD, NFC),
        ("very\u00a0good", "very good"),
        ("very  good", "very good"),
        ("\u200bgood\ufeff", "good"),
        ("Good", "Good"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d🔧", "👩\u200d🔧"),
    ],
)
def test_what_no_reader_sees_is_no_other_label_and_what_a_script_needs_stays(
    written: str, plain: str
) -> None:
    assert plain_label(written) == plain


def test_what_data_labels_says_holds_for_each_way_of_writing_a_value() -> None:
    assert meaning("very\u00a0good", {"very good": 1}) == 1
    assert meaning("very good", {"very  good": "yes"}) == "yes"
    assert meaning("bad", {"very good": 1}) is None


def test_labels_in_another_case_width_or_number_are_told_with_their_rows() -> None:
    rows = Counter({"good": 30, "Good": 2, "ｇｏｏｄ": 1, "1": 5, "1.0": 4, "bad": 9})
    first, second = look_alike(rows)
    assert "'good' (30 rows), 'Good' (2 rows), 'ｇｏｏｄ' (1 rows)" in first
    assert "{'Good': 'good'}" in first
    assert "'1' (5 rows), '1.0' (4 rows)" in second


def test_labels_with_a_full_stop_behind_them_are_told_with_their_rows() -> None:
    rows = Counter(
        {"good": 30, "good.": 4, "Good !": 2, "bad": 9, "\u597d": 3, "\u597d\u3002": 1, "?": 5, "!": 2}
    )
    first, second = look_alike(rows)
    assert "'good' (30 rows), 'good.' (4 rows), 'Good !' (2 rows)" in first and "{'good.': 'good'}" in first
    assert "'\u597d' (3 rows), '\u597d\u3002' (1 rows)" in second
    assert look_alike(Counter({"C": 3, "C++": 2, "C#": 1, "good": 1, "good-ish": 1})) == []


@pytest.mark.parametrize(
    "labels",
    [("100000000000000000000", "100000000000000000001"), ("1.00000000000000001", "1"), ("nan", "inf")],
)
def test_numbers_that_differ_in_their_last_digit_do_not_look_alike(labels: tuple[str, str]) -> None:
    assert look_alike(Counter(labels)) == []


@pytest.mark.parametrize(
    ("labels", "separator"),
    [
        (("late", "late;lost", "lost; broken", "broken"), ";"),
        (("a|b", "b|a"), "|"),
        (("late", "lost", "late, lost"), ","),
        (("late; please", "lost"), None),
        (("yes, of course", "no, thanks", "yes"), None),
        (("late", "lost"), None),
    ],
)
def test_labels_that_seem_to_be_several_are_told_with_the_separator(
    labels: tuple[str, ...], separator: str | None
) -> None:
    told = joined(Counter(labels))
    assert [f"'data.separator={separator}'" in each for each in told] == [True] * (separator is not None)
    for each in told:
        advised = each.partition("--set '")[2].partition("'")[0]
        assert parse_override(advised) == ("data.separator", separator)


def test_a_file_with_every_way_of_writing_two_labels_has_two(tmp_path: Path) -> None:
    ways = [NFC, NFD, "caf\u00e9\u00a0au  lait", "caf\u00e9 au\u200b lait"]
    lines = [f"text {i},{ways[i // 2 % 4] if i % 2 else 'tea'}" for i in range(80)]
    path = tmp_path / "moods.csv"
    path.write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    splits = load_splits(Recipe.load("behavior"), path)
    assert splits.labels == (NFC, "tea")
    assert not any("alike" in note for note in splits.notes)
    path.write_text(path.read_text("utf-8").replace("text 3,", "text 3,TEA\ntext 3b,"), encoding="utf-8")
    splits = load_splits(Recipe.load("behavior"), path)
    [note] = [note for note in splits.notes if "alike" in note]
    assert "'tea' (40 rows), 'TEA' (1 rows)" in note
