"""Layers that read the same input are found."""

from tests.adapters import models


def test_layers_with_one_input_share_one_product() -> None:
    groups = models.base("llama").input_groups
    first = "model.layers.0.self_attn.q_proj"
    assert [path for path, group in groups.items() if group == first] == [
        f"model.layers.0.self_attn.{name}_proj" for name in "qkv"
    ]
    assert groups["model.layers.1.mlp.up_proj"] == "model.layers.1.mlp.gate_proj"
    assert groups["model.layers.1.mlp.down_proj"] == "model.layers.1.mlp.down_proj"
    assert set(models.base("phi").input_groups) == set(models.base("phi").linears)
