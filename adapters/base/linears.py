"""The linear layers of a base, by the names that PEFT gives them."""

from torch import nn
from transformers import PreTrainedModel

from adapters.errors import UnsupportedArchitecture


def linears_of(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """The backbone's linear layers by PEFT's module path. Raises UnsupportedArchitecture where there are none."""
    found = {
        f"{model.base_model_prefix}.{name}": module
        for name, module in model.base_model.named_modules()
        if isinstance(module, nn.Linear)
    }
    if not found:
        raise UnsupportedArchitecture(
            f"{type(model).__name__} has no linear layers that LoRA could reach; "
            "use a Llama, Qwen, Mistral, Gemma, Phi or BERT-family model"
        )
    return found
