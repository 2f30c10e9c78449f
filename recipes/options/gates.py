"""What is measured beside the task's metrics, and what an adapter must reach: `report:` and `gates:`."""

from typing import Any, Literal

from pydantic import Field, field_validator

from recipes.options.section import Section


class ReportOptions(Section):
    """`report:` what is measured beside the task's metrics.

    groups: heads, columns (or roles that are read, such as ad); each value of one is a group of test rows with metrics
        of its own. The model does not read a column that only stands here.
    """

    groups: list[str] = Field(default_factory=list)


class MinGain(Section):
    """`gates.min_gain:` how much better than something else the adapter must be, and surely so.

    It passes where the gain is at least `by` and the paired 95 % interval of the gain lies above 0 as a whole.
    metric: null is train.metric. by: in the metric's own unit; a number alone in the place of the block is `by`.
    over: before (the base untouched), best_baseline, or a baseline's name. Of ad copy ask for text_chrf: nll does not
    look at what is written, and may pass a text without sense.
    """

    metric: str | None = None
    over: str = "best_baseline"
    by: float = Field(default=0.0, ge=0)


class MaxGroupGap(Section):
    """`gates.max_group_gap:` the most that a metric may differ between the groups of a column.

    Groups of fewer than 20 test rows are shown and do not count. column: of the file, or a role. gap: the most.
    metric: selection_rate is the share of rows whose click is predicted, from a probability of one half; behavior has
    accuracy only.
    """

    column: str
    gap: float = Field(ge=0, le=1)
    metric: Literal["accuracy", "selection_rate", "auc"] = "accuracy"


class GateOptions(Section):
    """`gates:` what an adapter must reach on the test rows before a hub takes it. Null gates are open.

    allow_worse: without min_gain, what is surely worse than a baseline is published only when somebody says yes; true
    never asks. max_calibration_error: heads. policy: ad-copy, the share of texts that must be within the policy; true
    is all.
    """

    min_gain: MinGain | None = None
    allow_worse: bool = False
    max_calibration_error: float | None = Field(default=None, ge=0, le=1)
    max_group_gap: MaxGroupGap | None = None
    policy: float | None = Field(default=None, ge=0, le=1)

    @field_validator("min_gain", mode="before")
    @classmethod
    def _by_alone(cls, gain: Any) -> Any:
        return {"by": gain} if isinstance(gain, int | float) and not isinstance(gain, bool) else gain

    @field_validator("policy", mode="before")
    @classmethod
    def _all_or_any(cls, policy: Any) -> Any:
        return {True: 1.0, False: None}[policy] if isinstance(policy, bool) else policy
