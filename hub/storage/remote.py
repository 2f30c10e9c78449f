"""Storage in an object store, through fsspec: the promises of `storage.py` kept by conditional creation.

    s3://bucket/path    Amazon S3 and what speaks like it, by s3fs: `If-None-Match: *`
    gs://bucket/path    Google Cloud Storage, by gcsfs: `ifGenerationMatch=0`

The store decides which of many writers creates a file; its answers alone are not believed.

    .tmp/created-once   before the first write this file is created twice: the store must refuse the second time
    after every write   what arrived is compared by its size and the MD5 that the store took of it (ETag, md5Hash), and
                        read back where that is none (encrypted by KMS, sent in parts)

Whose a file is, its content says: a request that failed, timed out or was sent twice succeeded if the path holds these
very bytes. Two writers of equal bytes are therefore both told that they created the file, which harms neither.
"""

import base64
import errno
import hashlib
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

from adapters.errors import cause
from adapters.format import Bytes
from hub.errors import Damaged, HubError, Unreachable
from hub.storage.layout import most_bytes

_PROBE = ".tmp/created-once"
_SMALL = 64 << 10  # bytes that are sent without asking first whether they are there
_AT_ONCE = 8  # requests
_TRIES = 3
# gcsfs' own face also asks by gRPC what kind of bucket it is, which stays without an answer behind many firewalls.
_LIBRARIES = {"s3": ("s3fs", "S3FileSystem"), "gs": ("gcsfs.core", "GCSFileSystem")}
_ACCESS = {
    "s3": "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, say who you are; AWS_ENDPOINT_URL says where a "
    "store is that is not Amazon's",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`, says who you are",
}
_CONDITION = {"s3": "If-None-Match", "gs": "ifGenerationMatch"}
_REFUSED = {
    "file": "a folder is written file:///with/its/whole/path",
    "az": "it could create a file only where there is none, but that was never tested with Repertoire",
    "abfs": "it could create a file only where there is none, but that was never tested with Repertoire",
    "hf": "it cannot create a file only where there is none; `repertoire import` and `repertoire export` speak with it",
    "http": "it cannot be written",
    "https": "it cannot be written",
    "memory": "it looks and writes in two steps, and forgets everything with the process",
}


class Remote:
    """The files under one prefix of a bucket; see `storage.Storage`.

    files: an fsspec file system, without a cache of listings. root: bucket and prefix. Every method raises Unreachable
    where the store does not answer or refuses.
    """

    def __init__(self, scheme: str, files: Any, root: str) -> None:
        self.address = f"{scheme}://{root}"
        self.is_local = False
        self._scheme, self._files, self._root = scheme, files, root
        self._proven, self._proving = False, Lock()

    def create(self, files: Mapping[str, Bytes], then: Mapping[str, Bytes] | None = None) -> set[str]:
        self._prove()
        return {path for wave in (files, then or {}) for path in self._wave(wave)}

    def replace(self, path: str, data: Bytes) -> None:
        for _ in range(_TRIES):
            failed = self._try(path, data, "overwrite")
            if self._held(path, data) == data:
                return
        if failed is not None:
            raise self._unreachable(path, failed)
        raise Damaged(f"{self.address} was given {path} and holds other bytes; do not trust this store")

    @contextmanager
    def begun(self, data: Bytes) -> Iterator[None]:
        """Nothing: an object store writes to a path only."""
        yield

    def replace_unsynced(self, path: str, data: Bytes) -> None:
        self.replace(path, data)

    def size(self, path: str) -> int:
        found = self._info(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return int(found["size"])

    def discard(self, folder: str) -> None:
        """File by file: an object store knows no folders."""
        for path in self.marks(folder):
            self.remove(path)

    def sweep(self, before: float) -> int:
        """Nothing: a request that did not end left nothing behind."""
        return 0

    def read(self, path: str, most: int | None = None) -> bytearray:
        with self._asking(path):
            data = bytearray(self._files.cat_file(self._key(path)))
        largest = most_bytes(path)
        if len(data) > (largest if most is None else min(most, largest)):
            raise OSError(errno.EFBIG, f"it has {len(data):,} bytes, more than such a file may have", path)
        return data

    def exists(self, path: str) -> bool:
        return self._info(path) is not None

    def files(self, folder: str) -> list[str]:
        return [name for name, kind in self._entries(folder) if kind == "file"]

    def taken(self, folder: str) -> list[str]:
        return self.files(folder)

    def folders(self, folder: str) -> list[str]:
        return [name for name, kind in self._entries(folder) if kind == "directory"]

    def walk(self, folder: str) -> Iterator[str]:
        yield from self.marks(folder)

    def stamp(self, folder: str) -> str:
        """None: an object store does not say when something below a prefix changed."""
        return ""

    def marks(self, folder: str) -> dict[str, tuple[int, str | None]]:
        try:
            with self._asking(folder):
                found = self._files.find(self._key(folder), detail=True)
        except FileNotFoundError:
            return {}
        return {
            name.removeprefix(f"{self._root}/"): (info["size"], _md5(info))
            for name, info in found.items()
            if info["type"] == "file" and not name.endswith("/")
        }

    def move(self, path: str, target: str) -> None:
        """By a copy inside the store; the first one goes when the second is there."""
        with self._asking(path):
            self._files.cp_file(self._key(path), self._key(target))
        before, after = self._info(path), self._info(target)
        if before is None or after is None or before["size"] != after["size"]:
            raise self._unreachable(target, "it was copied, and is not there")
        self.remove(path)

    def remove(self, path: str) -> None:
        try:
            with self._asking(path):
                self._files.rm_file(self._key(path))
        except FileNotFoundError:
            return

    def folder(self, path: str) -> Path | None:
        return None

    def project(self, folder: str, files: Mapping[str, str]) -> None:
        """Not at all: a copy would double the bytes."""

    def _wave(self, files: Mapping[str, Bytes]) -> set[str]:
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            created = list(pool.map(self._create, files, files.values()))
        return {path for path, new in zip(files, created, strict=True) if new}

    def _create(self, path: str, data: Bytes) -> bool:
        """Promise 1: a whole file at its path, or False when the path is taken."""
        if len(data) > _SMALL and self.exists(path):
            return False
        failed = self._try(path, data)
        held = self._held(path, data)
        if held == data:
            return True
        if held is None:
            raise self._unreachable(path, failed or "it was stored, and is not there")
        if len(held) < len(data) and data.startswith(held):  # our own, torn: nobody else's file begins ours
            self.replace(path, data)
            return True
        if failed is None:
            raise Damaged(
                f"{self.address} said that it stored {path}, but holds other bytes there; do not trust this store"
            )
        return False

    def _try(self, path: str, data: Bytes, mode: str = "create") -> Exception | None:
        """Send a file. Returns what went wrong, which does not say whether it was stored."""
        try:
            self._files.pipe_file(self._key(path), data, mode=mode)
        except Exception as error:
            return error
        return None

    def _held(self, path: str, data: Bytes) -> Bytes | None:
        """What a path holds, None for nothing; `data` itself where the store's own sums show that it does."""
        info = self._info(path)
        if info is None:
            return None
        sent = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if (info["size"], _md5(info)) == (len(data), sent):
            return data
        try:
            return self.read(path)
        except FileNotFoundError:
            return None

    def _prove(self) -> None:
        """Raise HubError where the store lets a file be created twice."""
        with self._proving:
            if self._proven:
                return
            first, second = (uuid.uuid4().hex.encode() for _ in range(2))
            failed, refused = self._try(_PROBE, first), self._try(_PROBE, second)
            held = self._held(_PROBE, first)
            if held is None:
                raise self._unreachable(_PROBE, failed or "it was stored, and is not there")
            if refused is None or held == second:
                raise HubError(
                    f"{self.address} lets a file be created where one is already: it ignores "
                    f"{_CONDITION[self._scheme]}, so that two publishers would overwrite each other. Use another "
                    "store, or a newer release of it"
                )
            self._proven = True

    def _info(self, path: str) -> dict[str, Any] | None:
        try:
            with self._asking(path):
                info: dict[str, Any] = self._files.info(self._key(path))
        except FileNotFoundError:
            return None
        return info

    def _entries(self, folder: str) -> list[tuple[str, str]]:
        """Name and type of what lies in a folder."""
        key = self._key(folder)
        try:
            with self._asking(folder):
                found = self._files.ls(key, detail=True)
        except FileNotFoundError:
            return []
        inside = [(info["name"].rstrip("/"), info["type"]) for info in found]
        return [(name.removeprefix(f"{key}/"), kind) for name, kind in inside if name.startswith(f"{key}/")]

    def _key(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    @contextmanager
    def _asking(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            raise self._unreachable(path, error) from cause(error)

    def _unreachable(self, path: str, why: Exception | str) -> Unreachable:
        """Also for a file that must be there: then its bucket is not."""
        told = str(why) or type(why).__name__
        return Unreachable(
            f"{self.address}/{path}: {told}. What was acknowledged is safe; do the same again when the store answers "
            f"({_ACCESS[self._scheme]})"
        )


def open_remote(address: str) -> Remote:
    """The storage that a URL means. Raises HubError where it is none, with the reason."""
    scheme, _, rest = address.partition("://")
    root = rest.rstrip("/")
    if scheme not in _LIBRARIES:
        why = _REFUSED.get(scheme, "it is not known to create a file only where there is none")
        raise HubError(
            f"{scheme}:// cannot hold a hub: {why}. A hub lies in a folder, in s3://bucket/path or in gs://bucket/path"
        )
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._=-]*)*", root):
        raise HubError(
            f"that is no address of a hub; write {scheme}://bucket/path, in plain letters and without "
            f"credentials: {_ACCESS[scheme]}"
        )
    module, name = _LIBRARIES[scheme]
    try:
        system: Callable[..., Any] = getattr(import_module(module), name)
    except ImportError as error:
        raise HubError(
            f"{scheme}:// needs {module.partition('.')[0]} ({error}): pip install 'adapter-repertoire[{scheme}]'"
        ) from error
    return Remote(scheme, system(use_listings_cache=False, skip_instance_cache=True), root)


def _md5(info: Mapping[str, Any]) -> str | None:
    """The MD5 that a store took of a file, in hex; None where it tells none. An ETag may be something else that looks
    like one, so that only equality proves anything."""
    if "md5Hash" in info:
        return base64.b64decode(info["md5Hash"]).hex()
    tag = str(info.get("ETag", "")).strip('"')
    return tag if re.fullmatch(r"[0-9a-f]{32}", tag) else None
