"""Options that several commands take, and how `key=value` is read."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.completion import references

if TYPE_CHECKING:
    from adapters.slots import Shape
    from recipes import Recipe


class Quantization(StrEnum):
    """As in `adapters.load_base`."""

    nf4 = "nf4"
    int8 = "int8"
    none = "none"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of words and tables.")]
HubPath = Annotated[
    str,
    typer.Option(
        "--hub",
        envvar="REPERTOIRE_HUB",
        help="The hub: a folder, s3://bucket/path or gs://bucket/path.",
        show_default=True,
    ),
]
TrustFile = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        envvar="REPERTOIRE_TRUST",
        help="A file that says which clients' adapters must be signed, and by whom.",
    ),
]
KEY_HELP = "A private key; its password is asked for, or taken from REPERTOIRE_KEY_PASSWORD."
SigningKey = Annotated[
    Path | None, typer.Option("--key", help=f"Sign the new version too. {KEY_HELP}", show_default=False)
]
BaseName = Annotated[
    str | None,
    typer.Option(
        "--base", help="`starter`, a Hugging Face id or a folder. [default: the adapter's own base]"
    ),
]
BaseQuantization = Annotated[
    Quantization | None,
    typer.Option("--quantization", help="How to hold the base. [default: as the adapter was trained]"),
]
ReferenceName = Annotated[
    str,
    typer.Argument(
        metavar="REFERENCE", help="client/campaign/task, or with @alias or @3.", autocompletion=references
    ),
]
ReferenceNames = Annotated[
    str,
    typer.Argument(
        metavar="REFERENCE",
        help="client/campaign/task, or with @alias or @3; several with + between them answer as one.",
        autocompletion=references,
    ),
]
RecipeName = Annotated[
    str,
    typer.Argument(
        help="recommendation, behavior or ad-copy, each also with -prefix; or a YAML file.",
        show_default=False,
    ),
]
DataFiles = Annotated[
    list[Path], typer.Argument(help="CSV, TSV, JSONL, JSON or Parquet; several are read as one.")
]
ValidationFiles = Annotated[
    list[Path] | None, typer.Option("--validation", help="Rows to stop early by. [default: cut from DATA]")
]
TestFiles = Annotated[
    list[Path] | None, typer.Option("--test", help="Rows to measure on. [default: cut from DATA]")
]
BaseToFit = Annotated[
    str | None,
    typer.Option(
        "--base",
        help="Check every tensor against this base: `starter`, a Hugging Face id or a folder. No weights are loaded.",
    ),
]
BaseToTrain = Annotated[str, typer.Option("--base", help="`starter`, a Hugging Face id or a folder.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="ROLE=COLUMN", help="What a column is called in the file."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="MEANING=VALUE", help="What a label is called in the file."),
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any value of the recipe.")
]
DEFAULT_HUB = "campaigns"


def base_to_fit(base: str | None) -> "Shape | None":
    """What an adapter is checked against before it is published. Raises BaseNotFound."""
    if base is None:
        return None
    from adapters.slots import load_shape

    return load_shape(base)


def chosen_recipe(
    recipe: str, column: Sequence[str] | None, label: Sequence[str] | None, changes: Sequence[str] | None
) -> "Recipe":
    """A recipe with what `--column`, `--label` and `--set` say. Raises RecipeError."""
    from recipes import Recipe
    from recipes.options import parse_override

    columns = {f"data.columns.{role}": name for role, name in pairs(column or (), "--column")}
    values = {f"data.labels.{value}": _meaning(meaning) for meaning, value in pairs(label or (), "--label")}
    return Recipe.load(recipe, **columns, **values, **dict(parse_override(text) for text in changes or ()))


def _meaning(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def pairs(texts: Sequence[str], option: str) -> list[tuple[str, str]]:
    """`["name=Trail shoes", "price=95"]` -> pairs in that order; what stands behind the first `=` is the value."""
    split = [text.partition("=") for text in texts]
    wrong = [text for text, (key, sign, _) in zip(texts, split, strict=True) if not sign or not key.strip()]
    if wrong:
        raise typer.BadParameter(f"{', '.join(map(repr, wrong))}: write {option} key=value")
    return [(key.strip(), value) for key, _, value in split]
