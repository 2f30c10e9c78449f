"""What programs get to know of a version at once, the same from every command."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.catalogue.search import Found
    from hub.catalogue.version import Version


def summary(version: "Version") -> dict[str, Any]:
    """What programs want to know of a version at once."""
    record = version.record
    return {
        "reference": version.reference,
        "name": version.name,
        "version": version.number,
        "task": record.task,
        "method": record.method,
        "base": record.base.model_dump(),
        "created": record.created,
        "message": record.message,
        "tags": list(record.tags),
        "digest": version.digest,
        "folder": version.folder and str(version.folder),
    }


def listed(found: "Found") -> dict[str, Any]:
    """What programs want to know of a version that was found: `summary`, and what it is found by."""
    return {
        "reference": found.reference,
        "name": found.name,
        "version": found.number,
        "task": found.task,
        "method": found.method,
        "base": found.base,
        "created": found.created,
        "message": found.message,
        "tags": list(found.tags),
        "digest": found.digest,
        "folder": found.folder and str(found.folder),
        "publisher": found.publisher,
        "data_digest": found.data_digest,
        "metrics": found.metrics,
        "aliases": list(found.aliases),
        "removed": found.removed,
    }
