"""Which column of a client's file is which role of the task, and what a missing one could be."""

import difflib
import shlex
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from recipes.data.header import cells_in_one, is_row_above, no_header
from recipes.data.report_words import WORDS
from recipes.errors import Problem, printable
from recipes.tasks.label_names import UNSEEN
from recipes.tasks.roles import Role, read_roles
from recipes.tasks.task import task_for
from recipes.tasks.templates import placeholders, without_controls

if TYPE_CHECKING:
    from recipes.data.tables import Table
    from recipes.recipe import Recipe

_LOOKED_AT = 1_000  # rows that say whether a column holds what its role needs


@dataclass(frozen=True)
class Columns:
    """role -> column of one table, and the columns that are features, in the order in which they are rendered."""

    of: Mapping[str, str]
    features: tuple[str, ...]


@dataclass(frozen=True)
class ColumnsFound:
    """The columns of a table, or None with the problems that say what is missing."""

    columns: Columns | None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def find_columns(recipe: "Recipe", table: "Table", features: Sequence[str] | None) -> ColumnsFound:
    """Find every role and feature in a table.

    features: those of the first table, which hold for all others; None for the first one.
    """
    data, task = recipe.data, task_for(recipe.task)
    roles = task.ROLES
    looked_for = {
        role: data.columns.get(role, role)
        for role, what in roles.items()
        if role in data.columns or not what.named
    }
    found = {role: column_called(name, table.columns) for role, name in looked_for.items()}
    of = {role: column for role, column in found.items() if column is not None}
    shown = tuple(features) if features is not None else _features(recipe, table, of)
    missing = [role for role in data.columns if role not in of]
    missing += task.required(of.keys() | set(missing), shown, data)
    named = placeholders(data.prompt) if data.prompt is not None and task.PROMPT_NAMES is None else ()
    wanted = [name for name in named if name in read_roles(roles) and name not in of]
    missing += [name for name in wanted if not is_derived(recipe, name)]
    names = {role: data.columns.get(role, role) for role in missing}
    problems = []
    pair = {"user", "ad"}
    if pair <= names.keys() and not pair & {*data.columns, *named}:
        problems.append(_nothing_to_read(table, roles))
        names = {role: name for role, name in names.items() if role not in pair}
    has = [(role, of[role]) for role in ("user", "ad") if role in of and not pair & {*data.columns, *named}]
    problems += [
        _no_role(table, role, name, roles[role], has[0] if has and role in pair else None)
        for role, name in names.items()
    ]
    for name in dict.fromkeys((*shown, *(name for name in named if name not in roles))):
        if name not in table.columns and not is_derived(recipe, name):
            fix = f"{near(name, table.columns)}, or take it out of data.features and data.prompt"
            problems.append(Problem(table.name, f"no column `{name}`", fix, line=1))
    if problems and is_headless(table) and not {*data.columns.values()} & {*table.columns}:
        return ColumnsFound(None, (no_header(table.name, table.columns),))
    if problems and (cause := cells_in_one(table)) is not None:
        return ColumnsFound(None, (cause,))
    problems += _ungrouped(recipe, table, of)
    for name in dict.fromkeys((*of.values(), *shown)):
        if printable(name) != name:
            message = f"the name of the column `{name}` holds half a character"
            problems.append(Problem(table.name, message, "Give the column another name", line=1))
    of = task.used(of, data)
    read = {*of.values(), *shown, *recipe.grouped}
    problems += table.faults_of(read)
    if problems:
        return ColumnsFound(None, tuple(problems))
    notes = (*table.idle_faults(read), *_notes(recipe, table, of, shown))
    return ColumnsFound(Columns(of, shown), notes=notes)


def is_headless(table: "Table") -> bool:
    """Whether the first line of a file of cells is a row, and not what its columns are called."""
    if table.kind not in ("text", "sheet"):
        return False
    return is_row_above(table.columns, [row.cells for row in islice(table.rows, _LOOKED_AT)])


def is_derived(recipe: "Recipe", name: str) -> bool:
    """Whether a feature or a role is computed from the row's history and is not a column."""
    history = recipe.data.history
    if history is None:
        return False
    return name in task_for(recipe.task).DERIVED or (name == "ad" and history.target is not None)


def column_called(name: str, columns: Collection[str]) -> str | None:
    """The column of this name; where there is none, the only one that no reader could tell from it: with characters
    that nobody sees, in another form of Unicode."""
    if name in columns:
        return name
    alike = [column for column in columns if _seen(column) == _seen(name)]
    return alike[0] if len(alike) == 1 else None


def _seen(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", UNSEEN.sub("", without_controls(name))).split())


def column_option(role: str, column: str) -> str:
    """`--column ROLE=COLUMN`, as a shell takes it."""
    return f"--column {shlex.quote(f'{role}={column}')}"


def near(name: str, known: Iterable[str]) -> str:
    """ "Did you mean `this`?", or what is known where nothing is near."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"Did you mean `{close[0]}`?" if close else f"Known: {', '.join(map(repr, names))}"


def _features(recipe: "Recipe", table: "Table", of: Mapping[str, str]) -> tuple[str, ...]:
    if task_for(recipe.task).reads_all(of, recipe.data):
        return tuple(name for name in table.columns if name and name not in of.values())
    return tuple(name for name in recipe.data.features if not is_derived(recipe, name))


def _ungrouped(recipe: "Recipe", table: "Table", of: Mapping[str, str]) -> Iterable[Problem]:
    """Columns to group by that are not there, or that have a role and go by its name."""
    roles, read = {column: role for role, column in of.items()}, read_roles(task_for(recipe.task).ROLES)
    for name in recipe.grouped:
        if (name in of and name in read) or is_derived(recipe, name):
            continue
        fix = f"{near(name, table.columns)}, or take it out of report.groups and gates.max_group_gap"
        if name not in table.columns:
            yield Problem(table.name, f"no column `{name}` to group by", fix, line=1)
        elif name in roles:
            role = roles[name]
            fix = f"Write {role}, its role" if role in read else "Group by what is known before the outcome"
            yield Problem(table.name, f"`{name}` is the {role} and cannot be grouped by", fix, line=1)


def _no_role(
    table: "Table", role: str, name: str, what: Role, other: tuple[str, str] | None = None
) -> Problem:
    """ "no column `clicked`", with the column that it could be. other: the role and column of user and ad that the file
    has."""
    guess = column_like(table, name, (role, *what.often))
    hint = f"If `{guess}` is the one, say so" if guess else f"Say which column it is ({what.meaning})"
    fix = f"{hint}: {column_option(role, guess or 'NAME')} (in the recipe: data.columns)"
    if other is not None:
        fix += f"; or let `{other[1]}` be read alone: {column_option(*other)}"
    return Problem(table.name, f"no column `{name}`; its columns are {_own(table)}", fix, line=1)


def _nothing_to_read(table: "Table", roles: Mapping[str, Role]) -> Problem:
    """A recommendation file with none of text, user and ad: one problem that offers every way out."""
    guesses = {role: column_like(table, role, roles[role].often) for role in ("text", "user", "ad")}
    if guesses["text"] and not guesses["user"]:
        hint = f"If `{guesses['text']}` is the text to read, say so: {column_option('text', guesses['text'])}"
    else:
        user, ad = (guesses[role] or "NAME" for role in ("user", "ad"))
        hint = f"Name them: {column_option('user', user)} {column_option('ad', ad)}, or one of them"
    fix = f"{hint}; or give further columns as the text: --set data.features=all, or a list of them"
    message = f"no columns `user` and `ad`, and no ready `text`; its columns are {_own(table)}"
    return Problem(table.name, message, fix, line=1)


def column_like(table: "Table", name: str, words: Sequence[str]) -> str | None:
    """The column that is called like a name, in another case or spelling, or as clients and platforms often call it.

    Args:
        table: whose columns are meant.
        name: of a role.
        words: that clients use for it.
    """
    lower = {column.lower(): column for column in table.columns}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    known = (name.lower(), *words, *WORDS.get(name, ()), *close)
    found = next((word for word in known if word in lower), None)
    return lower[found] if found is not None else None


def _own(table: "Table") -> str:
    names = listed([f"`{column}`" for column in table.columns])
    return f"{names} ({table.sheet})" if table.sheet else names


def listed(names: Sequence[str], most: int = 12) -> str:
    """The first names of many, and how many more there are."""
    told = ", ".join(name or "(without a name)" for name in names[:most])
    return told if len(names) <= most else f"{told} and {len(names) - most} more"


def _notes(recipe: "Recipe", table: "Table", of: Mapping[str, str], features: Sequence[str]) -> Iterable[str]:
    unused = [name for name in table.columns if name not in {*of.values(), *features, *recipe.grouped}]
    if unused:
        yield f"{table.title}: columns not used: {listed(unused)}"
    if "text" in of and recipe.data.prompt is None:
        idle = [of[role] for role in ("user", "ad") if role in of]
        if idle:
            yield f"{table.title}: the model reads `{of['text']}`; {' and '.join(idle)} only serve baselines"
