"""Sessions of the page: a cookie in the place of a key, which never lies in a browser.

The cookie is 256 random bits, kept here by their hash, in memory: a server that starts again asks everybody to log in.
A session sees and does what its key may, for as long as that counts.
"""

import hashlib
import secrets
from dataclasses import dataclass
from time import monotonic

COOKIE = "repertoire_session"
_LIFE = 12 * 3600.0  # seconds
_MOST = 10_000


@dataclass(frozen=True)
class Session:
    """key: id of the key that it began with; csrf: what each form of the page must send; ends: seconds of the clock."""

    key: str
    csrf: str
    ends: float


class Sessions:
    """Those of one server."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, Session] = {}

    def begin(self, key: str) -> tuple[str, Session]:
        """A new session of a key, by its id; the first is the cookie."""
        now = monotonic()
        self._sessions = {digest: each for digest, each in self._sessions.items() if each.ends > now}
        while len(self._sessions) >= _MOST:
            del self._sessions[next(iter(self._sessions))]
        cookie = secrets.token_urlsafe(32)
        session = Session(key, secrets.token_urlsafe(32), now + _LIFE)
        self._sessions[_hash(cookie)] = session
        return cookie, session

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie, while it lasts."""
        session = self._sessions.get(_hash(cookie))
        return session if session is not None and session.ends > monotonic() else None

    def end(self, cookie: str) -> None:
        """Log out: the cookie counts no longer."""
        self._sessions.pop(_hash(cookie), None)


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).digest()
