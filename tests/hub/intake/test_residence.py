"""What is larger than a registry's usual limits is told where it is published."""

import logging

import pytest
import torch

from adapters import Adapter, Limits, Lora
from hub.hub import Hub
from hub.intake.residence import residence
from tests.hub.conftest import Run
from tests.hub.tiny import BASE, NAME, lora, prefix


def large(rank: int, width: int = 8) -> Adapter:
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    tensors = {
        f"{layer}.lora_A.weight": torch.zeros(1, 1).expand(rank, width),
        f"{layer}.lora_B.weight": torch.zeros(1, 1).expand(width, rank),
    }
    return Adapter(Lora(rank=rank, alpha=4.0, targets=("q_proj",)), None, tensors, BASE, "ad-copy")


def test_usual_adapters_ask_for_nothing() -> None:
    assert [residence(each) for each in (lora(), prefix(), large(Limits().shared_rank))] == [None] * 3


def test_a_high_rank_is_told_in_bytes_at_publish_in_the_record_and_by_show(
    hub: Hub, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        version = hub.publish(large(512), NAME)
    told = "it takes 32,768 bytes on the device in float32, in memory of its own: its rank 512 is over"
    assert told in caplog.text and "Limits.shared_rank, 64" in caplog.text
    assert version.record.servable_by is not None
    assert version.record.servable_by["repertoire"]["served"]
    code, shown, _ = run("show", NAME, "--hub", hub.address)
    assert code == 0 and "Repertoire: yes" in shown
    assert "rank 512 is over" in run("card", NAME, "--hub", hub.address)[1]


def test_one_pattern_of_a_high_rank_counts_too() -> None:
    adapter = large(65)
    method = Lora(rank=2, alpha=4.0, targets=("q_proj",), rank_pattern={"q_proj": 65})
    adapter.method = method
    told = residence(adapter)
    assert told is not None and "its rank 65 is over" in told["notes"][0]


def test_more_than_is_loaded_is_told_with_the_limit() -> None:
    told = residence(large(4096, 2**15 + 1))
    assert told is not None and not told["served"]
    assert told["why_not"] == [
        "it takes 1,073,774,592 bytes on the device in float32, and Limits.adapter_bytes is 1,073,741,824 unless it "
        "is raised; raise it, or train with a lower rank"
    ]
