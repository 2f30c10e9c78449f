"""repertoire keys new|ls|revoke: who may ask a server, and for how long."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from hub.cli.options import DEFAULT_HUB, HubPath, Json
from hub.cli.output import document, help_alone, minute, show

if TYPE_CHECKING:
    from hub.server.keys import Key, Keys

KeysFile = Annotated[
    Path | None, typer.Option("--keys", help="The file of keys. [default: beside the hub, HUB.keys]")
]

keys = typer.Typer(help="Keys of a server's clients: new, ls, revoke.", no_args_is_help=False)


class ScopeName(StrEnum):
    """As in `hub.server.Scope`."""

    infer = "infer"
    operate = "operate"
    admin = "admin"


@keys.callback(invoke_without_command=True)
def _keys(context: typer.Context) -> None:
    help_alone(context)


@keys.command()
def new(
    client: Annotated[str, typer.Argument(help="Whose key it is: the first part of its adapters' names.")],
    scope: Annotated[
        ScopeName,
        typer.Option(
            help="infer asks adapters; operate also reads metrics and moves adapters; admin is for all clients."
        ),
    ] = ScopeName.infer,
    expires: Annotated[
        str | None, typer.Option(metavar="12h|90d|8w", help="When it ends. [default: never]")
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLIENT[/CAMPAIGN[/TASK]]",
            help="Adapters of others that it may ask too; may be repeated.",
        ),
    ] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="A minute. [default: no limit]")] = None,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Read and written, a minute. [default: no limit]")
    ] = None,
    working: Annotated[
        int | None, typer.Option(min=1, help="Requests at a time. [default: the server's]")
    ] = None,
    hub: HubPath = DEFAULT_HUB,
    file: KeysFile = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once; only its hash is kept.

    Example: `repertoire keys new acme --scope infer --expires 90d`
    """
    from hub.server.keys import Scope

    opened = open_keys(hub, file)
    key, secret = opened.new(client, Scope[scope.value], expires, also or (), requests, tokens, working)
    if as_json:
        document({"key": secret, **_told(key)})
        return
    show(
        secret,
        "Shown this once: only its hash is kept, in " + str(opened.path),
        f"Key {key.id} of {key.client}, scope {key.scope.name}, "
        + (f"until {minute(key.expires)}." if key.expires else "without an end."),
        "From now on every request to this hub's server needs a key.",
    )


@keys.command()
def ls(hub: HubPath = DEFAULT_HUB, file: KeysFile = None, as_json: Json = False) -> None:
    """List the keys, also those that ended.

    Example: `repertoire keys ls --hub campaigns`
    """
    found = open_keys(hub, file).all()
    if as_json:
        document([_told(key) for key in found])
        return
    table = Table("id", "client", "scope", "also", "created", "ends", "state")
    for key in found:
        state = "revoked" if key.revoked else "counts" if key.counts else "over"
        ends = minute(key.expires) if key.expires else "never"
        table.add_row(
            key.id, key.client, key.scope.name, ", ".join(key.shared), minute(key.created), ends, state
        )
    show(table)


@keys.command()
def revoke(
    id: Annotated[str, typer.Argument(help="Of the key, as `keys ls` lists it.")],
    hub: HubPath = DEFAULT_HUB,
    file: KeysFile = None,
    as_json: Json = False,
) -> None:
    """End a key now; a server that runs refuses it from its next request on.

    Example: `repertoire keys revoke 3f9a1c20`
    """
    key = open_keys(hub, file).revoke(id)
    if as_json:
        document(_told(key))
        return
    show(f"Key {key.id} of {key.client} is revoked.")


def open_keys(hub: str, file: Path | None) -> "Keys":
    """The keys of a hub's server.

    Args:
        hub: of `--hub`.
        file: of `--keys`; None is the hub's own.
    """
    from hub.server.keys import Keys, keys_file

    return Keys(file or keys_file(hub))


def _told(key: "Key") -> dict[str, object]:
    return {**vars(key), "scope": key.scope.name, "counts": key.counts}
