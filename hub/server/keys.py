"""Keys of a server's clients: made, shown once, and afterwards known by their hash alone.

    campaigns/            the hub
    campaigns.keys        beside it, SQLite: of each key its SHA-256, whose it is, what it may, until when

A key is 256 random bits, so that its plain hash says nothing of it. A server looks here at each request: a key that is
made or revoked counts at once. What was revoked stays listed, so that a server with keys never becomes one without.
"""

import hashlib
import json
import os
import re
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path

from hub.errors import BadKey
from hub.storage.layout import is_part

_PREFIX = "rk_"
_TABLE = """CREATE TABLE IF NOT EXISTS key (
    id TEXT PRIMARY KEY, hash BLOB UNIQUE NOT NULL, client TEXT NOT NULL, scope INTEGER NOT NULL, shared TEXT NOT NULL,
    created TEXT NOT NULL, expires TEXT, revoked TEXT, requests INTEGER, tokens INTEGER, working INTEGER)"""
_COLUMNS = "id, client, scope, shared, created, expires, revoked, requests, tokens, working"
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_WAIT = 10.0  # seconds for another writer


class Scope(IntEnum):
    """What a key may; each also what stands before it. infer: ask adapters. operate: see and move what is loaded, and
    aliases. admin: all of it, for every client."""

    infer = 1
    operate = 2
    admin = 3


@dataclass(frozen=True)
class Key:
    """What is known of one key; times are UTC, ISO 8601.

    Attributes:
        id: by which it is revoked.
        client: whose it is, the first part of its adapters' names.
        scope: what it may.
        shared: adapters of others that it may ask: `house`, `house/spring` or `house/spring/ad-copy`.
        created: when it was made.
        expires: when it ends; None for never.
        revoked: when it was.
        requests: a minute, at most.
        tokens: read and written a minute, at most.
        working: requests at a time, at most.
    """

    id: str
    client: str
    scope: Scope
    shared: tuple[str, ...]
    created: str
    expires: str | None = None
    revoked: str | None = None
    requests: int | None = None
    tokens: int | None = None
    working: int | None = None

    @property
    def counts(self) -> bool:
        """Whether it is neither revoked nor over."""
        return self.revoked is None and (self.expires is None or _now() < self.expires)

    def sees(self, name: str) -> bool:
        """Whether an adapter's name is its client's, or shared with it."""
        if self.scope is Scope.admin:
            return True
        return any(name == each or name.startswith(f"{each}/") for each in (self.client, *self.shared))


class Keys:
    """The keys of one file, which is made with the first of them. Any process may read and write it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._any = False

    def new(
        self,
        client: str,
        scope: Scope = Scope.infer,
        expires: str | None = None,
        shared: Sequence[str] = (),
        requests: int | None = None,
        tokens: int | None = None,
        working: int | None = None,
    ) -> tuple[Key, str]:
        """A new key, and the secret that is never shown again.

        Args:
            client: whose it is.
            scope: what it may.
            expires: `90d`, `12h` or `8w` from now; None for never.
            shared: adapters of others, as in `Key`.
            requests: a minute, at most.
            tokens: a minute, at most.
            working: requests at a time, at most.

        Raises:
            BadKey: a client, a share, a limit or a time that cannot be read.
        """
        if not is_part(client):
            raise BadKey(
                f"{client!r} cannot be a client; give the first part of its adapters' names, such as acme"
            )
        for each in shared:
            if len(parts := each.split("/")) > 3 or not all(map(is_part, parts)):
                raise BadKey(
                    f"{each!r} names no adapters; give client, client/campaign or client/campaign/task"
                )
        for name, limit in (("requests", requests), ("tokens", tokens), ("working", working)):
            if limit is not None and limit < 1:
                raise BadKey(f"{name} is {limit}; give 1 or more, or leave it out for no limit")
        secret = _PREFIX + secrets.token_urlsafe(32)
        until = None if expires is None else _after(expires)
        key = Key(
            secrets.token_hex(4), client, scope, tuple(shared), _now(), until, None, requests, tokens, working
        )
        with self._open(create=True) as db:
            db.execute(
                f"INSERT INTO key (hash, {_COLUMNS}) VALUES (?{', ?' * 10})",
                (
                    *(
                        _hash(secret),
                        key.id,
                        client,
                        int(scope),
                        json.dumps(shared),
                        key.created,
                        until,
                        None,
                    ),
                    *(requests, tokens, working),
                ),
            )
        return key, secret

    def all(self) -> list[Key]:
        """Every key that was ever made, the oldest first. Raises BadKey for a file that holds no keys."""
        if not self._there():
            return []
        with self._open() as db:
            return [_key(row) for row in db.execute(f"SELECT {_COLUMNS} FROM key ORDER BY created, id")]

    def find(self, secret: str) -> Key | None:
        """The key of a secret, whether or not it still counts."""
        return self._one("hash", _hash(secret))

    def find_id(self, id: str) -> Key | None:
        """The key of an id."""
        return self._one("id", id)

    def any(self) -> bool:
        """Whether a key was ever made: from then on each request needs one, also where the file is lost meanwhile."""
        if not self._any and self._there():
            with self._open() as db:
                self._any = db.execute("SELECT 1 FROM key LIMIT 1").fetchone() is not None
        return self._any

    def revoke(self, id: str) -> Key:
        """End a key now. Raises BadKey where there is none of this id."""
        if self._there():
            with self._open() as db:
                db.execute("UPDATE key SET revoked = ? WHERE id = ? AND revoked IS NULL", (_now(), id))
        if key := self.find_id(id):
            return key
        raise BadKey(f"there is no key {id!r} in {self.path}; `repertoire keys ls` lists them")

    def _one(self, column: str, value: object) -> Key | None:
        if not self._there():
            return None
        with self._open() as db:
            row = db.execute(f"SELECT {_COLUMNS} FROM key WHERE {column} = ?", (value,)).fetchone()
        return row and _key(row)

    def _there(self) -> bool:
        """Whether there is a file with something in it: one is made empty, and stays so where the disk is full."""
        try:
            return os.stat(self.path).st_size > 0
        except (FileNotFoundError, NotADirectoryError):
            return False

    @contextmanager
    def _open(self, create: bool = False) -> Iterator[sqlite3.Connection]:
        if create and not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        try:
            with closing(sqlite3.connect(self.path, timeout=_WAIT)) as db, db:
                if create:
                    db.execute(_TABLE)
                yield db
        except sqlite3.OperationalError as error:
            raise BadKey(f"{self.path} cannot be used: {error}") from None
        except sqlite3.DatabaseError as error:
            raise BadKey(
                f"{self.path} holds no keys of a server: {error}; name another file with --keys"
            ) from None


def keys_file(hub: str) -> Path:
    """Where the keys of a hub's server lie. Raises BadKey for a hub that is no folder."""
    if "://" in hub:
        raise BadKey(f"the keys of a server are no part of {hub}; say where they lie with --keys FILE")
    return Path(f"{os.path.abspath(hub)}.keys")


def _key(row: Sequence[object]) -> Key:
    id, client, scope, shared, *rest = row
    return Key(id, client, Scope(scope), tuple(json.loads(str(shared))), *rest)  # type: ignore[arg-type]


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _after(text: str) -> str:
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text)
    if found is None:
        raise BadKey(f"{text!r} is no time; write it as 12h, 90d or 8w")
    return (datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})).isoformat(timespec="seconds")
