"""A row as the model reads it: the one way of training rows, test rows and requests."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from recipes.tasks.history import derived
from recipes.tasks.task import task_for
from recipes.tasks.templates import NotText, text_of

if TYPE_CHECKING:
    from recipes.tasks.task import Sections


def render_row(
    cells: Mapping[str, Any], recipe: "Sections", private: Callable[[str, str], str]
) -> tuple[dict[str, str], str]:
    """A row as the model reads it: role or feature -> text with what its history says, and the text made of them.

    cells: role or feature -> cell, as a file or a request has it; private: given a name and a cell's text, the text
    with what is private in it masked. Raises NotText, which names the cell, where one is no text.
    """
    name = ""
    try:
        fields = {(name := each): private(name, text_of(cell)) for each, cell in cells.items()}
    except NotText as error:
        raise NotText(error.what, error.fix, name) from None
    fields |= derived(fields, recipe.data.history)
    return fields, task_for(recipe.task).render(fields, recipe)
