"""repertoire init, publish: a hub, and versions into it."""

from typing import Annotated

import typer

from hub.cli.documents import summary
from hub.cli.from_options import base_to_fit, declared, open_key
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
    SigningKeyToo,
    Tags,
    Yes,
)
from hub.cli.output import document, show
from hub.cli.taking import show_left, take


def init(hub: HubPath = DEFAULT_HUB, as_json: Json = False) -> None:
    """Make an empty hub. Nothing is changed where there is one already.

    Example: `repertoire init --hub campaigns`
    """
    from hub.errors import NoHub
    from hub.hub import Hub

    try:
        opened, made = Hub(hub, create=False), False
    except NoHub:
        opened, made = Hub(hub), True
    if as_json:
        document({"hub": opened.address, "id": opened.id, "made": made})
        return
    show(f"Made a hub in {hub}." if made else f"{hub} is a hub already.")


def publish(
    folder: Annotated[
        str,
        typer.Argument(
            help="The adapter's PEFT directory, from `train` or from stock PEFT; or hf://owner/repo."
        ),
    ],
    name: AdapterName,
    hub: HubPath = DEFAULT_HUB,
    tag: Tags = None,
    message: Message = "",
    publish_id: PublishId = None,
    base: BaseToFit = None,
    base_id: BaseIdToWrite = None,
    base_id_is_alias: IsAlias = False,
    task: DeclaredTask = None,
    roles: DeclaredRoles = None,
    click: DeclaredClick = 1,
    force: Annotated[
        bool, typer.Option("--force", help="Publish although the recipe's gates failed; needs --reason.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why; the record keeps it.")] = None,
    key: SigningKeyToo = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Put an adapter into a hub, as the next version of a name. The hub is made where there is none.

    Example: `repertoire publish adapters/acme acme/spring/recommendation --tag spring -m "first season"`
    """
    if force != (reason is not None):
        missing = "--reason" if force else "--force"
        raise typer.BadParameter(f"--force and --reason go together; give {missing} too", param_hint=missing)

    opened_key = open_key(key) if key else None
    version, found = take(
        folder,
        hub,
        name,
        base=base_to_fit(base, base_id),
        tags=tag or (),
        message=message,
        publish_id=publish_id,
        yes=yes,
        force_reason=reason,
        key=opened_key,
        declared=declared(task, roles, click, base_id_is_alias, base_id),
    )
    from recipes.judge import Report, verdict

    report = Report.read(version.record.metrics)
    first = None if report is None else verdict(report)
    if as_json:
        document(summary(version) | ({"signed_by": opened_key.public.id} if opened_key else {}))
        return
    where = f" Its PEFT directory: {version.folder}" if version.folder else ""
    signed = " and signed it" if opened_key else ""
    if first is not None:
        show(first.sentence)
    show(f"Published {version.reference} to {hub}{signed}.{where}")
    show_left(found)
