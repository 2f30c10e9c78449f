"""Options that several commands take, and how `key=value` is read."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Quantization(StrEnum):
    """As in `adapters.load_base`."""

    nf4 = "nf4"
    int8 = "int8"
    none = "none"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of words and tables.")]
HubPath = Annotated[
    Path, typer.Option("--hub", envvar="REPERTOIRE_HUB", help="The hub's folder.", show_default=True)
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
    str, typer.Argument(metavar="REFERENCE", help="client/campaign/task, or with @alias or @3.")
]
DEFAULT_HUB = Path("campaigns")


def pairs(texts: Sequence[str], option: str) -> list[tuple[str, str]]:
    """`["name=Trail shoes", "price=95"]` -> pairs in that order; what stands behind the first `=` is the value."""
    split = [text.partition("=") for text in texts]
    wrong = [text for text, (key, sign, _) in zip(texts, split, strict=True) if not sign or not key.strip()]
    if wrong:
        raise typer.BadParameter(f"{', '.join(map(repr, wrong))}: write {option} key=value")
    return [(key.strip(), value) for key, _, value in split]
