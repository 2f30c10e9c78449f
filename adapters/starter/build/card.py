"""What the finished starter is: measured on the files themselves, and told in its model card."""

import math
import random
import re
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from adapters.starter.build.batches import DRILL, DRILLED, LATER, LONG_WINDOW, WINDOW, windows
from adapters.starter.build.chat import ASSISTANT, USER
from adapters.starter.build.held_out import HeldOut, count_losses, model_loss
from adapters.starter.build.tokenizer import VOCABULARY

CARD = "README.md"
_HELD_OUT_SEED = 7_919
_PROMPTS = (
    f"{USER}Write an ad.\nname: Brivora Dusk 7\ncategory: tent\nfeature: two doors\nprice: $243\ndiscount: 20%"
    f"{ASSISTANT}",
    f"{USER}Write an ad.\nname: Kelmira\ncategory: face cream\nmaterial: rose oil\nprice: $52{ASSISTANT}",
    f"{USER}写一句广告。\n名称：澜木晨曦\n品类：台灯\n材质：亚麻\n价格：268元{ASSISTANT}",
    f"{USER}写一句广告。\n名称：云舒 K27\n品类：咖啡\n卖点：坚果香气{ASSISTANT}",
    "User: searched coffee; bought tent; sorted by price\n"
    "Ad: New: Palora K7 coffee in roasted arabica, a nutty aroma, $14, 30% off.",
    "The morning was",
)


def finish(out: Path, progress: dict[str, float], seed: int, unmet: int) -> HeldOut:
    """Measures the shipped files themselves and writes the card. unmet: tokens whose rows were spread."""
    model = LlamaForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(out)
    losses = measure(model, tokenizer, seed)
    samples = [(prompt, sample(model, tokenizer, prompt)) for prompt in _PROMPTS]
    told = card(progress, losses, samples, model.num_parameters(), unmet)
    (out / CARD).write_text(told, encoding="utf-8")
    return losses


def measure(model: Any, tokenizer: Any, seed: int, rows: int = 64, train_rows: int = 4000) -> HeldOut:
    """The three losses on fresh documents of another seed with product names that training never had."""
    held_out = windows(tokenizer, random.Random(f"held out {_HELD_OUT_SEED}"), rows, WINDOW, held_out=True)
    train = windows(tokenizer, random.Random(f"counts {seed}"), train_rows, WINDOW)
    unigram, bigram = count_losses(train, held_out)
    return HeldOut(model_loss(model, held_out), unigram, bigram, rows * (WINDOW - 1))


def progress_of(out: Path) -> dict[str, float]:
    """What the card in a folder tells of the training, as `train` gave it."""
    told = (out / CARD).read_text(encoding="utf-8")
    found = re.search(r"training \| ([\d,]+) steps, ([\d,]+) tokens, ([\d,]+) seconds", told)
    if found is None:
        raise SystemExit(f"{out / CARD} tells no training; build it anew: make starter")
    steps, tokens, seconds = (float(number.replace(",", "")) for number in found.groups())
    resumed = re.search(r"resumed (\d+) times", told)
    return {
        "steps": steps,
        "tokens": tokens,
        "seconds": seconds,
        "resumed": float(resumed[1]) if resumed else 0.0,
    }


def card(
    progress: dict[str, float], losses: HeldOut, samples: list[tuple[str, str]], size: int, unmet: int
) -> str:
    """The model card as Markdown. samples: prompts and what it wrote; size: parameters; unmet: tokens."""
    shown = "\n\n".join(f"```text\n{prompt}▶{text}\n```" for prompt, text in samples)
    steps, tokens, seconds = (f"{progress[key]:,.0f}" for key in ("steps", "tokens", "seconds"))
    resumed = f", stopped and resumed {progress['resumed']:.0f} times" if progress["resumed"] else ""
    return f"""---
license: apache-2.0
language: [en, zh]
library_name: transformers
pipeline_tag: text-generation
---
# starter

The language model that this project ships, so that everything runs offline on a CPU. It knows one made-up market:
products, users, ads, reviews and customers' questions, in English and Chinese.

**It cannot do anything outside that market:** it knows no real products, people or facts, does not reason, follows
only the few kinds of instructions that it was trained on, finds real text in either language foreign, and without
an adapter its ads sometimes claim a feature or an audience that the prompt does not hold.

| | |
| --- | --- |
| architecture | Llama, 6 layers, width 256, 4 heads (2 for keys and values), tied embeddings |
| parameters | {size:,} in bf16 |
| tokenizer | byte-level BPE, {VOCABULARY:,} tokens, each digit a token, lossless on any text |
| corpus | made by `adapters/starter/build/corpus.py`, endless, seeded; 65 % English, 35 % Chinese; no real text |
| start | random, but for an induction circuit in the first two layers (`_teach_to_copy` in `build/model.py`) |
| training | {steps} steps, {tokens} tokens, {seconds} seconds on {torch.get_num_threads()} CPU thread(s){resumed} |
| stages | from {LATER:.0%} of the time on names of any letters too; {DRILL:.1%} to {DRILLED:.1%} a drill in matching |
| context | trained on rows of {WINDOW} and {LONG_WINDOW:,} tokens |
| never met | {unmet:,} tokens; their rows were told apart afterwards: `build/unmet.py` says why |

Held-out loss, nats per token, on {losses.tokens:,} tokens of another seed, with product names that training never had:

| model | loss | perplexity |
| --- | --- | --- |
| unigram (add-one) | {losses.unigram:.3f} | {math.exp(losses.unigram):.1f} |
| bigram (Witten-Bell) | {losses.bigram:.3f} | {math.exp(losses.bigram):.1f} |
| starter | {losses.model:.3f} | {math.exp(losses.model):.1f} |

Chat format: `<|user|>question<|assistant|>answer<|end|>`; plain documents end in `<|end|>` too, padding is `<|pad|>`.

Samples (temperature 0.7, top-p 0.95; the model writes after ▶):

{shown}

Made again by `make starter`.
"""


def sample(model: Any, tokenizer: Any, prompt: str, seed: int = 0, temperature: float = 0.7) -> str:
    """What the model writes after a prompt that is plain text with marks."""
    torch.manual_seed(seed)
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=80, do_sample=temperature > 0,
        temperature=temperature or None, top_p=0.95, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    return str(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))
