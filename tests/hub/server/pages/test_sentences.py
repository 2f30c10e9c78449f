"""Verdicts and gates in the reader's language: what recipes.judge says, with its numbers and nothing of English."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters import Base
from hub import Hub
from hub.server import Keys
from hub.server.pages.words import CHINESE, words_in
from recipes.judge import Report, gates_said
from recipes.judge.said import Said
from recipes.judge.verdicts import verdict
from tests.hub.server.conftest import serving
from tests.hub.server.pages.conftest import visitor
from tests.recipes.judge.test_gates import REPORT
from tests.recipes.judge.test_verdicts import BLEND, report

ENGLISH = re.compile(
    r"\b(?!accuracy|auc|log|loss|nll|calibration|error|blend|true|city|prior|TF|IDF|texts|within|policy|nothing|a|baseline)"
    r"[A-Za-z]{2,}\b"
)
GAINS: list[dict[str, Any]] = [
    {"TF-IDF": (0.04, 0.01, 0.07)},
    {"TF-IDF": (-0.14, -0.19, -0.09)},
    {"TF-IDF": (0.01, -0.02, 0.04)},
    {"TF-IDF": (0.0, -0.02, 0.02)},
]
SETTINGS: list[dict[str, Any]] = [{}, {"blend": BLEND}, {"metric": "log_loss"}]
GATES: list[dict[str, Any]] = [
    {"min_gain": 0.05},
    {"min_gain": {"metric": "log_loss", "by": 0.01}},
    {"min_gain": {"metric": "accuracy"}},
    {"max_calibration_error": 0.05, "max_group_gap": {"column": "city", "gap": 0.1}},
    {"max_calibration_error": 0.05, "max_group_gap": {"column": "city", "gap": 0.1, "metric": "auc"}},
    {"policy": 0.9},
]


def check(said: Said) -> None:
    chinese = said.in_words(words_in("zh"))
    assert re.search("[\u4e00-\u9fff]", chinese) and not ENGLISH.search(chinese), chinese
    assert sorted(re.findall(r"\d+\.\d+", chinese)) == sorted(re.findall(r"\d+\.\d+", str(said)))


@pytest.mark.parametrize("gains", GAINS)
@pytest.mark.parametrize("more", SETTINGS)
@pytest.mark.parametrize("blended", [False, True])
def test_a_verdict_is_said_in_chinese_with_its_numbers(
    gains: dict[str, Any], more: dict[str, Any], blended: bool
) -> None:
    made = report(gains, **more)
    found = verdict(made.model_copy(update={"blended": made}) if blended else made)
    assert found is not None
    check(found.said)


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("share", [None, 0.5])
def test_gates_are_said_in_chinese_with_their_numbers(gates: dict[str, Any], share: float | None) -> None:
    after = REPORT["after"] | ({} if share is None else {"texts_within_policy": share})
    said = gates_said(Report.model_validate(REPORT | {"after": after}), {"gates": gates})
    assert len(said) == len(gates)
    for each in said.values():
        check(each)


@pytest.mark.parametrize("recipe", [None, {}, [], "x", {"gates": 3}, {"gates": {"min_gain": "much"}}])
def test_gates_that_cannot_be_read_are_said_as_they_were_written(recipe: object) -> None:
    assert gates_said(Report(), recipe) == {}


def test_the_page_says_both_and_leaves_what_others_judged(market: Hub, base: Base, tmp_path: Path) -> None:
    hub, name = Hub(tmp_path / "hub"), "acme/spring/recommendation"
    adapter = market.read(name)
    gates = {"max_calibration_error": 0.0001}
    (sentence,) = gates_said(Report.read(adapter.info["report"]) or Report(), {"gates": gates})
    verdicts = [
        {"gate": gate, "passed": False, "wanted": 0.0001, "sentence": told}
        for gate, told in (("max_calibration_error", sentence), ("later", "a gate of another <release>"))
    ]
    recipe = {**adapter.info["recipe"], "gates": gates}
    info = {**adapter.info, "recipe": recipe, "gates": {"passed": False, "verdicts": verdicts}}
    hub.publish(replace(adapter, info=info), name, force_reason="a test")
    with serving(hub, base, Keys(tmp_path / "keys")) as served:
        path = f"/page/adapters/{name}"
        chinese = visitor(served).get(path, headers={"accept-language": "zh"}).text
        english = visitor(served).get(path).text
    assert sentence in english and sentence not in chinese
    assert "校准误差为 " in chinese and "a gate of another &lt;release&gt;" in chinese
    assert not {text for text in CHINESE if len(text) > 20} & set(re.findall(r">([^<>]+)<", chinese))
