"""Whether an adapter fits a base, decided by names and shapes: the base may be loaded, or be no more than its
configuration, from which a model without storage is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig

from adapters.base.attention import AttentionLayer, route_attention
from adapters.base.base import Base, auto_class, identify, linears_of, not_found, source_of
from adapters.base.input_groups import probe
from adapters.errors import AdapterError, BadAdapter
from adapters.format.config import Adapter, BaseId, Lora
from adapters.slots.heads import head_weights
from adapters.slots.packed import check_base, lora_terms
from adapters.slots.prefix import prefix_table


@dataclass(frozen=True, eq=False)
class Shape:
    """What of a base decides whether an adapter fits; a `Base` has the same, and its weights."""

    identity: BaseId
    linears: Mapping[str, nn.Linear]
    attention: tuple[AttentionLayer, ...]
    width: int


def load_shape(id_or_path: str, revision: str | None = None) -> Shape:
    """A base from its configuration and tokenizer alone; weights are neither fetched nor loaded.

    id_or_path: as in `load_base`. A folder without weights has no fingerprint, since that is also of the weights.
    Raises BaseNotFound, UnsupportedArchitecture.
    """
    folder = Path(source_of(id_or_path))
    try:
        config = AutoConfig.from_pretrained(source_of(id_or_path), revision=revision)
        identity = identify(id_or_path, config, revision)
        if folder.is_dir() and not any(folder.glob("*.safetensors")):
            identity = BaseId(identity.id)
    except (OSError, ValueError) as error:
        raise not_found(id_or_path, error) from error
    auto = auto_class(config, id_or_path)
    with torch.device("meta"):
        model = auto.from_config(config)
    linears = linears_of(model)
    route_attention(model)
    return Shape(identity, linears, probe(model, linears)[0], int(config.hidden_size))


def check_fit(adapter: Adapter, base: Base | Shape) -> None:
    """Raise WrongBase where an adapter was made for another base, and BadAdapter with everything that does not fit:
    tensors that name nothing in it, half pairs, wrong shapes, layers that the adapter's targets promise and lack."""
    check_base(adapter, base.identity)
    problems: list[str] = []
    try:
        if isinstance(adapter.method, Lora):
            lora_terms(adapter, base.linears)
        else:
            prefix_table(adapter, base.attention)
    except AdapterError as error:
        problems.append(str(error))
    try:
        head_weights(adapter, base.width, torch.device("cpu"), torch.float32)
    except AdapterError as error:
        problems.append(str(error))
    if problems:
        raise BadAdapter("; ".join(problems))
