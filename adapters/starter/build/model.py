"""The starter before its first step: a small Llama that can already copy a little."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from adapters.starter.build.tokenizer import VOCABULARY


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
