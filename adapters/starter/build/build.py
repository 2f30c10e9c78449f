"""Makes the starter: `python -m adapters.starter.build.build --minutes 70 --threads 1 --out adapters/starter/weights`.

Trains the tokenizer on a sample of the corpus, then a small Llama on an endless stream of it for a budget of
minutes, and writes the folder as plain transformers files with a model card. The schedule follows the share of the
budget that is spent; every step makes its batch from seed, step and stage alone, so that a killed build goes on where
its last checkpoint was. Nothing is downloaded.
"""

import argparse
import itertools
import json
import math
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from adapters.starter.build.corpus import (ANSWERS, ASSISTANT, END, USER, document, documents, free_document, match_document)

PAD = "<|pad|>"
VOCABULARY = 8192
TOKENIZER_DOCUMENTS = 60_000
WINDOW, WINDOWS = 256, 8  # tokens of a row, rows of a batch
LONG_WINDOW, LONG_EVERY = 1024, 8  # every so many steps the same number of tokens in long rows
LATER, DRILL, DRILLED = (
    0.23,
    0.755,
    0.845,
)  # the shares of the budget at which stages 1, 2 and 3 of the text begin
FREE_SHARE, MATCH_SHARE, DRILL_SHARE = 0.15, 0.15, 0.4  # of the documents: see `windows`
DRILL_RATE = 1.2e-3  # the least learning rate of stage 2
PEAK, FLOOR, WARMUP = 2.5e-3, 0.05, 0.02  # learning rate, its last share, the share of the budget to reach it
HELD_OUT_SEED = 7_919
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}<|end|>"
    "{% elif message['role'] == 'user' %}<|user|>{{ message['content'] }}"
    "{% else %}{{ message['content'] }}\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_tokenizer(seed: int, samples: int = TOKENIZER_DOCUMENTS) -> PreTrainedTokenizerFast:
    """A byte-level BPE of 8,192 tokens: lossless on any text, each digit a token of its own."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=15,
        show_progress=False,
    )
    marks = (USER, ASSISTANT, END)
    texts = itertools.islice(documents(seed), samples)
    bpe.train_from_iterator((_without(text, marks) for text in texts), trainer, length=samples)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=END,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=1024,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )


def _without(text: str, marks: Sequence[str]) -> str:
    for mark in marks:
        text = text.replace(mark, "\n")
    return text


def make_model(seed: int) -> LlamaForCausalLM:
    """The untrained starter, 6.5 million parameters in fp32, that can already copy a little: see `_teach_to_copy`."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=256,
            num_hidden_layers=6,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=704,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=1,
            attention_bias=False,
        )
    )
    _teach_to_copy(model, torch.Generator().manual_seed(seed))
    return model


def _teach_to_copy(model: LlamaForCausalLM, generator: torch.Generator) -> None:
    """Starts the first two layers as the induction circuit of Olsson et al. (2022), which copies what it saw before.

    Ads repeat names and prices of their prompt, and from a plain random start this circuit takes most of a short
    training to form. Nothing is frozen; training goes on from here.

        tokens       ...  name :  Vel  ora  \\n ... Meet the  Vel  ▶ora
        layer 0      every token notes the one before it          ("ora": "after Vel")
        layer 1      a token finds the one that noted it, and     (Vel finds "ora: after Vel")
                     raises that token's own logit                (ora)

    u is a direction that all embeddings share, so that layer 0 can attend by position alone: its keys and queries
    are multiples of u in the fastest rotary pairs, the queries turned back by one position. V reads a token's
    identity, G writes the note; their rows are orthonormal and orthogonal to u. Layer 1 matches V of the query with
    the note of the key, in slow rotary pairs only, where distance does not matter.
    """
    width, size = model.config.hidden_size, model.config.hidden_size // model.config.num_attention_heads
    fast, slow, sharpness, note, match, copy = 8, 12, 6.0, 0.25, 2.5, 0.4
    half = size // 2
    first, second = (layer.self_attn for layer in model.model.layers[:2])
    basis = torch.linalg.qr(torch.randn(width, width, generator=generator))[0].T
    u, v = basis[0], basis[1 : 1 + 2 * size]
    g = torch.linalg.qr(torch.randn(width - 1, width - 1, generator=generator))[0].T[: 2 * size] @ basis[1:]
    frequency = model.model.rotary_emb.inv_freq[:fast]
    still = torch.ones(size, 1)
    still[:slow] = still[half : half + slow] = 0
    with torch.no_grad():
        embedding = model.model.embed_tokens.weight
        embedding.mul_(3)
        embedding -= (embedding @ u)[:, None] * u
        embedding += 0.7 * embedding.norm(dim=1).mean() * u
        unit = sharpness / (0.57 * width**0.5)  # 0.57: the share of u in a normalized embedding
        for group, head in ((0, 0), (1, 2)):
            one, other = (
                slice(group * size, (group + 1) * size),
                slice((1 - group) * size, (2 - group) * size),
            )
            rows = slice(head * size, (head + 1) * size)
            key, query = first.k_proj.weight[one], first.q_proj.weight[rows]
            key.zero_()
            query.zero_()
            key[:fast] = unit * u
            query[:fast] = unit * frequency.cos()[:, None] * u
            query[half : half + fast] = -unit * frequency.sin()[:, None] * u
            first.v_proj.weight[one] = v[one]
            first.o_proj.weight[:, rows] = note * g[one].T
            second.q_proj.weight[rows] = match * still * v[one]
            second.k_proj.weight[one] = match * still * g[one]
            second.v_proj.weight[one] = v[other]
            second.o_proj.weight[:, rows] = copy * v[other].T


def windows(
    tokenizer: Any, rng: random.Random, rows: int, length: int, held_out: bool = False, stage: int = 0
) -> torch.Tensor:
    """Packed documents, each closed by the end token, [rows, length]: every row begins where a document begins.

    stage: 0 for the plain corpus; 1 adds names of any letters and long rows of clicks; 2 and 3 add clicks that are
    answered at once, in stage 2 many of them.
    """
    match = FREE_SHARE + (DRILL_SHARE if stage == 2 else MATCH_SHARE)

    def text() -> str:
        kind = rng.random() if stage else 1.0
        if kind < FREE_SHARE:
            return free_document(rng)
        return match_document(rng, at_once=stage >= 2) if kind < match else document(rng, held_out)

    packed = []
    for _ in range(rows):
        row: list[int] = []
        while len(row) < length:
            batch = tokenizer([text() + END for _ in range(max(2, length // 96))])["input_ids"]
            row += itertools.chain.from_iterable(batch)
        packed.append(row[:length])
    return torch.tensor(packed)


def stage_of(share: float) -> int:
    """The stage of the text when this share of the budget is spent."""
    return (share >= LATER) + (share >= DRILL) + (share >= DRILLED)


def batch_for(tokenizer: Any, seed: int, step: int, stage: int) -> torch.Tensor:
    """The batch of this step, made from nothing but the seed, the step and the stage."""
    rng = random.Random(f"starter batch {seed} {step}")
    if step % LONG_EVERY == LONG_EVERY - 1:
        return windows(tokenizer, rng, WINDOWS * WINDOW // LONG_WINDOW, LONG_WINDOW, stage=stage)
    return windows(tokenizer, rng, WINDOWS, WINDOW, stage=stage)


# -- how good it is ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HeldOut:
    """Losses on the same held-out tokens, in nats per token."""

    model: float
    unigram: float
    bigram: float
    tokens: int


def model_loss(model: Any, held_out: torch.Tensor) -> float:
    """Mean next-token loss of the model over [rows, length], in nats per token."""
    with torch.no_grad():
        losses = [float(model(input_ids=row[None], labels=row[None]).loss) for row in held_out]
    return sum(losses) / len(losses)


def count_losses(train: torch.Tensor, held_out: torch.Tensor) -> tuple[float, float]:
    """Unigram and bigram losses on the held-out windows, in nats per token, counted on the training windows.

    unigram: add-one, (n(t) + 1) / (N + V). bigram: interpolated with that unigram, Witten-Bell (1991; Chen and
    Goodman 1999, section 2.5): (n(h, t) + d(h) u(t)) / (n(h) + d(h)), where d(h) counts the different successors.
    Only tokens that the model also predicts are scored: all but the first of a row.
    """
    single = Counter(train.flatten().tolist())
    total = sum(single.values())
    pairs: Counter[tuple[int, int]] = Counter()
    for row in train.tolist():
        pairs.update(itertools.pairwise(row))
    first: Counter[int] = Counter()
    kinds: Counter[int] = Counter()
    for (head, _), n in pairs.items():
        first[head] += n
        kinds[head] += 1
    uni = bi = 0.0
    scored = 0
    for row in held_out.tolist():
        for head, token in itertools.pairwise(row):
            u = (single[token] + 1) / (total + VOCABULARY)
            seen = first[head] + kinds[head]
            uni -= math.log(u)
            bi -= math.log((pairs[head, token] + kinds[head] * u) / seen if seen else u)
            scored += 1
    return uni / scored, bi / scored


def measure(model: Any, tokenizer: Any, seed: int, rows: int = 64, train_rows: int = 4000) -> HeldOut:
    """The three losses on fresh documents of another seed with product names that training never had."""
    held_out = windows(tokenizer, random.Random(f"held out {HELD_OUT_SEED}"), rows, WINDOW, held_out=True)
    train = windows(tokenizer, random.Random(f"counts {seed}"), train_rows, WINDOW)
    unigram, bigram = count_losses(train, held_out)
    return HeldOut(model_loss(model, held_out), unigram, bigram, rows * (WINDOW - 1))


# -- writing -----------------------------------------------------------------------------------------------------


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


def sample(model: Any, tokenizer: Any, prompt: str, seed: int = 0, temperature: float = 0.7) -> str:
    """What the model writes after a prompt that is plain text with marks."""
    torch.manual_seed(seed)
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=80, do_sample=temperature > 0,
        temperature=temperature or None, top_p=0.95, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    return str(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))


# -- training ----------------------------------------------------------------------------------------------------


class _NextTokenLoss(torch.autograd.Function):
    """Mean cross-entropy of a linear layer, some tokens at a time, with its gradient made on the way.

    The logits of a whole batch, [2048, 8192], do not fit a CPU's cache; those of 256 tokens nearly do. Same matrix
    products in bf16 as autocast would do, softmax in fp32, a quarter less time per step.
    """

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """hidden: [tokens, width]; weight: [vocabulary, width]; targets: [tokens]. Returns nats per token."""
        hidden, narrow = hidden.to(torch.bfloat16), weight.to(torch.bfloat16)
        d_hidden, d_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        total, count = torch.zeros(()), hidden.shape[0]
        for start in range(0, count, 256):
            x, target = hidden[start : start + 256], targets[start : start + 256, None]
            scores = (x @ narrow.T).float()
            scores.sub_(scores.amax(1, keepdim=True))
            right = scores.gather(1, target)
            scores.exp_()
            mass = scores.sum(1, keepdim=True)
            total += (mass.log() - right).sum()
            scores.div_(mass * count).scatter_add_(1, target, torch.full_like(right, -1 / count))
            slope = scores.to(torch.bfloat16)
            d_hidden[start : start + 256] = slope @ narrow
            d_weight += slope.T @ x
        ctx.save_for_backward(d_hidden, d_weight)
        return total / count

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        """The gradients that forward made, times what comes from above."""
        d_hidden, d_weight = ctx.saved_tensors
        return d_hidden * grads[0], d_weight * grads[0], None


def answer_ids(tokenizer: Any) -> torch.Tensor:
    """The tokens that say whether an ad was clicked, [answers]."""
    answers = [f" {answer}" for answer in ANSWERS["en"]] + list(ANSWERS["zh"])
    return torch.tensor([token for answer in answers for token in tokenizer(answer)["input_ids"]])


def training_loss(
    model: LlamaForCausalLM, ids: torch.Tensor, answers: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean next-token loss of [rows, length] ids, in nats per token, with autocast to bf16.

    Given answers, [answers] tokens, the mean loss on these is added: they are few, and the average drowns them.
    """
    model.set_attn_implementation("eager" if ids.shape[1] <= WINDOW else "sdpa")  # the quicker one on a CPU
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden, targets = (
            model.model(input_ids=ids).last_hidden_state[:, :-1].flatten(0, 1),
            ids[:, 1:].flatten(),
        )
        loss: torch.Tensor = _NextTokenLoss.apply(  # type: ignore[no-untyped-call]
            hidden, model.lm_head.weight, targets
        )
        if answers is not None and (asked := torch.isin(targets, answers)).any():
            loss = loss + torch.nn.functional.cross_entropy(
                model.lm_head(hidden[asked]).float(), targets[asked]
            )
    return loss


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


def train(
    out: Path,
    state: Path,
    minutes: float,
    seed: int,
    samples: int = TOKENIZER_DOCUMENTS,
    save_every: float = 300.0,
    steps: int | None = None,
) -> dict[str, float]:
    """Trains for this many minutes in all, or for so many `steps` where they are given (those before a resume included).

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
        tokenizer = make_tokenizer(seed, samples)
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


PROMPTS = (
    f"{USER}Write an ad.\nname: Brivora Dusk 7\ncategory: tent\nfeature: two doors\nprice: $243\ndiscount: 20%"
    f"{ASSISTANT}",
    f"{USER}Write an ad.\nname: Kelmira\ncategory: face cream\nmaterial: rose oil\nprice: $52{ASSISTANT}",
    f"{USER}写一句广告。\n名称：澜木晨曦\n品类：台灯\n材质：亚麻\n价格：268元{ASSISTANT}",
    f"{USER}写一句广告。\n名称：云舒 K27\n品类：咖啡\n卖点：坚果香气{ASSISTANT}",
    "User: searched coffee; bought tent; sorted by price\n"
    "Ad: New: Palora K7 coffee in roasted arabica, a nutty aroma, $14, 30% off.",
    "The morning was",
)


def card(progress: dict[str, float], losses: HeldOut, samples: list[tuple[str, str]], size: int) -> str:
    """The model card, with nothing in it that was not measured."""
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
| start | random, but for an induction circuit in the first two layers (`_teach_to_copy` in `build.py`) |
| training | {steps} steps, {tokens} tokens, {seconds} seconds on {torch.get_num_threads()} CPU thread(s){resumed} |
| stages | from {LATER:.0%} of the time on names of any letters too; {DRILL:.1%} to {DRILLED:.1%} a drill in matching |
| context | trained on rows of {WINDOW} and {LONG_WINDOW:,} tokens |

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


def finish(out: Path, progress: dict[str, float], seed: int) -> HeldOut:
    """Measures the shipped files themselves and writes the card."""
    model = LlamaForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(out)
    losses = measure(model, tokenizer, seed)
    samples = [(prompt, sample(model, tokenizer, prompt)) for prompt in PROMPTS]
    (out / "README.md").write_text(card(progress, losses, samples, model.num_parameters()), encoding="utf-8")
    return losses


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Train the embedded base on text that the project generates."
    )
    parser.add_argument("--minutes", type=float, default=70.0, help="training time in all (default: 70)")
    parser.add_argument("--steps", type=int, default=None, help="instead of a time: so many steps in all")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parents[1] / "weights", help="the folder to write"
    )
    parser.add_argument(
        "--state", type=Path, default=None, help="checkpoint to resume from (default: OUT.state.pt)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="begin anew, even if a checkpoint is there")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    state = options.state or options.out.with_name(options.out.name + ".state.pt")
    if options.fresh:
        state.unlink(missing_ok=True)
    progress = train(options.out, state, options.minutes, options.seed, steps=options.steps)
    losses = finish(options.out, progress, options.seed)
    print(
        f"held-out nats per token: {losses.model:.3f}, bigram {losses.bigram:.3f}, unigram {losses.unigram:.3f}",
        flush=True,
    )
    if (size := sum(file.stat().st_size for file in options.out.iterdir())) > 25_000_000:
        raise SystemExit(
            f"{options.out} has {size:,} bytes; it must stay under 25,000,000: make the model smaller"
        )


if __name__ == "__main__":
    main()
