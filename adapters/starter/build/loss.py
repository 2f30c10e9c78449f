"""The training loss, made in pieces that fit a CPU's cache."""

from typing import Any

import torch
from transformers import LlamaForCausalLM

from adapters.starter.build.clicks import ANSWERS

_SHORT = 256  # tokens of a row up to which eager attention is the quicker one on a CPU


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
    model.set_attn_implementation("eager" if ids.shape[1] <= _SHORT else "sdpa")
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
