"""What is noted of one request while it is answered, for the log and the metrics: never a text."""

from dataclasses import dataclass, field
from random import Random
from time import perf_counter
from typing import Any

from starlette.types import Scope as AsgiScope

_PLACE = "repertoire.noted"
_IDS = Random()  # names that no two requests share, and no secrets: the system is not asked for each


@dataclass
class Noted:
    """One request.

    Attributes:
        id: of this request, also in its answer's `x-request-id`.
        key: id of the key that asked.
        client: whose adapter answers; empty until it is known to be there, or of few names that a key can ask for:
            it is a label of metrics, and anybody can make up names.
        reference: which adapter was asked, once the caller is known to see it.
        digest: of the version that answered.
        call: `recommend`, `analyze`, `write`, `embed`, `batch`; empty for what asks no adapter.
        read, written: tokens.
        began: seconds of the clock.
        first: seconds from there to the first piece of a stream.
    """

    id: str = field(default_factory=lambda: f"{_IDS.getrandbits(128):032x}")
    key: str = ""
    client: str = ""
    reference: str = ""
    digest: str = ""
    call: str = ""
    read: int = 0
    written: int = 0
    began: float = field(default_factory=perf_counter)
    first: float | None = None

    @classmethod
    def of(cls, scope: AsgiScope) -> "Noted":
        """That of a request, which begins where there is none yet."""
        if _PLACE not in scope:
            scope[_PLACE] = cls()
        noted: Noted = scope[_PLACE]
        return noted

    @property
    def seconds(self) -> float:
        """Since it began."""
        return perf_counter() - self.began

    def line(self, method: str, path: str, status: int) -> dict[str, Any]:
        """A line of the log."""
        return {
            "id": self.id,
            "method": method,
            "path": path,
            "status": status,
            "key": self.key,
            "client": self.client,
            "reference": self.reference,
            "digest": self.digest,
            "call": self.call,
            "tokens_read": self.read,
            "tokens_written": self.written,
            "milliseconds": round(1000 * self.seconds, 1),
        }
