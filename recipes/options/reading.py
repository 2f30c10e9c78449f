"""The one way in which YAML is read: recipes, files of jobs, search spaces, trust files, values on a command line."""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from recipes.errors import RecipeError


class BadYaml(ValueError):
    """A file or a text that cannot be read as YAML; the message says why, and what to do about it."""


def load_yaml(path: str | os.PathLike[str]) -> Any:
    """The content of a YAML file in UTF-8, as `read_yaml`. Raises BadYaml."""
    try:
        return read_yaml(Path(path).read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise BadYaml(f"cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        raise BadYaml(f"byte {error.start} is not UTF-8; save the file as UTF-8") from None


def read_yaml(text: str) -> Any:
    """YAML without its traps: keys stay as written (Yes is not true), 1e-3 is a number, a key comes only once.

    Raises BadYaml.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise BadYaml(f"no valid YAML; {_told(error)}") from None
    except RecursionError:
        raise BadYaml("no valid YAML; lists or mappings are nested too deep") from None
    except ValueError as error:  # a date of the 40th of March, a number of 5,000 digits
        raise BadYaml(f"no valid YAML; {error}") from None


def parse_override(text: str) -> tuple[str, Any]:
    """`train.epochs=5` -> ("train.epochs", 5): the value is read as YAML. Raises RecipeError without a `=`."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise RecipeError(f"--set {text}: no `=` in it; write it as train.epochs=5")
    try:
        return key.strip(), read_yaml(value)
    except BadYaml as error:
        raise RecipeError(f"--set {text}: the value is {error}") from None


class _Loader(yaml.SafeLoader):
    """SafeLoader with the booleans and floats of YAML 1.2, keys as strings, and no repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be plain text; quote it", key_node.start_mark
                )
            if key_node.value in result:
                raise yaml.constructor.ConstructorError(
                    None, None, f"`{key_node.value}` stands twice; keep one of them", key_node.start_mark
                )
            result[key_node.value] = self.construct_object(value_node, deep=True)
        return result


_BOOL, _FLOAT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_BOOL, _FLOAT)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(r"^[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)$"),
    list("-+0123456789."),
)


def _told(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark is not None else ""
    return f"{where}{getattr(error, 'problem', None) or 'check the indentation and the quotes'}"
