"""The reference of the command line in Markdown: every command with its options and examples, from the commands
themselves.

    python -m hub.cli.reference > reference.md
"""

from collections.abc import Iterator
from typing import Any

import typer

from hub.cli import app
from hub.cli.failing import EXIT_CODES


def reference() -> str:
    """The whole page: a heading for each group of the help, below it its commands, at the end the exit codes."""
    group: Any = typer.main.get_command(app)
    commands: list[Any] = list(group.commands.values())
    parts = ["# Command line", group.help, group.epilog]
    for heading in dict.fromkeys(command.rich_help_panel for command in commands):
        parts.append(f"## {heading}")
        for command in commands:
            if command.rich_help_panel == heading:
                parts += _command(command, f"repertoire {command.name}")
    codes = (f"- `{code}`: {meaning}" for code, meaning in EXIT_CODES.items())
    return "\n\n".join([*parts, "## Exit codes", "\n".join(codes)]) + "\n"


def _command(command: Any, called: str) -> Iterator[str]:
    """Heading, help and parameters of a command; of a group, those of its commands too."""
    context = typer.Context(command, info_name=called)
    yield f"### {called}"
    yield command.help
    yield f"Usage: `{' '.join([called, *command.collect_usage_pieces(context)])}`"
    records = (parameter.get_help_record(context) for parameter in command.params)
    told = [f"- `{name}`: {' '.join(text.split())}" for name, text in filter(None, records)]
    if told:
        yield "\n".join(told)
    for below in getattr(command, "commands", {}).values():
        yield from _command(below, f"{called} {below.name}")


if __name__ == "__main__":
    print(reference(), end="")
