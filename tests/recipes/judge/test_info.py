"""What a recipe leaves in an adapter's `info`: old adapters are read, strangers' are shown as far as they go."""

import json
from typing import Any

import pytest

from adapters.format.files import parse, render
from recipes.data.facts import DataFacts, Profile
from recipes.judge.info import AdapterInfo
from recipes.judge.report import Gates, Report
from recipes.measure.calibration import Calibration
from tests.hub.tiny import lora
from tests.recipes.judge import written
from tests.recipes.judge.test_report import without_nan


@pytest.mark.parametrize("name", written.NAMES)
def test_an_adapter_from_before_formats_is_read_whole(name: str) -> None:
    old = written.info(name)
    info = AdapterInfo.of(old)
    assert info.to_info() == without_nan(old) | {"report": {"format": 1} | without_nan(old["report"])}
    assert info.data is not None and info.data.profile is not None and info.data.profile.tokens is not None
    assert info.data.files[0].rows >= sum(info.data.profile.rows.values())


def test_what_is_read_from_the_weights_file_is_what_was_written() -> None:
    made = AdapterInfo(
        recipe={"task": "recommendation"},
        data=DataFacts(
            digest="ab", roles=("user", "ad"), notes=("short",), profile=Profile(rows={"train": 3})
        ),
        quantization="nf4",
        report=Report.model_validate({"metric": "auc", "after": {"auc": 0.5}}),
        gates=None,
        calibration=Calibration(2.0, -0.5),
    )
    adapter = lora(**made.to_info())
    files = render(adapter)
    again = parse(files["adapter_config.json"], files["adapter_model.safetensors"])
    assert AdapterInfo.of(again.info) == made
    assert again.info["gates"] is None, "a recipe without gates says so"


def test_only_what_was_given_is_written() -> None:
    assert AdapterInfo(data=DataFacts(digest="ab"), calibration=None).to_info() == {
        "data": {"digest": "ab", "files": [], "notes": []}
    }
    assert AdapterInfo().to_info() == {}


@pytest.mark.parametrize(
    "junk",
    [
        {"report": {"before": 3}},
        {"report": [1]},
        {"data": [1], "recipe": "none", "parent": 3, "created": [], "quantization": 4},
        {"data": {"profile": {"rows": 3, "languages": ["en"], "tokens": 7, "near": "x"}, "notes": "n"}},
        {"calibration": 2.0, "blend": "half"},
    ],
)
def test_what_is_not_of_our_form_is_left_out(junk: dict[str, Any]) -> None:
    info = AdapterInfo.of(junk)
    assert info.recipe is info.parent is info.calibration is info.blend is None
    assert info.report in (None, Report()) and info.data in (None, DataFacts(), DataFacts(profile=Profile()))
    json.dumps(info.to_info(), allow_nan=False)


def test_a_mark_of_gates_that_cannot_be_read_is_not_passed() -> None:
    assert AdapterInfo.of({"gates": "passed"}).gates == Gates(passed=False)
    assert AdapterInfo.of({}).gates is None
