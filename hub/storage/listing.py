"""What there is in a storage: names, blobs and the files of the index, found by listing its folders."""

from collections.abc import Iterator

from hub.storage.layout import ADAPTERS, BLOBS, INDEX, PURGES, home, is_digest, is_part
from hub.storage.reach import check_there
from hub.storage.storage import Storage


def names(storage: Storage, client: str | None = None) -> Iterator[str]:
    """Every `client/campaign/task` that has a folder, also without a version; of one client, where one is given. Raises
    Unreachable where the hub itself is not there."""
    clients = sorted(storage.folders(ADAPTERS)) if client is None else [client]
    if not clients:
        check_there(storage)
    for own in filter(is_part, clients):
        for campaign in filter(is_part, sorted(storage.folders(home(own)))):
            tasks = sorted(storage.folders(home(f"{own}/{campaign}")))
            yield from (f"{own}/{campaign}/{task}" for task in tasks if is_part(task))


def digests(storage: Storage) -> Iterator[str]:
    """The hashes under which blobs lie."""
    for folder in sorted(storage.folders(BLOBS)):
        for name in sorted(storage.files(f"{BLOBS}/{folder}")):
            if is_digest(name) and name[:2] == folder:
                yield name


def index_files(storage: Storage) -> list[str]:
    """The files of the search index, which can be made again."""
    return [file for file in storage.files("") if file.startswith(INDEX)]


def unfinished_purges(storage: Storage) -> list[str]:
    """Clients whose purge is under way, or was stopped."""
    return sorted(file.removesuffix(".json") for file in storage.files(PURGES))
