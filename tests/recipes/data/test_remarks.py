"""What cells hold that a reader should know: control characters, HTML, words for nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recipes import Recipe
from recipes.data import check, load_splits
from recipes.tasks import text_of

PLAIN = [{"text": f"text {i}", "label": ["calm", "upset"][i % 2]} for i in range(40)]


def _lines(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _csv(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in rows))
    return path


def _parquet(path: Path, rows: list[dict[str, str]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


KINDS: dict[str, Callable[[Path, Any], Path]] = {".jsonl": _lines, ".csv": _csv, ".parquet": _parquet}


@pytest.mark.parametrize("kind", [*KINDS])
def test_control_characters_are_taken_out_and_told(tmp_path: Path, kind: str) -> None:
    rows = [
        *PLAIN,
        {"text": "so \x07late\x1b[2J \x7f", "label": "cal\x02m"},
        {"text": "a\x1fb", "label": "calm"},
    ]
    path, recipe = KINDS[kind](tmp_path / f"a{kind}", rows), Recipe.load("behavior")
    splits = load_splits(recipe, path)
    assert splits.labels == ("calm", "upset")
    texts = {example.text for example in (*splits.train, *splits.validation, *splits.test)}
    assert {"so late[2J", "a b"} <= texts
    first = 42 if kind == ".csv" else 41
    for notes in (splits.notes, check(recipe, path).notes):
        assert [note for note in notes if "control" in note] == [
            f"a{kind}: 2 cells of `text` hold control characters (U+0007, U+001F), the first in line {first}; they are "
            "taken out, and so they are in requests",
            f"a{kind}: 1 cells of `label` hold control characters (U+0002), the first in line {first}; they are taken "
            "out, and so they are in requests",
        ]


@pytest.mark.parametrize("text", ["a\tb\nc", "caf\u00e9 \u3000 tea", "a\vb", "x \u200d y"])
def test_white_space_and_other_characters_stay(text: str) -> None:
    assert text_of(text) == text


@pytest.mark.parametrize("kind", [*KINDS])
def test_html_in_texts_is_told_with_its_count(tmp_path: Path, kind: str) -> None:
    odd = ["fish &amp; chips", "it&#39;s late", "so<br/>late", "a < b & c > d", "R&D; &c", "<3 you"]
    rows = [*PLAIN, *({"text": text, "label": "calm"} for text in odd)]
    path, recipe = KINDS[kind](tmp_path / f"a{kind}", rows), Recipe.load("behavior")
    for notes in (load_splits(recipe, path).notes, check(recipe, path).notes):
        (note,) = [note for note in notes if "HTML" in note]
        assert "3 cells of `text` hold HTML such as &amp;, &#39;, <br/>" in note and "html.unescape" in note


def test_columns_that_nobody_reads_are_not_remarked_on(tmp_path: Path) -> None:
    rows = [{**row, "link": "a&amp;b \x07"} for row in PLAIN]
    notes = check(Recipe.load("behavior"), _lines(tmp_path / "a.jsonl", rows)).notes
    assert not [note for note in notes if "HTML" in note or "control" in note]


@pytest.mark.parametrize("text", ["\ufeffwhere is it", "where\ufeff is it"])
def test_a_byte_order_mark_inside_a_file_is_no_part_of_a_text(text: str) -> None:
    assert text_of(text) == "where is it"


@pytest.mark.parametrize("kind", [*KINDS])
def test_texts_that_are_written_as_formulas_are_told(tmp_path: Path, kind: str) -> None:
    rows = [*PLAIN, {"text": '="0071"', "label": '="calm"'}, {"text": 'href="a" in it', "label": "calm"}]
    path = KINDS[kind](tmp_path / f"a{kind}", rows)
    notes = check(Recipe.load("behavior"), path).notes
    told = [note.partition(",")[0] for note in notes if "for Excel" in note]
    assert told == [f"a{kind}: 1 cells of `{column}` are written for Excel" for column in ("text", "label")]


@pytest.mark.parametrize("cell", [["a\x07b", "c"], {"k\x1bey": "c"}, [["deep", {"a": "b\x07"}]]])
def test_control_characters_inside_lists_and_mappings_are_told(tmp_path: Path, cell: Any) -> None:
    path = _lines(tmp_path / "a.jsonl", [*PLAIN, {"text": cell, "label": "calm"}])
    (note,) = [note for note in check(Recipe.load("behavior"), path).notes if "control" in note]
    assert note.startswith("a.jsonl: 1 cells of `text` hold control characters") and "line 41" in note


def test_control_characters_in_bytes_and_lists_of_parquet_are_told(tmp_path: Path) -> None:
    for values in ([b"a"] * 40 + [b"a\x07b"], [["a"]] * 40 + [["a\x07b"]]):
        table = pa.table({"text": values, "label": [row["label"] for row in PLAIN] + ["calm"]})
        pq.write_table(table, tmp_path / "a.parquet")
        notes = check(Recipe.load("behavior"), tmp_path / "a.parquet").notes
        assert [note for note in notes if "1 cells of `text` hold control characters (U+0007)" in note]


@pytest.mark.parametrize("name", ["te\x07xt", "\x1btext", "text\x7f", "\ufefftext"])
@pytest.mark.parametrize("kind", [*KINDS])
def test_a_column_is_known_without_the_control_characters_of_its_name(
    tmp_path: Path, kind: str, name: str
) -> None:
    rows = [{name: row["text"], "label": row["label"]} for row in PLAIN]
    if kind == ".csv":
        path = tmp_path / "a.csv"
        path.write_text(f"{name},label\n" + "".join(f"{row[name]},{row['label']}\n" for row in rows))
    else:
        path = KINDS[kind](tmp_path / f"a{kind}", rows)
    splits = load_splits(Recipe.load("behavior"), path)
    assert "text 1" in {each.text for each in (*splits.train, *splits.validation, *splits.test)}
