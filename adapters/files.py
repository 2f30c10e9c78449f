"""Read and write an adapter as a plain PEFT directory.

    adapter_config.json          PEFT's configuration, keys sorted
    adapter_model.safetensors    the weights; its header's metadata holds `repertoire`: task, head, base, info as JSON
    README.md                    model card

The metadata travels inside the weights' own bytes, so that what is hashed is what is read; stock PEFT ignores it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

from adapters.card import model_card
from adapters.config import POOLINGS, Adapter, BaseId, Head, Lora, method_from_peft, to_peft
from adapters.errors import BadAdapter

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
CARD = "README.md"


def render(adapter: Adapter) -> dict[str, bytes]:
    """File name -> bytes of the PEFT directory of an adapter."""
    ours = {
        "task": adapter.task,
        "head": asdict(adapter.head) if adapter.head else None,
        "base": asdict(adapter.base),
        "info": adapter.info,
    }
    metadata = {
        "repertoire": json.dumps(ours, sort_keys=True, ensure_ascii=False)
    }  # one key: equal bytes every time
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in sorted(adapter.tensors.items())}
    config = json.dumps(to_peft(adapter), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return {
        CONFIG: config.encode(),
        WEIGHTS: save_safetensors(tensors, metadata=metadata),
        CARD: model_card(adapter).encode(),
    }


def write(adapter: Adapter, folder: str | os.PathLike[str]) -> Path:
    """Write an adapter's PEFT directory; each file appears whole or not at all. Returns the folder."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for name, data in render(adapter).items():
        temporary = path / f".{name}.partial"
        temporary.write_bytes(data)
        os.replace(temporary, path / name)
    return path


def read(folder: str | os.PathLike[str]) -> Adapter:
    """Read a PEFT directory, made here or by stock PEFT. Raises BadAdapter with what is wrong."""
    path = Path(folder)
    missing = [name for name in (CONFIG, WEIGHTS) if not (path / name).is_file()]
    if missing:
        raise BadAdapter(
            f"{path} holds no {' and no '.join(missing)}; expected a PEFT directory with safetensors weights"
        )
    return parse((path / CONFIG).read_bytes(), (path / WEIGHTS).read_bytes())


def parse(config_bytes: bytes, weights_bytes: bytes) -> Adapter:
    """The adapter that these bytes describe. Raises BadAdapter where they are not a whole, sound adapter."""
    try:
        config = json.loads(config_bytes)
        method = method_from_peft(config)
    except (ValueError, KeyError, TypeError) as error:
        raise BadAdapter(
            f"{CONFIG} cannot be read ({error!r}); publish the adapter again from its source"
        ) from error
    try:
        tensors = load_safetensors(weights_bytes)
        ours = _metadata(weights_bytes)
    except (SafetensorError, ValueError) as error:
        raise BadAdapter(
            f"{WEIGHTS} is damaged ({error}); publish the adapter again from its source"
        ) from error
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise BadAdapter(
                f"tensor {name} of {WEIGHTS} holds values that are not finite numbers; train it again"
            )
    if isinstance(method, Lora) and method.dora and not any("lora_magnitude" in name for name in tensors):
        raise BadAdapter(f"{CONFIG} says DoRA, but {WEIGHTS} holds no magnitudes; train it again")
    tensors = {name: tensor.float() for name, tensor in tensors.items()}
    if ours is None:
        base = BaseId(config.get("base_model_name_or_path"), config.get("revision"))
        info = {"prefix_shape": _prefix_shape(config)} if config["peft_type"] == "PREFIX_TUNING" else {}
        return Adapter(method, _foreign_head(tensors), tensors, base, None, info)
    head = ours["head"] and Head(**{**ours["head"], "labels": tuple(ours["head"]["labels"])})
    if head and head.pooling not in POOLINGS:
        raise BadAdapter(
            f"pooling {head.pooling!r} is unknown; this adapter was made by a newer Repertoire: upgrade"
        )
    return Adapter(method, head, tensors, BaseId(**ours["base"]), ours["task"], ours["info"])


def head_names(tensors: Mapping[str, torch.Tensor]) -> tuple[str, str | None] | None:
    """Names of the head's weight and bias (None where it has none); None for an adapter without a head."""
    for name in tensors:
        if name.endswith((".score.weight", ".classifier.weight")):
            bias = name.removesuffix("weight") + "bias"
            return name, bias if bias in tensors else None
    return None


def _metadata(weights: bytes) -> dict[str, Any] | None:
    length = int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8 : 8 + length])
    ours = header.get("__metadata__", {}).get("repertoire")
    return json.loads(ours) if ours else None


def _foreign_head(tensors: Mapping[str, torch.Tensor]) -> Head | None:
    """The head of stock PEFT's sequence classification: labels 0.., pooled as transformers' own classes do."""
    names = head_names(tensors)
    if names is None:
        return None
    weight, bias = names
    labels = tuple(str(index) for index in range(tensors[weight].shape[0]))
    return Head(labels, "last" if weight.endswith(".score.weight") else "pooler", bias=bias is not None)


def _prefix_shape(config: Mapping[str, Any]) -> dict[str, int]:
    heads = int(config["num_attention_heads"])
    return {
        "layers": int(config["num_layers"]),
        "kv_heads": heads,
        "head_dim": int(config["token_dim"]) // heads,
    }
