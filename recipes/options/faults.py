"""What pydantic finds wrong with a recipe, as sentences with where they are and their fix."""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from recipes.options.section import Section


def sentence(fault: Any, model: type[BaseModel]) -> str:
    """One fault of a `ValidationError` of this model."""
    where = ".".join(str(part) for part in fault["loc"])
    kind, given, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        *parents, name = fault["loc"]
        known = _keys(model, parents)
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return f"{where}: unknown key; {hint}"
    if kind == "missing":
        return f"{where}: missing; {_MISSING.get(where, 'write it')}"
    if kind == "value_error":
        return f"{where}: {context['error']}"
    if kind == "literal_error":
        near = difflib.get_close_matches(
            str(given), re.findall(r"'([^']+)'", context["expected"]), n=1, cutoff=0.5
        )
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{where}: {given!r} is none of {context['expected']}{hint}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{where}: {given!r} should be a block of keys; indent its options below it"
    fix = _COMPARE[kind](context) if kind in _COMPARE else fault["msg"][:1].lower() + fault["msg"][1:]
    return f"{where}: {given!r} cannot be used; {fix}"


_MISSING = {
    "lora.adalora.target_rank": "write the mean rank of a layer in the end, below lora.rank",
}
_COMPARE: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda c: f"write a number above {c['gt']}",
    "greater_than_equal": lambda c: f"write a number of at least {c['ge']}",
    "less_than": lambda c: f"write a number below {c['lt']}",
    "less_than_equal": lambda c: f"write a number of at most {c['le']}",
    "int_type": lambda c: "write a whole number",
    "float_type": lambda c: "write a number",
    "string_type": lambda c: "write text, in quotes if it looks like a number",
    "bool_type": lambda c: "write true or false",
    "list_type": lambda c: "write a list such as [one, two]",
}


def _keys(model: Any, parents: list[Any]) -> list[str]:
    """The keys that a block of the recipe knows."""
    for part in parents:
        annotation = model.model_fields[part].annotation
        choices = (annotation, *get_args(annotation))  # a section, or a section or None
        model = next(each for each in choices if isinstance(each, type) and issubclass(each, Section))
    return list(model.model_fields)
