"""Read and write an adapter as a plain PEFT directory.

    adapter_config.json          PEFT's configuration, keys sorted
    adapter_model.safetensors    the weights; its header's metadata holds `repertoire`: task, head, base, info as JSON
    README.md                    model card

The metadata travels inside the weights' own bytes, so that what is hashed is what is read; stock PEFT ignores it.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.bounds import TEXT_BYTES
from adapters.errors import BadAdapter
from adapters.format.card import model_card
from adapters.format.config import (
    POOLINGS,
    Adapter,
    BaseId,
    Head,
    Lora,
    Pooling,
    Prefix,
    PrefixShape,
    method_from_peft,
    to_peft,
    whole,
)
from adapters.format.header import Header, read_header
from adapters.format.names import head_names
from adapters.format.purpose import purpose_problems
from adapters.format.soundness import adapter_problems, told
from adapters.format.spelling import as_saved

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
CARD = "README.md"
Bytes = bytes | bytearray
"""What a file holds."""
_WRONG = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading a file raises that is not as it should be."""
_OURS = "repertoire"
"""The key of the weights' metadata that says what the adapter is."""


def render(adapter: Adapter, card: str | None = None) -> dict[str, bytes]:
    """An adapter as a PEFT directory, in memory.

    Args:
        adapter: what to write.
        card: a model card that says more than `model_card`.

    Returns:
        File name -> bytes. Equal adapters give equal bytes.

    Raises:
        BadAdapter: a prefix table that does not fit its own shape.
    """
    from safetensors.torch import save as save_safetensors

    # One key: equal bytes every time.
    metadata = {_OURS: _said(adapter)}
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in sorted(adapter.tensors.items())}
    config = json.dumps(to_peft(adapter), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return {
        CONFIG: config.encode(),
        WEIGHTS: bytes(canonical(save_safetensors(tensors, metadata=metadata))),
        CARD: (model_card(adapter) if card is None else card).encode(),
    }


def _said(adapter: Adapter) -> str:
    """What the weights' header says of an adapter, as JSON."""
    ours = {
        "task": adapter.task,
        "head": asdict(adapter.head) if adapter.head else None,
        "base": asdict(adapter.base),
        "info": adapter.info,
    }
    return json.dumps(ours, sort_keys=True, ensure_ascii=False)


def canonical(weights: Bytes, adapter: Adapter | None = None) -> Bytes:
    """The same safetensors file with a sorted header and PEFT's names: writers leave the order to chance, and equal
    adapters should be equal bytes.

    Args:
        weights: a sound file: 8 bytes of length, JSON padded with spaces to a multiple of 8, tensors.
        adapter: what the header is to say of the adapter from now on; None leaves it as it is.

    Returns:
        The file with another header, its tensors untouched; the very same object where the header is so already.
    """
    end = 8 + int.from_bytes(weights[:8], "little")
    told = json.loads(weights[8:end])
    spelled = as_saved(name for name in told if name != "__metadata__")
    told = {spelled.get(name, name): entry for name, entry in told.items()}
    if adapter is not None:
        told["__metadata__"] = {**told.get("__metadata__", {}), _OURS: _said(adapter)}
    header = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    if header == weights[8:end]:
        return weights
    return len(header).to_bytes(8, "little") + header + weights[end:]


def write(adapter: Adapter, folder: str | os.PathLike[str], card: str | None = None) -> Path:
    """Write an adapter as a PEFT directory; each file appears whole or not at all.

    Args:
        adapter: what to write.
        folder: made where it is not there; files of the same names are replaced.
        card: a model card that says more than `model_card`.

    Returns:
        The folder.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for name, data in render(adapter, card).items():
        temporary = path / f".{name}.partial"
        temporary.write_bytes(data)
        os.replace(temporary, path / name)
    return path


def read(folder: str | os.PathLike[str]) -> Adapter:
    """Read a PEFT directory, made here or by stock PEFT.

    Args:
        folder: with `adapter_config.json` and `adapter_model.safetensors`.

    Returns:
        The adapter, sound by itself; whether it fits a base is seen when it is loaded there.

    Raises:
        BadAdapter: with what is wrong.
    """
    path = Path(folder)
    missing = [name for name in (CONFIG, WEIGHTS) if not (path / name).is_file()]
    if missing:
        raise BadAdapter(
            f"{path} holds no {' and no '.join(missing)}; expected a PEFT directory with safetensors weights"
        )
    size = (path / CONFIG).stat().st_size
    if problem := TEXT_BYTES.problem(size, str(path / CONFIG)):
        raise BadAdapter(problem)
    with open(path / WEIGHTS, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        header = check_weights(lambda count: os.pread(file.fileno(), count, 0), size)
        weights = bytearray(size)
        del weights[file.readinto(weights) :]
    adapter = parse((path / CONFIG).read_bytes(), weights, header)
    if problems := adapter_problems(adapter):
        raise BadAdapter(f"{path} holds no sound adapter: {told(problems)}. Train or save it again")
    return adapter


def parse(config_bytes: Bytes, weights_bytes: Bytes, header: Header | None = None) -> Adapter:
    """The adapter that these bytes describe.

    Args:
        config_bytes: of `adapter_config.json`.
        weights_bytes: of `adapter_model.safetensors`; a bytearray belongs to the adapter from now on, see
            `parse_safetensors`.
        header: of the weights, where `check_weights` gave it.

    Returns:
        The adapter. What its tensors are together is not looked at yet: see `adapter_problems`.

    Raises:
        BadAdapter: a file is damaged or says what cannot be.
    """
    try:
        config = json.loads(config_bytes)
        method = method_from_peft(config)
    except _WRONG as error:
        raise BadAdapter(
            f"{CONFIG} cannot be read ({error!r}); publish the adapter again from its source"
        ) from error
    with _damaged():
        tensors, ours = parse_safetensors(weights_bytes, header)
    spelled = as_saved(tensors)
    tensors = {spelled[name]: tensor.float() for name, tensor in tensors.items()}
    try:
        return _foreign(method, tensors, config) if ours is None else _own(method, tensors, ours)
    except _WRONG as error:
        raise BadAdapter(
            f"what the files say of the adapter is wrong ({error!r}); publish it again from its source"
        ) from error


def check_weights(first: Callable[[int], Bytes], size: int) -> Header:
    """See what a file of weights says of itself, before the rest of it is read or copied.

    Args:
        first: gives so many bytes of its beginning.
        size: its bytes.

    Returns:
        The header.

    Raises:
        BadAdapter: it is more than is taken, or damaged.
    """
    with _damaged():
        return read_header(first, size)


@contextmanager
def _damaged() -> Iterator[None]:
    try:
        yield
    except _WRONG as error:
        raise BadAdapter(
            f"{WEIGHTS} is damaged ({error!r}); publish the adapter again from its source"
        ) from error


def _foreign(method: Lora | Prefix, tensors: "dict[str, Tensor]", config: Mapping[str, Any]) -> Adapter:
    """An adapter that stock PEFT made. Raises BadAdapter for one that answers what nobody asks here."""
    head = _foreign_head(tensors)
    if problems := list(purpose_problems(config, head is not None)):
        raise BadAdapter("; ".join(problems))
    base = BaseId(config.get("base_model_name_or_path"), config.get("revision"))
    info = {} if isinstance(method, Lora) else _prefix_shape(config).to_info()
    return Adapter(method, head, tensors, base, None, info)


def _own(method: Lora | Prefix, tensors: "dict[str, Tensor]", ours: Mapping[str, Any]) -> Adapter:
    """An adapter that was made here. Raises BadAdapter, or what else a wrong header leads to (`_WRONG`)."""
    head = None if ours["head"] is None else _own_head(ours["head"])
    base, task, info = BaseId(**ours["base"]), ours["task"], ours["info"]
    texts = {
        "task": task,
        "base id": base.id,
        "base revision": base.revision,
        "base fingerprint": base.fingerprint,
    }
    for name, value in texts.items():
        if value is not None and type(value) is not str:
            raise TypeError(f"its {name} is {value!r}, and no text")
    if not isinstance(info, dict):
        raise TypeError("its info is no object")
    return Adapter(method, head, tensors, base, task, info)


def _own_head(said: Mapping[str, Any]) -> Head:
    labels, flags = said["labels"], [name for name in ("multi_label", "bias") if name in said]
    if type(labels) is not list or not labels:
        raise TypeError(f"the labels of its head are {labels!r}, and no list")
    head = Head(**{**said, "labels": tuple(map(str, labels))})
    if any(type(getattr(head, name)) is not bool for name in flags):
        raise TypeError(f"{' and '.join(flags)} of its head are true or false")
    if len(set(head.labels)) < len(head.labels):
        raise ValueError("two labels of its head are the same")
    if head.pooling not in POOLINGS:
        raise BadAdapter(
            f"pooling {head.pooling!r} is unknown; this adapter was made by a newer Repertoire: upgrade"
        )
    return head


def parse_safetensors(
    data: Bytes, header: Header | None = None
) -> "tuple[dict[str, Tensor], dict[str, Any] | None]":
    """The tensors of a safetensors file, as views of its bytes, and our own metadata. `bytes`, which nobody may write
    to, are copied once; a bytearray is not, and belongs to the tensors from now on.

    The safetensors package copies each tensor by itself; for adapters of many small ones that takes longer than all
    else. Raises as `read_header`, which looks first unless it has.
    """
    import torch

    header = header or read_header(lambda count: data[:count], len(data))
    content = memoryview(data)[header.end :]
    if content.readonly or header.end % 8:
        content = memoryview(bytearray(content))
    tensors = {}
    for name, kind, shape, count, begin in header.entries:
        dtype = getattr(torch, kind)
        if count:
            tensors[name] = torch.frombuffer(content, dtype=dtype, count=count, offset=begin).view(shape)
        else:
            tensors[name] = torch.empty(shape, dtype=dtype)
    _check_finite(content, tensors)
    ours = header.metadata.get(_OURS)
    return tensors, _what_it_says(ours) if ours else None


def _what_it_says(text: str) -> dict[str, Any]:
    """Our own metadata. Raises TypeError where it is no object, and ValueError where its escapes are no Unicode."""
    ours = json.loads(text)
    if not isinstance(ours, dict):
        raise TypeError("what it says of the adapter is no object")
    if "\\u" in text:
        json.dumps(ours, ensure_ascii=False).encode()
    return ours


def _check_finite(content: memoryview, tensors: "Mapping[str, Tensor]") -> None:
    """Raise ValueError where a value is not a finite number. One sum over everything shows that all are; where it is
    not finite itself, for having grown too large perhaps, each tensor is looked at."""
    import torch

    kinds = {tensor.dtype for tensor in tensors.values()}
    if (
        len(kinds) == 1
        and len(content)
        and math.isfinite(torch.frombuffer(content, dtype=kinds.pop()).sum().item())
    ):
        return
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} holds values that are not finite numbers")


def _foreign_head(tensors: "Mapping[str, Tensor]") -> Head | None:
    """The head of stock PEFT's sequence classification: labels 0.., pooled as transformers' own classes do."""
    names = head_names(tensors)
    if names is None:
        return None
    labels = tuple(str(index) for index in range(tensors[names.weight].shape[0]))
    pooling: Pooling = "last" if names.weight.endswith(".score.weight") else "pooler"
    return Head(labels, "first" if names.dense else pooling, bias=names.bias is not None)


def _prefix_shape(config: Mapping[str, Any]) -> PrefixShape:
    heads, layers = whole(config["num_attention_heads"]), whole(config["num_layers"])
    return PrefixShape(layers, heads, whole(config["token_dim"]) // heads)
