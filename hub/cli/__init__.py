"""The command `repertoire`: the whole project from a terminal.

    demo.py           demo
    doctor.py         doctor
    new.py            new recipe
    profile.py        profile
    train.py          train; a file of many jobs in night.py
    tune.py           tune
    publish.py        init, publish
    find.py           ls, search, versions
    show.py           show, card
    diff.py           diff
    ask.py            recommend, analyze, write
    aliases.py        alias set|ls|rm, rollback, history
    feedback.py       feedback import|status
    evaluate_policy.py  evaluate-policy
    live.py           live
    refresh.py        refresh
    canary.py         canary start|status|decide|promote|stop|hold
    verify.py         verify, repair
    remove.py         rm, gc, purge
    sync.py           push, pull, sync
    import_export.py  import, export
    sign.py           keygen, sign
    serve.py          serve; its keys in keys.py

What they share: their options (options.py) and what these name (from_options.py), what is printed (output.py,
documents.py, progress.py), how to fail and with which exit code (failing.py), how to be stopped (stopping.py), and that
one run writes to one folder (claim.py). reference.py writes all of it down.

Every command takes `--json`: then standard output is one JSON document, on failure too. A command imports what it needs
when it runs, so that help comes at once, and torch only where tensors are read or made.
"""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NoReturn

import typer

from adapters.base import settle_threads
from adapters.lazy import owns_process
from hub.cli import (
    aliases,
    ask,
    canary,
    demo,
    diff,
    doctor,
    evaluate_policy,
    feedback,
    find,
    import_export,
    keys,
    live,
    new,
    profile,
    publish,
    refresh,
    remove,
    serve,
    show,
    sign,
    sync,
    train,
    tune,
    verify,
)
from hub.cli.failing import fail
from hub.cli.output import help_alone, show_warnings_visibly

__all__ = ["app", "main"]

# Heading -> commands below it, in the order of the help.
_COMMANDS: Mapping[str, Sequence[Callable[..., Any]]] = {
    "Start here": (demo.demo, doctor.doctor),
    "Train": (profile.profile, train.train, tune.tune),
    "Publish and find": (
        publish.publish,
        find.ls,
        find.search,
        find.versions,
        show.show,
        show.card,
        diff.diff,
    ),
    "Ask": (ask.recommend, ask.analyze, ask.write, serve.serve),
    "Learn from users": (live.live, refresh.refresh, evaluate_policy.evaluate_policy),
    "Operate a hub": (
        publish.init,
        aliases.rollback,
        aliases.history,
        verify.verify,
        verify.repair,
        remove.rm,
        remove.gc,
        remove.purge,
    ),
    "Share": (
        sync.push,
        sync.pull,
        sync.sync,
        import_export.import_,
        import_export.export,
        sign.keygen,
        sign.sign,
    ),
}

app = typer.Typer(
    help="A hub of LoRA and Prefix adapters for marketing, many at a time on one quantized LLM.",
    epilog="Try `repertoire demo` first; `repertoire doctor` when something does not run.",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for heading, commands in _COMMANDS.items():
    for command in commands:
        app.command(command.__name__.rstrip("_").replace("_", "-"), rich_help_panel=heading)(command)
app.add_typer(new.new, name="new", rich_help_panel="Train")
app.add_typer(canary.canary, name="canary", rich_help_panel="Learn from users")
app.add_typer(feedback.feedback, name="feedback", rich_help_panel="Learn from users")
app.add_typer(aliases.alias, name="alias", rich_help_panel="Operate a hub")
app.add_typer(keys.keys, name="keys", rich_help_panel="Operate a hub")


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"repertoire {doctor.installed_version() or 'in a checkout, not installed'}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _repertoire(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    help_alone(context)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command line and exit with its code.

    Args:
        arguments: without the `repertoire` before them; None are those of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    settle_threads()
    owns_process()
    # It advises a package that needs the network.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    show_warnings_visibly()
    try:
        code = app(args=given, prog_name="repertoire", standalone_mode=False, obj=["repertoire", *given])
    except Exception as error:
        code = fail(error, as_json="--json" in given)
    sys.exit(code if isinstance(code, int) else 0)
