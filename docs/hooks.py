"""Pages of the reference that are made while the site is built, from what they speak of.

    reference/recipe.md      every option of a recipe, from the model's fields and docstrings, and the presets
    reference/commands.md    every command, from its help

MkDocs calls `on_files`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from inspect import cleandoc
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from hub.cli.reference import reference
from recipes import Recipe
from recipes.recipe import presets as preset_names

_TYPES: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    NoneType: "`null`",
}
_LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to the site's files."""
    for path, make in {"reference/recipe.md": recipe_page, "reference/commands.md": commands_page}.items():
        files.append(File.generated(config, path, content=make()))
    return files


def commands_page() -> str:
    """All commands as Markdown, with their options, examples and exit codes."""
    return plain(reference())


def recipe_page() -> str:
    """All options as Markdown: a table for each section, and one of the presets where they differ."""
    presets = {name: Recipe.load(name).to_dict() for name in preset_names()}
    parts = [
        cleandoc("""
        # Recipe options

        Made from `recipes.Recipe`. A recipe is its preset (of `task` and `method`) and what it changes. Unknown keys
        are refused with the nearest known one. An option that says *heads* is for the tasks with labels,
        recommendation and behavior. *by preset*: see the [table of presets](#presets).
        """)
    ]
    for path, section in sections(Recipe):
        parts += [f"## `{path}:`" if path else "## The recipe", *_section(path, section, presets)]
    return "\n\n".join([*parts, "## Presets", _presets(presets)]) + "\n"


def sections(section: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Each block of a recipe by its dotted path, the recipe itself first."""
    yield path, section
    for name, field in section.model_fields.items():
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from sections(inner, f"{path}.{name}".lstrip("."))


def explained(section: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """A section's docstring, taken apart: what it says of the section, and of each option.

    An option's sentence starts with its name, or several names, and a colon: "beta1, beta2: how slowly ...".
    """
    text = re.sub(r"^`[a-z_.]+:`\s+", "", re.sub(r"\s+", " ", section.__doc__ or "").strip())
    names = "|".join(section.model_fields)
    parts = re.split(rf"(?:^|(?<=[.;)] ))((?:{names})(?:(?:, | to | and )(?:{names}))*): ", text)
    about = {
        name: told.strip().removesuffix(";").removesuffix(".")
        for many, told in zip(parts[1::2], parts[2::2], strict=True)
        for name in re.split(", | to | and ", many)
    }
    return parts[0].strip(), about


def plain(markdown: str) -> str:
    """Markdown in which brackets and tags outside of code are what they look like, and no links or HTML."""
    return "`".join(
        part.replace("[", "\\[").replace("<", "&lt;") if place % 2 == 0 else part
        for place, part in enumerate(markdown.split("`"))
    )


def _section(path: str, section: type[BaseModel], presets: Mapping[str, Any]) -> Iterator[str]:
    intro, about = explained(section)
    if intro:
        yield plain(intro[:1].upper() + intro[1:])
    rows = ["| option | value | default | |", "| --- | --- | --- | --- |"]
    for name, field in section.model_fields.items():
        place = f"{path}.{name}".lstrip(".")
        limits = [
            f"{sign} {getattr(each, key)}"
            for each in field.metadata
            for key, sign in _LIMITS.items()
            if hasattr(each, key)
        ]
        kind = ", ".join([_kind(field.annotation, place), *limits])
        default = _default(field, place, presets)
        told = _linked(plain(field.description or about.get(name) or _first_words(field.annotation)))
        rows.append(f"| `{name}` | {kind} | {default} | {told} |")
    yield "\n".join(rows)


def _linked(told: str) -> str:
    """A class that is named becomes a link to its section."""
    for path, section in sections(Recipe):
        if path:
            told = re.sub(rf"\b{section.__name__}\b", f"[`{path}`](#{_anchor(path)})", told)
    return told


def _first_words(annotation: Any) -> str:
    """What the docstring of a block begins with."""
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return re.split(r"[.;](?: |$)| \(", explained(each)[0])[0]
    return ""


def _anchor(path: str) -> str:
    return path.replace(".", "")


def _kind(annotation: Any, place: str) -> str:
    """A type in words."""
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(_kind(each, place) for each in get_args(annotation))
    if get_origin(annotation) is list:
        return f"list of {_kind(get_args(annotation)[0], place)}"
    if get_origin(annotation) is dict:
        return f"text → {_kind(get_args(annotation)[1], place)}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[block](#{_anchor(place)})"
    return _TYPES[annotation]


def _default(field: Any, place: str, presets: Mapping[str, Any]) -> str:
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
        return ""
    found = {json.dumps(value) for made in presets.values() if (value := _at(made, place)) is not _ABSENT}
    if len(found) > 1:
        return "by preset"
    if found:
        return f"`{found.pop()}`"
    made = field.get_default(call_default_factory=True)
    return "required" if made is PydanticUndefined else f"`{json.dumps(made)}`"


_ABSENT = object()


def _at(recipe: Any, place: str) -> Any:
    """A value of a recipe by its dotted path."""
    for part in place.split("."):
        if not isinstance(recipe, Mapping) or part not in recipe:
            return _ABSENT
        recipe = recipe[part]
    return recipe


def _presets(presets: Mapping[str, Any]) -> str:
    """The options in which presets differ, a column for each preset."""
    rows = ["| | " + " | ".join(f"`{name}`" for name in presets) + " |", "| --- |" + " ---: |" * len(presets)]
    for path, section in sections(Recipe):
        for name in (each for each in section.model_fields if path or each not in ("task", "method")):
            place = f"{path}.{name}".lstrip(".")
            found = [_at(made, place) for made in presets.values()]
            plain = [value for value in found if value is not _ABSENT]
            if len({json.dumps(value) for value in plain}) > 1 and not isinstance(plain[0], Mapping):
                told = ("" if value is _ABSENT else json.dumps(value).strip('"') for value in found)
                rows.append(f"| `{place}` | " + " | ".join(told) + " |")
    return "\n".join(rows)
