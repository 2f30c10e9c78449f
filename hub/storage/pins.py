"""What publications under way need: a pin names the blobs that a record is about to name.

    .pins/1790000000.25-5f3a9c01.json      {"log": "adapters/acme/spring/behavior/.records", "digests": [...]}

A publisher pins, stores what is missing, writes the record, looks at its blobs once more, and takes the pin away. A
collector moves a blob away, and only then reads the pins, and after them the records, to learn whether it may go for
good. Either it finds the pin or the record; or the pin came later than that look, and then the publisher saw that the
blob is missing and stored it again. No clock and no lock has a part in this; only a publisher that was held up for
longer than LIFE between pin and record, or whose clock is as far behind, relies on its last look at its blobs alone.
"""

import json
import math
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import time

from hub.storage.layout import PINS, is_digest
from hub.storage.storage import Storage

LIFE = 86_400.0  # seconds after which a pin is one of a publisher that was killed


@dataclass(frozen=True)
class Pin:
    """One publication under way. since: unix seconds. log: where its record will be, or the folder of several logs."""

    path: str
    since: float
    log: str
    digests: tuple[str, ...]


def pin(storage: Storage, log: str, digests: Iterable[str]) -> str:
    """Pin blobs that a record in this log, or below this folder, will name. Returns the path of the pin, to be removed
    afterwards."""
    path = f"{PINS}/{time():.2f}-{uuid.uuid4().hex[:8]}.json"
    storage.replace_unsynced(path, json.dumps({"log": log, "digests": sorted(digests)}).encode())
    return path


def pins(storage: Storage) -> Iterator[Pin]:
    """All pins, those of killed publishers included."""
    for file in storage.files(PINS):
        path = f"{PINS}/{file}"
        try:
            told = json.loads(storage.read(path))
            since, digests = (
                float(file.partition("-")[0]),
                tuple(filter(is_digest, map(str, told["digests"]))),
            )
            if math.isfinite(since):
                yield Pin(path, since, str(told["log"]), digests)
        except FileNotFoundError:  # its record is there now
            continue
        except (OSError, ValueError, LookupError, TypeError, RecursionError):  # no pin of ours
            continue
