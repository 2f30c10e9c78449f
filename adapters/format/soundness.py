"""What a sound adapter is: every tensor has its name, its partner and its shape, and on a base every layer its own.

    lora      layer.lora_A.weight  [rank, in]      layer.lora_B.weight  [out, rank]     the configuration's rank
              layer.lora_magnitude_vector  [out]   with DoRA, and only then
    prefix    prompt_embeddings    [length, layers * 2 * kv_heads * head_dim]
    head      score or classifier .weight  [labels, width]              .bias  [labels]
              or of two layers, as RoBERTa's and ELECTRA's classes have it:
              classifier.dense .weight  [width, width]  .bias           classifier.out_proj  as above

Intake, the look through a hub and the loading into a slot all ask here. That numbers are finite is seen to where a file
is read (`adapters.format.files`).
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from adapters.errors import BadAdapter, WrongBase
from adapters.format.config import Adapter, BaseId, Head, Lora
from adapters.format.names import (
    LAST_OF_TWO,
    LORA_A,
    LORA_B,
    MAGNITUDE,
    TABLE,
    HeadNames,
    head_names,
    lora_parts,
    module_of,
)

if TYPE_CHECKING:
    from torch import Tensor

_SHOWN = 5
_OUTPUTS = {"lm_head", "embed_out", "score", "classifier"}
"""Layers that are no part of a base's backbone, which alone is adapted."""


class Layer(Protocol):
    """A linear layer of a base."""

    @property
    def in_features(self) -> int:
        """Numbers that it reads."""

    @property
    def out_features(self) -> int:
        """Numbers that it gives."""


class Shape(Protocol):
    """What of a base decides whether an adapter fits: a loaded `adapters.Base` has it, and so has `load_shape`, which
    needs no more than the base's configuration."""

    @property
    def identity(self) -> BaseId:
        """Which base it is; without a fingerprint where only its configuration is at hand."""

    @property
    def linears(self) -> Mapping[str, Layer]:
        """Its linear layers by their path, such as `model.layers.0.self_attn.q_proj`."""

    @property
    def prefix_width(self) -> int | None:
        """Numbers of one position of a prefix; None where its layers have keys of different shapes."""

    @property
    def width(self) -> int:
        """Size of a hidden state."""


class LoraTerm(NamedTuple):
    """One layer's low-rank term.

    Attributes:
        module: the layer's name in the adapter's file, by which PEFT's patterns know it.
        a, b: names of its tensors.
        magnitude: the same of DoRA's, None without DoRA.
        rank: of the term, by the configuration.
        scaling: the factor on the term.
    """

    module: str
    a: str
    b: str
    magnitude: str | None
    rank: int
    scaling: float


def adapter_problems(adapter: Adapter, shape: Shape | None = None) -> list[str]:
    """All that keeps an adapter from being sound, each thing once.

    Args:
        adapter: with finite numbers, as `adapters.format.read` gives it.
        shape: of the base that it must fit too, name by name and shape by shape. Without one, what can be known without
            a base is told.

    Returns:
        What is wrong, in words; nothing of a sound adapter.
    """
    return _examined(adapter, shape)[1]


def check_fit(adapter: Adapter, shape: Shape) -> dict[str, LoraTerm]:
    """See that an adapter is sound and fits a base, so that no row is ever answered silently by the base alone.

    Args:
        adapter: any.
        shape: of the base, or the base itself.

    Returns:
        Its low-rank terms by the path of the base's layer; none for a prefix.

    Raises:
        WrongBase: it was made for another base.
        BadAdapter: with what does not fit: tensors that name nothing in the base, half pairs, wrong shapes, layers that
            the adapter's targets promise and its weights lack.
    """
    check_base(adapter, shape)
    terms, problems = _examined(adapter, shape)
    if problems:
        raise BadAdapter(
            f"this adapter does not fit the base: {told(problems)}. Train or export it again for this base"
        )
    return terms


def check_base(adapter: Adapter, shape: Shape) -> None:
    """See that an adapter was made for this base.

    Adapters of stock PEFT carry no fingerprint, and a base of which only the configuration is at hand has none: there
    names and shapes decide.

    Args:
        adapter: any.
        shape: of the base, or the base itself.

    Raises:
        WrongBase: it was made for another one.
    """
    made_for, own = adapter.base, shape.identity
    if None not in (made_for.fingerprint, own.fingerprint) and made_for.fingerprint != own.fingerprint:
        raise WrongBase(
            f"it was made for {made_for.id} (fingerprint {str(made_for.fingerprint)[:12]}), but this base is "
            f"{own.id} (fingerprint {str(own.fingerprint)[:12]}); load that base, or train the adapter on this one"
        )


def told(problems: list[str]) -> str:
    """The first problems in one line, and how many more there are."""
    more = f"; and {len(problems) - _SHOWN} more" if problems[_SHOWN:] else ""
    return "; ".join(problems[:_SHOWN]) + more


def _examined(adapter: Adapter, shape: Shape | None) -> tuple[dict[str, LoraTerm], list[str]]:
    if not adapter.tensors:
        return {}, ["it holds no tensors; save the trained adapter again"]
    head = head_names(adapter.tensors)
    body = {name: tensor for name, tensor in adapter.tensors.items() if name not in (head or ())}
    terms: dict[str, LoraTerm] = {}
    if isinstance(adapter.method, Lora):
        try:
            terms, problems = _examined_lora(adapter, body, shape)
        except BadAdapter as error:  # a pattern that cannot be used, which every layer would meet
            problems = [str(error)]
    else:
        problems = list(_prefix_problems(adapter.method.length, body, shape))
    if adapter.head is not None:
        problems += _head_problems(adapter.head, head, adapter.tensors, shape)
        if adapter.task is None and len(adapter.head.labels) == 1:
            problems.append(
                "its head gives one number a text, as a reward model or a multiple choice does, and no labels; where "
                "that number is the log-odds of a click, publish it with --task recommendation"
            )
    return terms, problems


def _examined_lora(
    adapter: Adapter, tensors: "Mapping[str, Tensor]", shape: Shape | None
) -> tuple[dict[str, LoraTerm], list[str]]:
    """The terms by the path of their layer (without a base, by its name in the file), and all problems."""
    method = adapter.method
    assert isinstance(method, Lora)
    terms: dict[str, LoraTerm] = {}
    problems = list(_strays(method, tensors))
    stems = [name.removesuffix(LORA_A) for name in tensors if name.endswith(LORA_A)]
    if not stems:
        problems.append("it holds no LoRA weights (pairs of lora_A and lora_B)")
    for stem in stems:
        term = _term(method, stem)
        path = term.module if shape is None else _path(term.module, shape.linears)
        missing = [] if term.b in tensors else ["lora_B"]
        if term.magnitude is not None and term.magnitude not in tensors:
            missing.append("lora_magnitude_vector of DoRA")
        if not _OUTPUTS.isdisjoint(term.module.split(".")):
            problems.append(
                f"{term.a} adapts {term.module}, an output layer, which Repertoire does not; train the layers below it"
            )
        elif path is None:
            problems.append(f"{term.a} names a layer that this base does not have")
        elif missing:
            problems.append(f"{term.a} has no {' and no '.join(missing)} beside it")
        else:
            terms[path] = term
            problems += _term_problems(term, tensors, None if shape is None else shape.linears[path])
    if shape is not None:
        read = [path for path in shape.linears if _is_read(path, adapter.head)]
        absent = [path for path in read if method.covers(path) and path not in terms]
        problems += [f"no weights for {path}, which its targets name" for path in absent]
    return terms, problems


def _strays(method: Lora, tensors: "Mapping[str, Tensor]") -> Iterator[str]:
    """Tensors that are no lora_A and stand beside none."""
    for name in tensors:
        stem, ending = lora_parts(name)
        if not ending and ".lora_embedding_" in name:
            yield f"{name} adapts an embedding, which Repertoire does not; train linear layers only"
        elif not ending:
            yield f"{name} does not belong to a LoRA adapter; save the adapter alone"
        elif ending == MAGNITUDE and not method.dora:
            yield f"{name} is of DoRA, which the configuration does not name"
        elif stem + LORA_A not in tensors:
            yield f"{name} has no lora_A beside it"


def _term(method: Lora, stem: str) -> LoraTerm:
    module = module_of(stem)
    magnitude = stem + MAGNITUDE if method.dora else None
    return LoraTerm(
        module, stem + LORA_A, stem + LORA_B, magnitude, method.rank_of(module), method.scaling_of(module)
    )


def _path(module: str, linears: Mapping[str, Layer]) -> str | None:
    """The base's path of a layer that an adapter names; an encoder's own prefix, such as `bert.`, may be missing."""
    if module in linears:
        return module
    longer = f"{next(iter(linears)).split('.')[0]}.{module}"
    return longer if longer in linears else None


def _is_read(path: str, head: Head | None) -> bool:
    """Whether answers depend on a layer: an encoder's pooler counts for a head that reads it. transformers' classes
    whose heads do not, such as RoBERTa's, have none, so that stock PEFT had none to adapt."""
    return ".pooler." not in path or head is None or head.pooling == "pooler"


def _term_problems(term: LoraTerm, tensors: "Mapping[str, Tensor]", layer: Layer | None) -> Iterator[str]:
    """What is wrong with the shapes of a whole pair. layer: the base's, where there is a base."""
    a, b = tensors[term.a].shape, tensors[term.b].shape
    if len(a) != 2 or len(b) != 2 or a[0] != b[1]:
        yield f"{term.a} {list(a)} does not fit its lora_B {list(b)}"
        return
    if a[0] != term.rank:
        yield f"{term.a} has rank {a[0]}, the configuration says {term.rank}"
        return
    if term.magnitude is not None and tuple(tensors[term.magnitude].shape) != (b[0],):
        yield f"{term.magnitude} is {list(tensors[term.magnitude].shape)}, its lora_B {list(b)}"
    if layer is not None and a[1] != layer.in_features:
        yield f"{term.a} is {tuple(a)}, this base needs {(term.rank, layer.in_features)}"
    if layer is not None and b[0] != layer.out_features:
        yield f"{term.b} is {tuple(b)}, this base needs {(layer.out_features, term.rank)}"


def _prefix_problems(length: int, tensors: "Mapping[str, Tensor]", shape: Shape | None) -> Iterator[str]:
    table = tensors.get(TABLE)
    if table is None:
        yield f"it holds no {TABLE}, which a Prefix adapter needs"
    elif table.ndim != 2 or table.shape[0] != length:
        yield f"{TABLE} is {list(table.shape)}; the configuration says {length} positions"
    elif shape is not None and shape.prefix_width is None:
        yield "this base's layers have keys of different shapes, which PEFT's prefix table cannot hold; use LoRA"
    elif shape is not None and table.shape[1] != shape.prefix_width:
        yield f"{TABLE} is {tuple(table.shape)}, this base needs {(length, shape.prefix_width)}"
    for name in tensors.keys() - {TABLE}:
        yield f"{name} does not belong to a Prefix adapter; save the adapter alone"


def _head_problems(
    head: Head, names: HeadNames | None, tensors: "Mapping[str, Tensor]", shape: Shape | None
) -> Iterator[str]:
    labels = len(head.labels)
    if names is None:
        yield "it has labels but no tensor of a head (score or classifier); train it again"
        return
    weight, bias = tensors[names.weight], None if names.bias is None else tensors[names.bias]
    if weight.ndim != 2:
        yield f"{names.weight} is {list(weight.shape)}; a head is a matrix"
    elif weight.shape[0] != labels:
        yield f"{names.weight} has {weight.shape[0]} rows for {labels} labels"
    elif shape is not None and weight.shape[1] != shape.width:
        yield f"head is {tuple(weight.shape)}, this base and {labels} labels need {(labels, shape.width)}"
    elif names.dense is not None:
        yield from _dense_problems(names, tensors, weight.shape[1])
    elif names.weight.endswith(LAST_OF_TWO):
        yield f"{names.weight} has no classifier.dense beside it; save the whole head (modules_to_save)"
    if bias is not None and tuple(bias.shape) != (labels,):
        yield f"{names.bias} is {list(bias.shape)} for {labels} labels"


def _dense_problems(names: HeadNames, tensors: "Mapping[str, Tensor]", width: int) -> Iterator[str]:
    """The first layer of a head of two gives as many numbers as it reads, and the last one reads them."""
    wanted = {names.dense: (width, width), names.dense_bias: (width,)}
    for name, shape in wanted.items():
        if name is not None and tuple(tensors[name].shape) != shape:
            yield f"{name} is {tuple(tensors[name].shape)}, the layer behind it needs {shape}"
