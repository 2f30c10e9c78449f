"""The base: one frozen language model, quantized with bitsandbytes or not, and its fingerprint."""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import bitsandbytes
import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import cached_file

from adapters.base.attention import AttentionLayer, route_attention
from adapters.base.cpu_nf4 import repacked_bytes, split_products
from adapters.base.input_groups import probe
from adapters.base.memory import free_memory
from adapters.errors import (
    BaseError,
    BaseNotFound,
    NotEnoughMemory,
    UnsupportedArchitecture,
    UnsupportedQuantization,
)
from adapters.format.config import STARTER, BaseId, Quantization

_STARTER_FOLDER = Path(__file__).parents[1] / "starter" / "weights"
_ENCODERS = {"bert", "electra", "roberta", "xlm-roberta"}
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
)
# Bits per weight: nf4 with double quantization is 4 + 8/64 + 32/(64*256) (Dettmers et al. 2023, arXiv:2305.14314, §3).
_BITS = {"nf4": 4.127, "int8": 8.0}


@dataclass(eq=False)
class Base:
    """A loaded base. Make one with `load_base`, or from a model and a tokenizer that are already in memory.

    model: a causal decoder (`...ForCausalLM`) or a bare encoder (`BertModel`); frozen here, and set to run its
        attention through `adapters.base.attention`, which changes nothing as long as no view is given.
    linears: the backbone's linear layers by PEFT's module path, such as `model.layers.0.self_attn.q_proj`.
    attention: its self-attention layers in order, with the shapes of their keys.
    sources: for each of `linears`, in the order in which they run, the first one that reads the same input.
    lock: held by whoever runs the model; tokenizing: by whoever uses the tokenizer, which keeps its settings in itself.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    id: str
    revision: str | None = None
    fingerprint: str = ""
    quantization: Quantization = "none"
    linears: dict[str, nn.Linear] = field(init=False, repr=False)
    attention: tuple[AttentionLayer, ...] = field(init=False, repr=False)
    sources: dict[str, str] = field(init=False, repr=False)
    lock: threading.RLock = field(init=False, repr=False, default_factory=threading.RLock)
    tokenizing: threading.RLock = field(init=False, repr=False, default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.model.eval().requires_grad_(False)
        if self.quantization == "nf4":
            split_products(self.model)
        self.linears = linears_of(self.model)
        route_attention(self.model)
        self.attention, self.sources = probe(self.model, self.linears)
        if not self.fingerprint:
            self.fingerprint = _digest(
                {"id": self.id, "revision": self.revision, "config": _plain(self.config.to_dict())}
            )
        if self.kind == "decoder":
            self._check_output_head()

    @property
    def config(self) -> PretrainedConfig:
        """The model's configuration."""
        return self.model.config

    @property
    def backbone(self) -> nn.Module:
        """The model without its output head: token ids in, hidden states out."""
        return self.model.base_model

    @property
    def kind(self) -> Literal["decoder", "encoder"]:
        """Decoders write and take heads; encoders take heads only."""
        return "decoder" if self.model.get_output_embeddings() is not None else "encoder"

    @property
    def device(self) -> torch.device:
        """Where the base lives."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """The type that hidden states are computed in."""
        return self.model.dtype

    @property
    def width(self) -> int:
        """Size of a hidden state."""
        return int(self.config.hidden_size)

    @property
    def vocabulary(self) -> int:
        """How many token ids it knows."""
        embeddings: Any = self.model.get_input_embeddings()
        return int(embeddings.num_embeddings)

    @property
    def max_positions(self) -> int:
        """The most tokens of one sequence, prefix included."""
        return int(self.config.max_position_embeddings) - self.first_position

    @property
    def first_position(self) -> int:
        """Position id of a sequence's first token: 0, or behind the padding index in RoBERTa's family."""
        return int(self.config.pad_token_id) + 1 if "roberta" in self.config.model_type else 0

    @property
    def identity(self) -> BaseId:
        """What an adapter records of the base that it is made for."""
        return BaseId(self.id, self.revision, self.fingerprint)

    def targets(self, names: tuple[str, ...] | Literal["all-linear"]) -> tuple[str, ...]:
        """Suffixes that name the linear layers to adapt, in PEFT's sense, as few and short as stay unambiguous.

        `all-linear` means every linear layer of the blocks (not an encoder's pooler). Raises BaseError for a name
        that matches nothing.
        """
        blocks = {path for path in self.linears if any(part.isdigit() for part in path.split("."))}
        if names != "all-linear":
            unknown = [name for name in names if not any(matches(path, (name,)) for path in blocks)]
            if unknown:
                known = ", ".join(self.targets("all-linear"))
                raise BaseError(f"{self.id} has no layers named {', '.join(unknown)}; it has {known}")
            return tuple(names)
        found: set[str] = set()
        for path in blocks:
            parts = path.split(".")
            suffixes = [".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
            found.add(next(s for s in suffixes if {p for p in self.linears if matches(p, (s,))} <= blocks))
        return tuple(sorted(found))

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings of token ids, as the base's first layer reads them: `[...]` to `[..., width]`."""
        embeddings: Tensor = self.model.get_input_embeddings()(ids)
        return embeddings

    def memory_footprint(self) -> int:
        """Bytes of its weights as they lie in memory."""
        return int(self.model.get_memory_footprint()) + repacked_bytes(self.model)

    def lm_logits(self, hidden: Tensor) -> Tensor:
        """Logits over the vocabulary. hidden: `[..., width]`; returns `[..., vocabulary]`."""
        logits: Tensor = self.model.get_output_embeddings()(hidden)
        cap = getattr(self.config, "final_logit_softcapping", None)
        return torch.tanh(logits / cap) * cap if cap else logits

    def decode(self, ids: Sequence[int]) -> str:
        """Tokens as text, without special tokens. A longer list begins with the text of a shorter one, but for a
        character of which the shorter one has not all bytes."""
        with self.tokenizing:
            return str(
                self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
            )

    def _check_output_head(self) -> None:
        """Some architectures scale their logits; answer exactly or not at all."""
        ids = torch.arange(2, device=self.device)[None]
        with torch.no_grad():
            ours = self.lm_logits(self.backbone(input_ids=ids).last_hidden_state)
            theirs = self.model(input_ids=ids).logits
        if not torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3):
            raise UnsupportedArchitecture(
                f"{type(self.model).__name__} changes its logits after the output layer in an unknown way; "
                "use a Llama, Qwen, Mistral, Gemma or Phi model"
            )


def linears_of(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """The backbone's linear layers by PEFT's module path. Raises UnsupportedArchitecture where there are none."""
    found = {
        f"{model.base_model_prefix}.{name}": module
        for name, module in model.base_model.named_modules()
        if isinstance(module, nn.Linear)
    }
    if not found:
        raise UnsupportedArchitecture(
            f"{type(model).__name__} has no linear layers that LoRA could reach; "
            "use a Llama, Qwen, Mistral, Gemma, Phi or BERT-family model"
        )
    return found


def plain_weight(linear: nn.Linear) -> Tensor:
    """The weight `[out, in]` that a layer stands for, dequantized where it is quantized; the layer is not touched
    (PEFT's function of this kind moves an int8 layer's scales away)."""
    layer: Any = linear
    weight: Tensor = layer.weight.detach()
    if hasattr(layer.weight, "quant_state"):
        weight = bitsandbytes.functional.dequantize_4bit(weight, layer.weight.quant_state)
    elif hasattr(layer.weight, "SCB"):
        scales = layer.weight.SCB if layer.state.SCB is None else layer.state.SCB
        weight = bitsandbytes.functional.int8_vectorwise_dequant(weight, scales)
    return weight


def matches(path: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a module path is one of PEFT's `target_modules`: equal to a name or ending in `.name`."""
    return any(path == suffix or path.endswith("." + suffix) for suffix in suffixes)


def load_base(
    id_or_path: str,
    quantization: Quantization = "nf4",
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> Base:
    """Load and quantize a base.

    id_or_path: `starter` (the embedded base), a Hugging Face id, or a folder.
    quantization: `nf4` (4 bits, double quantization), `int8`, or `none`; nf4 and int8 by bitsandbytes.
    device: `auto` takes the GPU where there is one. dtype: `auto` is bfloat16 on a GPU and float32 on the CPU.

    Raises BaseNotFound, UnsupportedArchitecture, UnsupportedQuantization, NotEnoughMemory: before any weight is read.
    """
    if quantization not in get_args(Quantization):
        raise UnsupportedQuantization(f"quantization {quantization!r} is unknown; use nf4, int8 or none")
    source = source_of(id_or_path)
    place = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    automatic = torch.bfloat16 if place.type == "cuda" else torch.float32
    kind = automatic if dtype == "auto" else getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise BaseError(f"dtype {dtype!r} is unknown; use auto, float32, bfloat16 or float16")
    try:
        config = AutoConfig.from_pretrained(source, revision=revision)
        auto = auto_class(config, id_or_path)
        if quantization != "none":
            _check_quantization(quantization, place, kind)
        check_memory(bytes_needed(config, auto, quantization, kind), place, id_or_path)
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
        model = auto.from_pretrained(
            source,
            revision=revision,
            dtype=kind,
            device_map={"": place},
            quantization_config=_bitsandbytes(quantization, kind, auto),
        )
    except (OSError, ValueError) as error:
        raise not_found(id_or_path, error) from error
    identity = identify(id_or_path, config, revision)
    return Base(
        model, tokenizer, str(identity.id), identity.revision, str(identity.fingerprint), quantization
    )


def source_of(id_or_path: str) -> str:
    """Where transformers finds a base."""
    return str(_STARTER_FOLDER) if id_or_path == STARTER else id_or_path


def not_found(id_or_path: str, error: Exception) -> BaseNotFound:
    """What to say of a base that transformers could not load."""
    return BaseNotFound(
        f"no base {id_or_path!r}: neither a folder with a model and a tokenizer nor an id that can be reached from "
        f"here. Check the spelling and the network, or download it first (hf download {id_or_path}). Cause: {error}"
    )


def identify(id_or_path: str, config: PretrainedConfig, revision: str | None = None) -> BaseId:
    """What adapters record of a base, from its files: no weight is loaded."""
    source = source_of(id_or_path)
    folder = Path(source)
    known = _sample_weights(folder) if folder.is_dir() else getattr(config, "_commit_hash", None) or revision
    name = id_or_path if id_or_path == STARTER or not folder.is_dir() else f"local/{folder.resolve().name}"
    fingerprint = _digest({"id": name, "revision": known, **_file_hashes(source, revision)})
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
        p.numel() * (_BITS[quantization] if id(p) in quantized else plain_bits) for p in model.parameters()
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
    if config.model_type in _ENCODERS:
        return AutoModel
    if config.is_encoder_decoder or config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise UnsupportedArchitecture(
            f"{name} is of type {config.model_type!r}; Repertoire runs causal decoders and the encoders "
            f"{', '.join(sorted(_ENCODERS))}"
        )
    return AutoModelForCausalLM


def _bitsandbytes(quantization: Quantization, dtype: torch.dtype, auto: Any) -> BitsAndBytesConfig | None:
    keep = ["pooler"] if auto is AutoModel else None
    if quantization == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            llm_int8_skip_modules=keep,
        )
    return (
        BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=keep) if quantization == "int8" else None
    )


def _check_quantization(quantization: Quantization, device: torch.device, dtype: torch.dtype) -> None:
    error = quantization_fault(quantization, device, dtype)
    if error is not None:
        raise UnsupportedQuantization(
            f"{quantization} does not run on {device} with the installed bitsandbytes ({error}); "
            "upgrade bitsandbytes, use another device, or load with quantization='none'"
        ) from error


def quantization_fault(
    quantization: Quantization, device: torch.device, dtype: torch.dtype
) -> Exception | None:
    """Try one small quantized layer, forward and backward; the error where it cannot run or is far off, else None."""
    try:
        import bitsandbytes as bnb

        plain = nn.Linear(64, 64, bias=False)
        layer: nn.Linear
        if quantization == "nf4":
            layer = bnb.nn.Linear4bit(
                64, 64, bias=False, compute_dtype=dtype, compress_statistics=True, quant_type="nf4"
            )
        else:
            layer = bnb.nn.Linear8bitLt(64, 64, bias=False, has_fp16_weights=False)
        layer.load_state_dict(plain.state_dict())
        layer = layer.to(device)
        with torch.inference_mode(False), torch.enable_grad():
            x = torch.randn(4, 64, device=device, dtype=dtype, requires_grad=True)
            out = layer(x)
            out.sum().backward()
        expected = x.detach().float().cpu() @ plain.weight.detach().T
        off = float((out.detach().float().cpu() - expected).norm() / expected.norm())
        if off > 0.25 or x.grad is None:
            return RuntimeError(f"a product is {off:.0%} off")
    except Exception as error:  # whatever the backend raises, the answer is that it does not run
        return error
    return None


def _sample_weights(folder: Path) -> str:
    """A revision for a local folder: sha256 over each weight file's name, size, first and last MiB."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}:".encode())
        with path.open("rb") as file:
            digest.update(file.read(2**20))
            file.seek(max(0, size - 2**20))
            digest.update(file.read())
    return digest.hexdigest()


def _file_hashes(source: str, revision: str | None) -> dict[str, str]:
    """Hashes of the configuration and the tokenizer as they lie on disk, so that no library version changes them."""
    hashes = {}
    for name in ("config.json", *_TOKENIZER_FILES):
        path = cached_file(source, name, revision=revision, _raise_exceptions_for_missing_entries=False)
        if path is None:
            continue
        data = Path(path).read_bytes()
        if name == "config.json":
            data = json.dumps(_plain(json.loads(data)), sort_keys=True).encode()
        hashes[name] = hashlib.sha256(data).hexdigest()
    return hashes


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what says nothing about the model: versions, paths, number types, quantization."""
    drop = (
        "transformers_version",
        "_name_or_path",
        "dtype",
        "torch_dtype",
        "quantization_config",
        "_attn_implementation",
    )
    return {key: value for key, value in config.items() if key not in drop}


def _digest(parts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
