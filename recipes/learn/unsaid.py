"""What a recipe leaves open, decided by the rows and the base: how often rows are read, how large a step is, and how
far a row is moved against it.

    rows      50   200  1,000  5,000  10,000      width           256     384     576   4,096
    epochs    14     7      3      1       1      LoRA, labels   8e-4  6.5e-4  5.3e-4    2e-4
                                                  LoRA, texts    2e-3  1.6e-3  1.3e-3    5e-4

`benchmarks/presets.py` measures both for labels; its table stands in the docs. Texts take larger steps: on 200 rows of
e2e_en the starter's loss a token ends at 3.88 nats with the rate of labels and at 3.17 with that of texts, beside a
prefix at 7.14 and 5.30.

A row is moved by a twentieth of its own embeddings' length: a token of MiniLM is 1.1 long and one of SmolLM2 3.2.
"""

import math
from typing import TYPE_CHECKING

from recipes.tasks.task import task_for

if TYPE_CHECKING:
    from torch import Tensor

    from adapters import Base
    from recipes.options.train import TrainOptions
    from recipes.recipe import Recipe

_PASSES = 100.0  # epochs of a single row; of n rows one by the square root of n
_MOST_EPOCHS = 20
_LORA_RATE, _LORA_WIDTH = {"labels": 2e-4, "texts": 5e-4}, 4096  # what is usual for 7 billion weights
# Keys and values are large: a prefix needs far larger steps than LoRA, whatever the base.
_PREFIX_RATE = {"labels": 0.03, "texts": 0.1}

_AGAINST = 0.05  # of the embeddings' length


def epochs(options: "TrainOptions", rows: int) -> int:
    """How often so many rows are trained on: as is said, or so that the steps grow with the square root of the rows."""
    said = options.epochs
    return said if said is not None else max(1, min(_MOST_EPOCHS, round(_PASSES / math.sqrt(rows))))


def learning_rate(recipe: "Recipe", base: "Base") -> float:
    """The highest rate: as the recipe says, or by its task and method, for LoRA falling with the root of the base's
    width."""
    said = recipe.train.learning_rate
    if said is not None:
        return said
    answers = task_for(recipe.task).ANSWERS
    if recipe.method == "prefix":
        return _PREFIX_RATE[answers]
    return _LORA_RATE[answers] * math.sqrt(_LORA_WIDTH / base.width)


def fgm(options: "TrainOptions", lengths: "Tensor") -> "Tensor":
    """How long the steps against rows are, `[rows]`: as is said, or a share of their embeddings' lengths, `[rows]`."""
    return _AGAINST * lengths if options.fgm is None else lengths.new_full(lengths.shape, options.fgm)
