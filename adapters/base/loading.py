"""Load a base: find it, see that it fits, read it, quantize it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging

from adapters.base.base import ENCODERS, Base
from adapters.base.core_watch import watch_cores
from adapters.base.fingerprint import digest, file_hashes, sample_weights
from adapters.base.known_bases import BASES, source_of
from adapters.base.memory import free_memory
from adapters.base.quantization import BITS_PER_WEIGHT, bitsandbytes_config, check_quantization
from adapters.errors import (
    BaseError,
    BaseNotFound,
    NotEnoughMemory,
    UnsupportedArchitecture,
    UnsupportedQuantization,
    cause,
)
from adapters.format.config import BaseId, Quantization


def load_base(
    id_or_path: str,
    quantization: Quantization = "nf4",
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> Base:
    """Load and quantize a base.

    Args:
        id_or_path: `starter` (the embedded base), a Hugging Face id, a folder, or an id whose folder the file that
            REPERTOIRE_BASES names says.
        quantization: `nf4` (4 bits, double quantization), `int8`, or `none`; nf4 and int8 by bitsandbytes.
        revision: of a Hugging Face id; None takes its main branch.
        device: `auto` takes the GPU where there is one.
        dtype: `auto` is bfloat16 on a GPU and float32 on the CPU.

    Returns:
        The base, frozen, in memory.

    Raises:
        BaseNotFound: there is none of this name, or it cannot be reached.
        UnsupportedArchitecture: adapters cannot be attached to it.
        UnsupportedQuantization: this device cannot run it.
        NotEnoughMemory: it does not fit. All of these before any weight is read.
    """
    if quantization not in get_args(Quantization):
        raise UnsupportedQuantization(f"quantization {quantization!r} is unknown; use nf4, int8 or none")
    source = source_of(id_or_path)
    target = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    automatic = torch.bfloat16 if target.type == "cuda" else torch.float32
    kind = automatic if dtype == "auto" else getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise BaseError(f"dtype {dtype!r} is unknown; use auto, float32, bfloat16 or float16")
    try:
        with _bars_on_a_terminal():
            config = AutoConfig.from_pretrained(source, revision=revision)
            auto = auto_class(config, id_or_path)
            if quantization != "none":
                check_quantization(quantization, target, kind)
            check_memory(bytes_needed(config, auto, quantization, kind), target, id_or_path)
            tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
            model = auto.from_pretrained(
                source,
                revision=revision,
                dtype=kind,
                device_map={"": target},
                quantization_config=bitsandbytes_config(quantization, kind, auto),
            )
    except (OSError, ValueError) as error:
        raise not_found(id_or_path, error) from cause(error)
    identity = identify(id_or_path, config, revision)
    if target.type == "cpu":
        watch_cores()
    return Base(
        model, tokenizer, str(identity.id), identity.revision, str(identity.fingerprint), quantization
    )


@contextmanager
def _bars_on_a_terminal() -> Iterator[None]:
    """transformers' bars, of weights that are read or downloaded, only where they can move."""
    if sys.stderr.isatty() or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


def not_found(id_or_path: str, error: Exception) -> BaseNotFound:
    """What to say of a base that transformers could not load."""
    return BaseNotFound(
        f"no base {id_or_path!r}: neither a folder with a model and a tokenizer nor an id that can be reached from "
        f"here. Check the spelling and the network, download it first (hf download {id_or_path}), or say in which "
        f"folder it lies: --base FOLDER, or {id_or_path}: FOLDER in the file that {BASES} names. Cause: {error}"
    )


def identify(
    id_or_path: str, config: PretrainedConfig, revision: str | None = None, id: str | None = None
) -> BaseId:
    """What adapters record of a base, from its files: no weight is loaded.

    Args:
        id_or_path: as in `load_base`.
        config: of the base.
        revision: as in `load_base`.
        id: by which adapters know a folder; `local/` and its name unless given.
    """
    source = source_of(id_or_path)
    folder = Path(source)
    known = sample_weights(folder) if folder.is_dir() else getattr(config, "_commit_hash", None) or revision
    # Of an id that stands for a folder, the id is the name.
    is_id = not folder.is_dir() or source != id_or_path
    name = id or (id_or_path if is_id else f"local/{folder.resolve().name}")
    fingerprint = digest({"id": name, "revision": known, **file_hashes(source, revision)})
    return BaseId(name, known, fingerprint)


def bytes_needed(config: PretrainedConfig, auto: Any, quantization: Quantization, dtype: torch.dtype) -> int:
    """Bytes that the weights will take, counted on a model without storage: nothing is read or allocated."""
    with torch.device("meta"):
        model = auto.from_config(config)
    quantized = {
        id(module.weight)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and quantization != "none"
        and "lm_head" not in name
        and "pooler" not in name
    }
    plain_bits = torch.finfo(dtype).bits
    bits = sum(
        p.numel() * (BITS_PER_WEIGHT[quantization] if id(p) in quantized else plain_bits)
        for p in model.parameters()
    )
    return int(bits / 8)


def check_memory(needed: int, device: torch.device, name: str) -> None:
    """Raise NotEnoughMemory where `needed` bytes and a tenth for work space are not free on the device."""
    free = free_memory(device)
    wanted = int(needed * 1.1)
    if wanted > free:
        raise NotEnoughMemory(
            f"{name} needs {wanted / 2**30:.1f} GiB on {device}, where {free / 2**30:.1f} GiB are free; "
            "use a stronger quantization (nf4), a smaller base, or free some memory"
        )


def auto_class(config: PretrainedConfig, name: str) -> Any:
    """transformers' class for a base. Raises UnsupportedArchitecture."""
    if config.model_type in ENCODERS:
        return AutoModel
    if config.is_encoder_decoder or config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise UnsupportedArchitecture(
            f"{name} is of type {config.model_type!r}; Repertoire runs causal decoders and the encoders "
            f"{', '.join(sorted(ENCODERS))}"
        )
    return AutoModelForCausalLM
