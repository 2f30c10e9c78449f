"""Who else can serve a version, by their own rules, and why not where they cannot."""

from dataclasses import replace

import pytest

from adapters import Adapter, Head
from hub.intake.servable import VLLM_SEEN, VLLM_SEEN_HEADS, smallest_limit
from tests.hub.tiny import lora, prefix
from tests.hub.writers import compatible, writer

PATTERNS = "its layers differ in rank or alpha (rank_pattern, alpha_pattern)"


HEADS = "its head (modules_to_save) is not one `score` over the last token, for one label a text"
SOME = "it adapts some layers only, and LoRAX takes a module for every layer or not at all"


def test_a_lora_without_a_head_is_served_by_all() -> None:
    told = compatible(writer())
    assert {tool: each["served"] for tool, each in told.items()} == dict.fromkeys(
        ("peft", "vllm", "lorax"), True
    )
    assert told["vllm"]["notes"] == ["`vllm serve owner/tiny --enable-lora --max-lora-rank 8`", VLLM_SEEN]


@pytest.mark.parametrize(
    ("adapter", "tool", "why"),
    [
        (prefix(), "vllm", "it is PREFIX_TUNING, only LORA is taken"),
        (prefix(), "lorax", "it is PREFIX_TUNING, only LORA is taken"),
        (replace(lora(), head=Head(("0", "1"), "mean")), "vllm", HEADS),
        (replace(lora(), head=Head(("0", "1"), "last", multi_label=True)), "vllm", HEADS),
        (lora(), "lorax", "it has a head of its own (modules_to_save)"),
        (writer(dora=True), "vllm", "it is DoRA"),
        (writer(dora=True), "lorax", "it is DoRA"),
        (
            writer(rank_pattern={"q_proj": 2}),
            "vllm",
            PATTERNS,
        ),
        (
            writer(alpha_pattern={"q_proj": 2}),
            "lorax",
            PATTERNS,
        ),
        (writer(rank=513), "vllm", "its rank 513 is over 512"),
        (
            writer(partial=True),
            "lorax",
            SOME,
        ),
    ],
)
def test_what_a_tool_does_not_take_is_told(adapter: Adapter, tool: str, why: str) -> None:
    told = compatible(adapter)
    assert told[tool]["served"] is False
    assert why in told[tool]["why_not"]
    assert told["peft"]["served"] is True


def test_a_head_that_vllm_takes_is_told_with_how_it_is_started() -> None:
    told = compatible(replace(lora(calibration={"temperature": 2.0}), base=writer().base))["vllm"]
    assert told["served"] is True
    assert told["notes"] == [
        "`vllm serve owner/tiny --enable-lora --max-lora-rank 8 --runner pooling --convert classify "
        "--hf-overrides '{\"num_labels\": 2}' --max-lora-cls-labels 2`, vLLM 0.32 or newer",
        VLLM_SEEN_HEADS,
        "the logits are not calibrated (temperature, bias, shift)",
    ]


def test_layers_and_modules_that_lorax_would_leave_out_are_told() -> None:
    some = writer()
    del some.tensors["base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"]
    del some.tensors["base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"]
    assert "it adapts some layers only" in compatible(some)["lorax"]["why_not"][0]
    odd = replace(writer(), tensors={n.replace("q_proj", "in_proj"): t for n, t in writer().tensors.items()})
    assert compatible(odd)["lorax"]["why_not"] == ["it adapts in_proj, which LoRAX leaves out"]
    assert compatible(odd)["vllm"]["served"] is True


def test_the_limit_that_vllm_is_started_with_holds_the_rank() -> None:
    assert [smallest_limit(rank) for rank in (1, 2, 8, 9, 20, 200, 257, 512, 513)] == [
        1,
        8,
        8,
        16,
        32,
        256,
        320,
        512,
        None,
    ]


def test_what_stock_peft_answers_otherwise_is_told() -> None:
    assert compatible(lora())["peft"]["notes"] == []
    odd = replace(
        lora(calibration={"temperature": 2.0}, blend={"weight": 0.5}),
        head=replace(lora().head, pooling="mean"),
    )
    first, *rest = compatible(odd)["peft"]["notes"]
    assert first.startswith("the head pools by 'mean', which transformers' class for this base does not")
    assert rest == [
        "the logits are not calibrated (temperature, bias, shift)",
        "the baseline that is blended in is left out",
    ]
