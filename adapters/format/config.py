"""What an adapter is: its method, its head, its base; and the same as PEFT's `adapter_config.json`."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from adapters.errors import BadAdapter
from adapters.format.names import TABLE, ends_in
from adapters.patterns import BadPattern, bounded

if TYPE_CHECKING:
    from peft import PeftConfig
    from torch import Tensor

Quantization = Literal["nf4", "int8", "none"]
STARTER = "starter"
"""The id of the base that comes with the package."""
Pooling = Literal["last", "mean", "first", "pooler"]
POOLINGS: tuple[Pooling, ...] = ("last", "mean", "first", "pooler")
_PATIENCE = 0.1  # seconds to match one module's name
_PLAIN = re.compile(r"[\w.]+")
_ALL = "all-linear"
"""PEFT's word for every linear layer of the blocks, which other tools leave in a configuration."""


@dataclass(frozen=True)
class Lora:
    """Low-rank adaptation, `W x + scaling * B A x` (Hu et al. 2021, arXiv:2106.09685).

    Attributes:
        rank: of every low-rank term, where no pattern says otherwise.
        alpha: `scaling` is `alpha / rank`, with rsLoRA `alpha / sqrt(rank)` (Kalajdzievski 2023, arXiv:2312.03732).
        targets: module-name suffixes, read as PEFT reads `target_modules`; a single one that is no plain name is a
            regular expression.
        rslora: see `alpha`.
        dropout: the share of a term's inputs that training drops.
        alpha_pattern, rank_pattern: PEFT's: a module whose name ends in a key has that alpha or rank instead.
        partial: whether some layers that the targets name may lack weights (PEFT's `layers_to_transform`,
            `exclude_modules`).
        dora: whether each row of `W + scaling * B A` is brought to a trained length (Liu et al. 2024,
            arXiv:2402.09353).
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
        """Whether the targets promise weights for this module. A `partial` adapter promises nothing. Raises BadAdapter
        for a pattern that cannot be used, as do `rank_of` and `scaling_of`."""
        if self.partial:
            return False
        if self.targets == (_ALL,):
            return any(part.isdigit() for part in module.split("."))
        if len(self.targets) == 1 and _PLAIN.fullmatch(self.targets[0]) is None:
            return _matches(self.targets[0], module)
        return any(ends_in(module, target) for target in self.targets)

    def rank_of(self, module: str) -> int:
        """Rank of the low-rank term of one module."""
        return int(_of_module(self.rank_pattern, module, self.rank))

    def scaling_of(self, module: str) -> float:
        """Factor on the low-rank term of one module."""
        alpha = _of_module(self.alpha_pattern, module, self.alpha)
        rank = self.rank_of(module)
        return float(alpha / (rank**0.5 if self.rslora else rank))


def _of_module(patterns: Mapping[str, float], module: str, default: float) -> float:
    """The value of the first key that a module's name ends in, as PEFT reads them. A plain name needs no regular
    expression, which takes seconds where each of hundreds of layers has its own key."""
    for key, value in patterns.items():
        if module == key or module.endswith("." + key):
            return value
        if _PLAIN.fullmatch(key) is None and _matches(rf"(.*\.)?({key})", module):
            return value
    return default


def _matches(pattern: str, module: str) -> bool:
    """Whether a regular expression fits a module's whole name. It comes with an adapter, from anywhere: one that takes
    for ever, or all the memory, must not stop whoever loads it. Raises BadAdapter."""
    try:
        return bool(bounded(pattern, module, _PATIENCE, "fullmatch"))
    except BadPattern as error:
        problem = str(error)
    raise BadAdapter(
        f"the configuration's regular expression {pattern[:80]!r} cannot be used: {problem}; "
        "list the names of the modules instead"
    )


@dataclass(frozen=True)
class Prefix:
    """Trained keys and values in front of every layer's own (Li and Liang 2021, arXiv:2101.00190).

    Attributes:
        length: how many positions they take.
    """

    length: int

    @property
    def name(self) -> Literal["prefix"]:
        """The method's name."""
        return "prefix"


@dataclass(frozen=True)
class PrefixShape:
    """What the rows of a prefix's table are made of. It travels in `info["prefix_shape"]`: from the table's width alone
    nobody could tell the layers."""

    layers: int
    kv_heads: int
    head_dim: int

    @property
    def width(self) -> int:
        """Numbers of one position: keys and values of every layer."""
        return 2 * self.layers * self.kv_heads * self.head_dim

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> "PrefixShape | None":
        """What an adapter's `info` says; None where it says nothing that could be a shape."""
        said = info.get("prefix_shape")
        try:
            return cls(whole(said["layers"]), whole(said["kv_heads"]), whole(said["head_dim"]))  # type: ignore[index]
        except (KeyError, TypeError, ValueError):
            return None

    def to_info(self) -> dict[str, Any]:
        """As it stands in an adapter's `info`."""
        return {"prefix_shape": asdict(self)}


@dataclass(frozen=True)
class Head:
    """A linear head over the pooled last hidden state.

    Attributes:
        labels: in the order of its outputs.
        pooling: `last` token (as transformers' decoders for sequence classification), `mean` over the tokens, `first`
            token, or `pooler` (the first token through the encoder's own pooler, as transformers' BERT for sequence
            classification).
        multi_label: whether a row may have several labels or none.
        bias: encoders' heads have one, decoders' heads have none, as transformers' classes.
    """

    labels: tuple[str, ...]
    pooling: Pooling
    multi_label: bool = False
    bias: bool = False


@dataclass(frozen=True)
class BaseId:
    """Which base an adapter was made for.

    Attributes:
        id: a Hugging Face id, `starter`, or `local/` and a folder's name.
        revision: the commit of a Hugging Face id, or a hash of a folder's weights.
        fingerprint: sha256 over what makes it this base; None for adapters that stock PEFT made.
    """

    id: str | None
    revision: str | None = None
    fingerprint: str | None = None


@dataclass
class Adapter:
    """One adapter in memory: what `read` gives, what a hub stores and a slot takes.

    Attributes:
        method: how it changes the base.
        head: of its labels; None for an adapter that writes.
        tensors: PEFT's names to fp32 tensors on the CPU, as `adapters.format.soundness` draws them.
        base: that it was made for.
        task: that it was trained for; None where stock PEFT made it.
        info: JSON that travels with the weights: recipe, data digest, metrics, prompt template.
    """

    method: Lora | Prefix
    head: Head | None
    tensors: "dict[str, Tensor]"
    base: BaseId
    task: str | None = None
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(t.numel() * t.element_size() for t in self.tensors.values())


# PEFT's LoRA options that are computed here or change nothing at inference (fan_in_fan_out not on linear layers, which
# are all that is adapted). Any other that is set is refused, never
# ignored: a later PEFT may have variants that this release does not know.
_KNOWN_LORA = frozenset(
    "alpha_pattern auto_mapping base_model_name_or_path bias corda_config ensure_weight_tying eva_config "
    "exclude_modules fan_in_fan_out inference_mode init_lora_weights layers_pattern layers_to_transform loftq_config "
    "lora_alpha lora_dropout lora_ga_config megatron_config megatron_core modules_to_save peft_type "
    "peft_version qalora_group_size r rank_pattern revision target_modules task_type use_dora use_rslora".split()
)
# Initialisations that also change the base's own weights: such an adapter is right only on that changed base.
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


def to_peft(adapter: Adapter) -> dict[str, Any]:
    """`adapter_config.json` of an adapter, keys sorted, without local paths or state of this process."""
    from peft import LoraConfig, PrefixTuningConfig

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
        table = adapter.tensors[TABLE]
        shape = PrefixShape.of(adapter.info)
        if shape is None or table.shape[1] != shape.width:
            raise BadAdapter(
                f"prefix table of width {table.shape[1]} does not fit {shape}; train the adapter again"
            )
        config = PrefixTuningConfig(
            task_type=task_type,
            num_virtual_tokens=adapter.method.length,
            num_layers=shape.layers,
            num_attention_heads=shape.kv_heads,
            token_dim=shape.kv_heads * shape.head_dim,
            num_transformer_submodules=1,
            encoder_hidden_size=shape.kv_heads * shape.head_dim,
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
    """The method that an `adapter_config.json` describes. Raises BadAdapter for what cannot be computed exactly, and
    what a wrong configuration leads to (ValueError, KeyError, TypeError, AttributeError)."""
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
            rank=whole(config["r"]),
            alpha=_finite(config["lora_alpha"]),
            targets=(targets,) if isinstance(targets, str) else tuple(sorted(map(str, targets))),
            rslora=_flag(config, "use_rslora"),
            dropout=_finite(config.get("lora_dropout") or 0.0),
            alpha_pattern={key: _finite(alpha) for key, alpha in (config.get("alpha_pattern") or {}).items()},
            rank_pattern={key: whole(rank) for key, rank in (config.get("rank_pattern") or {}).items()},
            # Layer 0 alone is some layers; only none at all, or an empty list, are all of them.
            partial=config.get("layers_to_transform") not in (None, [])
            or bool(config.get("exclude_modules")),
            dora=_flag(config, "use_dora"),
        )
    if kind == "PREFIX_TUNING":
        if config.get("num_transformer_submodules") not in (None, 1):
            raise BadAdapter(
                "this prefix is for an encoder-decoder model; Repertoire runs decoders and encoders"
            )
        return Prefix(length=whole(config["num_virtual_tokens"]))
    raise BadAdapter(f"peft_type {kind!r} is not supported; Repertoire runs LORA and PREFIX_TUNING")


def whole(value: Any) -> int:
    """A whole number above 0, of those that a configuration must give. Raises ValueError."""
    if type(value) is not int or not 0 < value < 2**31:
        raise ValueError(f"{value!r} should be a whole number above 0")
    return value


def _flag(config: Mapping[str, Any], name: str) -> bool:
    value = config.get(name)
    if value is not None and type(value) is not bool:
        raise ValueError(f"{name} is {value!r}; it should be true or false")
    return bool(value)


def _finite(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{value!r} should be a finite number")
    return float(value)
