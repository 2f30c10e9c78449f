"""One way for data: what a request says is read as the same row of a file is, and answered as a test row is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from adapters import Head
from adapters.errors import RequestError
from hub import Registry
from recipes import Recipe, train
from recipes.answer.voice import Reading, Voice, answered
from recipes.data.cells import Parsed, parse
from recipes.data.columns import Columns
from recipes.data.load import load_splits
from recipes.data.records import Row
from recipes.learn.encode import encode_texts
from recipes.measure.calibration import Calibration
from recipes.tasks.templates import NotText, text_of
from tests.adapters import models

BASE = models.base("llama")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def voice(recipe: Recipe, roles: tuple[str, ...]) -> Voice:
    return Voice(recipe.task, Head(("a", "b"), "last"), recipe, roles, Calibration(), None)


@given(st.text(), st.fixed_dictionaries({"tags": JSON, "premium": JSON, "note": JSON}))
@example("\x08 \ufeff", {"tags": None, "premium": None, "note": None})
def test_a_request_is_read_as_the_same_row_of_a_file(text: str, more: Mapping[str, Any]) -> None:
    recipe = Recipe.load("behavior", **{"data.features": [*more], "data.pii": "mask"})
    row = json.loads(json.dumps({"text": text, **more}))
    columns = Columns({"text": "text", "label": "label"}, tuple(more))
    found = parse(recipe, "rows.jsonl", Row(1, row | {"label": "a"}), columns)
    try:
        (asked,) = voice(recipe, ("text", *more)).read([row])
    except NotText:
        assert not isinstance(found, Parsed)
        return
    if isinstance(found, Parsed):
        assert (asked.text, dict(asked.fields)) == (found.text, dict(found.fields))
        (ids,) = encode_texts(BASE, recipe, [found.text])
        assert voice(recipe, ("text",)).tokens(BASE, [asked]) == [ids]
    else:
        assert not text_of(text), found


def test_types_that_files_hold_are_read_alike() -> None:
    recipe = Recipe.load("behavior", **{"data.features": ["tags", "premium", "orders", "note"]})
    row = {"text": " fine ", "tags": ["promo", "new"], "premium": True, "orders": np.int64(3), "note": None}
    (asked,) = voice(recipe, ("text",)).read([row])
    assert asked.text == "fine\ntags: promo, new\npremium: true\norders: 3"


def test_a_column_of_every_training_row_must_be_given() -> None:
    recipe = Recipe.load("behavior", **{"data.features": ["season"]})
    with pytest.raises(RequestError, match="reads the columns season too"):
        voice(recipe, ("text",)).read([{"text": "fine"}])


def test_private_data_is_masked_where_training_masked_it() -> None:
    row = {"text": "write to ada@example.com"}
    masked = voice(Recipe.load("behavior", **{"data.pii": "mask"}), ("text",)).read([row])
    plain = voice(Recipe.load("behavior", **{"data.pii": "allow"}), ("text",)).read([row])
    assert (masked[0].text, plain[0].text) == ("write to <email>", "write to ada@example.com")


@pytest.mark.parametrize("said", ["lines", "nothing", "no recipe"])
def test_an_adapter_of_before_lines_reads_products_as_they_are_given(said: str) -> None:
    made, product = models.made_here("llama", "lora"), "name[mug 7], color[red]"
    recipe = Recipe.load("ad-copy").to_dict()
    if said == "nothing":
        del recipe["data"]["lines"]
    if said != "no recipe":
        made.info["recipe"], made.task = recipe, "ad-copy"
    (asked,) = Voice.of(made).read([{"product": product}])
    assert asked.text == ("name: mug 7\ncolor: red" if said == "lines" else product)


def test_probabilities_are_calibrated_logits() -> None:
    logits = torch.tensor([[0.0, 2.0]], dtype=torch.float64)
    found = answered(logits, [Reading({}, "")], False, Calibration(temperature=2.0, bias=(0.0, 0.5)))
    assert found[0, 1] == pytest.approx(1 / (1 + np.exp(-1.5)))


@pytest.mark.parametrize(
    ("blended", "private"), [(False, ""), (True, ""), (True, ", call 650-253-{0} or a{0}@b.com")]
)
def test_a_registry_answers_test_rows_as_the_report_measured_them(
    blended: bool, private: str, tmp_path: Path
) -> None:
    """Log loss, but for rounding in batches of other sizes: rendering, tokens, calibration and blend are the same."""
    lines = [
        {
            "text": f"{'love' if number % 2 else 'hate'} it {number % 17}{private.format(1000 + number)}",
            "tags": ["x", number % 3],
            "label": number % 2,
        }
        for number in range(160)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    options = {"train.epochs": 2, "train.batch_size": 8, "data.max_tokens": 64, "blend": blended}
    recipe, base = Recipe.load("behavior", **options, **{"data.features": ["tags"]}), models.base("llama")
    train(recipe, path, base, out=tmp_path / "out")
    registry = Registry(tmp_path / "hub", base=base, follow=False)
    report = registry.publish(tmp_path / "out", "acme/spring/behavior").record.metrics
    assert report is not None
    test = [lines[example.line - 1] for example in load_splits(recipe, path).test]
    found = registry.analyze(
        "acme/spring/behavior", [{"text": row["text"], "tags": row["tags"]} for row in test]
    )
    registry.close()
    losses = [-np.log(each.probabilities[str(line["label"])]) for each, line in zip(found, test, strict=True)]
    served = report.get("blended", report)["after"]["log_loss"]
    assert float(np.mean(losses)) == pytest.approx(served, abs=1e-7)


def test_private_data_is_found_by_the_name_of_the_column_in_the_file() -> None:
    recipe = Recipe.load("recommendation", **{"data.pii": "mask", "data.columns": {"user": "phone"}})
    (asked,) = voice(recipe, ("user", "ad")).read([{"user": "4155552000", "ad": "Trail shoes"}])
    columns = Columns({"user": "phone", "ad": "ad", "clicked": "clicked"}, ())
    cells = {"phone": "4155552000", "ad": "Trail shoes", "clicked": 1}
    found = parse(recipe, "clicks.csv", Row(1, cells), columns)
    assert isinstance(found, Parsed) and asked.text == found.text == "User: <phone>\nAd: Trail shoes"


def test_numpy_values_read_as_those_of_a_file_and_endless_ones_are_refused() -> None:
    recipe = Recipe.load("behavior", **{"data.features": ["more"]})
    (asked,) = voice(recipe, ("text",)).read([{"text": "a", "more": np.array([True, False])}])
    assert asked.text == "a\nmore: true, false"
    endless: dict[str, Any] = {}
    endless["inside"] = endless
    with pytest.raises(RequestError, match="more than 100 deep"):
        voice(recipe, ("text",)).read([{"text": "a", "more": endless}])
