"""A watch over what a CUDA graph cannot hold: numbers that are read back, shapes that depend on data, tensors made from
Python's numbers, and memory that one step takes and another does not."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_READING = {"item", "tolist", "numpy", "cpu", "__bool__", "__int__", "__float__", "__index__", "__array__"}
_FROM_PYTHON = {torch.tensor, torch.as_tensor, torch.from_numpy}
_DATA = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


class NotCaptureSafe(AssertionError):
    """What a CUDA graph cannot hold."""


class _Calls(TorchFunctionMode):
    """Refuses what on a CPU never reaches the dispatcher."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        # To the device of another tensor is no way off a GPU; `test_a_step_asks_for_no_number` sees those that are.
        moves = name == "to" and "cpu" in (*args[1:], *kwargs.values())
        if name in _READING or moves or func in _FROM_PYTHON:
            raise NotCaptureSafe(f"{name} waits for the device")
        return func(*args, **kwargs)


class _Operations(TorchDispatchMode):
    """Refuses operations by what they are, and notes all others with what they give."""

    def __init__(self) -> None:
        super().__init__()
        self.trace: list[tuple[str, list[tuple[torch.Size, tuple[int, ...], torch.dtype]]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _DATA & set(func.tags) or func is torch.ops.aten.lift_fresh.default:
            raise NotCaptureSafe(f"{func} depends on data")
        found = func(*args, **(kwargs or {}))
        made = [(t.shape, t.stride(), t.dtype) for t in tree_leaves(found) if isinstance(t, Tensor)]
        self.trace.append((str(func), made))
        return found


def watched(run: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """A capture for `FixedSteps` that runs the step each time, under watch: twice to warm up, and then the same
    operations with the same memory whatever the buffers hold."""
    for _ in range(2):
        once(run)
    _, expected = once(run)

    def replay() -> Tensor:
        logits, trace = once(run)
        if trace != expected:
            raise NotCaptureSafe("a step does what the step before did not")
        return logits

    return replay


def once(run: Callable[[], Tensor]) -> tuple[Tensor, list[Any]]:
    """What a step gives under watch, and what it did."""
    operations = _Operations()
    with _Calls(), operations:
        found = run()
    return found, operations.trace
