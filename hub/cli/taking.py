"""What `publish` and `import` share: an adapter's files, read once, into a hub that is made for what may enter only."""

from typing import TYPE_CHECKING, Any

from hub.cli.confirm import confirm
from hub.cli.output import show

if TYPE_CHECKING:
    from hub.catalogue.version import Version
    from hub.intake import Download


def take(source: str, hub: str, name: str, *, yes: bool = True, **options: Any) -> "tuple[Version, Download]":
    """Publish an adapter. Where there is no hub yet, one is made as soon as the adapter is found to be good: what is
    refused leaves nothing behind.

    Args:
        source: a folder, or `hf://owner/repo`.
        hub: its address.
        name: `client/campaign/task`.
        yes: publish what is worse than a baseline without asking.
        **options: as of `Hub.publish`, which says what is raised too.

    Returns:
        The version, and what was read of the source.
    """
    from hub.errors import NoHub
    from hub.hub import Hub
    from hub.intake import check, fetch, is_address, read_folder
    from hub.storage.names import check_name

    check_name(name)
    found = fetch(source) if is_address(source) else read_folder(source)
    if not (yes or options.get("force_reason")):
        _agreed(found, name)
    try:
        opened = Hub(hub, create=False)
    except NoHub:
        check(found, options.get("base"), options.get("declared"), options.get("force_reason"))
        opened = Hub(hub)
    return opened.publish(found, name, **options), found


def _agreed(found: "Download", name: str) -> None:
    """Ask before what loses to a baseline is published. Of what cannot be read, publishing tells what is wrong."""
    from adapters.errors import RepertoireError
    from adapters.format import CONFIG, WEIGHTS, parse
    from recipes.judge import AdapterInfo, loses

    try:
        info = parse(found.files[CONFIG], found.files[WEIGHTS]).info
    except (RepertoireError, KeyError):
        return
    if (first := loses(AdapterInfo.of(info))) is not None:
        confirm(f"{first.sentence} Publish it as {name} all the same?", False, dry_run=False)


def show_left(found: "Download") -> None:
    """Say what of a source was passed over."""
    if found.left:
        show(f"Passed over, and not read: {', '.join(found.left)}.")
