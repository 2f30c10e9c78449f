"""What two hubs are compared by."""

from hub.storage.storage import Storage

OTHER = "globex/launch/ad-copy"


def contents(storage: Storage) -> dict[str, bytes]:
    """All that makes a hub, but what is derived and its own id."""
    return {
        path: bytes(storage.read(path))
        for path in storage.walk("")
        if path.startswith("blobs/") or (path.startswith("adapters/") and "/." in path)
    }


TOMBSTONE = b'{"version": 1, "who": "a", "when": "2026-11-24T12:00:00+00:00", "why": ""}'
