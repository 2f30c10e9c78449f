"""The base: one frozen language model, quantized with bitsandbytes or not, and its fingerprint."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from adapters.base.attention import AttentionLayer, prefix_width, route_attention
from adapters.base.cpu_head import quick_head
from adapters.base.cpu_nf4 import repacked_bytes, split_products
from adapters.base.fingerprint import digest, plain_config
from adapters.base.input_groups import probe
from adapters.base.linears import linears_of
from adapters.base.positions import first_position, most_positions, stretched_by_length
from adapters.errors import BaseError, UnsupportedArchitecture
from adapters.format.config import BaseId, Quantization
from adapters.format.names import ends_in

ENCODERS = frozenset({"bert", "electra", "roberta", "xlm-roberta"})
"""Families of encoders that can be loaded, as transformers calls their `model_type`; alike in their layers."""


@dataclass(eq=False)
class Base:
    """A loaded base. Make one with `load_base`, or from a model and a tokenizer that are already in memory.

    Attributes:
        model: a causal decoder (`...ForCausalLM`) or a bare encoder (`BertModel`); frozen here, and set to run its
            attention through `adapters.base.attention`, which changes nothing as long as no view is given.
        tokenizer: its own.
        id: a Hugging Face id, `starter`, or `local/` and a folder's name.
        revision: the commit of a Hugging Face id, or a hash of a folder's weights.
        fingerprint: sha256 over what makes it this base; an adapter records it.
        quantization: how its weights lie in memory.
        linears: the backbone's linear layers by PEFT's module path, such as `model.layers.0.self_attn.q_proj`.
        attention: its self-attention layers in order, with the shapes of their keys.
        input_groups: for each of `linears`, in the order in which they run, the first one that reads the same input.
        lock: held by whoever runs the model.
        tokenizing: held by whoever uses the tokenizer, which keeps its settings in itself.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    id: str
    revision: str | None = None
    fingerprint: str = ""
    quantization: Quantization = "none"
    linears: dict[str, nn.Linear] = field(init=False, repr=False)
    attention: tuple[AttentionLayer, ...] = field(init=False, repr=False)
    input_groups: dict[str, str] = field(init=False, repr=False)
    lock: threading.RLock = field(init=False, repr=False, default_factory=threading.RLock)
    tokenizing: threading.RLock = field(init=False, repr=False, default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.model.eval().requires_grad_(False)
        if self.quantization == "nf4":
            split_products(self.model)
        self.linears = linears_of(self.model)
        route_attention(self.model)
        self.attention, self.input_groups = probe(self.model, self.linears)
        if not self.fingerprint:
            self.fingerprint = digest(
                {"id": self.id, "revision": self.revision, "config": plain_config(self.config.to_dict())}
            )
        if self.kind == "decoder":
            self._check_output_head()
            quick_head(self.model)

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

    @cached_property
    def vocabulary(self) -> int:
        """How many token ids it knows."""
        embeddings: Any = self.model.get_input_embeddings()
        return int(embeddings.num_embeddings)

    @cached_property
    def max_positions(self) -> int:
        """The most tokens of one sequence, prefix included."""
        return most_positions(self.config)

    @property
    def first_position(self) -> int:
        """Position id of a sequence's first token: 0, or behind the padding index in RoBERTa's family."""
        return first_position(self.config)

    @cached_property
    def reads_forward(self) -> bool:
        """Whether what it makes of first tokens is the same whatever follows: a decoder, its positions fixed."""
        return self.kind == "decoder" and not stretched_by_length(self.config)

    @property
    def identity(self) -> BaseId:
        """What an adapter records of the base that it is made for."""
        return BaseId(self.id, self.revision, self.fingerprint)

    @property
    def prefix_width(self) -> int | None:
        """Numbers of one position of a prefix; None where its layers have keys of different shapes."""
        return prefix_width(self.attention)

    def targets(self, names: tuple[str, ...] | Literal["all-linear"]) -> tuple[str, ...]:
        """Suffixes that name the linear layers to adapt, in PEFT's sense, as few and short as stay unambiguous.

        Args:
            names: suffixes to check, or `all-linear`: every linear layer of the blocks (not an encoder's pooler).

        Raises:
            BaseError: a name matches nothing.
        """
        blocks = {path for path in self.linears if any(part.isdigit() for part in path.split("."))}
        if names != "all-linear":
            unknown = [name for name in names if not any(ends_in(path, name) for path in blocks)]
            if unknown:
                known = ", ".join(self.targets("all-linear"))
                raise BaseError(f"{self.id} has no layers named {', '.join(unknown)}; it has {known}")
            return tuple(names)
        found: set[str] = set()
        for path in blocks:
            parts = path.split(".")
            suffixes = [".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
            found.add(next(s for s in suffixes if {p for p in self.linears if ends_in(p, s)} <= blocks))
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
