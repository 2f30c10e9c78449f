"""Who does something to a hub, and when, as records, alias events and tombstones say it."""

import getpass
from datetime import UTC, datetime


def now() -> str:
    """This moment: UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def user() -> str:
    """Who runs this process, where nobody said who acts."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run as a user without a name
        return "unknown"
