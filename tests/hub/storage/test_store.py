"""Numbered logs: the last number is found with few looks, also where somebody lost a file."""

from pathlib import Path

import pytest

from hub.errors import NotInHub
from hub.hub import Hub
from hub.storage.layout import log, numbered
from hub.storage.local import Local
from hub.storage.store import Store
from tests.hub.tiny import NAME, lora


def test_the_last_number_of_a_log_is_found_with_few_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(Local(tmp_path))
    for number in range(70):
        assert store.last("log") == number
        (tmp_path / "log").mkdir(exist_ok=True)
        (tmp_path / numbered("log", number + 1)).touch()
    looks: list[str] = []
    whole = {numbered("log", number) for number in range(1, 100_000)}
    monkeypatch.setattr(Local, "exists", lambda self, path: not looks.append(path) and path in whole)
    monkeypatch.setattr(Local, "files", None)
    assert store.last("log") == 99_999
    assert len(looks) < 40


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
