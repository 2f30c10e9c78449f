"""What one token shows of a base: its attention layers, and which linear layers read the same input."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from adapters.base.attention import AttentionLayer
from adapters.errors import UnsupportedArchitecture


class _Probe:
    """A view of attention that changes nothing and remembers what it saw."""

    def __init__(self) -> None:
        self.layers: list[AttentionLayer] = []

    def see(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        window: int | None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """See `adapters.base.attention.View`."""
        self.layers.append(AttentionLayer(module, key.shape[1], key.shape[3]))
        return key, value, mask


def probe(
    model: PreTrainedModel, linears: Mapping[str, nn.Linear]
) -> tuple[tuple[AttentionLayer, ...], dict[str, str]]:
    """Run one token.

    Args:
        model: with its attention routed through `adapters.base.attention`.
        linears: the layers to look at, by path.

    Returns:
        The self-attention layers in order; and for every linear layer, in the order in which they run, the first one
        that reads the same input (itself, most often).

    Raises:
        UnsupportedArchitecture: attention does not pass through `adapters.base.attention`.
    """
    view, inputs = _Probe(), {}

    def note(path: str) -> None:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            inputs[path] = arguments[0]

        handles.append(linears[path].register_forward_pre_hook(hook))

    handles: list[torch.utils.hooks.RemovableHandle] = []
    for path in linears:
        note(path)
    try:
        with torch.no_grad():
            token = torch.zeros(1, 1, dtype=torch.long, device=model.device)
            model.base_model(input_ids=token, repertoire=view)
    finally:
        for handle in handles:
            handle.remove()
    expected = model.config.num_hidden_layers
    if len(view.layers) != expected:
        raise UnsupportedArchitecture(
            f"{type(model).__name__} runs {len(view.layers)} of {expected} layers through the attention interface of "
            "transformers, so that a prefix cannot reach all; use a Llama, Qwen, Mistral, Gemma, Phi or BERT model"
        )
    first: dict[int, str] = {}
    groups = {path: first.setdefault(id(seen), path) for path, seen in inputs.items()}
    return tuple(view.layers), groups | {path: path for path in linears if path not in groups}
