"""The profile: exact counts of small data, and addresses and numbers found without mistaking prices, ids and dates."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from recipes.data import pii
from recipes.data.facts import Near, Profile, Tokens
from recipes.data.load import load_splits
from recipes.data.near_duplicates import near_any
from recipes.data.profiling import profile, profile_table
from recipes.errors import DataError
from recipes.examples import Example, Splits
from recipes.recipe import Recipe


def splits(**parts: Sequence[Example]) -> Splits:
    return Splits(
        tuple(parts["train"]), tuple(parts["validation"]), tuple(parts["test"]), ("no", "yes"), "digest"
    )


def example(text: str, line: int, label: int = 0, weight: float = 1.0) -> Example:
    return Example(text, line, label, weight=weight, fields={"text": text}, file="a.csv")


SMALL = splits(
    train=[
        example("the kettle was late and cold", 2, 1),
        example("the kettle was late and cold", 3),
        example("水壶很好用，我非常喜欢它", 4, weight=2.0),
        example("1234 5678", 5, 1, weight=4.0),
    ],
    validation=[example("The kettle was late and cold!", 6, 1), example("where is my parcel today", 7)],
    test=[
        example("a wholly other sentence about shoes", 8, 1, weight=3.0),
        example("a wholly other sentence about shoes", 8, 0),
    ],
)


def told(found: Profile) -> str:
    console = Console(width=100, file=io.StringIO())
    with console.capture() as shown:
        console.print(profile_table(found))
    return shown.get()


def test_rows_balance_repetitions_and_near_duplicates_are_counted() -> None:
    found = profile(SMALL, Recipe.load("behavior"))
    assert found.rows == {"train": 4, "validation": 2, "test": 1}, "two halves of one line are one row"
    assert found.labels == {
        "train": {"no": 3 / 8, "yes": 5 / 8},
        "validation": {"no": 0.5, "yes": 0.5},
        "test": {"no": 0.25, "yes": 0.75},
    }
    assert found.repeated == {"train": 1, "validation": 0, "test": 0}
    assert found.near == {"validation": Near(looked_at=2, near=1), "test": Near(looked_at=1, near=0)}
    assert found.languages == {"en": 5 / 7, "zh": 1 / 7, "none": 1 / 7}
    assert found.tokens is None


def test_lengths_are_told_against_the_limit() -> None:
    lengths = {2: 5, 3: 6, 4: 7, 5: 8, 6: 9, 7: 10, 8: 40}
    found = profile(SMALL, Recipe.load("behavior"), lambda e: lengths[e.line], limit=9)
    assert found.tokens == Tokens(looked_at=7, median=8, p95=40, longest=40, limit=9, over=2)


def test_it_is_plain_json_and_a_table_for_people() -> None:
    found = profile(SMALL, Recipe.load("behavior"), lambda e: len(e.text), limit=30)
    assert Profile.read(json.loads(json.dumps(found.to_info()))) == found
    shown = told(found)
    for words in ("62.5 %", "1 of 2", "0 of 1", "en 71.4 %", "over the limit of 30"):
        assert words in shown


def test_labels_that_are_too_many_are_told_by_the_rarest() -> None:
    names = tuple(f"label {i}" for i in range(10))
    rows = [example(f"text {i}", i, min(i, 9)) for i in range(20)]
    many = Splits(tuple(rows), tuple(rows), tuple(rows), names, "digest")
    shown = told(profile(many, Recipe.load("behavior")))
    assert "share of the rarest of 10 labels" in shown and "5 %" in shown and "label 3" not in shown


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("Free shipping on all trail shoes until Sunday evening", True),
        ("FREE shipping on all trail shoes until Sunday evening!", True),
        ("Free shipping on all trail shoes until Monday morning", False),
        ("until Sunday evening all trail shoes on shipping Free", False),
        ("", False),
        ("ok", False),
    ],
)
def test_near_is_a_jaccard_similarity_of_a_fifth_apart_at_most(text: str, near: bool) -> None:
    known = ["Free shipping on all trail shoes until Sunday evening", "a kettle", "no"]
    assert near_any([text], known) == [near]


def test_near_finds_nearly_all_in_many_and_nothing_else() -> None:
    known = [
        f"customer {i} asked about order {i * 7919} and wanted the money back for item {i * 31}"
        for i in range(3000)
    ]
    again = [text.replace("wanted", "wants") for text in known[:500]]
    other = [
        f"shopper {i} looked at {i * 104729} pairs of shoes before buying number {i * 37}" for i in range(500)
    ]
    assert sum(near_any(again, known)) >= 450
    assert sum(near_any(other, known)) == 0


FOUND = [
    ("write to a.b@example.co.uk now", "write to <email> now"),
    ("邮箱foo@qq.com谢谢", "邮箱<email>谢谢"),
    ("13812345678@qq.com", "<email>"),
    ("(650) 253-0000 or 650.253.0000", "<phone> or <phone>"),
    ("+49 30 123456, evenings", "<phone>, evenings"),
    ("call 6502530000", "call <phone>"),
    ("我的手机13812345678谢谢", "我的手机<phone>谢谢"),
    ("电话:010-12345678", "电话:<phone>"),
    ("at 10:30, 020 7946 0958", "at 10:30, <phone>"),
]


@pytest.mark.parametrize(("text", "masked"), FOUND)
def test_addresses_and_numbers_are_found_and_masked_in_place(text: str, masked: str) -> None:
    assert pii.mask(text, pii.find(text)) == masked


@pytest.mark.parametrize(
    "text",
    [
        "order 6502530000",
        "tell me of hotel order 6502530000",
        "13812345678",
        "2026-03-31 18:05:00",
        "31/03/2026 12:30",
        "1,299.00 - 2,499.00",
        "1234.567890",
        "1700000000",
        "20260331180500",
        "ISBN 978-3-16-148410-0",
        "4111 1111 1111 1111",
        "192.168.100.100",
        "40.7127837, -74.0059413",
        "1990-2000 2001-2010",
        "logo@2x.png",
        "2@3.99 each",
        "thanks @handle",
    ],
)
def test_prices_ids_dates_and_measurements_are_none(text: str) -> None:
    assert pii.find(text) == ()


def test_a_cell_of_digits_is_a_phone_where_its_column_says_so() -> None:
    assert pii.find("13812345678", "order") == ()
    assert [each.kind for each in pii.find("13812345678", "mobile_no")] == ["phone"]


def file(path: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    return path


def rows(**first: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [
        {"user": f"user {i}", "ad": f"ad {i}", "note": "x", "clicked": i % 2} for i in range(60)
    ]
    made[0] |= first
    return made


def test_private_data_is_refused_line_by_line(tmp_path: Path) -> None:
    path = file(tmp_path / "a.csv", rows(user="I am a@b.com", note="call 650-253-0000, or c@d.com"))
    refuse = {"data.pii": "refuse"}
    recipe = Recipe.load("recommendation", **refuse, **{"data.features": ["note"]})
    with pytest.raises(DataError) as caught:
        load_splits(recipe, path)
    assert [(p.line, p.column, p.message) for p in caught.value.problems] == [
        (2, "user", "holds an e-mail address, a@b.com"),
        (2, "note", "holds a phone number, 650-253-0000"),
        (2, "note", "holds an e-mail address, c@d.com"),
    ]
    assert all("data.pii" in p.fix for p in caught.value.problems)
    unused = Recipe.load("recommendation", **refuse)
    with pytest.raises(DataError, match="1 problem"):
        load_splits(unused, path)  # a column that nothing reads is not looked at


def test_masking_keeps_rows_and_lines_and_allowing_keeps_the_text(tmp_path: Path) -> None:
    path = file(tmp_path / "a.csv", rows(user="I am a@b.com", ad="call 650-253-0000"))
    recipe = Recipe.load("recommendation", **{"data.pii": "mask"})
    masked = load_splits(recipe, path)
    every = [*masked.train, *masked.validation, *masked.test]
    [first] = [e for e in every if e.line == 2]
    assert len(every) == 60
    assert first.text == "User: I am <email>\nAd: call <phone>"
    assert first.fields == {"user": "I am <email>", "ad": "call <phone>"}
    assert profile(masked, recipe).private == {"e-mail addresses": 1, "phone numbers": 1}
    recipe = Recipe.load("recommendation", **{"data.pii": "allow"})
    allowed = load_splits(recipe, path)
    assert "User: I am a@b.com\nAd: call 650-253-0000" in {
        e.text for e in (*allowed.train, *allowed.validation, *allowed.test)
    }
    assert profile(allowed, recipe).private == {"e-mail addresses": 1, "phone numbers": 1}


def test_what_is_private_is_masked_unless_the_recipe_says_otherwise_and_that_is_told(tmp_path: Path) -> None:
    path = file(tmp_path / "a.csv", rows(user="I am a@b.com", ad="call 650-253-0000"))
    masked, own = (
        load_splits(Recipe.load("recommendation", **said), path) for said in ({}, {"data.pii": "allow_own"})
    )
    texts = [
        {e.text for e in (*each.train, *each.validation, *each.test) if e.line == 2} for each in (masked, own)
    ]
    assert texts == [{"User: I am <email>\nAd: call <phone>"}, {"User: I am <email>\nAd: call 650-253-0000"}]
    assert any("2 e-mail addresses and phone numbers in 1 rows are masked" in note for note in masked.notes)
    assert any("1 e-mail addresses and phone numbers in 1 rows are masked" in note for note in own.notes)


def test_advertisers_own_numbers_stay_in_ad_copy(tmp_path: Path) -> None:
    records = [{"product": f"mug {i}", "copy": f"Order mug {i}: call 650-253-0000"} for i in range(30)]
    own = load_splits(Recipe.load("ad-copy", **{"data.pii": "allow_own"}), file(tmp_path / "a.csv", records))
    assert {(e.copy or "").endswith("call 650-253-0000") for e in own.train} == {True} and not own.notes


def test_an_ip_address_is_no_phone_number() -> None:
    for address in ("21.255.82.225", "78.142.75.181", "223.86.63.187", "131.239.126.28"):
        assert pii.find(f"seen from {address} twice") == ()


def test_copy_is_masked_as_the_product_is(tmp_path: Path) -> None:
    records = [{"product": f"mug {i}", "copy": f"Order mug {i} at a@b.com"} for i in range(30)]
    path = file(tmp_path / "a.csv", records)
    masked = load_splits(Recipe.load("ad-copy", **{"data.pii": "mask"}), path)
    assert {(e.copy or "").endswith("at <email>") for e in masked.train} == {True}
    with pytest.raises(DataError, match="30 problems"):
        load_splits(Recipe.load("ad-copy", **{"data.pii": "refuse"}), path)
