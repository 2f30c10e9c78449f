"""The one way in which YAML is read: recipes, files of jobs, search spaces, trust files, values on a command line."""

import os
import re
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from recipes.errors import RecipeError

Model = TypeVar("Model", bound=BaseModel)
MOST_BYTES = 2 << 20
"""Of a file; one of 5,000 jobs is smaller."""
MOST_VALUES = 100_000
"""Lists, mappings, keys and values of a document, those that an alias (`*name`) repeats counted each time."""
DEEPEST = 64
"""Levels of lists and mappings inside each other."""
LONGEST_NUMBER = 400
"""Characters; the largest float has 309 digits."""


class BadYaml(ValueError):
    """A file or a text that cannot be read as YAML; the message says why, and what to do about it."""


def load_yaml(path: str | os.PathLike[str]) -> Any:
    """The content of a YAML file in UTF-8, as `read_yaml`. Raises BadYaml."""
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise BadYaml(f"has more than {MOST_BYTES:,} bytes, the most that is read; split it")
        return read_yaml(data.decode("utf-8-sig"))
    except OSError as error:
        raise BadYaml(f"cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        raise BadYaml(f"byte {error.start} is not UTF-8; save the file as UTF-8") from None


def load_block(path: str | os.PathLike[str], model: type[Model], block: str) -> Model:
    """A YAML file of one block.

    Args:
        path: of the file.
        model: what stands in it.
        block: what the block is called, such as jobs.

    Raises:
        RecipeError: with everything that is wrong with the file.
    """
    try:
        return model.model_validate(load_yaml(path))
    except BadYaml as error:
        raise RecipeError(f"{path}: {error}; give a YAML file with `{block}:`") from None
    except ValidationError as error:
        faults = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]
        raise RecipeError([f"{path}: {where}: {message}" for where, message in faults]) from None


def read_yaml(text: str) -> Any:
    """YAML without its traps: keys stay as written (Yes is not true), 1e-3 is a number, a key comes only once.

    Bounded by MOST_BYTES, MOST_VALUES and DEEPEST before anything is made of it. Raises BadYaml.
    """
    if len(text) > MOST_BYTES:
        raise BadYaml(f"has {len(text):,} characters; at most {MOST_BYTES:,} are read")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise BadYaml(f"no valid YAML; {_told(error)}") from None
    except RecursionError:
        raise BadYaml("no valid YAML; lists or mappings are nested too deep") from None
    except ValueError as error:  # a date of the 40th of March
        raise BadYaml(f"no valid YAML; {error}") from None
    except (LookupError, AttributeError, TypeError, ArithmeticError):  # `!!bool perhaps`, `!!int ""`
        raise BadYaml(
            "no valid YAML; a value is not what its tag (`!!...`) says; leave the tag out"
        ) from None


def parse_override(text: str) -> tuple[str, Any]:
    """`train.epochs=5` -> ("train.epochs", 5): the value is read as YAML, but for a single sign such as the | of
    `data.separator=|`, which stands for itself; ~ is null as ever. Raises RecipeError without a `=`."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise RecipeError(f"--set {text}: no `=` in it; write it as train.epochs=5")
    if len(value) == 1 and not value.isalnum() and value != "~":
        return key.strip(), value
    try:
        return key.strip(), read_yaml(value)
    except BadYaml as error:
        raise RecipeError(f"--set {text}: the value is {error}") from None


class _Loader(yaml.SafeLoader):
    """SafeLoader with the booleans and floats of YAML 1.2, keys as strings, and no repeated keys; bounded."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._values, self._depth = 0, 0
        # Anchored node -> how many values it holds, those of its aliases counted each time.
        self._held: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        before = self._values
        self._depth += 1
        if self._depth > DEEPEST:
            raise _bounded(f"lists or mappings are nested too deep, in more than {DEEPEST} levels", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if id(node) not in self._held:
                raise _bounded(f"*{event.anchor} stands inside what it repeats", event)
            self._values += self._held[id(node)]
        else:
            self._values += 1
            self._held[id(node)] = self._values - before
        if self._values > MOST_VALUES:
            raise _bounded(f"more than {MOST_VALUES:,} values, those of aliases counted each time", event)
        if isinstance(node, yaml.ScalarNode) and node.tag == _INT and len(node.value) > LONGEST_NUMBER:
            raise _bounded(f"a number of {len(node.value):,} characters; at most {LONGEST_NUMBER}", event)
        return node

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


def _bounded(problem: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]


_BOOL, _FLOAT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"
_INT = "tag:yaml.org,2002:int"
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
