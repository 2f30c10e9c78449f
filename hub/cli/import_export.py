"""repertoire import, export: adapters from and for other tools."""

from enum import StrEnum
from typing import Annotated

import typer

from hub.cli.documents import summary
from hub.cli.from_options import base_to_fit, declared
from hub.cli.options import (
    DEFAULT_HUB,
    AdapterName,
    BaseIdToWrite,
    BaseToFit,
    DeclaredClick,
    DeclaredRoles,
    DeclaredTask,
    HubPath,
    IsAlias,
    Json,
    Message,
    PublishId,
    ReferenceName,
    Tags,
)
from hub.cli.output import document, show
from hub.cli.taking import show_left, take


class Tool(StrEnum):
    """As in `hub.exchange.exports.export`."""

    vllm = "vllm"
    peft = "peft"
    hf = "hf"


def import_(
    source: Annotated[
        str,
        typer.Argument(help="A PEFT directory, or hf://owner/repo[@revision][/folder].", show_default=False),
    ],
    name: AdapterName,
    hub: HubPath = DEFAULT_HUB,
    base: BaseToFit = None,
    base_id: BaseIdToWrite = None,
    base_id_is_alias: IsAlias = False,
    task: DeclaredTask = None,
    roles: DeclaredRoles = None,
    click: DeclaredClick = 1,
    tag: Tags = None,
    message: Message = "",
    publish_id: PublishId = None,
    as_json: Json = False,
) -> None:
    """Take an adapter that other tools made into a hub, as the next version of a name.

    Only the configuration, the safetensors weights and the card are read; what is passed over is named, and code,
    pickle and archives are refused. Of a folder that holds one adapter in a folder of its own, that is taken.

    Example: `repertoire import hf://owner/adapter@main acme/spring/behavior --base Qwen/Qwen2.5-7B-Instruct`
    """
    version, found = take(
        source,
        hub,
        name,
        base=base_to_fit(base, base_id),
        tags=tag or (),
        message=message,
        publish_id=publish_id,
        declared=declared(task, roles, click, base_id_is_alias, base_id),
    )
    if as_json:
        document(summary(version) | {"origin": version.record.origin, "passed_over": list(found.left)})
        return
    origin = version.record.origin
    at = f", commit {origin['commit']}" if origin else ""
    show(f"Imported {source}{at}, as {version.reference} in {hub}.")
    show_left(found)


def export(
    reference: ReferenceName,
    target: Annotated[
        str,
        typer.Argument(metavar="DIR", help="A new folder; or hf://owner/repo.", show_default=False),
    ],
    to: Annotated[Tool, typer.Option(help="The tool that will read it.", show_default=False)],
    hub: HubPath = DEFAULT_HUB,
    base: Annotated[
        str | None,
        typer.Option(help="The name or folder by which that tool knows the base. [default: its id]"),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="A repository that is made by this is open to everybody.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a version for another tool: a real copy, laid out as that tool looks for it.

    Example: `repertoire export acme/spring/ad-copy@3 ./loras --to vllm`
    """
    from hub.exchange import exports as exchange
    from hub.hub import Hub
    from hub.intake import huggingface

    opened = Hub(hub, create=False)
    if huggingface.is_address(target):
        if to is not Tool.hf or base is not None:
            raise typer.BadParameter("hf:// goes with --to hf, and without --base", param_hint="--to")
        done = exchange.upload(opened, reference, target, private=not public)
        if as_json:
            document({"address": done.address, "url": done.url, "commit": done.commit})
        else:
            show(f"Uploaded {reference} to {done.address}, commit {done.commit}: {done.url}")
        return
    made = exchange.export(opened, reference, target, to, base)
    if as_json:
        document({"reference": made.reference, "folder": str(made.folder), "notes": list(made.notes)})
        return
    show(f"Wrote {made.reference} to {made.folder}.", *made.notes)
