"""How far apart the weights of two adapters are: whole changes, never formed."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from adapters import Adapter, BaseId, Head, Lora, Prefix
from hub.catalogue.distance import Distance, distances
from tests.hub import tiny

LAYER = "base_model.model.model.layers.{}.self_attn.{}"
SIZES = {"q_proj": (24, 16), "v_proj": (8, 16)}  # [out, in]


def low_rank(
    rank: int, seed: int, modules: tuple[str, ...] = ("q_proj", "v_proj"), **options: Any
) -> Adapter:
    """Two layers of random terms."""
    random = torch.Generator().manual_seed(seed)
    method = Lora(rank, 6.0, modules, **options)
    tensors = {}
    for layer in range(2):
        for module in modules:
            stem, (outputs, inputs) = LAYER.format(layer, module), SIZES[module]
            tensors[f"{stem}.lora_A.weight"] = torch.randn(rank, inputs, generator=random)
            tensors[f"{stem}.lora_B.weight"] = torch.randn(outputs, rank, generator=random)
    return Adapter(method, None, tensors, tiny.BASE, "ad-copy")


def delta(adapter: Adapter, path: str) -> torch.Tensor:
    """The whole change of one layer, `[out, in]`; zeros where there is none."""
    a = adapter.tensors.get(f"base_model.model.{path}.lora_A.weight")
    if a is None:
        return torch.zeros(SIZES[path.rsplit(".", 1)[-1]], dtype=torch.float64)
    assert isinstance(adapter.method, Lora)
    b = adapter.tensors[f"base_model.model.{path}.lora_B.weight"]
    return adapter.method.scaling_of(path) * (b.double() @ a.double())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (low_rank(2, 0), low_rank(2, 1)),
        (low_rank(2, 0), low_rank(5, 1, rslora=True)),
        (low_rank(2, 0), low_rank(3, 1, ("q_proj",), alpha_pattern={"q_proj": 9.0})),
    ],
)
def test_distances_are_those_of_the_whole_changes(one: Adapter, other: Adapter) -> None:
    found = distances(one, other)
    paths = [
        f"model.layers.{layer}.self_attn.{module}" for layer in (0, 1) for module in ("q_proj", "v_proj")
    ]
    assert [each.module for each in found.modules] == paths
    whole = [(delta(one, path), delta(other, path)) for path in paths]
    stacked = tuple(torch.cat([pair[side].flatten() for pair in whole]) for side in (0, 1))
    for each, (a, b) in zip([*found.modules, found.total], [*whole, stacked], strict=True):
        assert each is not None
        assert each.a == pytest.approx(float(a.norm())) and each.b == pytest.approx(float(b.norm()))
        assert each.difference == pytest.approx(float((a - b).norm() / a.norm()))
        cosine = float((a * b).sum() / (a.norm() * b.norm())) if b.any() else None
        assert each.cosine == (None if cosine is None else pytest.approx(cosine, abs=1e-12))
    assert (found.head, found.incomparable) == (None, ())


def test_equal_weights_are_at_distance_zero_and_another_scale_has_the_same_direction() -> None:
    one = low_rank(4, 3)
    assert {each.difference for each in distances(one, low_rank(4, 3)).modules} == {0.0}
    twice = replace(one, method=replace(one.method, alpha=12.0))  # type: ignore[type-var]
    for each in distances(one, twice).modules:
        assert (each.difference, each.cosine) == (pytest.approx(1.0), pytest.approx(1.0))
    zero = replace(one, tensors={name: tensor * 0 for name, tensor in one.tensors.items()})
    assert distances(zero, one).modules[0].difference is None


def test_no_matrix_of_a_layers_size_is_formed() -> None:
    """A layer of 200,000 x 200,000: its change would take 320 GB."""
    wide = 200_000
    stem = LAYER.format(0, "q_proj")
    made = []
    for seed in (0, 1):
        random = torch.Generator().manual_seed(seed)
        tensors = {
            f"{stem}.lora_A.weight": torch.randn(2, wide, generator=random),
            f"{stem}.lora_B.weight": torch.randn(wide, 2, generator=random),
        }
        made.append(Adapter(Lora(2, 2.0, ("q_proj",)), None, tensors, tiny.BASE))
    (only,) = distances(*made).modules
    assert only.difference == pytest.approx(2**0.5, rel=0.01) and abs(only.cosine or 1) < 0.01


def test_prefixes_are_compared_layer_by_layer() -> None:
    one, other = tiny.prefix(0), tiny.prefix(0)
    table = one.tensors["prompt_embeddings"]
    changed = table.clone()
    changed[:, 8:12] += 1.0  # of 2 layers with keys and values of 4 numbers: the keys of layer 1
    other.tensors["prompt_embeddings"] = changed
    found = distances(one, other)
    assert {each.module: bool(each.difference) for each in found.modules} == {
        "layers.0.keys": False,
        "layers.0.values": False,
        "layers.1.keys": True,
        "layers.1.values": False,
    }
    keys = found.modules[2]
    assert keys.difference == pytest.approx(12**0.5 / float(table[:, 8:12].norm()))


def test_heads_are_compared_label_by_label() -> None:
    one = tiny.lora(0, ("glad", "mad"))
    score = "base_model.model.score.weight"
    turned = replace(
        one,
        head=Head(("mad", "glad"), "last"),
        tensors=one.tensors | {score: one.tensors[score].flip(0)},
    )
    head = distances(one, turned).head
    norm = float(one.tensors[score].double().norm())
    assert head == Distance("head", pytest.approx(norm), pytest.approx(norm), 0.0, pytest.approx(1.0))


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (tiny.prefix(), "a lora and a prefix adapter are not comparable"),
        (replace(low_rank(2, 0), base=BaseId("starter", None, "cd" * 32)), "made for different bases"),
        (low_rank(2, 0, dora=True), "a lora and a dora adapter are not comparable"),
        (replace(low_rank(2, 0), head=Head(("a",), "last")), "head: only one of them has one"),
    ],
)
def test_what_has_no_distance_is_said(other: Adapter, says: str) -> None:
    found = distances(low_rank(2, 0), other)
    assert len(found.incomparable) == 1 and says in found.incomparable[0]
    assert (found.total is None) == ("head" not in says)


def test_prefixes_of_other_lengths_and_two_of_dora_are_not_compared() -> None:
    long = replace(tiny.prefix(), method=Prefix(4), tensors={"prompt_embeddings": torch.ones(4, 16)})
    assert "prefixes of [3, 16] and [4, 16]" in distances(tiny.prefix(), long).incomparable[0]
    dora = low_rank(2, 0, dora=True)
    assert "DoRA's lengths act on the base's weights" in distances(dora, dora).incomparable[0]
