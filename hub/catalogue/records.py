"""The record of a version: what was published, from what, by whom. Writing it is what makes the version exist.

    adapters/<client>/<campaign>/<task>/.records/000003.json

Records are canonical JSON, numbered without gaps, never changed. A version folder beside them is only a projection.

    python -m hub.catalogue.records > docs/record.schema.json      the JSON schema of a record, for readers elsewhere
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.format import Bytes
from hub.errors import Damaged
from hub.storage.layout import LARGEST, log, numbered
from hub.storage.storage import NO_FILE, Storage

FORMAT = 1


class _Frozen(BaseModel):
    """Keys that a later release adds are passed over; a change that old readers must not miss raises FORMAT."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class File(_Frozen):
    """One file of a version, by content. Both become paths, also where the record came from another hub."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)

    @property
    def most(self) -> int:
        """So many bytes are read of what lies in its place, and no more; a record that is a little wrong is told."""
        return max(self.size, LARGEST)


class MadeFor(_Frozen):
    """The base that the adapter was made for; no fingerprint where stock PEFT made it."""

    id: str
    revision: str | None = None
    fingerprint: str | None = None


class Record(_Frozen):
    """One version of one adapter.

    files: what lies in the PEFT directory, sorted by name. parent: the version before. publish_id: publishing again
    with the same one gives this version again. created: UTC, ISO 8601. task: None for an adapter that was not made by
    a recipe. quantization: of the base while it was trained. metrics: the recipe's report (before, after, baselines).
    gates: what the recipe's gates said, None where it has none. forced: why it was published although they failed.
    origin: where it was imported from, such as a repository and its commit. servable_by: see `servable.py`. profile:
    of the data, see `recipes/data/profile.py`. pooling, calibration, blended: how its head answers.
    roles: the columns and features that its rows have.
    """

    format: int
    name: str
    version: int
    parent: int | None
    publish_id: str
    created: str
    publisher: str
    message: str
    tags: tuple[str, ...]
    files: tuple[File, ...]
    base: MadeFor
    method: Literal["lora", "dora", "prefix"]
    rank: int | None
    length: int | None
    task: str | None
    labels: tuple[str, ...] | None
    quantization: str | None
    recipe: dict[str, Any] | None
    data_digest: str | None
    metrics: dict[str, Any] | None
    gates: dict[str, Any] | None = None
    forced: str | None = None
    origin: dict[str, str] | None = None
    servable_by: dict[str, Any] | None = None
    parameters: int | None = None
    profile: dict[str, Any] | None = None
    pooling: str | None = None
    calibration: dict[str, Any] | None = None
    blended: bool = False
    roles: tuple[str, ...] | None = None

    @property
    def reference(self) -> str:
        """`client/campaign/task@3`."""
        return f"{self.name}@{self.version}"

    @property
    def digest(self) -> str:
        """sha256 over the names and hashes of all files: equal for equal content. What caches are keyed by."""
        return hashlib.sha256(_canonical([[file.name, file.sha256] for file in self.files])).hexdigest()

    def file(self, name: str) -> File:
        """The entry of one file. Raises Damaged where the record has none."""
        for file in self.files:
            if file.name == name:
                return file
        raise Damaged(f"the record of {self.reference} lists no {name}; publish the adapter again")

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, UTF-8."""
        return _canonical(self.model_dump(mode="json"))


def read(storage: Storage, name: str, version: int) -> Record:
    """The record of a version, as it lies in the hub.

    Raises:
        FileNotFoundError: where there is none; another OSError where it cannot be read.
        Damaged: as `from_bytes`, and where what lies there is no file.
    """
    try:
        data = storage.read(numbered(log(name), version))
    except OSError as error:
        if error.errno not in NO_FILE:
            raise
        raise Damaged(
            f"the record of {name}@{version} cannot be read ({error.strerror}); bring it back from another copy of the "
            "hub, or `repertoire rm` the version"
        ) from error
    return from_bytes(data, name, version)


def from_bytes(data: Bytes, name: str, version: int) -> Record:
    """The record of a version, from the bytes that lie there. Raises Damaged where they are none, or another one's."""
    where = f"the record of {name}@{version}"
    try:
        raw = json.loads(data)
        if raw["format"] > FORMAT:
            raise Damaged(
                f"{where} has format {raw['format']}, written by a newer Repertoire; upgrade to read it"
            )
        record = Record.model_validate(raw)
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise Damaged(f"{where} cannot be read ({error}); publish the adapter again") from error
    if (record.name, record.version) != (name, version):
        raise Damaged(f"{where} says that it is {record.reference}; somebody moved files in the hub by hand")
    return record


def finite(value: Any) -> Any:
    """The same JSON value with null for NaN and infinity, which JSON cannot hold (a metric may be undefined)."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def schema() -> dict[str, Any]:
    """The JSON schema of a record, as a reader has to take it: what later releases add is optional."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Record.model_json_schema()}


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
