"""From the address of a hub to its storage."""

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from hub.storage.local import Local

if TYPE_CHECKING:
    from hub.storage.storage import Storage


def open_storage(address: str | os.PathLike[str]) -> "Storage":
    """The storage that an address means. Nothing is read or made there yet.

    Args:
        address: a folder, `file:///with/its/whole/path`, `s3://bucket/path` or `gs://bucket/path`.

    Raises:
        HubError: for any other scheme, and where the library that speaks it is not installed.
    """
    text = os.fspath(address)
    if text.startswith("file:///"):
        return Local(Path(unquote(urlsplit(text).path)))
    if "://" in text:
        from hub.storage.remote import open_remote

        return open_remote(text)
    return Local(Path(text).absolute())
