"""A file of campaigns that are trained again on what their users did.

    ray: auto                   # a Ray cluster that trains them, as of `refresh --ray`; left out, this machine does
    workers: 2                  # on it
    cpus: 1                     # of each worker
    campaigns:
      - name: acme/spring/recommendation
        outcome: click          # click or conversion; of behavior `label`, of ad copy `accepted`
        min_rows: 500           # new rows, old enough for their outcome, before it is trained; and at least as many
                                # as were tried before, since production learned
        newest: 0.2             # share of the new rows, the last ones, on which it must be better than production
        most_rows: 5000         # that production has not learned and that are trained on, the newest
        replay: 0.2             # older rows that are trained on again, per new one, against forgetting
        rate: 0.25              # of the learning rate of a recipe that trained from nothing
        weigh: false            # weigh rows by 1 / propensity, at most 20: as if ads had been shown at random
        share: 0.05             # of the users, for the canary
        max_days: 14
        set: {train.epochs: 2}  # of the recipe, beside what production's says

All that is wrong with it is told at once.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hub.errors import BadName
from hub.feedback.arms import DECIDES, task_of
from hub.storage.names import check_name
from recipes.errors import RecipeError
from recipes.options import load_block


class Campaign(BaseModel):
    """One campaign of the file; see there."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    outcome: Literal["click", "conversion", "label", "accepted"] = "click"
    min_rows: int = Field(default=500, ge=20)
    newest: float = Field(default=0.2, gt=0, lt=0.9)
    most_rows: int = Field(default=5000, ge=20)
    replay: float = Field(default=0.2, ge=0)
    rate: float = Field(default=0.25, gt=0, le=1)
    weigh: bool = False
    share: float = Field(default=0.05, gt=0, le=0.5)
    max_days: float = Field(default=14.0, gt=0)
    set: dict[str, Any] = Field(default_factory=dict)

    @property
    def task(self) -> str:
        """What the adapter does, by the last part of its name."""
        return task_of(self.name)

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, given: Any) -> Any:
        """What decides is the usual outcome of the task, unless it is said."""
        if isinstance(given, dict) and isinstance(given.get("name"), str):
            return {"outcome": DECIDES[task_of(given["name"])][0]} | given
        return given

    @model_validator(mode="after")
    def _decides(self) -> Self:
        may = DECIDES[self.task]
        if self.outcome not in may:
            raise ValueError(f"outcome is {self.outcome}; of {self.name} decides {' or '.join(may)}")
        return self

    @field_validator("name")
    @classmethod
    def _is_name(cls, name: str) -> str:
        try:
            return check_name(name)
        except BadName as error:
            raise ValueError(str(error)) from None


class CampaignFile(BaseModel):
    """All that the file says; see there."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    campaigns: list[Campaign] = Field(min_length=1)
    ray: str | None = Field(default=None, min_length=1)
    workers: int = Field(default=2, ge=1)
    cpus: int = Field(default=1, ge=1)


def load_campaign_file(path: str | Path) -> CampaignFile:
    """A file of campaigns. Raises RecipeError with everything that is wrong with it."""
    found = load_block(path, CampaignFile, "campaigns")
    if twice := [name for name, count in Counter(each.name for each in found.campaigns).items() if count > 1]:
        raise RecipeError(f"{path}: {', '.join(twice)} stands twice; keep one of them")
    return found


def load_campaigns(path: str | Path) -> list[Campaign]:
    """The campaigns of a file. Raises as `load_campaign_file`."""
    return load_campaign_file(path).campaigns


def seconds(every: str) -> float:
    """`1d`, `12h`, `30m` or `45s` in seconds. Raises RecipeError for what is no time."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", every)
    if match is None:
        raise RecipeError(f"{every!r} is no time; write 1d, 12h, 30m or 45s")
    return float(int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]])
