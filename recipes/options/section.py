"""One block of a recipe."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One block of a recipe: no unknown keys, no guessing of types ("3" is not 3)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def are_texts(value: Any) -> bool:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
