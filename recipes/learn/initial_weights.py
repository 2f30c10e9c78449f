"""The adapter before its first step: LoRA whose term is zero, or a prefix, with an untrained head; or a trained one."""

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
from recipes.tasks.task import task_for

if TYPE_CHECKING:
    from recipes.recipe import Recipe

_DEVIATION = 0.02  # of the numbers that AdaLoRA's P and Q start with, as PEFT's


def start(recipe: "Recipe", base: Base, labels: tuple[str, ...]) -> Adapter:
    """A fresh adapter of a recipe, drawn from the recipe's seed. Raises BaseError where the base cannot carry it."""
    return _start(recipe, base, labels, _lora_method(recipe, base))


def _start(recipe: "Recipe", base: Base, labels: tuple[str, ...], lora: Lora | None) -> Adapter:
    """As `start`, with a LoRA of these ranks; None for a prefix."""
    writes = task_for(recipe.task).ANSWERS == "texts"
    if writes and base.kind == "encoder":
        raise BaseError(f"{base.id} is an encoder and cannot write; train {recipe.task} on a causal decoder")
    stream = torch.Generator().manual_seed(recipe.train.seed)
    head = None if writes else _head(recipe, base, labels)
    info: dict[str, Any] = {"frame": PromptFrame.of(base).to_info()} if writes else {}
    method: Lora | Prefix
    if lora is not None:
        method = lora
        tensors = _lora(method, base, stream, triplets=recipe.lora.adalora is not None)
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
    head goes on reading what it was trained on (`pooling`), whatever the recipe says.

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
    return Lora(chosen.rank, chosen.alpha, targets, chosen.rslora, chosen.dropout, dora=chosen.dora)


def _lora(method: Lora, base: Base, stream: torch.Generator, triplets: bool) -> dict[str, Tensor]:
    """PEFT's start: A uniform as Kaiming with a = sqrt(5), that is within 1 / sqrt(in); B zero; DoRA's magnitudes the
    norms of W's rows. Of AdaLoRA's triplets, Q and P normal with a deviation of 0.02; their values come in training."""
    tensors = {}
    for path, linear in base.linears.items():
        if method.covers(path):
            rank, bound = method.rank_of(path), linear.in_features**-0.5
            a, b = torch.empty(rank, linear.in_features), torch.zeros(linear.out_features, rank)
            if triplets:
                a.normal_(0, _DEVIATION, generator=stream)
                b.normal_(0, _DEVIATION, generator=stream)
            else:
                a.uniform_(-bound, bound, generator=stream)
            tensors[f"base_model.model.{path}.lora_A.weight"] = a
            tensors[f"base_model.model.{path}.lora_B.weight"] = b
            if method.dora:
                norms = torch.linalg.norm(plain_weight(linear).float().cpu(), dim=1)
                tensors[f"base_model.model.{path}.lora_magnitude_vector"] = norms
    return tensors


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
