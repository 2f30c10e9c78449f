"""The adapter before its first step: LoRA, whose term is zero but for `loftq`, or a prefix, with an untrained head; or
a trained one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import DynamicCache

from adapters import Adapter, Base, Head, Lora, Prefix
from adapters.base import plain_weight
from adapters.errors import BaseError
from adapters.format import Pooling, PrefixShape, check_base
from recipes.errors import TrainingError
from recipes.learn.frame import PromptFrame
from recipes.learn.layer_ranks import doubled, with_ranks
from recipes.learn.lora_starts import drawn, of_weights, triplets
from recipes.options.method import DIFFERENCES
from recipes.tasks.task import task_for

if TYPE_CHECKING:
    from recipes.recipe import Recipe


def start(recipe: "Recipe", base: Base, labels: tuple[str, ...]) -> Adapter:
    """A fresh adapter of a recipe, drawn from the recipe's seed. Raises BaseError where the base cannot carry it."""
    return _start(recipe, base, labels, _lora_method(recipe, base), recipe.lora.init)


def _start(
    recipe: "Recipe", base: Base, labels: tuple[str, ...], lora: Lora | None, init: str = "default"
) -> Adapter:
    """As `start`, with a LoRA of these ranks, which `init` may double; None for a prefix."""
    writes = task_for(recipe.task).ANSWERS == "texts"
    if writes and base.kind == "encoder":
        raise BaseError(f"{base.id} is an encoder and cannot write; train {recipe.task} on a causal decoder")
    stream = torch.Generator().manual_seed(recipe.train.seed)
    head = None if writes else _head(recipe, base, labels)
    info: dict[str, Any] = {"frame": PromptFrame.of(base).to_info()} if writes else {}
    method: Lora | Prefix
    if lora is not None:
        method, tensors = _lora(lora, base, stream, "triplets" if recipe.lora.adalora else init)
        where = "base_model.model"
    else:
        method = Prefix(recipe.prefix.length)
        tensors, shape = _prefix(recipe, base, stream)
        info |= shape.to_info()
        where = "base_model"
    if head is not None:
        name = f"{where}.{'score' if base.kind == 'decoder' else 'classifier'}"
        spread = float(getattr(base.config, "initializer_range", 0.02))
        tensors[f"{name}.weight"] = torch.randn(len(labels), base.width, generator=stream) * spread
        if head.bias:
            tensors[f"{name}.bias"] = torch.zeros(len(labels))
    return Adapter(method, head, tensors, base.identity, recipe.task, info)


def continued(parent: Adapter, recipe: "Recipe", base: Base, labels: tuple[str, ...], name: str) -> Adapter:
    """An adapter to train on from a trained one, with its weights and its head; `name` is kept as its parent.

    One whose layers have ranks of their own, as AdaLoRA leaves them, keeps these, its scaling and its layers, and every
    head goes on reading what it was trained on (`pooling`), whatever the recipe says. One that is a difference from its
    start (`lora.init: pissa`, `olora`) goes on from the same start, and can only do so.

    Raises WrongBase; TrainingError where task, method or labels are not those of the recipe and the data, and for a
    recipe of AdaLoRA.
    """
    check_base(parent, base)
    lora = _lora_method(recipe, base)
    if lora is not None and recipe.lora.adalora is not None:
        raise TrainingError(
            f"{name} cannot be trained on with lora.adalora, which shares out the ranks of a fresh adapter; write "
            "lora.adalora: null, and it keeps the ranks that it has"
        )
    if lora is not None and recipe.lora.is_difference:
        lora = doubled(lora)
    if lora is not None and isinstance(parent.method, Lora) and parent.method.rank_pattern:
        lora = replace(parent.method, dropout=lora.dropout, dora=lora.dora)
    fresh = _start(recipe, base, labels, lora)
    theirs = () if parent.head is None else parent.head.labels
    problems = []
    if (parent.task or recipe.task) != recipe.task:
        problems.append(f"it does {parent.task}, the recipe {recipe.task}")
    if theirs != labels:
        missing, unknown = sorted({*theirs} - {*labels}), sorted({*labels} - {*theirs})
        differ = [f"the data lacks {', '.join(missing)}"] if missing else []
        differ += [f"it does not know {', '.join(unknown)}"] if unknown else []
        problems.append("; ".join(differ) or "its labels are in another order")
    began, init = _difference(parent), recipe.lora.init
    if lora is not None and began != (init if recipe.lora.is_difference else None):
        problems.append(f"it was trained with lora.init: {began or 'default'}, the recipe says {init}")
    shapes, wanted = ({n: tuple(t.shape) for n, t in a.tensors.items()} for a in (parent, fresh))
    if not problems and (shapes != wanted or _scaling(parent) != _scaling(fresh)):
        problems.append("its rank, alpha, layers, prefix length or head are not those of the recipe")
    if problems:
        raise TrainingError(
            f"{name} cannot be trained on with this recipe and data: {'; '.join(problems)}. Give the recipe and the "
            "labels that it was trained with, or start afresh"
        )
    if fresh.head is not None and parent.head is not None:
        fresh.head = replace(fresh.head, pooling=parent.head.pooling)
    fresh.tensors = {key: tensor.float().clone() for key, tensor in parent.tensors.items()}
    fresh.info["parent"] = name
    return fresh


def _difference(adapter: Adapter) -> str | None:
    """From which part of the base an adapter was trained, and half of it is that part; None where it is none."""
    recipe = adapter.info.get("recipe")
    lora = recipe.get("lora") if isinstance(recipe, Mapping) else None
    init = lora.get("init") if isinstance(lora, Mapping) else None
    return init if init in DIFFERENCES else None


def _scaling(adapter: Adapter) -> tuple[float, bool] | None:
    method = adapter.method
    return (method.alpha, method.rslora) if isinstance(method, Lora) else None


def _head(recipe: "Recipe", base: Base, labels: tuple[str, ...]) -> Head:
    auto: Pooling = "last" if base.kind == "decoder" else "mean"
    pooling = auto if recipe.head.pooling == "auto" else recipe.head.pooling
    return Head(labels, pooling, multi_label=recipe.data.separator is not None, bias=base.kind == "encoder")


def _lora_method(recipe: "Recipe", base: Base) -> Lora | None:
    if recipe.method != "lora":
        return None
    chosen = recipe.lora
    targets = base.targets("all-linear" if chosen.targets == "all-linear" else tuple(chosen.targets))
    method = Lora(chosen.rank, chosen.alpha, targets, chosen.rslora, chosen.dropout, dora=chosen.dora)
    if not chosen.rank_pattern:
        return method
    covered = [path for path in base.linears if method.covers(path)]
    for key in chosen.rank_pattern:
        if {replace(method, rank=1, rank_pattern={key: 2}).rank_of(path) for path in covered} == {1}:
            raise BaseError(
                f"lora.rank_pattern names {key}, and no layer that lora.targets name ends so; they are "
                f"{', '.join(targets)}"
            )
    own = replace(method, rank_pattern=chosen.rank_pattern)
    return with_ranks(method, {path: own.rank_of(path) for path in covered})


def _lora(method: Lora, base: Base, stream: torch.Generator, init: str) -> tuple[Lora, dict[str, Tensor]]:
    """The terms as they start, see `recipes.learn.lora_starts`; DoRA's magnitudes the norms of W's rows."""
    if init in ("pissa", "olora", "loftq"):
        method, terms = of_weights(method, base, init)
    elif init == "triplets":
        terms = triplets(method, base, stream)
    else:
        terms = drawn(method, base, stream, normal=init == "gaussian")
    tensors = {}
    for path, (a, b) in terms.items():
        tensors[f"base_model.model.{path}.lora_A.weight"] = a
        tensors[f"base_model.model.{path}.lora_B.weight"] = b
        if method.dora:
            norms = torch.linalg.norm(plain_weight(base.linears[path]).float().cpu(), dim=1)
            tensors[f"base_model.model.{path}.lora_magnitude_vector"] = norms
    return method, tensors


def _prefix(recipe: "Recipe", base: Base, stream: torch.Generator) -> tuple[dict[str, Tensor], PrefixShape]:
    """PEFT's table `[length, layers * 2 * kv_heads * head_dim]`: drawn, or the keys and values of a text."""
    layers, first = len(base.attention), base.attention[0]
    if any((layer.kv_heads, layer.head_dim) != (first.kv_heads, first.head_dim) for layer in base.attention):
        raise BaseError(
            f"{base.id} has layers with keys of different shapes, which a prefix cannot serve; use method: lora"
        )
    shape = PrefixShape(layers, first.kv_heads, first.head_dim)
    length = recipe.prefix.length
    if recipe.prefix.init == "random":
        table = torch.randn(length, shape.width, generator=stream) * 0.02
    else:
        table = _keys_and_values(
            recipe.prefix.text or task_for(recipe.task).DEFAULT_PREFIX_TEXT, length, base
        )
    return {"prompt_embeddings": table}, shape


def _keys_and_values(text: str, length: int, base: Base) -> Tensor:
    """What the base's attention holds of a text, repeated or cut to `length` tokens: the adapter then
    starts as that text.
    """
    ids = base.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    ids = (ids * (length // len(ids) + 1))[:length]
    cache = DynamicCache()
    positions = torch.arange(length, device=base.device)[None] + base.first_position
    with base.lock, torch.no_grad():
        base.backbone(
            input_ids=torch.tensor([ids], device=base.device), position_ids=positions, past_key_values=cache
        )
    layers: list[Any] = cache.layers
    both = torch.stack([torch.stack([layer.keys[0], layer.values[0]]) for layer in layers])
    # [layers, 2, kv_heads, length, head_dim] -> [length, layers, 2, kv_heads, head_dim]
    return both.permute(3, 0, 1, 2, 4).reshape(length, -1).float().cpu()
