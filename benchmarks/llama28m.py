"""A Llama-shaped base of 29 million random weights, and adapters that stock PEFT makes for it: what speed is measured
on.

Random weights cost what trained ones cost. Everything lies in build/benchmarks/llama28m and is made once.
"""

from pathlib import Path
from typing import Any

import peft
import torch
import transformers as tf
from tokenizers import Tokenizer, models, pre_tokenizers

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "benchmarks" / "llama28m"
SHAPE: dict[str, Any] = {
    "vocab_size": 12000,
    "hidden_size": 512,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 1408,
    "tie_word_embeddings": True,
    "max_position_embeddings": 2048,
    "bos_token_id": 2,
    "eos_token_id": 1,
    "pad_token_id": 0,
}


def base() -> Path:
    """The folder of the base."""
    folder = FOLDER / "base"
    if not (folder / "tokenizer.json").exists():
        torch.manual_seed(0)
        tf.AutoModelForCausalLM.from_config(tf.LlamaConfig(**SHAPE)).save_pretrained(folder)
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        words = {"<pad>": 0, "<eos>": 1, "<bos>": 2} | {c: i + 3 for i, c in enumerate(alphabet)}
        inner = Tokenizer(models.BPE(vocab=words, merges=[]))
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tf.PreTrainedTokenizerFast(
            tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>"
        ).save_pretrained(folder)
    return folder


def adapter(method: str, number: int) -> Path:
    """The folder of a PEFT adapter: `lora` of rank 8 on all linear layers, or a `prefix` of 16."""
    folder = FOLDER / f"{method}-{number}"
    if not (folder / "adapter_model.safetensors").exists():
        model = tf.AutoModelForCausalLM.from_config(tf.LlamaConfig(**SHAPE, name_or_path="bench/llama28m"))
        config: peft.PeftConfig = (
            peft.LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear")
            if method == "lora"
            else peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=16)
        )
        config.base_model_name_or_path = "bench/llama28m"
        torch.manual_seed(1000 + number)
        wrapped = peft.get_peft_model(model, config)
        with torch.no_grad():
            for parameter in wrapped.parameters():
                if parameter.requires_grad:
                    parameter.copy_(torch.randn_like(parameter) * 0.02)
        wrapped.save_pretrained(folder)
    return folder
