"""The command `repertoire`: the whole project from a terminal.

    train.py      train
    tune.py       tune
    profile.py    profile
    hub.py        init, publish, ls, search, versions, show
    exchange.py   import, export, card
    remote.py     push, pull, sync
    aliases.py    alias set|ls|rm, rollback, history, diff
    sign.py       keygen, sign
    keeping.py    verify, repair, rm, gc, purge
    ask.py        recommend, analyze, write
    doctor.py     doctor
    demo.py       demo

Every command takes `--json`: then standard output is one JSON document, on failure too. Exit codes stand in output.py.
A command imports what it needs when it runs, so that help comes at once, and torch only where tensors are read or made.
"""

import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from hub.cli import aliases, ask, demo, doctor, exchange, hub, keeping, profile, remote, sign, train, tune
from hub.cli.output import fail

__all__ = ["app", "main"]

app = typer.Typer(
    help="A hub of LoRA and Prefix adapters for marketing, many at a time on one quantized LLM.",
    epilog="Try `repertoire demo` first; `repertoire doctor` when something does not run.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for command in (
    profile.profile,
    train.train,
    tune.tune,
    hub.init,
    hub.publish,
    hub.ls,
    hub.search,
    hub.versions,
    hub.show,
    exchange.export,
    exchange.card,
    remote.push,
    remote.pull,
    remote.sync,
    aliases.rollback,
    aliases.history,
    aliases.diff,
    sign.keygen,
    sign.sign,
    keeping.verify,
    keeping.repair,
    keeping.rm,
    keeping.gc,
    keeping.purge,
    ask.recommend,
    ask.analyze,
    ask.write,
    doctor.doctor,
    demo.demo,
):
    app.command()(command)
app.command("import")(exchange.import_)
app.add_typer(aliases.alias, name="alias")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command line (of this process, unless given) and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it advises a package that needs the network
    try:
        code = app(args=given, prog_name="repertoire", standalone_mode=False)
    except Exception as error:
        code = fail(error, as_json="--json" in given)
    sys.exit(code if isinstance(code, int) else 0)
