"""Which column of a client's file is which role of the task, and what a missing one could be."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recipes.data.tables import Table
from recipes.errors import Problem
from recipes.options.recipe import Recipe
from recipes.tasks import recommendation, task_for
from recipes.tasks.roles import Role, placeholders

# Roles whose text the model or a baseline reads; the others say how a row is used.
READ = ("text", "user", "ad", "user_id", "ad_id", "product")
_COUNTS = frozenset({"impressions", "clicks"})


@dataclass(frozen=True)
class Columns:
    """role -> column of one table, and the columns that are features, in the order in which they are rendered."""

    of: Mapping[str, str]
    features: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """The columns of a table, or None with the problems that say what is missing."""

    columns: Columns | None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def find_columns(recipe: Recipe, table: Table, features: Sequence[str] | None) -> Found:
    """Find every role and feature in a table.

    features: those of the first table, which hold for all others; None for the first one.
    """
    data, roles = recipe.data, task_for(recipe.task).ROLES
    of = {role: name for role in roles if (name := data.columns.get(role, role)) in table.columns}
    shown = tuple(features) if features is not None else _features(recipe, table, of)
    missing = [role for role in data.columns if role not in of]
    missing += _required(recipe, of.keys() | set(missing), shown)
    named = placeholders(data.prompt) if data.prompt is not None and recipe.task != "ad-copy" else ()
    wanted = [name for name in named if name in READ and name in roles and name not in of]
    missing += [name for name in wanted if not is_derived(recipe, name)]
    names = {role: data.columns.get(role, role) for role in missing}
    problems = []
    pair = {"user", "ad"}
    if pair <= names.keys() and not pair & {*data.columns, *named}:
        problems.append(_nothing_to_read(table, roles))
        names = {role: name for role, name in names.items() if role not in pair}
    problems += [_no_role(table, role, name, roles[role]) for role, name in names.items()]
    for name in dict.fromkeys((*shown, *(name for name in named if name not in roles))):
        if name not in table.columns and not is_derived(recipe, name):
            fix = f"{near(name, table.columns)}, or take it out of data.features and data.prompt"
            problems.append(Problem(table.name, f"no column `{name}`", fix, line=1))
    problems += _ungrouped(recipe, table, of)
    if problems:
        return Found(None, tuple(problems))
    of = _without_idle(recipe, of)
    return Found(Columns(of, shown), notes=tuple(_notes(recipe, table, of, shown)))


def is_derived(recipe: Recipe, name: str) -> bool:
    """Whether a feature or a role is computed from the row's history and is not a column."""
    history = recipe.data.history
    if history is None:
        return False
    return name in recommendation.DERIVED or (name == "ad" and history.target is not None)


def near(name: str, known: Iterable[str]) -> str:
    """ "Did you mean `this`?", or what is known where nothing is near."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"Did you mean `{close[0]}`?" if close else f"Known: {', '.join(map(repr, names))}"


def _features(recipe: Recipe, table: Table, of: Mapping[str, str]) -> tuple[str, ...]:
    named = recipe.data.features
    if isinstance(named, str) or (recipe.task == "ad-copy" and not named and "product" not in of):
        return tuple(name for name in table.columns if name and name not in of.values())
    return tuple(name for name in named if not is_derived(recipe, name))


def _ungrouped(recipe: Recipe, table: Table, of: Mapping[str, str]) -> Iterable[Problem]:
    """Columns to group by that are not there, or that have a role and go by its name."""
    roles = {column: role for role, column in of.items()}
    for name in recipe.grouped:
        if (name in of and name in READ) or is_derived(recipe, name):
            continue
        fix = f"{near(name, table.columns)}, or take it out of report.groups and gates.max_group_gap"
        if name not in table.columns:
            yield Problem(table.name, f"no column `{name}` to group by", fix, line=1)
        elif name in roles:
            role = roles[name]
            fix = f"Write {role}, its role" if role in READ else "Group by what is known before the outcome"
            yield Problem(table.name, f"`{name}` is the {role} and cannot be grouped by", fix, line=1)


def _required(recipe: Recipe, has: set[str], features: Sequence[str]) -> list[str]:
    """Roles that the table must have and has not.

    recommendation needs clicked, or impressions and clicks; and something to read: text, or user and ad, or features,
    or whichever of text, user and ad the recipe names. A file without `user` is not taken for one of ads alone.
    """
    if recipe.task == "ad-copy":
        return [role for role in ("copy",) if role not in has]
    if recipe.task == "behavior":
        return [role for role in ("text", "label") if role not in has and not (role == "text" and features)]
    readable = recipe.data.columns.keys() & {"text", "user", "ad"}
    missing = []
    if not readable and not features and "text" not in has:
        missing += [role for role in ("user", "ad") if role not in has]
    if "clicked" not in has and not has >= _COUNTS:
        missing += sorted(_COUNTS - has) if has & _COUNTS else ["clicked"]
    return missing


def _without_idle(recipe: Recipe, of: Mapping[str, str]) -> dict[str, str]:
    """Of clicked and the counts, what the recipe names; clicked where it names neither or both."""
    named = recipe.data.columns.keys()
    counted = of.keys() >= _COUNTS and (
        "clicked" not in of or ("clicked" not in named and bool(named & _COUNTS))
    )
    idle = {"clicked"} if counted else _COUNTS
    return {role: name for role, name in of.items() if role not in idle}


def _no_role(table: Table, role: str, name: str, what: Role) -> Problem:
    """ "no column `clicked`", with the column that it could be."""
    guess = _guess(table, name, (role, *what.often))
    hint = f"If `{guess}` is the one, say so" if guess else f"Say which column it is ({what.meaning})"
    fix = f"{hint}: --column {role}={guess or 'NAME'} (in the recipe: data.columns)"
    return Problem(table.name, f"no column `{name}`; its columns are {_listed(table)}", fix, line=1)


def _nothing_to_read(table: Table, roles: Mapping[str, Role]) -> Problem:
    """A recommendation file with none of text, user and ad: one problem that offers every way out."""
    guesses = {role: _guess(table, role, roles[role].often) for role in ("text", "user", "ad")}
    if guesses["text"] and not guesses["user"]:
        hint = f"If `{guesses['text']}` is the text to read, say so: --column text={guesses['text']}"
    else:
        user, ad = (guesses[role] or "NAME" for role in ("user", "ad"))
        hint = f"Name them: --column user={user} --column ad={ad}, or one of them"
    fix = f"{hint}; or give further columns as the text: --set data.features=all, or a list of them"
    message = f"no columns `user` and `ad`, and no ready `text`; its columns are {_listed(table)}"
    return Problem(table.name, message, fix, line=1)


def _guess(table: Table, name: str, words: Sequence[str]) -> str | None:
    """The column that is called like the name, in another case or spelling, or as clients often call it."""
    lower = {column.lower(): column for column in table.columns}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    found = next((word for word in (name.lower(), *words, *close) if word in lower), None)
    return lower[found] if found is not None else None


def _listed(table: Table, most: int = 12) -> str:
    names = ", ".join(f"`{column}`" for column in table.columns[:most])
    return names if len(table.columns) <= most else f"{names} and {len(table.columns) - most} more"


def _notes(recipe: Recipe, table: Table, of: Mapping[str, str], features: Sequence[str]) -> Iterable[str]:
    unused = [name for name in table.columns if name not in {*of.values(), *features, *recipe.grouped}]
    if unused:
        yield f"{table.title}: columns not used: {', '.join(name or '(without a name)' for name in unused)}"
    if recipe.task == "recommendation" and "text" in of and recipe.data.prompt is None:
        idle = [of[role] for role in ("user", "ad") if role in of]
        if idle:
            yield f"{table.title}: the model reads `{of['text']}`; {' and '.join(idle)} only serve baselines"
