"""A JSON object that travels with an adapter, as a type: data's profile, a report and its parts, what gates said.

A number that is not defined is NaN here and null in JSON. What is read may come from anyone: `Part.read` takes what has
its form and leaves the rest out, so that an adapter of strangers can be shown, and never raises.
"""

import math
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, ValidationError


def is_number(value: object) -> bool:
    """Whether JSON says a number here, and not true or false."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value: object) -> bool:
    """Whether JSON says a number here that a float can hold: of whole numbers, not all."""
    return is_number(value) and abs(value) <= sys.float_info.max  # type: ignore[arg-type]


def or_null(value: float | None) -> float | None:
    """A number as JSON can hold it: None for one that is not finite."""
    return value if value is not None and math.isfinite(value) else None


def _number(value: Any) -> float:
    """Whole numbers stay whole: some are counts."""
    if value is None:
        return math.nan
    if not is_number(value):
        raise ValueError("a number or null is wanted")
    if isinstance(value, int) and not is_finite(value):
        raise ValueError("a number that a float can hold is wanted")
    return value if isinstance(value, int) else float(value)


Number = Annotated[
    float,
    PlainValidator(_number, json_schema_input_type=float | None),
    PlainSerializer(or_null, return_type=int | float | None, when_used="json"),
]
"""NaN where it is not defined, which is null in JSON."""


class Part(BaseModel):
    """A JSON object with these keys; others are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def read(cls, value: object) -> Self | None:
        """What JSON from anyone says, without the keys whose values have another form.

        Args:
            value: what should be the object.

        Returns:
            None where it is none, or lacks what it cannot be without.
        """
        if not isinstance(value, Mapping):
            return value if isinstance(value, cls) else None
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            wrong = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
        try:
            return cls.model_validate({key: item for key, item in value.items() if key not in wrong})
        except ValidationError:
            return None

    def to_info(self) -> dict[str, Any]:
        """As plain JSON, without what was not measured."""
        return self.model_dump(mode="json", exclude_none=True)
