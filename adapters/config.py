"""What an adapter is: its method, its head, its base; and the same as PEFT's `adapter_config.json`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from peft import LoraConfig, PeftConfig, PrefixTuningConfig

from adapters.errors import BadAdapter

Pooling = Literal["last", "mean", "first", "pooler"]
POOLINGS: tuple[Pooling, ...] = ("last", "mean", "first", "pooler")
_PLAIN = re.compile(r"[\w.]+")


@dataclass(frozen=True)
class Lora:
    """Low-rank adaptation, `W x + scaling * B A x` (Hu et al. 2021, arXiv:2106.09685).

    `targets` are module-name suffixes, read as PEFT reads `target_modules`; `scaling` is `alpha / rank`, with
    rsLoRA `alpha / sqrt(rank)` (Kalajdzievski 2023, arXiv:2312.03732). The patterns are PEFT's: a module whose name
    ends in a key has that rank or alpha instead. A single target that is no plain name is a regular expression. With
    `dora` each row of `W + scaling * B A` is brought to a trained length (Liu et al. 2024, arXiv:2402.09353).
    """

    rank: int
    alpha: float
    targets: tuple[str, ...]
    rslora: bool = False
    dropout: float = 0.0
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    partial: bool = False
    dora: bool = False

    @property
    def name(self) -> Literal["lora", "dora"]:
        """The method's name."""
        return "dora" if self.dora else "lora"

    def covers(self, module: str) -> bool:
        """Whether the targets promise weights for this module. A `partial` adapter (PEFT's `layers_to_transform`,
        `exclude_modules`) promises nothing."""
        if self.partial:
            return False
        if len(self.targets) == 1 and _PLAIN.fullmatch(self.targets[0]) is None:
            return re.fullmatch(self.targets[0], module) is not None
        return any(module == target or module.endswith("." + target) for target in self.targets)

    def rank_of(self, module: str) -> int:
        """Rank of the low-rank term of one module."""
        return int(self.rank_pattern.get(_key_of(module, self.rank_pattern), self.rank))

    def scaling_of(self, module: str) -> float:
        """Factor on the low-rank term of one module."""
        alpha = self.alpha_pattern.get(_key_of(module, self.alpha_pattern), self.alpha)
        rank = self.rank_of(module)
        return float(alpha / (rank**0.5 if self.rslora else rank))


def _key_of(module: str, pattern: Mapping[str, object]) -> str:
    """The first key that a module's name ends in, as PEFT's `get_pattern_key`. That compiles a regular expression for
    each key and module, which takes seconds where each of hundreds of layers has its own key."""
    for key in pattern:
        if module == key or module.endswith("." + key):
            return key
        if _PLAIN.fullmatch(key) is None and re.match(rf"(.*\.)?({key})$", module):
            return key
    return module


@dataclass(frozen=True)
class Prefix:
    """`length` trained keys and values in front of every layer's own (Li and Liang 2021, arXiv:2101.00190)."""

    length: int

    @property
    def name(self) -> Literal["prefix"]:
        """The method's name."""
        return "prefix"


@dataclass(frozen=True)
class Head:
    """A linear head over the pooled last hidden state.

    `pooling`: `last` token (as transformers' decoders for sequence classification), `mean` over the tokens, `first`
    token, or `pooler` (the first token through the encoder's own pooler, as transformers' BERT for sequence
    classification). `bias`: encoders' heads have one, decoders' heads have none, as transformers' classes.
    """

    labels: tuple[str, ...]
    pooling: Pooling
    multi_label: bool = False
    bias: bool = False


@dataclass(frozen=True)
class BaseId:
    """Which base an adapter was made for; `fingerprint` is None for adapters that stock PEFT made."""

    id: str | None
    revision: str | None = None
    fingerprint: str | None = None


@dataclass
class Adapter:
    """One adapter in memory: what `files.read` gives, what a hub stores and a slot takes.

    tensors: PEFT's names to fp32 tensors on the CPU: `...lora_A.weight [rank, in]`, `...lora_B.weight [out, rank]`,
        DoRA's `...lora_magnitude_vector [out]`, `prompt_embeddings [length, layers * 2 * kv_heads * head_dim]`, and
        the head's `...score|classifier.weight [labels, width]` and `.bias [labels]`.
    info: JSON that travels with the weights: recipe, data digest, metrics, prompt template.
    """

    method: Lora | Prefix
    head: Head | None
    tensors: dict[str, torch.Tensor]
    base: BaseId
    task: str | None = None
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(t.numel() * t.element_size() for t in self.tensors.values())


# PEFT's LoRA options that are computed here or change nothing at inference. Any other that is set is refused, never
# ignored: a later PEFT may have variants that this release does not know.
_KNOWN_LORA = frozenset(
    "alpha_pattern auto_mapping base_model_name_or_path bias corda_config ensure_weight_tying eva_config "
    "exclude_modules inference_mode init_lora_weights layers_pattern layers_to_transform loftq_config "
    "lora_alpha lora_dropout lora_ga_config megatron_config megatron_core modules_to_save peft_type "
    "peft_version qalora_group_size r rank_pattern revision target_modules task_type use_dora use_rslora".split()
)
# Initialisations that also change the base's own weights: such an adapter is right only on that changed base.
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


def to_peft(adapter: Adapter) -> dict[str, Any]:
    """`adapter_config.json` of an adapter, keys sorted, without local paths or state of this process."""
    task_type = "CAUSAL_LM" if adapter.head is None else "SEQ_CLS"
    config: PeftConfig
    if isinstance(adapter.method, Lora):
        method = adapter.method
        config = LoraConfig(
            task_type=task_type,
            r=method.rank,
            lora_alpha=method.alpha,  # type: ignore[arg-type]
            lora_dropout=method.dropout,
            target_modules=sorted(method.targets),
            use_rslora=method.rslora,
            use_dora=method.dora,
            alpha_pattern=dict(method.alpha_pattern),
            rank_pattern=dict(method.rank_pattern),
        )
    else:
        table = adapter.tensors["prompt_embeddings"]
        shape = adapter.info["prefix_shape"]
        config = PrefixTuningConfig(
            task_type=task_type,
            num_virtual_tokens=adapter.method.length,
            num_layers=shape["layers"],
            num_attention_heads=shape["kv_heads"],
            token_dim=shape["kv_heads"] * shape["head_dim"],
            num_transformer_submodules=1,
            encoder_hidden_size=shape["kv_heads"] * shape["head_dim"],
        )
        if table.shape[1] != 2 * shape["layers"] * shape["kv_heads"] * shape["head_dim"]:
            raise BadAdapter(
                f"prefix table of width {table.shape[1]} does not fit {shape}; train the adapter again"
            )
    config.base_model_name_or_path = adapter.base.id
    config.revision = adapter.base.revision
    config.inference_mode = True
    raw = config.to_dict()
    if adapter.head is not None:
        raw["modules_to_save"] = ["classifier", "score"]
    raw["target_modules"] = sorted(raw["target_modules"]) if raw.get("target_modules") else None
    return {key: raw[key] for key in sorted(raw) if key != "target_modules" or raw[key] is not None}


def method_from_peft(config: Mapping[str, Any]) -> Lora | Prefix:
    """The method that an `adapter_config.json` describes. Raises BadAdapter for what cannot be computed exactly."""
    kind = config.get("peft_type")
    if kind == "LORA":
        refused = sorted(name for name, value in config.items() if value and name not in _KNOWN_LORA)
        if config.get("bias", "none") != "none":
            refused.append("bias")
        if str(config.get("init_lora_weights")).startswith(_CHANGES_BASE):
            refused.append(
                f"init_lora_weights={config['init_lora_weights']} (let PEFT convert it to plain LoRA)"
            )
        if refused:
            raise BadAdapter(
                f"this LoRA uses {', '.join(refused)}, which Repertoire does not compute; "
                "train it without these options, or run it in PEFT"
            )
        targets = config.get("target_modules") or ()
        return Lora(
            rank=int(config["r"]),
            alpha=float(config["lora_alpha"]),
            targets=(targets,) if isinstance(targets, str) else tuple(sorted(targets)),
            rslora=bool(config.get("use_rslora")),
            dropout=float(config.get("lora_dropout") or 0.0),
            alpha_pattern=dict(config.get("alpha_pattern") or {}),
            rank_pattern=dict(config.get("rank_pattern") or {}),
            partial=bool(config.get("layers_to_transform") or config.get("exclude_modules")),
            dora=bool(config.get("use_dora")),
        )
    if kind == "PREFIX_TUNING":
        if config.get("num_transformer_submodules") not in (None, 1):
            raise BadAdapter(
                "this prefix is for an encoder-decoder model; Repertoire runs decoders and encoders"
            )
        return Prefix(length=int(config["num_virtual_tokens"]))
    raise BadAdapter(f"peft_type {kind!r} is not supported; Repertoire runs LORA and PREFIX_TUNING")
