"""Files of a hub that are larger than anybody said are not read: sparse ones, which cost their maker nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.errors import RepertoireError
from hub.exchange import mirrors
from hub.hub import Hub
from hub.storage import local
from hub.storage.layout import LARGEST, alias_log, blob, ids, log, numbered, projection, signatures
from tests.hub.keeping.spoiling import found
from tests.hub.tiny import NAME, lora

OTHER = "ab" * 32
PLACES: dict[str, Callable[[str], str]] = {
    "the trash, needed": lambda own: f".trash/1790000000.25-5f3a9c01-{own}",
    "the trash, not needed": lambda own: f".trash/1790000000.25-5f3a9c01-{OTHER}",
    "the trash, by hand": lambda own: ".trash/thrown by hand",
    ".tmp": lambda own: ".tmp/half",
    "a blob": blob,
    "a blob that nothing needs": lambda own: blob(OTHER),
    "a pin": lambda own: ".pins/1790000000.25-5f3a9c01.json",
    "what was set aside": lambda own: f".aside/{numbered(log(NAME), 50)}-5f3a9c01",
    "a stray": lambda own: numbered(log(NAME), 50),
    "a file of a folder": lambda own: f"{projection(NAME, 1)}/adapter_model.safetensors",
    "publish ids": lambda own: ids(NAME),
    "an event": lambda own: numbered(alias_log(NAME, "canary"), 1),
    "a signature": lambda own: f"{signatures(NAME, 1)}/{OTHER}.json",
}


def sparse(path: Path, size: int) -> None:
    """A file of its own with so many bytes."""
    data = path.read_bytes() if path.exists() else b"x"
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.truncate(path, size)
    path.chmod(0o444)


# What nothing needs has no record: there only the limit of all files holds.
@pytest.mark.parametrize(
    ("place", "size"),
    [
        (place, size)
        for place in PLACES
        for size in (LARGEST + 1, 64 << 30)
        if size > 1 << 30 or "nothing" not in place
    ],
)
def test_no_more_is_read_than_the_limits_and_the_records_say(
    hub: Hub, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, size: int
) -> None:
    own = hub.resolve(f"{NAME}@1").record.file("adapter_model.safetensors").sha256
    sparse(root / PLACES[place](own), size)
    if place == "the trash, needed":
        (root / blob(own)).unlink()
    read, real = list[int](), local.read

    def counted(path: Path, *more: int) -> bytearray:
        read.append(len(data := real(path, *more)))
        return data

    monkeypatch.setattr(local, "read", counted)
    for call in (
        hub.verify,
        lambda: hub.read(f"{NAME}@1"),
        lambda: hub.collect(0, dry_run=True),
        lambda: hub.collect(1e9),
        lambda: hub.repair(dry_run=True),
        lambda: mirrors.push(hub, tmp_path / "other"),
        hub.repair,
        lambda: hub.collect(0),
        lambda: hub.purge("nobody"),
    ):
        try:
            call()
        except RepertoireError:
            continue
    assert max(read) <= LARGEST and sum(read) < 2 * LARGEST
    again = hub.repair()
    assert not again.mended
    if place == "an event":
        assert {kind for kind, *_ in found(hub)} == {"alias event unreadable"}
        hub.set_alias(NAME, "canary", 2)
    assert hub.read(f"{NAME}@2").method == lora().method
    assert hub.publish(lora(0), NAME).number == 3 and hub.read(f"{NAME}@1") is not None
