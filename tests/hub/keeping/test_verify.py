"""Everything that is wrong with a hub is told at once."""

import json
import os
import shutil
from pathlib import Path

import pytest

from adapters.format import files
from hub.hub import Hub
from tests.hub.keeping.spoiling import (
    FOLDER,
    HOME,
    OTHER,
    Break,
    flip,
    found,
    plant,
    rewrite,
    weights,
    written,
)
from tests.hub.tiny import NAME


def test_a_sound_hub_has_no_findings(hub: Hub, root: Path) -> None:
    seen = []
    result = hub.verify(told=lambda done, total: seen.append((done, total)))
    assert result.findings == [] and result.sound
    assert (result.names, result.versions, result.removed, result.blobs, result.unneeded) == (2, 3, 0, 7, 0)
    assert seen[-1] == (result.bytes, result.bytes) and len(seen) == 7
    assert result.bytes == sum(path.stat().st_size for path in (root / "blobs").rglob("*") if path.is_file())


def test_each_blob_is_read_once(hub: Hub, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = hub.storage.read
    monkeypatch.setattr(hub.storage, "read", lambda path, *more: read.append(path) or real(path, *more))
    hub.verify()
    blobs = [path for path in read if path.startswith("blobs/")]
    assert len(blobs) == len(set(blobs)) == 7
    assert not any("/v0" in path for path in read), "version folders are the blobs themselves"


def forged(**changes: object) -> Break:
    def do(hub: Hub, root: Path) -> None:
        path = root / HOME / ".records/000001.json"
        rewrite(path, json.dumps(json.loads(path.read_bytes()) | changes).encode())

    return do


EVENT = {"alias": "production", "version": 1, "who": "a", "when": "2026-01-01T00:00:00+00:00", "why": ""}
CASES: dict[str, tuple[Break, set[tuple[str, str, str]]]] = {
    "record missing": (
        lambda hub, root: (root / HOME / ".records/000001.json").unlink(),
        {
            ("record missing", f"{HOME}/.records/000001.json", "damage"),
            ("folder of no version", FOLDER, "damage"),
            ("alias dangling", f"{HOME}/.events/production/000001.json", "damage"),
        },
    ),
    "record cut short": (
        lambda hub, root: rewrite(root / HOME / ".records/000001.json", b'{"format": 1'),
        {("record unreadable", f"{HOME}/.records/000001.json", "damage")},
    ),
    "record of another name": (
        forged(name="acme/spring/other"),
        {("record unreadable", f"{HOME}/.records/000001.json", "damage")},
    ),
    "record with files that lead elsewhere": (
        forged(files=[{"name": "../../hub.json", "sha256": "../../x", "size": 1}]),
        {("record unreadable", f"{HOME}/.records/000001.json", "damage")},
    ),
    "record with another parent": (
        forged(parent=7),
        {("record unreadable", f"{HOME}/.records/000001.json", "damage")},
    ),
    "event that is no JSON": (
        plant(f"{HOME}/.events/production/000002.json", written(b"no")),
        {("alias event unreadable", f"{HOME}/.events/production/000002.json", "damage")},
    ),
    "event of another alias": (
        plant(f"{HOME}/.events/staging/000001.json", written(json.dumps(EVENT | {"version": 2}).encode())),
        {("alias event unreadable", f"{HOME}/.events/staging/000001.json", "damage")},
    ),
    "alias to a version that never was": (
        plant(f"{HOME}/.events/production/000002.json", written(json.dumps(EVENT | {"version": 9}).encode())),
        {("alias dangling", f"{HOME}/.events/production/000002.json", "damage")},
    ),
    "gap in a log of events": (
        plant(f"{HOME}/.events/production/000003.json", written(json.dumps(EVENT).encode())),
        {("alias event missing", f"{HOME}/.events/production/000002.json", "damage")},
    ),
    "tombstone that is no JSON": (
        plant(f"{HOME}/.tombstones/000002.json", written(b"{}")),
        {
            ("tombstone unreadable", f"{HOME}/.tombstones/000002.json", "damage"),
            ("folder of a removed version", f"{HOME}/v000002", "warning"),
        },
    ),
    "folder missing": (
        lambda hub, root: shutil.rmtree(root / FOLDER),
        {("folder missing", FOLDER, "warning")},
    ),
    "file of a folder missing": (
        lambda hub, root: (root / FOLDER / files.CARD).unlink(),
        {("folder differs", f"{FOLDER}/{files.CARD}", "damage")},
    ),
    "pickle in a folder": (
        plant(f"{FOLDER}/adapter_model.bin", written(b"pickle")),
        {("folder differs", f"{FOLDER}/adapter_model.bin", "damage")},
    ),
    "other bytes in a folder": (
        plant(f"{FOLDER}/{files.WEIGHTS}", written(b"other")),
        {("folder differs", f"{FOLDER}/{files.WEIGHTS}", "damage")},
    ),
    "hard link to another blob in a folder": (
        lambda hub, root: plant(
            f"{FOLDER}/{files.WEIGHTS}", lambda path: os.link(root / weights(hub, f"{NAME}@2"), path)
        )(hub, root),
        {("folder differs", f"{FOLDER}/{files.WEIGHTS}", "damage")},
    ),
    "link in a folder": (
        plant(f"{FOLDER}/{files.WEIGHTS}", lambda path: path.symlink_to("/etc/hostname")),
        {("link", f"{FOLDER}/{files.WEIGHTS}", "damage")},
    ),
    "link for a folder": (
        plant(FOLDER, lambda path: path.symlink_to("v000002")),
        {("link", FOLDER, "damage")},
    ),
    "link for a client": (
        plant("adapters/initech", lambda path: path.symlink_to("acme")),
        {("link", "adapters/initech", "damage")},
    ),
    "pipe for a card": (
        plant(f"{FOLDER}/{files.CARD}", os.mkfifo),
        {("no file", f"{FOLDER}/{files.CARD}", "damage")},
    ),
    "folder of a version that never was": (
        plant(f"{HOME}/v000009/{files.CARD}", written(b"")),
        {("folder of no version", f"{HOME}/v000009", "damage")},
    ),
    "name that the grammar forbids": (
        plant("adapters/Acme/spring/behavior/.records/000001.json", written(b"")),
        {("stranger", "adapters/Acme/spring/behavior/.records/000001.json", "warning")},
    ),
    "record beside the numbers": (
        plant(f"{HOME}/.records/3.json", written(b"")),
        {("stranger", f"{HOME}/.records/3.json", "warning")},
    ),
    "blob under another folder": (
        plant("blobs/sha256/00/" + "ab" * 32, written(b"")),
        {("stranger", "blobs/sha256/00/" + "ab" * 32, "warning")},
    ),
    "what file managers leave": (
        plant(f"{FOLDER}/.DS_Store", written(b"")),
        {("folder differs", f"{FOLDER}/.DS_Store", "note")},
    ),
    "folder that can be written to": (
        lambda hub, root: (root / HOME / ".records/000001.json").chmod(0o666),
        {("permissions", f"{HOME}/.records/000001.json", "warning")},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_found_where_it_is_and_nothing_else(hub: Hub, root: Path, case: str) -> None:
    spoil, expected = CASES[case]
    spoil(hub, root)
    assert found(hub) == expected
    assert hub.verify().sound == all(level != "damage" for _, _, level in expected)


def test_damaged_blobs_name_the_versions_that_need_them(hub: Hub, root: Path) -> None:
    flip(hub, root)
    (root / weights(hub, OTHER)).unlink()
    told = {one.where: (one.kind, one.what) for one in hub.verify().findings if "blob" in one.kind}
    assert told == {
        weights(hub): (
            "blob damaged",
            f"its bytes have another hash; {NAME}@1 cannot be loaded; "
            f"the very same file is {FOLDER}/{files.WEIGHTS}",
        ),
        weights(hub, OTHER): ("blob missing", f"{OTHER}@1 cannot be loaded"),
    }


def test_a_pipe_or_a_link_in_the_place_of_a_blob_is_told_and_not_opened(hub: Hub, root: Path) -> None:
    path = root / weights(hub)
    path.unlink()
    os.mkfifo(path)
    assert ("no file", weights(hub), "damage") in found(hub)
    path.unlink()
    path.symlink_to("/etc/hostname")
    assert {("link", weights(hub), "damage"), ("blob damaged", weights(hub), "damage")} <= found(hub)


def test_bytes_with_the_right_hash_that_intake_would_refuse_are_found(hub: Hub, root: Path) -> None:
    """A record and its blobs that agree with each other, made by hand around intake."""
    config = json.loads((root / FOLDER / files.CONFIG).read_bytes()) | {"r": 7}
    smuggled = json.dumps(config | {"auto_mapping": {"parent_library": "evil"}}).encode()
    store = hub.store
    digest = __import__("hashlib").sha256(smuggled).hexdigest()
    store.keep({digest: smuggled})
    record = json.loads((root / HOME / ".records/000001.json").read_bytes())
    for file in record["files"]:
        if file["name"] == files.CONFIG:
            file |= {"sha256": digest, "size": len(smuggled)}
    rewrite(root / HOME / ".records/000001.json", json.dumps(record).encode())
    [unsound] = [one for one in hub.verify().findings if one.kind == "adapter unsound"]
    assert unsound.where == weights(hub)
    assert "auto_mapping" in unsound.what and "rank 2, the configuration says 7" in unsound.what


def test_a_second_name_outside_of_the_hub_is_told(hub: Hub, root: Path, tmp_path: Path) -> None:
    os.link(root / weights(hub), tmp_path / "outside")
    assert found(hub) == {("name outside", weights(hub), "warning")}


def test_only_what_belongs_to_a_client_is_looked_at(hub: Hub, root: Path) -> None:
    flip(hub, root)
    assert found(hub, "globex") == set() and hub.verify("globex").versions == 1
    assert [one.where for one in hub.verify(NAME).findings] == [weights(hub)]
    with pytest.raises(Exception, match="no client, campaign or name 'glob'"):
        hub.verify("glob")


def test_a_copied_hub_is_as_sound_as_its_bytes(hub: Hub, root: Path, tmp_path: Path) -> None:
    """Copying breaks the hard links; the bytes of the folders are read then."""
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    assert found(Hub(copy)) == set()


def test_a_read_only_hub_is_verified(hub: Hub, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so that what writes is forbidden here instead of by the file system."""

    def forbidden(*arguments: object, **options: object) -> None:
        raise AssertionError("verify writes")

    flip(hub, root)
    for call in ("create", "replace", "replace_unsynced", "move", "remove", "discard", "sweep", "project"):
        monkeypatch.setattr(hub.storage, call, forbidden)
    assert not hub.verify().sound
