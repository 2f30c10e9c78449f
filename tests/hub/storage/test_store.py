"""Numbered logs: the last number is found with few looks, also where somebody lost files."""

from pathlib import Path

import pytest

from hub.errors import NotInHub
from hub.hub import Hub
from hub.storage.layout import log, numbered
from hub.storage.local import Local
from hub.storage.store import Store
from tests.hub.tiny import NAME, lora


def test_a_log_is_listed_again_only_when_its_folder_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, listed = Store(Local(tmp_path)), 0
    taken = Local.taken

    def counted(self: Local, folder: str) -> list[str]:
        nonlocal listed
        listed += 1
        return taken(self, folder)

    monkeypatch.setattr(Local, "taken", counted)
    monkeypatch.setattr(Local, "stamp", lambda self, folder: stamps[-1])
    stamps = []
    for new, number in (("a", 1), ("b", 2)):
        stamps.append(new)
        (tmp_path / "log").mkdir(exist_ok=True)
        (tmp_path / numbered("log", number)).touch()
        listed = 0
        assert [store.last("log") for _ in range(5)] == [number] * 5
        assert listed == 1
    (tmp_path / numbered("log", 3)).touch()
    stamps.append("")  # a change so recent that nothing can be told
    assert store.last("log") == 3


def test_a_lost_record_does_not_hide_the_later_ones(hub: Hub) -> None:
    for seed in range(8):
        hub.publish(lora(seed), NAME)
    path = Path(hub.address)
    for lost in range(1, 8):
        file = path / numbered(log(NAME), lost)
        file.rename(path / "aside")
        assert Hub(path).resolve(NAME).number == 8, f"without record {lost}"
        (path / "aside").rename(file)
    with pytest.raises(NotInHub, match="no version 9; it has 1 to 8"):
        Hub(path).resolve(f"{NAME}@9")
