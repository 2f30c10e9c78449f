"""How weights are learned: `train:`."""

from typing import Literal

from pydantic import Field

from recipes.options.section import Section

FEWEST_TO_CHOOSE = 50
"""Validation rows (of different groups) by which a best step can be told from a lucky one."""


class TrainOptions(Section):
    """`train:` AdamW with warmup and clipping; the best weights by `metric` on the validation rows are kept, of those
    that the task can stop by, or the last ones where these rows are too few to choose by.

    epochs: the most passes over the training rows; null is by their number, many of few rows and one of many (see
    `recipes.learn.unsaid`). batch_size: rows that are drawn at once. optimizer: adamw8bit keeps AdamW's two moments
    in 8 bits each (Dettmers et al. 2021, arXiv:2110.02861). max_steps: stop after so many steps (null: only epochs
    count). accumulate: batches per step. learning_rate: the highest one, after the warm-up; null is by the method and
    the base's width. head_learning_rate: null is learning_rate. weight_decay: of AdamW. warmup_share: of the steps,
    in which the rate climbs. schedule: how it falls after that. clip: the longest gradient, as one vector. metric: of
    the validation rows, which the kept weights are best by. seed: of the order of rows, of dropout and of weights
    that start at random. evaluate_every: steps, null is once an epoch. patience: evaluations without improvement
    before stopping, null is never; none is counted during the warm-up. keep: the best or the last weights; auto is
    the best where there are at least 50 validation rows (of different groups), and else the last, after all steps, or
    those before the first one where these know more of rows unseen. fgm: length of the step by which each
    row's embeddings are moved against it for a second pass, whose gradient is added; 0 is off, null a twentieth of
    those embeddings' own length.
    """

    epochs: int | None = Field(default=None, ge=1)
    max_steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=16, ge=1)
    optimizer: Literal["adamw", "adamw8bit"] = "adamw"
    accumulate: int = Field(default=1, ge=1)
    learning_rate: float | None = Field(default=None, gt=0, lt=10)
    head_learning_rate: float | None = Field(default=None, gt=0, lt=10)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_share: float = Field(default=0.1, ge=0, lt=1)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    clip: float = Field(default=1.0, gt=0)
    evaluate_every: int | None = Field(default=None, ge=1)
    patience: int | None = Field(default=3, ge=1)
    metric: str
    keep: Literal["auto", "best", "last"] = "auto"
    fgm: float | None = Field(default=0.0, ge=0, allow_inf_nan=False)
    seed: int = 0
