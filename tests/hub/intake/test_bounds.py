"""What is more than a hub takes is refused from its size, header or count alone, and told the limit."""

import json
import os
import re
from pathlib import Path

import pytest

import adapters.bounds
from adapters import BadAdapter
from adapters.bounds import Bound
from adapters.format import Bytes, files
from hub.errors import BadName, Damaged, Refused
from hub.hub import Hub
from hub.intake import Download
from hub.storage.layout import blob, log, most_bytes, numbered
from tests.docs.blocks import ROOT
from tests.hub.tiny import NAME, lora

BOUNDS = {name: bound for name, bound in vars(adapters.bounds).items() if isinstance(bound, Bound)}
LAYER = "base_model.model.model.layers.{}.self_attn.q_proj.lora_A.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return files.write(lora(), tmp_path / "adapter")


@pytest.fixture
def nothing_copied(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """No bytes of weights may reach the hub's storage."""

    def begun(data: object) -> None:
        raise AssertionError("the weights were copied before they were looked at")

    monkeypatch.setattr(hub.storage, "begun", begun)


def sparse(folder: Path, size: int, header: bytes | None = None) -> None:
    """Weights that say little and are as large as is wished."""
    path = folder / files.WEIGHTS
    start = path.read_bytes() if header is None else len(header).to_bytes(8, "little") + header
    path.write_bytes(start)
    os.truncate(path, size)


def entries(count: int) -> bytes:
    header = json.dumps(
        {
            LAYER.format(i): {"dtype": "F32", "shape": [1, 1], "data_offsets": [4 * i, 4 * i + 4]}
            for i in range(count)
        }
    ).encode()
    return header + b" " * (-len(header) % 8)


def refused(hub: Hub, source: Path | Download) -> str:
    with pytest.raises(Refused) as error:
        hub.publish(source, NAME)
    assert "nothing was written" in str(error.value)
    return str(error.value)


@pytest.mark.usefixtures("nothing_copied")
def test_a_sparse_file_of_8_gb_is_refused_by_its_size(hub: Hub, folder: Path) -> None:
    sparse(folder, 8 * 2**30)
    assert "has 8,589,934,592 bytes; at most 4,294,967,296 are taken" in refused(hub, folder)
    with pytest.raises(BadAdapter, match="at most 4,294,967,296"):
        files.read(folder)


@pytest.mark.usefixtures("nothing_copied")
def test_a_file_whose_size_is_not_that_of_its_header_is_refused_by_the_header(hub: Hub, folder: Path) -> None:
    sparse(folder, 4 * 2**30 - 8)
    assert "belong to no tensor" in refused(hub, folder)
    with pytest.raises(BadAdapter, match="belong to no tensor"):
        files.read(folder)


@pytest.mark.usefixtures("nothing_copied")
@pytest.mark.parametrize(
    ("header", "told"),
    [
        (entries(65_537), "has 65,537 tensors; at most 65,536 are taken"),
        (b"{" + b" " * 2**24 + b"}", "has 16,777,218 bytes; at most 16,777,216 are taken"),
        (
            json.dumps({"x": {"dtype": "F32", "shape": [1] * 99, "data_offsets": [0, 4]}}).encode(),
            "x has 99 dimensions; at most 4 are taken",
        ),
        (b"\xff" * 64, "is damaged"),
        (b"[" * 100_000, "is damaged"),
    ],
    ids=["tensors", "bytes", "dimensions", "text", "depth"],
)
def test_a_header_is_counted_before_what_is_behind_it_is_read(
    hub: Hub, folder: Path, header: bytes, told: str
) -> None:
    sparse(folder, 2 * 2**30, header)
    assert told in refused(hub, folder)


@pytest.mark.usefixtures("nothing_copied")
def test_what_was_downloaded_is_looked_at_first_too(hub: Hub, folder: Path) -> None:
    sparse(folder, 2**20, b"{}")
    found = {name: (folder / name).read_bytes() for name in (files.CONFIG, files.WEIGHTS)}
    assert "belong to no tensor" in refused(hub, Download("there", found, None))


def test_a_folder_of_thousands_of_files_is_not_gone_through(hub: Hub, folder: Path) -> None:
    (folder / "logs").mkdir()
    for number in range(10_001):
        os.mknod(folder / "logs" / str(number))
    with pytest.raises(Refused, match=r"has 10,00\d files; at most 10,000 are taken"):
        hub.publish(folder, NAME)


def test_labels_are_counted_and_measured(hub: Hub) -> None:
    for labels, told in (
        (tuple(map(str, range(10_001))), "its head has 10,001 labels; at most 10,000 are taken"),
        (("0", "x" * 1001), "has 1,001 characters; at most 1,000 are taken"),
    ):
        with pytest.raises(Refused, match=told):
            hub.publish(lora(labels=labels), NAME)


def test_words_are_measured(hub: Hub) -> None:
    for given, told in (
        ({"message": "x" * 10_001}, "the message has 10,001 characters; at most 10,000"),
        ({"force_reason": "x" * 10_001}, "the reason has 10,001 characters"),
        ({"tags": ["x"] * 101}, "the version has 101 tags; at most 100"),
        ({"tags": ["x" * 201]}, "has 201 characters; at most 200"),
        ({"publisher": "x" * 201}, "the publisher has 201"),
        ({"publish_id": "x" * 201}, "the publish id has 201"),
    ):
        with pytest.raises(Refused, match=told):
            hub.publish(lora(), NAME, **given)  # type: ignore[arg-type]
    with pytest.raises(BadName, match="1 to 64"):
        hub.publish(lora(), f"acme/{'x' * 65}/ads")
    assert hub.names() == ()


def test_what_is_at_the_limit_is_taken(hub: Hub) -> None:
    labels = ("0", "x" * 1000)
    version = hub.publish(
        lora(labels=labels), f"acme/{'x' * 64}/ads", message="x" * 10_000, tags=["x" * 200] * 100
    )
    assert hub.read(version).head.labels == labels  # type: ignore[union-attr]


def test_a_file_that_grew_in_the_hub_is_not_read(hub: Hub) -> None:
    version = hub.publish(lora(), NAME)
    weights = hub.storage.folder(blob(version.record.file(files.WEIGHTS).sha256))
    assert weights is not None
    os.chmod(weights, 0o644)
    os.truncate(weights, 8 * 2**30)
    with pytest.raises(Damaged, match="cannot be read"):
        hub.read(version)
    assert not hub.verify().sound


def test_a_record_that_tells_of_more_than_is_taken_opens_no_larger_file(hub: Hub) -> None:
    version = hub.publish(lora(), NAME)
    file = version.record.file(files.WEIGHTS)
    record, weights = (hub.storage.folder(path) for path in (numbered(log(NAME), 1), blob(file.sha256)))
    assert record is not None and weights is not None
    for path in (record, weights):
        os.chmod(path, 0o644)
    record.write_bytes(record.read_bytes().replace(b'"size":%d' % file.size, b'"size":%d' % 2**42))
    os.truncate(weights, 2**42)
    lying = hub.resolve(NAME)
    assert lying.record.file(files.WEIGHTS).size == 2**42
    with pytest.raises(Damaged, match="cannot be read"):
        hub.read(lying)
    assert "blob damaged" in {found.kind for found in hub.verify().findings}


def test_a_blob_that_nobody_needs_may_be_as_large_as_one_that_is_needed(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    unneeded = blob(hub.publish(lora(), NAME).record.file(files.WEIGHTS).sha256)
    hub.remove(f"{NAME}@1")
    asked, read = dict[str, int | None](), hub.storage.read

    def spy(path: str, most: int | None = None) -> Bytes:
        asked[path] = most
        return read(path, most)

    monkeypatch.setattr(hub.storage, "read", spy)
    assert hub.verify().sound
    assert asked[unneeded] is None and most_bytes(unneeded) == BOUNDS["WEIGHTS_BYTES"].most


def test_the_docs_tell_every_limit() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8").replace("`", "")
    rows = re.findall(r"^\| ([\d,]+ \w+) \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    assert rows == [(f"{bound.most:,} {bound.unit}", bound.of, bound.why) for bound in BOUNDS.values()]
