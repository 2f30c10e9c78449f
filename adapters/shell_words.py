"""Names of files in commands that are advised, so that a shell hands over what was meant and no program takes a name
for an option.

in_shell("it's.csv")     'it'"'"'s.csv'
in_shell("-x.zip")       ./-x.zip
"""

import shlex
from pathlib import Path

__all__ = ["in_shell"]


def in_shell(path: str | Path) -> str:
    """The name of a file as one word of a shell."""
    name = str(path)
    return shlex.quote(f"./{name}" if name.startswith("-") else name)
