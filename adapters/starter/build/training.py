"""Train the starter for a budget of minutes, or of steps.

The schedule follows the share of the budget that is spent; every step makes its batch from seed, step and stage alone,
so that a killed build goes on where its last checkpoint was.
"""

import itertools
import json
import math
import os
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, LlamaForCausalLM

from adapters.starter.build.batches import batch_for, stage_of
from adapters.starter.build.corpus import documents
from adapters.starter.build.loss import answer_ids, training_loss
from adapters.starter.build.model import make_model
from adapters.starter.build.tokenizer import make_tokenizer

TOKENIZER_DOCUMENTS = 60_000
DRILL_RATE = 1.2e-3
"""The least learning rate of stage 2."""
PEAK, FLOOR, WARMUP = 2.5e-3, 0.05, 0.02
"""Learning rate, its last share, the share of the budget to reach it."""


def train(
    out: Path,
    state: Path,
    minutes: float,
    seed: int,
    samples: int = TOKENIZER_DOCUMENTS,
    save_every: float = 300.0,
    steps: int | None = None,
) -> dict[str, float]:
    """Trains for this many minutes in all, or for so many `steps` where they are given, those before a resume included.

    samples: documents that the tokenizer is made from. Returns steps, tokens, seconds, and how often it was resumed.
    """
    model = make_model(seed)
    optimizer = make_optimizer(model)
    progress = {"steps": 0.0, "tokens": 0.0, "seconds": 0.0, "resumed": 0.0}
    if state.exists():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        progress = saved["progress"]
        progress["resumed"] += 1
        tokenizer = AutoTokenizer.from_pretrained(out)
        print(f"goes on after step {progress['steps']:.0f}", flush=True)
    else:
        tokenizer = make_tokenizer(itertools.islice(documents(seed), samples), samples)
        tokenizer.save_pretrained(out)
    answers = answer_ids(tokenizer)
    begun = time.monotonic() - progress["seconds"]
    saved_at, smooth = progress["seconds"], 0.0

    def over() -> float:
        """The share of the training that is over."""
        return progress["steps"] / steps if steps else (time.monotonic() - begun) / (minutes * 60)

    while (share := over()) < 1:
        step = int(progress["steps"])
        stage = stage_of(share)
        for group in optimizer.param_groups:
            group["lr"] = group["share"] * max(rate(share), DRILL_RATE if stage == 2 else 0.0)
        ids = batch_for(tokenizer, seed, step, stage)
        loss = training_loss(model, ids, answers if stage >= 2 else None)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        smooth = loss.item() if step == 0 or not smooth else 0.95 * smooth + 0.05 * loss.item()
        progress |= {
            "steps": step + 1,
            "tokens": progress["tokens"] + ids.numel(),
            "seconds": time.monotonic() - begun,
        }
        if step % 50 == 0:
            print(
                f"step {step} loss {smooth:.3f} seconds {progress['seconds']:.0f} tokens {progress['tokens']:.0f}",
                flush=True,
            )
        if progress["seconds"] - saved_at >= save_every or (
            saved_at == 0 and progress["seconds"] >= save_every * 0.6
        ):
            saved_at = progress["seconds"]
            write_weights(model, out)
            save_state(state, model, optimizer, progress)
            print(f"saved at step {step}", flush=True)
    write_weights(model, out)
    save_state(state, model, optimizer, progress)
    return progress


def rate(share: float) -> float:
    """The learning rate when this share of the budget is spent: a linear warm-up, then a cosine to the floor."""
    if share < WARMUP:
        return PEAK * share / WARMUP
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, (share - WARMUP) / (1 - WARMUP))))
    return PEAK * (FLOOR + (1 - FLOOR) * cosine)


def make_optimizer(model: LlamaForCausalLM) -> torch.optim.AdamW:
    """AdamW; weight decay on the matrices only, and a smaller rate for the embeddings, whose rows are seen rarely."""
    embedding = model.model.embed_tokens.weight
    matrices = [p for p in model.parameters() if p.ndim >= 2 and p is not embedding]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": 0.05, "share": 1.0},
        {"params": vectors, "weight_decay": 0.0, "share": 1.0},
        {"params": [embedding], "weight_decay": 0.0, "share": 0.5},
    ]
    return torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.95), fused=True)


def write_weights(model: LlamaForCausalLM, out: Path) -> None:
    """The model's files in bf16, each put in place in one move: a reader sees the old one or the new one."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        state = {
            name: tensor.detach().to(torch.bfloat16).contiguous()
            for name, tensor in model.state_dict().items()
        }
        state.pop("lm_head.weight", None)  # tied to the embeddings
        save_file(state, Path(folder) / "model.safetensors", metadata={"format": "pt"})
        config = model.config.to_dict() | {"dtype": "bfloat16", "architectures": ["LlamaForCausalLM"]}
        config.pop("_name_or_path", None)
        (Path(folder) / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        generation = {
            "bos_token_id": 1,
            "eos_token_id": 1,
            "pad_token_id": 0,
            "max_new_tokens": 96,
            "do_sample": False,
        }
        (Path(folder) / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
        for file in Path(folder).iterdir():
            os.chmod(file, 0o644)
            os.replace(file, out / file.name)


def save_state(
    path: Path, model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, progress: dict[str, float]
) -> None:
    """The build's own checkpoint, for resuming; not part of the shipped folder."""
    temporary = path.with_suffix(".tmp")
    torch.save(
        {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "progress": progress}, temporary
    )
    os.replace(temporary, path)
