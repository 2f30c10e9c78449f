"""Tiny models and adapters that the tests make: random weights, real architectures."""

from pathlib import Path
from typing import Any

import peft
import torch
import transformers as tf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from adapters import Adapter, Base, Head, Lora, Prefix
from adapters.format.files import read

SHAPE = {
    "vocab_size": 300,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
ROOMY = {"hidden_size": 64, "intermediate_size": 128}
"""Wide enough for the blocks that bitsandbytes quantizes in."""
DECODERS = {
    "llama": (tf.LlamaConfig, {"num_key_value_heads": 2, "tie_word_embeddings": True}),
    "mistral": (tf.MistralConfig, {"num_key_value_heads": 2, "sliding_window": None}),
    "qwen2": (tf.Qwen2Config, {"num_key_value_heads": 2}),
    "qwen3": (tf.Qwen3Config, {"num_key_value_heads": 1, "head_dim": 16}),
    "gemma": (tf.GemmaConfig, {"num_key_value_heads": 1, "head_dim": 16}),
    "gemma2": (tf.Gemma2Config, {"num_key_value_heads": 2, "head_dim": 8, "query_pre_attn_scalar": 8}),
    "phi": (tf.PhiConfig, {}),
    "phi3": (tf.Phi3Config, {"num_key_value_heads": 2, "pad_token_id": 0}),
}
ENCODERS = {
    "bert": (tf.BertConfig, {}),
    "roberta": (tf.RobertaConfig, {"pad_token_id": 1}),
    "xlm-roberta": (tf.XLMRobertaConfig, {"pad_token_id": 1}),
    "electra": (tf.ElectraConfig, {"embedding_size": 32}),
}


def tokenizer() -> tf.PreTrainedTokenizerFast:
    """A byte-level tokenizer without merges: 256 bytes and a few special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": 0, "<eos>": 1, **{byte: index + 2 for index, byte in enumerate(alphabet)}}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return tf.PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>")


def config(family: str, **changes: Any) -> tf.PretrainedConfig:
    """A tiny configuration of a family."""
    cls, extra = (DECODERS | ENCODERS)[family]
    return cls(**{**SHAPE, "eos_token_id": 1, **extra, **changes})


def model(family: str, head: int | None = None, seed: int = 0, **changes: Any) -> tf.PreTrainedModel:
    """A tiny model with random weights: a language model, an encoder, or with `head` labels transformers' own
    sequence-classification class around the same backbone weights."""
    auto = tf.AutoModelForCausalLM if family in DECODERS else tf.AutoModel
    torch.manual_seed(seed)
    bare = auto.from_config(config(family, **changes)).eval()
    with torch.no_grad():
        for parameter in bare.parameters():  # larger than the usual start, so that every layer matters
            parameter.add_(torch.randn_like(parameter) * 0.05)
    if head is None:
        return bare
    padding = {} if "roberta" in family else {"pad_token_id": 0}
    labelled = tf.AutoModelForSequenceClassification.from_config(
        config(family, num_labels=head, **padding, **changes)
    ).eval()
    # Of RoBERTa's family the head reads no pooler, and the class has none.
    wanted = labelled.base_model.state_dict()
    own = {name: tensor for name, tensor in bare.base_model.state_dict().items() if name in wanted}
    labelled.base_model.load_state_dict(own, strict=True)
    return labelled


def base(family: str = "llama", seed: int = 0, **changes: Any) -> Base:
    """A tiny base."""
    return Base(model(family, seed=seed, **changes), tokenizer(), id=f"tiny/{family}")


def saved(family: str, folder: Path, **changes: Any) -> Path:
    """A tiny model with its tokenizer on disk, as a client's own checkpoint. Returns the folder."""
    model(family, **changes).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def peft_adapter(
    model: tf.PreTrainedModel, folder: Path, method: str, seed: int = 1, **options: Any
) -> Adapter:
    """An adapter that stock PEFT made and saved, with random weights everywhere (B is not zero)."""
    torch.manual_seed(seed)
    task = "SEQ_CLS" if "Classification" in type(model).__name__ else "CAUSAL_LM"
    if type(model).__name__.endswith("Model"):
        task = "FEATURE_EXTRACTION"
    if method == "lora":
        chosen = peft.LoraConfig(task_type=task, **({"r": 4, "target_modules": "all-linear"} | options))
    else:
        chosen = peft.PrefixTuningConfig(task_type=task, **({"num_virtual_tokens": 5} | options))
    wrapped = peft.get_peft_model(model, chosen)
    with torch.no_grad():
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn_like(parameter) * 0.2)
    wrapped.save_pretrained(folder)
    return read(folder)


def made_here(family: str, method: str, labels: int | None = None, pooling: str = "last") -> Adapter:
    """An adapter with random weights in our own format."""
    own = base(family)
    stream = torch.Generator().manual_seed(3)
    head = Head(tuple(f"l{i}" for i in range(labels)), pooling, bias=family == "bert") if labels else None
    info: dict[str, Any] = {}
    tensors: dict[str, torch.Tensor] = {}
    chosen: Lora | Prefix
    if method == "lora":
        chosen = Lora(3, 6.0, own.targets("all-linear"))
        for path, linear in own.linears.items():
            if chosen.covers(path):
                stem = f"base_model.model.{path}"
                tensors[f"{stem}.lora_A.weight"] = torch.randn(3, linear.in_features, generator=stream) * 0.2
                tensors[f"{stem}.lora_B.weight"] = torch.randn(linear.out_features, 3, generator=stream) * 0.2
    else:
        layer, layers = own.attention[0], len(own.attention)
        chosen = Prefix(4)
        info["prefix_shape"] = {"layers": layers, "kv_heads": layer.kv_heads, "head_dim": layer.head_dim}
        tensors["prompt_embeddings"] = torch.randn(
            4, layers * 2 * layer.kv_heads * layer.head_dim, generator=stream
        )
    if labels:
        stem = f"base_model{'.model' if method == 'lora' else ''}.{'classifier' if family == 'bert' else 'score'}"
        tensors[f"{stem}.weight"] = torch.randn(labels, own.width, generator=stream)
        if family == "bert":
            tensors[f"{stem}.bias"] = torch.randn(labels, generator=stream)
    return Adapter(chosen, head, tensors, own.identity, "behavior" if labels else "ad-copy", info)
