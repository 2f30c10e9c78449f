"""What is different between two versions: facts, metrics, weights, answers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hub.registry.diff import SAMPLES, Answered, Change, answers, diff, read_prompts

from adapters import Adapter, Base, BaseId, Head, Lora, Prefix
from adapters.errors import RequestError
from hub import Analyze, Hub, Registry
from hub.catalogue.distance import Distance, distances
from tests.adapters import models
from tests.hub import tiny, voices

NAME = tiny.NAME
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


# --- facts and metrics ---------------------------------------------------------------------------------------------

REPORT = {
    "metric": "auc",
    "before": {"auc": 0.5},
    "after": {"auc": 0.8, "log_loss": 0.5},
    "intervals": {"auc": {"low": 0.7, "high": 0.9}},
}
GATES = {"passed": True, "verdicts": [{"gate": "min_gain", "passed": True, "sentence": "0.3 is enough"}]}


@pytest.fixture
def two(hub: Hub) -> Hub:
    """Two versions of which every section differs in something."""
    first = tiny.lora(
        0,
        report=REPORT,
        gates=GATES,
        recipe={"task": "recommendation", "train": {"epochs": 3, "seed": 0}},
        data={"digest": "ab" * 32, "profile": {"rows": {"train": 70, "test": 20}}},
    )
    second = tiny.lora(
        1,
        report=REPORT | {"after": {"auc": 0.9}, "intervals": {}},
        recipe={"task": "recommendation", "train": {"epochs": 5, "seed": 0}},
        data={"digest": "cd" * 32, "profile": {"rows": {"train": 90, "test": 20}}},
    )
    second.method = Lora(2, 8.0, ("q_proj",))
    hub.publish(first, NAME, tags=["spring"], message="first", publisher="ann")
    hub.publish(second, NAME, message="second", publisher="ann")
    return hub


def test_only_what_differs_is_told_and_metrics_stand_side_by_side(two: Hub) -> None:
    found = diff(two, f"{NAME}@1", NAME)
    assert (found.a, found.b, found.same) == (f"{NAME}@1", f"{NAME}@2", False)
    published = found.facts["publication"][0]
    assert published.key == "published" and published.a < published.b
    assert {section: list(changes) for section, changes in found.facts.items()} == {
        "adapter": [Change("alpha", 4.0, 8.0)],
        "recipe": [Change("train.epochs", 3, 5)],
        "data": [Change("digest", "ab" * 32, "cd" * 32), Change("profile.rows.train", 70, 90)],
        "gates": [Change("min_gain", "passed: 0.3 is enough", None)],
        "publication": [published, Change("message", "first", "second"), Change("tags", ["spring"], [])],
    }
    assert found.metrics == [
        Change("auc", {"value": 0.8, "low": 0.7, "high": 0.9}, {"value": 0.9, "low": None, "high": None}),
        Change("log_loss", {"value": 0.5, "low": None, "high": None}, None),
    ]
    assert [each.module for each in found.weights.modules] == ["model.layers.0.self_attn.q_proj"]
    assert found.weights.head is not None


def test_a_version_does_not_differ_from_itself(two: Hub) -> None:
    found = diff(two, f"{NAME}@2", NAME)
    assert found.same and found.facts == {} and found.weights.total is not None
    assert found.weights.total.difference == 0.0


# --- answers -------------------------------------------------------------------------------------------------------


def test_both_answer_the_same_prompts_in_one_batch(tmp_path: Path) -> None:
    base: Base = models.base("llama")
    registry = Registry(Hub(tmp_path / "hub"), base, follow=False)
    for seed in (1, 2):
        registry.publish(voices.voice(base, seed), voices.NAME)
    one, two = f"{voices.NAME}@1", f"{voices.NAME}@2"
    found = answers(registry, one, two, ["glad 500", {"text": "mad 501"}])
    alone = registry.run([Analyze(each, [text]) for text in ("glad 500", "mad 501") for each in (one, two)])
    expected = [dict(answer[0].probabilities) for answer in alone]  # type: ignore[union-attr, index]
    assert [found[0].prompt, found[1].prompt] == ["glad 500", {"text": "mad 501"}]
    for told, wanted in zip([side for each in found for side in (each.a, each.b)], expected, strict=True):
        assert told == pytest.approx(wanted, abs=1e-6)
    assert [each.prompt for each in answers(registry, one, two)] == list(SAMPLES["behavior"])
    broken = answers(registry, one, two, [{"words": "glad"}])
    assert broken == [Answered({"words": "glad"}, broken[0].a, broken[0].b)] and "error" in broken[0].a
    registry.publish(replace(voices.voice(base, 3), task="recommendation"), NAME)
    with pytest.raises(RequestError, match=r"@1 does behavior and .*@1 does recommendation"):
        answers(registry, one, NAME)
    (click,) = answers(registry, NAME, NAME, [{"user": "likes tea", "ad": "tea"}])
    assert click.a == pytest.approx(click.b) and 0 < click.a < 1
    registry.close()


def test_prompts_are_lines_of_text_or_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text('mug 7\n\n{"product": "mug 9", "price": "$7"}\n')
    assert read_prompts(path) == ["mug 7", {"product": "mug 9", "price": "$7"}]
    path.write_text('{"product"\nmug\n{1}\n')
    with pytest.raises(RequestError, match=r"(?s)line 1: .*line 3: "):
        read_prompts(path)
    path.write_text("\n")
    with pytest.raises(RequestError, match="holds no prompts"):
        read_prompts(path)
