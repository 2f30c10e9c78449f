"""The shape of a base from its configuration and tokenizer alone: weights are neither fetched nor loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig

from adapters.base.attention import prefix_width, route_attention
from adapters.base.input_groups import probe
from adapters.base.known_bases import source_of
from adapters.base.linears import linears_of
from adapters.base.loading import auto_class, identify, not_found
from adapters.format.config import BaseId


@dataclass(frozen=True, eq=False)
class BareShape:
    """A `adapters.format.Shape` without a base behind it.

    Attributes:
        identity: which base; without a fingerprint where its folder holds no weights.
        linears: its linear layers by path, without storage.
        prefix_width: numbers of one position of a prefix.
        width: of a hidden state.
    """

    identity: BaseId
    linears: Mapping[str, nn.Linear]
    prefix_width: int | None
    width: int


def load_shape(id_or_path: str, revision: str | None = None, id: str | None = None) -> BareShape:
    """The shape of a base, to check adapters against.

    Args:
        id_or_path: as in `load_base`. A folder without weights has no fingerprint, since that is also of the weights.
        revision: as in `load_base`.
        id: by which adapters know the base in a folder; `local/` and the folder's name unless given.

    Raises:
        BaseNotFound: there is none of this name, or it cannot be reached.
        UnsupportedArchitecture: adapters cannot be attached to it.
    """
    folder = Path(source_of(id_or_path))
    try:
        config = AutoConfig.from_pretrained(source_of(id_or_path), revision=revision)
        identity = identify(id_or_path, config, revision, id)
        if folder.is_dir() and not any(folder.glob("*.safetensors")):
            identity = BaseId(identity.id)
    except (OSError, ValueError) as error:
        raise not_found(id_or_path, error) from error
    auto = auto_class(config, id_or_path)
    with torch.device("meta"):
        model = auto.from_config(config)
    linears = linears_of(model)
    route_attention(model)
    layers, _ = probe(model, linears)
    return BareShape(identity, linears, prefix_width(layers), int(config.hidden_size))
