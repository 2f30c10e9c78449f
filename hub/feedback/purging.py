"""A client is erased: what the log of a hub holds of them, beside what `Hub.purge` erases in the hub itself."""

import os

from hub.errors import FeedbackError
from hub.feedback.database import has_log
from hub.feedback.log import Feedback


def purge_feedback(hub: str | os.PathLike[str], client: str, dry_run: bool = False) -> dict[str, int] | None:
    """Erase all that a hub's feedback log holds of a client, and look what is left. `repertoire purge` calls this after
    `Hub.purge`.

    Args:
        hub: its address.
        client: the first part of their names.
        dry_run: change nothing.

    Returns:
        Table -> rows that were erased, or would be; None where the hub has no log.

    Raises:
        FeedbackError: the log does not answer, or something goes on to log the client.
    """
    if not has_log(hub):
        return None
    log = Feedback(hub)
    try:
        erased = log.purge(client, dry_run)
        if not dry_run and any(left := log.count(client).values()):
            raise FeedbackError(
                f"{client} is still logged ({sum(left)} rows); stop its servers and purge again"
            )
    finally:
        log.close()
    return erased
