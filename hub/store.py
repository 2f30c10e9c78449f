"""What a hub keeps in its place: contents under their own hashes, and numbered logs. Both are create-only.

blobs/sha256/ab/ab12...       content, read-only
<any folder>/000007.json      an entry of a numbered log: records, alias events
"""

import hashlib
from collections.abc import Callable, Mapping

from hub.errors import Damaged
from hub.place import Place


class Store:
    """Blobs and logs in one place."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def append(self, log: str, entry: Callable[[int], bytes | None]) -> int | None:
        """Take the next free number of a log with `entry(number)`; None when `entry` returns None.

        `entry` is asked again whenever another writer took the number; all smaller numbers can be read by then.
        """
        while True:
            number = self.last(log) + 1
            data = entry(number)
            if data is None:
                return None
            path = numbered(log, number)
            if self.place.create({path: data}):
                return number

    def last(self, log: str) -> int:
        """Highest number of a log; 0 when it is empty."""
        return max(self.numbers(log), default=0)

    def numbers(self, log: str) -> list[int]:
        """All numbers of a log, in order."""
        found = [name.split(".") for name in self.place.files(log)]
        return sorted(
            int(stem) for stem, *rest in found if rest == ["json"] and len(stem) >= 6 and stem.isdecimal()
        )

    def put(self, files: Mapping[str, bytes]) -> dict[str, str]:
        """Store contents; file name -> sha256. One that is there already is checked, and replaced if damaged."""
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        created = self.place.create({blob(digest): files[name] for name, digest in digests.items()})
        for name, digest in digests.items():
            if blob(digest) not in created and not self._sound(digest):
                self.place.replace(blob(digest), files[name])
        return digests

    def get(self, digest: str) -> bytes:
        """The content with this hash, from the very bytes that were hashed. Raises Damaged."""
        data = self.read(digest)
        check(digest, data)
        return data

    def read(self, digest: str) -> bytes:
        """What lies in the place of this hash, unchecked. Raises Damaged where nothing can be read."""
        try:
            return self.place.read(blob(digest))
        except OSError as error:
            raise Damaged(
                f"blob {digest} cannot be read ({error.strerror or error}); publish the adapter again"
            ) from error

    def _sound(self, digest: str) -> bool:
        try:
            self.get(digest)
        except Damaged:
            return False
        return True


def blob(digest: str) -> str:
    """Where content with this hash lies."""
    return f"blobs/sha256/{digest[:2]}/{digest}"


def numbered(log: str, number: int) -> str:
    """Where an entry of a log lies."""
    return f"{log}/{number:06d}.json"


def check(digest: str, data: bytes) -> None:
    """Raise Damaged where bytes do not have this hash."""
    if hashlib.sha256(data).hexdigest() != digest:
        raise Damaged(f"blob {digest} holds other bytes than were published; publish the adapter again")
