"""The model card that lies beside a trained adapter."""

from dataclasses import replace
from typing import Any

import pytest
from huggingface_hub import ModelCard

from adapters import Adapter, Head
from recipes.judge.card import trained_card
from recipes.measure.calibration import Calibration
from tests.hub.tiny import lora, prefix
from tests.recipes.judge import written


def old(name: str) -> Adapter:
    task = "behavior" if name == "adalora" else name
    return replace(lora(**written.info(name)), task=task)


@pytest.mark.parametrize("name", written.NAMES)
def test_an_adapter_from_before_formats_has_a_whole_card(name: str) -> None:
    text = trained_card(old(name))
    for title in ("## Held-out results", "## Data", "## Limits", "## Load with stock PEFT", "## Recipe"):
        assert title in text, title
    assert "- sha256 of the rows: " in text and "- rows: " in text
    assert ("## Gates" in text) == (written.info(name)["gates"] is not None)
    assert ModelCard(text).data.tags == ["repertoire", "lora", old(name).task]


def test_a_blend_stands_beside_the_adapter_alone_and_is_told_as_a_limit() -> None:
    lines = trained_card(old("recommendation")).splitlines()
    assert "| with the adapter | 0.756 | 0.575 | 0.134 | 0.829 | 0.736 |" in lines
    assert "| adapter and baseline blended | 0.857 | 0.449 | 0.121 | 0.648 | 0.764 |" in lines
    assert "| base alone | 0.513 | 0.696 | – | 1.004 | 0.500 |" in lines
    assert any(line.startswith("- log loss adapter and baseline blended: 0.449, 95 %") for line in lines)
    assert any("blended with a baseline that only Repertoire knows" in line for line in lines)


def test_ranks_and_gates_are_told() -> None:
    assert "layers by AdaLoRA" in trained_card(old("adalora"))
    text = trained_card(old("behavior"))
    assert "- ✗ gate max_group_gap: the gap in accuracy" in text
    assert "- It did not pass its recipe's gates." in text.splitlines()


def test_where_stock_peft_gives_other_answers_the_card_says_so() -> None:
    same, other = lora(), replace(lora(), head=Head(("0", "1"), "mean"))
    assert "will not give the same answers" not in trained_card(same)
    assert "pools by `mean`" in trained_card(other)
    shifted = lora(calibration=Calibration(1.5, -0.25).to_info())
    assert "(temperature 1.5, shift -0.25); other tools give the raw logits" in trained_card(shifted)


@pytest.mark.parametrize("adapter", [lora(), prefix(), replace(lora(), task=None)])
def test_an_adapter_that_says_little_of_itself_has_a_card(adapter: Adapter) -> None:
    text = trained_card(adapter)
    assert "- It carries no held-out results." in text.splitlines()
    assert ModelCard(text).data.library_name == "peft"


@pytest.mark.parametrize(
    "info",
    [
        {"report": {"after": {"auc": "high"}, "before": None}},
        {"report": {"after": {"auc": 0.5}, "intervals": 3, "metric": ["auc"]}},
        {"data": {"profile": {"rows": 3, "languages": ["en"], "tokens": 7, "near": "x"}}},
        {"recipe": "none", "gates": {"passed": True, "verdicts": [3]}, "calibration": "hot"},
    ],
)
def test_what_is_not_of_our_form_is_left_out(info: dict[str, Any]) -> None:
    assert ModelCard(trained_card(lora(**info))).data.library_name == "peft"
