"""EVA: LoRA's A starts along what a layer reads of the training rows, and ranks go where these directions explain most
(Paischer et al. 2024, arXiv:2410.07170).

    rows --base--> inputs of each layer [tokens, in] --principal components--> A; their shares of the variance --> ranks

Layers that read the same input are looked at once. The numbers are those of PEFT's `get_eva_state_dict` with its usual
settings, to which tests hold them: at most twice the rank for a layer, as much in all as without.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from peft.utils.incremental_pca import IncrementalPCA
from torch import Tensor, nn

from adapters import Adapter, Base, Lora
from recipes.errors import TrainingError
from recipes.learn.encode import EncodedRow
from recipes.learn.layer_ranks import with_ranks

if TYPE_CHECKING:
    from recipes.recipe import Recipe

_MOST = 2  # times the rank, for one layer
_TOKENS = 2048  # that are read in all
_TOGETHER = 256  # tokens after which components are brought up to date
_SEED = 42  # as PEFT's


def start(adapter: Adapter, recipe: "Recipe", base: Base, rows: Sequence[EncodedRow]) -> None:
    """Give a fresh adapter the ranks and the A that EVA finds for it, where its recipe asks for that.

    adapter: its method and tensors change. rows: encoded, that it will train on; some of them are read. Raises
    TrainingError where they are too few.
    """
    if recipe.method != "lora" or recipe.lora.init != "eva" or "parent" in adapter.info:
        return
    method = adapter.method
    assert isinstance(method, Lora)
    found = _components(base, _most(method, base), rows, recipe.train.seed)
    ranks = _shared_out(method, base, found)
    for path, rank in ranks.items():
        stem = f"base_model.model.{path}"
        b = adapter.tensors.pop(f"{stem}.lora_B.weight")
        del adapter.tensors[f"{stem}.lora_A.weight"]
        norms = adapter.tensors.pop(f"{stem}.lora_magnitude_vector", None)
        if rank:
            components = found[base.input_groups[path]].components_[:rank]
            adapter.tensors[f"{stem}.lora_A.weight"] = components.float().cpu()
            adapter.tensors[f"{stem}.lora_B.weight"] = b.new_zeros(len(b), rank)
            if norms is not None:
                adapter.tensors[f"{stem}.lora_magnitude_vector"] = norms
    adapter.method = with_ranks(method, ranks)


def _covered(method: Lora, base: Base) -> list[str]:
    return [path for path in base.linears if method.covers(path)]


def _most(method: Lora, base: Base) -> dict[str, int]:
    """The most directions that a layer may have, by the first layer that reads the same input."""
    most: dict[str, int] = {}
    for path in _covered(method, base):
        own = min(_MOST * method.rank_of(path), base.linears[path].in_features)
        group = base.input_groups[path]
        most[group] = max(own, most.get(group, 0))
    return most


def _components(
    base: Base, most: dict[str, int], rows: Sequence[EncodedRow], seed: int
) -> dict[str, IncrementalPCA]:
    """The principal components of what layers read, so many for each."""
    enough = max(_TOGETHER, 2 * max(most.values()))
    found: dict[str, IncrementalPCA] = {}
    seen: dict[str, list[Tensor]] = {group: [] for group in most}
    total = 0
    order = np.random.default_rng(seed).permutation(len(rows))
    with torch.no_grad(), base.lock, _noting(base, seen):
        for place, index in enumerate(order):
            _read(base, rows[index], seen)
            waiting = sum(map(len, next(iter(seen.values()))))
            last = total + waiting >= _TOKENS or place + 1 == len(order)
            if waiting >= enough or (last and not total):
                total += waiting
                for group, inputs in seen.items():
                    _learn(found, group, most[group], torch.cat(inputs))
                    inputs.clear()
            if last:
                break
    return found


def _learn(found: dict[str, IncrementalPCA], group: str, count: int, inputs: Tensor) -> None:
    """Bring a layer's components up to date. inputs: `[tokens, in]`."""
    tokens, width = inputs.shape
    if group not in found:
        if tokens <= count:
            raise TrainingError(
                f"lora.init: eva finds too little in {tokens} tokens of training rows for {count} directions a layer; "
                "lower lora.rank, or write init: default"
            )
        sketch = min(2 * count, tokens, width)
        found[group] = IncrementalPCA(count, lowrank=True, lowrank_q=sketch, lowrank_seed=_SEED)
    found[group].partial_fit(inputs)


def _read(base: Base, row: EncodedRow, seen: dict[str, list[Tensor]]) -> None:
    """Note what layers read of one row: of copy where there is one, else of the text."""
    ids = torch.tensor([[*row.ids, *row.target]], device=base.device)
    positions = torch.arange(ids.shape[1], device=base.device)[None] + base.first_position
    base.backbone(input_ids=ids, position_ids=positions)
    for inputs in seen.values():
        inputs[-1] = inputs[-1][-len(row.target) :]


@contextmanager
def _noting(base: Base, seen: dict[str, list[Tensor]]) -> Iterator[None]:
    """While active, what each of these layers reads is added to its list, `[tokens, in]`."""

    def note(group: str, _: nn.Module, arguments: tuple[Any, ...]) -> None:
        seen[group].append(arguments[0].detach().float().flatten(0, -2))

    handles = [base.linears[group].register_forward_pre_hook(partial(note, group)) for group in seen]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _shared_out(method: Lora, base: Base, found: dict[str, IncrementalPCA]) -> dict[str, int]:
    """As many ranks as the layers have, to the directions that explain the largest shares of their layer's variance."""
    paths = _covered(method, base)
    shares = [found[base.input_groups[path]].explained_variance_ratio_.tolist() for path in paths]
    whose = np.repeat(np.arange(len(paths)), [len(each) for each in shares])
    best = np.argsort(-np.concatenate(shares), kind="stable")[: sum(map(method.rank_of, paths))]
    counts = np.bincount(whose[best], minlength=len(paths)).tolist()
    return dict(zip(paths, counts, strict=True))
