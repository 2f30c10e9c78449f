"""repertoire new recipe: a recipe to edit, guessed from a client's file."""

from pathlib import Path
from typing import Annotated

import typer

from adapters.shell_words import in_shell
from hub.cli.options import ColumnNames, FormatNamed, Json
from hub.cli.output import document, help_alone, say, show

new = typer.Typer(help="Write files to edit.", invoke_without_command=True)


@new.callback()
def _new(context: typer.Context) -> None:
    help_alone(context)


@new.command("recipe")
def new_recipe(
    data: Annotated[Path, typer.Argument(help="A file as `train` takes it.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write it; a new file. [default: the terminal]")
    ] = None,
    format_: FormatNamed = None,
    columns: ColumnNames = None,
    as_json: Json = False,
) -> None:
    """Look at a file and write a recipe to edit: task, columns, labels and format, each guess with its reason.

    Example: `repertoire new recipe clicks.csv --out clicks.yaml`
    """
    if out is not None and out.exists():
        raise typer.BadParameter(f"{out} is there already; name a new file", param_hint="--out")

    from hub.cli.from_options import written
    from recipes.data import propose

    proposal = propose(data, written(format_, columns))
    if out is not None:
        out.write_text(proposal.text, encoding="utf-8")
    if as_json:
        place = None if out is None else str(out)
        document({"recipe": proposal.text, "file": place, "problems": list(proposal.problems)})
        return
    if out is None:
        say(proposal.text, end="")
    else:
        show(f"The recipe is in {out}. Next: repertoire profile {in_shell(out)} {in_shell(data)} --check")
    if proposal.problems:
        most = "\n".join(f"- {problem}" for problem in proposal.problems[:5])
        say(f"What the rows say against it ({len(proposal.problems)}):\n{most}", error=True)
