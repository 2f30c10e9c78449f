"""How a file is written, said by itself and not in a recipe: the options of the command line."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from recipes.errors import RecipeError
from recipes.options.data import FormatOptions
from recipes.options.faults import sentence


def read_format(content: Mapping[str, Any]) -> FormatOptions:
    """How a file is written, with the keys of `data.format`. Raises RecipeError with all problems at once."""
    try:
        return FormatOptions.model_validate(dict(content))
    except ValidationError as error:
        raise RecipeError(
            f"data.format.{sentence(fault, FormatOptions)}" for fault in error.errors()
        ) from None
