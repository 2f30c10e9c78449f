"""Steps of writing at fixed shapes, captured as CUDA graphs and replayed.

With few rows a GPU is done before Python has asked for the next of a step's thousands of kernels. So a step is captured
once for each number of rows and of columns, rounded up, and replayed for as long as the memory stays where it is. What
differs between two steps lies in one buffer that is filled before each:

    3 rows run, 4 are captured                 ids        17  4  9  0
    the longest sees 40 columns, of 48         positions  39 12 25  0
                                               slots       2  0  7  8     8: the slot of zeros

The row that stands for nobody writes into column 0 of a free row of the cache, where nobody looks. In a replay no hook
runs, nothing is sampled, and nothing waits for the device. (CUDA graphs by batch size for decoding are vLLM's and
nano-vllm's way; rows of other slots in one graph need what the kernels read of the plan to be a tensor.)
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from adapters.base.base import Base
from adapters.kernels.plan import Tiles
from adapters.slots.cache import KeyValueCache
from adapters.slots.forward_pass import behind
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots

_log = logging.getLogger(__name__)
_COLUMNS = 64  # the least that are looked at
_WARM = 2  # steps before a capture: kernels are compiled, and libraries take their work space

Capture = Callable[[Callable[[], Tensor]], Callable[[], Tensor]]
"""Takes a step and gives one that does the same and leaves its logits in the same place."""


class FixedSteps:
    """One token of every running text, at shapes that come again.

    Args:
        base: that writes.
        slots: on that base.
        capture: makes of a step one that is fast to repeat.
    """

    def __init__(self, base: Base, slots: Slots, capture: Capture) -> None:
        self.base = base
        self.slots = slots
        self._capture: Capture | None = capture
        self._steps: dict[tuple[int, int], _FixedStep] = {}
        self._memory: tuple[Any, Any] = (None, None)

    @property
    def captured(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of each captured step."""
        return tuple(self._steps)

    def logits(
        self, cache: KeyValueCache, tokens: Sequence[int], starts: Sequence[int], rows: RowSlots
    ) -> Tensor | None:
        """What comes next.

        Args:
            cache: with the rows' past, from its first row on; the tokens' keys and values are added.
            tokens: the last of each row.
            starts: how many columns of its cache row each row has filled already.
            rows: which row uses which slot.

        Returns:
            Logits in float32, `[rows, vocabulary]`, which the next call overwrites; None where this step has to be
            taken in the usual way.

        Raises:
            AdapterError: a row uses a slot in which no adapter is loaded.
        """
        places = self.slots.places(rows)
        if places is None or self._capture is None:
            return None
        with self.base.lock:
            memory = (cache.memory, self.slots.memory)
            if any(now is not before for now, before in zip(memory, self._memory, strict=True)):
                self._steps.clear()
                self._memory = memory
            count = min(rounded(len(tokens)), cache.rows)
            width = min(rounded(max(max(starts) + 1, _COLUMNS)), cache.width)
            step = self._steps.get((count, width)) or _FixedStep(self.base, self.slots, cache, count, width)
            step.fill(tokens, starts, places)
            if step.replay is None:
                try:
                    step.replay = self._capture(step.run)
                except RuntimeError as error:  # such as no memory, or a model that waits for the device
                    _log.warning("a step cannot be captured, and steps stay as they are: %s", error)
                    self._capture = None
                    self._steps.clear()
                    return None
                self._steps[count, width] = step
            return step.replay()[: len(tokens)]


class _FixedStep:
    """One shape: its buffer, and what is done with it."""

    def __init__(self, base: Base, slots: Slots, cache: KeyValueCache, rows: int, width: int) -> None:
        self.base = base
        self.slots = slots
        self.cache = cache
        self.width = width
        self.replay: Callable[[], Tensor] | None = None
        with torch.inference_mode(False):
            self._given = torch.zeros(3, rows, dtype=torch.long, device=base.device)
            each = torch.arange(rows + 1, device=base.device)
        self._ids, self._positions, places = self._given[0, :, None], self._given[1, :, None], self._given[2]
        self._plan = slots.fixed_plan(Tiles(places, each[:-1], each[1:], 1))

    def fill(self, tokens: Sequence[int], starts: Sequence[int], places: Sequence[int]) -> None:
        """Write what the next step is about into the buffer, by one copy."""
        free = self._given.shape[1] - len(tokens)
        told = [[*tokens, *[0] * free], [*starts, *[0] * free], [*places, *[self.slots.count] * free]]
        host = torch.tensor(told, pin_memory=self._given.is_cuda)
        self._given.copy_(host, non_blocking=True)

    def run(self) -> Tensor:
        """Logits in float32, `[rows, vocabulary]`. Nothing here may read a number back or choose a shape by one."""
        view = self.cache.at_positions(self._positions, self.width)
        with self.slots.using_plan(self._plan):
            states = behind(self.base, self.cache, view, self._ids)
        return self.base.lm_logits(states[:, -1]).float()


def fixed_steps(base: Base, slots: Slots) -> FixedSteps | None:
    """Captured steps where there are any to be had: on CUDA. None for models that choose by length, and for int8, whose
    products look for outliers."""
    able = base.device.type == "cuda" and base.quantization != "int8" and base.reads_forward
    return FixedSteps(base, slots, cuda_graphs(base.device)) if able else None


def cuda_graphs(device: torch.device) -> Capture:
    """Capture steps as CUDA graphs that share their memory: one runs at a time, and its logits are read before the next
    one runs."""
    pool = torch.cuda.graph_pool_handle()

    def capture(run: Callable[[], Tensor]) -> Callable[[], Tensor]:
        aside, here = torch.cuda.Stream(device), torch.cuda.current_stream(device)
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(_WARM):
                run()
        here.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads lay adapters out meanwhile, in pinned memory that they ask CUDA for.
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            logits = run()

        def replay() -> Tensor:
            graph.replay()
            return logits

        return replay

    return capture


def rounded(number: int) -> int:
    """Up to the next of 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, ...: few shapes, of which at most a third is for nobody."""
    power = 1 << max(0, number - 1).bit_length()
    return power * 3 // 4 if number <= power * 3 // 4 and power > 2 else power
