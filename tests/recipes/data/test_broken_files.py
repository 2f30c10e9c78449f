"""Half characters, types that nobody uses, nesting, broken files: a problem of the file, or no matter; never a
traceback, and never after the training."""

import json
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recipes.data.load import check, load_splits
from recipes.errors import DataError, RecipeError
from recipes.examples import Splits
from recipes.options.reading import BadYaml, read_yaml
from recipes.recipe import Recipe

MOODS = [{"text": f"text {i}", "label": ("calm", "glad")[i % 2]} for i in range(40)]
HALF = "thank you \ud83d"


def lines(path: Path, rows: list[Any]) -> Path:
    told = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(told), encoding="utf-8")
    return path


def wrong(path: Path, task: str = "behavior", **options: Any) -> str:
    """What both ways of reading say of a file, which any file can hold."""
    told = []
    for read in (load_splits, check):
        with pytest.raises(DataError) as caught:
            read(Recipe.load(task, **options), path)
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert told[0].encode()
    return told[0]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"text": HALF, "label": "calm"}, "text"),
        ({"text": "x", "label": HALF}, "label"),
        ({"text": "x", "label": "calm", "group": HALF}, "group"),
        ({"text": "x", "label": "calm", "price": [HALF]}, "price"),
        ({"text": "x", "label": "calm", "price": {HALF: 1}}, "price"),
    ],
)
def test_half_a_character_in_a_cell_is_a_problem_with_its_line(
    tmp_path: Path, row: Mapping[str, Any], column: str
) -> None:
    rows = [{**mood, "group": f"g {i}", "price": 1} for i, mood in enumerate(MOODS)]
    path = lines(tmp_path / "a.jsonl", [*rows, {"group": "g", "price": 1, **row}])
    assert f"line 41: `{column}` holds half a character" in wrong(path, **{"data.features": ["price"]})


def test_half_a_character_in_the_name_of_a_column_matters_only_where_it_is_read(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [{**mood, HALF: 1} for mood in MOODS])
    splits = load_splits(Recipe.load("behavior"), path)
    assert splits.notes == ("a.jsonl: columns not used: thank you \\ud83d",)
    told = wrong(path, **{"data.features": "all"})
    assert "the name of the column `thank you \\ud83d` holds half a character" in told
    lines(path, [{HALF: 1, "label": "calm"}] * 20)
    assert "its columns are `thank you \\ud83d`, `label`" in wrong(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"data.columns.text": HALF},
        {"data.labels": {HALF: "calm"}},
        {"data.labels": {"calm": HALF}},
        {"data.features": [HALF]},
        {"data.prompt": HALF},
    ],
)
def test_half_a_character_in_a_recipe_is_refused_with_its_key(changes: dict[str, Any]) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.load("behavior", **changes)
    assert "holds half a character; write whole ones" in str(caught.value)
    assert str(caught.value).encode()


def test_a_name_of_a_file_that_is_no_unicode_is_told_with_escapes(tmp_path: Path) -> None:
    path = lines(tmp_path / os.fsdecode(b"caf\xe9.jsonl"), list(MOODS))
    splits = load_splits(Recipe.load("behavior"), path)
    assert splits.files[0].name == "caf\\udce9.jsonl"
    assert splits.train[0].file.encode()


@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_json_that_is_nested_too_deep_is_a_problem_of_its_line(tmp_path: Path, ending: str) -> None:
    deep = '{"text": "x", "label": "calm", "z": ' + "[" * 100_000 + "]" * 100_000 + "}"
    path = tmp_path / f"a.{ending}"
    if ending == "jsonl":
        lines(path, [*MOODS, deep])
    else:
        path.write_text("[" + ",\n".join([*map(json.dumps, MOODS), deep]) + "]", encoding="utf-8")
    assert "line 41: no valid JSON (lists or objects are nested too deep)" in wrong(path)


def test_yaml_that_is_nested_too_deep_or_holds_no_date_is_bad_yaml() -> None:
    for text in ("[" * 5_000 + "]" * 5_000, "day: 2026-02-40", "n: " + "9" * 5_000):
        with pytest.raises(BadYaml):
            read_yaml(text)


def table(**columns: Any) -> pa.Table:
    texts, labels = [mood["text"] for mood in MOODS], [mood["label"] for mood in MOODS]
    return pa.table({"text": texts, "label": labels, **columns})


def no_text() -> pa.Array:
    """40 strings, the last of which is no UTF-8."""
    ends = pa.py_buffer(b"".join(i.to_bytes(4, "little") for i in range(41)))
    return pa.Array.from_buffers(pa.string(), 40, [None, ends, pa.py_buffer(b"a" * 39 + b"\xff")])


UNUSED = {
    "a map": pa.array([[("k", i)] for i in range(40)], pa.map_(pa.string(), pa.int64())),
    "a year that Python has not": pa.array([2**62] * 40, pa.timestamp("us")),
    "strings that are no text": no_text(),
    "bytes": pa.array([b"\xff"] * 40),
    "a struct": pa.array([{"a": i} for i in range(40)]),
    "nothing": pa.nulls(40),
}


@pytest.mark.parametrize("unused", UNUSED)
def test_a_column_of_any_type_that_nobody_uses_is_no_matter(tmp_path: Path, unused: str) -> None:
    pq.write_table(table(more=UNUSED[unused]), tmp_path / "a.parquet")
    splits = load_splits(Recipe.load("behavior"), tmp_path / "a.parquet")
    assert splits.notes == ("a.parquet: columns not used: more",)


@pytest.mark.parametrize(
    ("used", "told"),
    [
        ("strings that are no text", "line 40: `more` holds bytes that are no UTF-8 text"),
        ("bytes", "line 1 (and 39 more like it): `more` holds bytes that are no UTF-8 text"),
        ("a year that Python has not", "`more` is of the type TimestampScalar, which is no text"),
    ],
)
def test_a_column_that_is_no_text_is_a_problem_where_it_is_used(tmp_path: Path, used: str, told: str) -> None:
    pq.write_table(table(more=UNUSED[used]), tmp_path / "a.parquet")
    assert told in wrong(tmp_path / "a.parquet", **{"data.features": ["more"]})


def test_bytes_and_maps_that_are_used_are_text(tmp_path: Path) -> None:
    texts = pa.array([f"caf\u00e9 {i}".encode() for i in range(40)])
    labels = pa.array([b"ab"[i % 2 : i % 2 + 1] for i in range(40)])
    made = table(more=UNUSED["a map"]).set_column(0, "text", texts).set_column(1, "label", labels)
    pq.write_table(made, tmp_path / "a.parquet")
    splits: Splits = load_splits(
        Recipe.load("behavior", **{"data.features": ["more"]}), tmp_path / "a.parquet"
    )
    assert splits.labels == ("a", "b")
    assert {f"caf\u00e9 {i}\nmore: k: {i}" for i in range(40)} == {
        example.text for part in (splits.train, splits.validation, splits.test) for example in part
    }


def test_one_cell_that_is_no_text_is_told_once_beside_what_else_is_wrong(tmp_path: Path) -> None:
    labels = pa.array([b"\xff" if i == 3 else b"ab"[i % 2 : i % 2 + 1] for i in range(40)])
    texts = pa.array(["" if i == 3 else f"text {i}" for i in range(40)])
    made = table().set_column(0, "text", texts).set_column(1, "label", labels)
    pq.write_table(made, tmp_path / "a.parquet")
    told = wrong(tmp_path / "a.parquet")
    assert told.startswith("2 problems in the data")
    assert "line 4: `label` holds bytes" in told
    assert "line 4: `text` is empty" in told


def test_parquet_that_is_broken_anywhere_is_a_problem_or_no_matter(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "a.parquet")
    whole, dice = (tmp_path / "a.parquet").read_bytes(), random.Random(0)
    for number in range(60):
        broken = bytearray(whole[: dice.randrange(len(whole))] if number % 3 else whole)
        for _ in range(6 if broken else 0):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        (tmp_path / "b.parquet").write_bytes(broken)
        try:
            load_splits(Recipe.load("behavior"), tmp_path / "b.parquet")
        except DataError as error:
            assert str(error).encode()


@pytest.mark.parametrize("digits", [400, 5_000])
def test_a_count_of_more_digits_than_any_is_a_problem(tmp_path: Path, digits: int) -> None:
    rows = [{"text": f"ad {i}", "impressions": 9, "clicks": i % 2} for i in range(40)]
    path = lines(tmp_path / "a.jsonl", [*rows, {"text": "x", "impressions": "9" * digits, "clicks": 1}])
    assert "line 41: `impressions` is '999" in wrong(path, "recommendation")


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl"])
@pytest.mark.parametrize("content", [b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", b"\xff\xfe", b" \n"])
def test_a_file_of_a_byte_order_mark_alone_is_empty(tmp_path: Path, ending: str, content: bytes) -> None:
    (tmp_path / f"a.{ending}").write_bytes(content)
    assert "the file is empty" in wrong(tmp_path / f"a.{ending}")


@pytest.mark.parametrize(
    ("row", "column"),
    [({"text": "a\0b", "label": "calm"}, "text"), ({"text": "x", "label": "calm\0"}, "label")],
)
@pytest.mark.parametrize("ending", [".jsonl", ".json", ".parquet"])
def test_nul_in_a_cell_is_a_problem_with_its_line(
    tmp_path: Path, row: Mapping[str, Any], column: str, ending: str
) -> None:
    path, rows = tmp_path / f"a{ending}", [*MOODS, row]
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        lines(path, rows) if ending == ".jsonl" else path.write_text(json.dumps(rows))
    assert f"`{column}` holds NUL" in wrong(path)


def test_a_check_tells_labels_that_look_alike(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [*MOODS, *({"text": f"t {i}", "label": "Calm"} for i in range(3))])
    (note,) = check(Recipe.load("behavior"), path).notes
    assert "labels that look alike are learned apart: 'calm' (20 rows), 'Calm' (3 rows)" in note


def test_a_weight_of_nan_is_told_as_one(tmp_path: Path) -> None:
    rows = [{**mood, "weight": float("nan") if i == 3 else 1.0} for i, mood in enumerate(MOODS)]
    assert "line 4: `weight` is 'nan'; expected a number above 0" in wrong(lines(tmp_path / "a.jsonl", rows))


def test_a_key_that_stands_twice_is_told_with_its_own_fix(tmp_path: Path) -> None:
    twice = '{"text": "x", "text": "y", "label": "calm"}'
    told = wrong(lines(tmp_path / "a.jsonl", [*MOODS, twice]))
    assert "line 41: the key `text` stands twice in one object. Give each key" in told
    (tmp_path / "b.json").write_text(f"[{twice}]")
    assert "the key `text` stands twice in one object. Give each key" in wrong(tmp_path / "b.json")


class Foreign(Exception):
    """What no code of ours knows."""


@pytest.mark.parametrize("where", ["recipes.data.tables.kind", "recipes.data.parsing.parse"])
def test_what_a_library_raises_is_a_problem_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def breaks(*_: Any) -> Any:
        raise Foreign("the sheet has no soul")

    monkeypatch.setattr(where, breaks)
    told = wrong(lines(tmp_path / "a.jsonl", MOODS))
    assert f"{tmp_path / 'a.jsonl'}: it cannot be read (Foreign: the sheet has no soul)." in told
