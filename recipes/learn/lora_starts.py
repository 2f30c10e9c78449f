"""Where the terms of LoRA start (`lora.init`): at nothing, or at what the base's own weights say.

    default   A uniform, B zero: PEFT's
    gaussian  A normal, B zero
    eva       A along what the layer reads of the training rows, B zero        see `recipes.learn.eva`
    pissa     along the largest singular directions of W                       Meng et al. 2024, arXiv:2404.02948
    olora     the first columns of Q and rows of R, where W = Q R              Büyükakyüz 2024, arXiv:2406.01775
    loftq     the largest directions of what quantizing took from W            Li et al. 2023, arXiv:2310.08659

W is the weight that the base has, unpacked where it is quantized. PiSSA and OLoRA train W - scaling (B0 A0 - B A),
from B0 A0 on. The base stays as it is: both terms are one of twice the rank, whose second half never moves.

    A' = [ A  ]  rank      B' = [ B | -B0 ]
         [ A0 ]  rank             rank  rank

This is the form into which PEFT converts them in the end; here it is trained in it, so that a quantized base is not
quantized again, and any step is a plain LoRA for the base that everybody has.
"""

from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from adapters import Base, Lora
from adapters.base import original_weights, plain_weight
from adapters.errors import BaseError
from recipes.learn.layer_ranks import doubled

Terms = dict[str, tuple[Tensor, Tensor]]
"""By the path of a layer its A `[rank, in]` and B `[out, rank]`."""

_DEVIATION = 0.02  # of the numbers that AdaLoRA's P and Q start with, as PEFT's
_EXACT = 1024  # of a weight whose shorter side is longer, the directions are found by iteration
_ROUNDS, _MORE = 16, 8  # of it, and directions beside those that are wanted
_SEED = 0
_kept: "WeakKeyDictionary[Base, tuple[str, Lora, Terms]]" = WeakKeyDictionary()  # a night's jobs start alike


def drawn(method: Lora, base: Base, stream: torch.Generator, normal: bool) -> Terms:
    """B zero; A uniform as Kaiming with a = sqrt(5), that is within 1 / sqrt(in), or normal with a deviation of
    1 / rank. Both are PEFT's."""
    made = {}
    for path, linear in base.linears.items():
        if method.covers(path):
            rank, bound = method.rank_of(path), linear.in_features**-0.5
            a = torch.empty(rank, linear.in_features)
            if normal:
                a.normal_(0, 1 / rank, generator=stream)
            else:
                a.uniform_(-bound, bound, generator=stream)
            made[path] = a, torch.zeros(linear.out_features, rank)
    return made


def triplets(method: Lora, base: Base, stream: torch.Generator) -> Terms:
    """AdaLoRA's Q and P, normal; their values come in training."""
    made = {}
    for path, linear in base.linears.items():
        if method.covers(path):
            shape = method.rank_of(path), linear.in_features
            q = torch.empty(shape).normal_(0, _DEVIATION, generator=stream)
            p = torch.empty(linear.out_features, shape[0]).normal_(0, _DEVIATION, generator=stream)
            made[path] = q, p
    return made


@torch.no_grad()
def of_weights(method: Lora, base: Base, init: str) -> tuple[Lora, Terms]:
    """The start of `pissa`, `olora` or `loftq`: the LoRA, of twice the ranks for the first two, and its terms. Raises
    BaseError where the base has no such start."""
    if (kept := _kept.get(base)) is None or kept[:2] != (init, method):
        _kept[base] = kept = init, method, _of_weights(method, base, init)
    terms = kept[2]
    if init == "loftq":
        return method, terms
    both = {path: (torch.cat([a, a]), torch.cat([b, -b], dim=1)) for path, (a, b) in terms.items()}
    return doubled(method), both


def _of_weights(method: Lora, base: Base, init: str) -> Terms:
    linears = {path: linear for path, linear in base.linears.items() if method.covers(path)}
    for path, linear in linears.items():
        if method.rank_of(path) > (most := min(linear.in_features, linear.out_features)):
            raise BaseError(
                f"lora.init: {init} finds {most} directions in {path}, where the rank is {method.rank_of(path)}; "
                "lower it, or write init: default"
            )
    whole = {}
    if init == "loftq":
        if base.quantization == "none":
            raise BaseError(
                f"lora.init: loftq makes up for what quantizing takes away, and {base.id} is not quantized here; load "
                "it as nf4, or write init: default"
            )
        whole = original_weights(base, linears)
    found: Terms = {}
    for path, linear in linears.items():
        weight, rank = plain_weight(linear).float(), method.rank_of(path)
        if init == "olora":
            q, r = torch.linalg.qr(weight)
            a, b = r[:rank], q[:, :rank]
        else:
            matrix = whole.pop(path).to(weight.device) - weight if init == "loftq" else weight
            a, b = _largest(matrix, rank, method.scaling_of(path))
        found[path] = a.cpu().contiguous(), b.cpu().contiguous()
    return found


def _largest(matrix: Tensor, rank: int, scaling: float) -> tuple[Tensor, Tensor]:
    """A and B of the rank, of which `scaling * B A` is as near to a matrix as can be; both have half of its size."""
    if min(matrix.shape) <= _EXACT:
        u, size, v = torch.linalg.svd(matrix, full_matrices=False)
    else:
        with torch.random.fork_rng(devices=[matrix.device] if matrix.is_cuda else []):
            torch.manual_seed(_SEED)
            u, size, v = torch.svd_lowrank(matrix, min(rank + _MORE, *matrix.shape), niter=_ROUNDS)
            v = v.T
    half = (size[:rank] / scaling).sqrt()
    return half[:, None] * v[:rank], u[:, :rank] * half
