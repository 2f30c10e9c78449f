"""One run in several processes (`torchrun`, `accelerate launch`): each takes its share of every micro-batch's rows, and
gradients are added up before each step, so that all of them hold the weights that one process would."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """rank: which one this is; the first writes what all have made. count: how many there are."""

    rank: int = 0
    count: int = 1

    @classmethod
    def here(cls) -> "Processes":
        """Those that a launcher started together with this one; joins them where that has not happened."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        from accelerate import PartialState

        state = PartialState(cpu=not torch.cuda.is_available())
        return cls(state.process_index, state.num_processes)

    def share(self, rows: int) -> list[int]:
        """The indices of this process's rows in a micro-batch."""
        return list(range(self.rank, rows, self.count))

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Let each tensor be the sum over all processes, in place."""
        for tensor in tensors if self.count > 1 else ():
            torch.distributed.all_reduce(tensor)
