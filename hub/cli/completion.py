"""What the shell offers while a reference is typed, once `repertoire --install-completion` was run: names, and behind
`@` the aliases.

Folder names are read and nothing else, so that the answer comes before a hub, or torch, could be imported.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import typer

_MOST = 200


def references(ctx: typer.Context, incomplete: str) -> list[str]:
    """The references of the hub that the command line names which begin with what was typed."""
    home = Path(ctx.params.get("hub") or "", "adapters")
    name, at, _ = incomplete.partition("@")
    if at:
        known = sorted(f"{name}@{alias}" for alias in ["latest", *_folders(home / name / ".events")])
        return [reference for reference in known if reference.startswith(incomplete)]
    return list(islice(_names(home, "", incomplete), _MOST))


def _names(home: Path, above: str, typed: str) -> Iterator[str]:
    """Names below `above`, one to three parts with a slash behind each, of those that begin as it was typed."""
    for part in sorted(_folders(home / above)):
        path = f"{above}{part}"
        if path.startswith(typed) or typed.startswith(f"{path}/"):
            yield from [path] if path.count("/") == 2 else _names(home, f"{path}/", typed)


def _folders(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != "."]
    except OSError:
        return []
