"""What is trained: `lora:`, `prefix:` and `head:`."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from recipes.options.section import Section, are_texts

MethodName = Literal["lora", "prefix"]
DIFFERENCES = ("pissa", "olora")
"""The values of `lora.init` with which terms start at a part of the base, and the adapter is how far they moved."""


class AdaLoraOptions(Section):
    """`lora.adalora:` layers start with `lora.rank`, and share out what is left of it by what it is worth in each
    (Zhang et al. 2023, arXiv:2303.10512). The adapter is a plain LoRA in the end.

    target_rank: mean rank of a layer in the end; some have more, some none. start_share: of the steps, before ranks
    begin to fall; final_share: after they are fixed. Only validations after that can be the best, or stop the training.
    every: steps between two cuts. beta1, beta2: how slowly a weight's worth and its unsteadiness are smoothed.
    orthogonality: weight of the penalty that keeps a layer's directions apart.
    """

    target_rank: int = Field(ge=1)
    start_share: float = Field(default=0.1, ge=0, lt=1)
    final_share: float = Field(default=0.3, ge=0, lt=1)
    every: int = Field(default=1, ge=1)
    beta1: float = Field(default=0.85, gt=0, lt=1)
    beta2: float = Field(default=0.85, gt=0, lt=1)
    orthogonality: float = Field(default=0.5, ge=0)

    @model_validator(mode="after")
    def _ranks_can_fall(self) -> Self:
        if self.start_share + self.final_share >= 1:
            raise ValueError("start_share and final_share leave no steps between; keep their sum below 1")
        return self


class LoraOptions(Section):
    """`lora:` low-rank terms on linear layers (Hu et al. 2021, arXiv:2106.09685).

    rank: of every layer's term. alpha: a term counts alpha / rank times. dropout: share of a term's inputs that are
    left out of each training step. targets: module-name suffixes, or all-linear. rslora: a term counts
    alpha / sqrt(rank) times (Kalajdzievski 2023, arXiv:2312.03732).
    dora: learn the magnitude of each output beside its direction (Liu et al. 2024, arXiv:2402.09353), for about a
    third more time; dropout must be 0 with it. adalora: null is off, see AdaLoraOptions.
    init: where the terms start, see `recipes.learn.lora_starts`. rank_pattern: a layer whose name ends in a key has
    that rank instead, such as {down_proj: 16}; its term counts as much as all others.
    """

    rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=16.0, gt=0)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    targets: Literal["all-linear"] | list[str] = "all-linear"
    rslora: bool = False
    dora: bool = False
    adalora: AdaLoraOptions | None = None
    init: Literal["default", "gaussian", "eva", "pissa", "olora", "loftq"] = "default"
    rank_pattern: dict[str, int] = Field(default_factory=dict)

    @property
    def is_difference(self) -> bool:
        """Whether `init` is one of `DIFFERENCES`."""
        return self.init in DIFFERENCES

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        wrong = []
        if self.dora and self.dropout:
            wrong.append("dora trains without dropout; write dropout: 0.0 beside it")
        if self.adalora is not None:
            if self.dora or self.rslora:
                wrong.append("adalora is trained without dora and without rslora; leave them out")
            if self.adalora.target_rank >= self.rank:
                wrong.append(
                    f"adalora.target_rank {self.adalora.target_rank} is not below rank {self.rank}, with which layers "
                    "start; raise rank, half as much again will do"
                )
            if self.init != "default" or self.rank_pattern:
                wrong.append("adalora has its own start and its own ranks; leave init and rank_pattern out")
        if self.dora and self.init not in ("default", "gaussian", "eva"):
            wrong.append(
                f"dora starts at the length of the base's own rows, which init: {self.init} would change; leave one out"
            )
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @field_validator("rank_pattern")
    @classmethod
    def _some_rank(cls, ranks: dict[str, int]) -> dict[str, int]:
        if none := [name for name, rank in ranks.items() if rank < 1]:
            raise ValueError(
                f"{none[0]} has rank {ranks[none[0]]}; write 1 or more, or leave the layer out of targets"
            )
        return ranks

    @field_validator("targets", mode="before")
    @classmethod
    def _some_target(cls, targets: Any) -> Any:
        if targets != "all-linear" and not (are_texts(targets) and targets):
            raise ValueError(
                f"{targets!r} names no layers; write all-linear, or a list such as [q_proj, v_proj]"
            )
        return targets


class PrefixOptions(Section):
    """`prefix:` keys and values in front of every row's own, in each attention layer (Li and Liang 2021,
    arXiv:2101.00190).

    length: in tokens. init: it starts at random, or as the keys and values of a text. text: of init text; null is the
    task's own.
    """

    length: int = Field(default=16, ge=1)
    init: Literal["random", "text"] = "text"
    text: str | None = None

    @model_validator(mode="after")
    def _text_needs_init(self) -> Self:
        if self.text is not None and self.init != "text":
            raise ValueError("text is only read where init is text; write init: text, or leave text out")
        if self.text is not None and not self.text.strip():
            raise ValueError("text is empty; write some words, or leave it out for the task's own")
        return self


class HeadOptions(Section):
    """`head:` the linear layer that gives labels.

    pooling: how the tokens become one vector; auto is last for decoders and mean for encoders. init: where the head
    starts, at random or at a linear probe of the untrained adapter's vectors (see `recipes.learn.linear_probe`).
    """

    pooling: Literal["auto", "last", "mean", "first", "pooler"] = "auto"
    init: Literal["random", "probe"] = "random"
