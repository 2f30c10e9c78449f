"""User keys as they are stored: HMAC-SHA256 under a secret of the client's own.

The same user of two clients has two keys, so that nobody joins them; who has no secret cannot tell a key's user by
trying names. A purge erases the secret too: what a backup still holds says nothing from then on.
"""

import hmac
import secrets
from threading import Lock

from sqlalchemy import select

from hub.feedback.database import Database, insert_new
from hub.feedback.tables import clients


class UserKeys:
    """The hashes of one log. Any thread may ask. Raises FeedbackError as `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._secrets: dict[str, bytes] = {}

    def hashed(self, client: str, user: str) -> str:
        """64 hex digits for a client's user."""
        with self._lock:
            if client not in self._secrets:
                self._secrets[client] = self._secret(client)
        return hmac.digest(self._secrets[client], user.encode(errors="surrogatepass"), "sha256").hex()

    def forget(self, client: str) -> None:
        """The client was purged."""
        with self._lock:
            self._secrets.pop(client, None)

    def _secret(self, client: str) -> bytes:
        """The client's own, which is made where it has none."""
        own = select(clients.c.secret).where(clients.c.client == client)
        with self._database.read() as connection:
            if (found := connection.execute(own).scalar()) is not None:
                return bytes(found)
        with self._database.write() as connection:
            # Another process may have been faster: its secret stays.
            insert_new(connection, clients, [{"client": client, "secret": secrets.token_bytes(32)}])
            return bytes(connection.execute(own).scalar_one())
