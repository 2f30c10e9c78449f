"""Addresses: what they mean, and why others are refused."""

from pathlib import Path

import pytest

from hub.errors import HubError
from hub.hub import Hub
from hub.storage.address import open_storage
from tests.hub.tiny import NAME, lora


@pytest.mark.parametrize(
    "address, why",
    [
        ("az://box/hub", "never tested"),
        ("hf://owner/repo", "import"),
        ("http://host/hub", "cannot be written"),
        ("memory://hub", "two steps"),
        ("ftp://host/hub", "not known to create"),
        ("file://hub", "whole/path"),
        ("s3://", "no address"),
        ("s3://KEY:SECRET@bucket/hub", "without credentials"),
        ("s3://bucket/../other", "no address"),
        ("s3://bucket/hub?versionId=3", "no address"),
        ("gs://bucket//hub", "no address"),
    ],
)
def test_other_addresses_are_refused_with_the_reason(address: str, why: str) -> None:
    with pytest.raises(HubError, match=why) as caught:
        Hub(address)
    assert "KEY:SECRET" not in str(caught.value)


def test_a_file_address_is_a_folder(tmp_path: Path) -> None:
    hub = Hub(f"file://{tmp_path}/my%20hub")
    assert hub.publish(lora(), NAME).folder == tmp_path / "my hub" / "adapters" / NAME / "v000001"
    assert open_storage(f"file://{tmp_path}/my%20hub").address == str(tmp_path / "my hub")


def test_what_is_missing_to_open_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(HubError, match=r"pip install 'adapter-repertoire\[s3\]'"):
        Hub("s3://bucket/hub")
