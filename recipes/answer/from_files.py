"""Which columns of a file an adapter reads: those that its training rows had, under the names that its recipe gives."""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.errors import RequestError
from recipes.answer.voice import UNKNOWN_ROLES, Voice
from recipes.data.columns import column_called, is_derived, near
from recipes.tasks.task import task_for
from recipes.tasks.templates import placeholders, text_of


def read_columns(voice: Voice, columns: Sequence[str], named: Mapping[str, str]) -> dict[str, str]:
    """role or feature -> column of a file, for all that an adapter reads and the file has.

    Args:
        voice: of the adapter.
        columns: of the file.
        named: role -> column, where that is not the one of training.

    Raises:
        RequestError: with every column that its texts cannot do without, and what the file has instead.
    """
    recipe, roles, own = voice.recipe, task_for(voice.recipe.task).ROLES, _own(voice)
    if unknown := [role for role in named if role not in {*roles, *own}]:
        raise RequestError(f"this adapter reads no `{unknown[0]}`. {near(unknown[0], [*roles, *own])}")
    called = {**recipe.data.columns, **named}
    wanted = [name for name in own if name not in roles or roles[name].read]
    found = {
        name: column
        for name in wanted
        if not is_derived(recipe, name)
        and (column := column_called(called.get(name, name), columns)) is not None
    }
    missing = [name for name in needed(voice) if name not in found]
    if missing:
        told = ", ".join(f"`{called.get(name, name)}`" for name in missing)
        fix = " ".join(f"--column {name}=NAME" for name in missing)
        raise RequestError(
            f"the adapter reads {told}, which is not among the file's columns "
            f"({', '.join(f'`{column}`' for column in columns)}); say how it is called there: {fix}"
        )
    return found


def needed(voice: Voice) -> tuple[str, ...]:
    """The roles and features without which a text is not the one that training would have made."""
    task, data, own = task_for(voice.recipe.task), voice.recipe.data, _own(voice)
    read = [name for name in own if name in task.ROLES and task.ROLES[name].filled]
    if data.prompt is not None and task.PROMPT_NAMES is None:
        read = list(placeholders(data.prompt))
    elif "text" in read:
        read = ["text"]
    every = task.reads_all(own, data)
    read += [name for name in own if name not in task.ROLES] if every else [*data.features]
    return tuple(name for name in dict.fromkeys(read) if not is_derived(voice.recipe, name))


def filled_roles(voice: Voice) -> tuple[str, ...]:
    """The roles whose cells must not be empty, as in training."""
    roles = task_for(voice.recipe.task).ROLES
    return tuple(name for name in needed(voice) if name in roles and roles[name].filled)


def empty_cells(filled: Sequence[str], cells: Mapping[str, Any]) -> list[str]:
    """Those of `filled` that are there and empty. cells: role or feature -> cell."""
    return [name for name in filled if name in cells and not text_of(cells[name])]


def _own(voice: Voice) -> tuple[str, ...]:
    """What the adapter's rows had; of one that does not say so, the role that its task reads."""
    roles = task_for(voice.recipe.task).ROLES
    if voice.roles == UNKNOWN_ROLES and not {*voice.roles} & roles.keys():
        return next((name,) for name, role in roles.items() if role.filled)
    return voice.roles
