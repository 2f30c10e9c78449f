"""Where bases lie that are no download: the file that REPERTOIRE_BASES names, a YAML of ids and folders.

    mycorp/tiny-llama: /models/tiny-llama
    local/starter-de: ../bases/starter-de        # a folder that starts at this file

An adapter names its base by an id. On the machines of a company that id may be no repository, but a folder that each of
them keeps somewhere else; the file says where. A base that is loaded by such an id is known by it.
"""

import os
from pathlib import Path

import yaml

from adapters.errors import BaseError
from adapters.format import STARTER

BASES = "REPERTOIRE_BASES"
_STARTER_FOLDER = Path(__file__).parents[1] / "starter" / "weights"


def known_folder(id: str) -> str | None:
    """The folder of a base, by its id.

    Args:
        id: as an adapter names it.

    Returns:
        None where the file says nothing of it, or there is no file.

    Raises:
        BaseError: the file is not what it should be.
    """
    named = os.environ.get(BASES)
    if not named:
        return None
    try:
        found = yaml.safe_load(Path(named).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise BaseError(f"{BASES} names {named}, which cannot be read as YAML: {error}") from error
    if found is None:
        return None
    if not isinstance(found, dict) or not all(
        isinstance(text, str) for pair in found.items() for text in pair
    ):
        raise BaseError(
            f"{named}, which {BASES} names, should hold ids and folders, such as mycorp/tiny-llama: /models/tiny-llama"
        )
    folder = found.get(id)
    return None if folder is None else str(Path(named).parent / Path(folder).expanduser())


def source_of(id_or_path: str) -> str:
    """Where transformers finds a base. Raises BaseError for a file of bases that is wrong."""
    if id_or_path == STARTER:
        return str(_STARTER_FOLDER)
    return known_folder(id_or_path) or id_or_path
