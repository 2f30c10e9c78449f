"""A name that is missing brings names that are there, in a hub of any size, without looking at all of it."""

from pathlib import Path

import pytest

from hub.catalogue import near_names as near
from hub.errors import NotInHub
from hub.hub import Hub
from hub.storage.layout import home
from hub.storage.local import Local
from tests.hub.tiny import NAME, lora


def told(hub: Hub, reference: str) -> str:
    with pytest.raises(NotInHub) as error:
        hub.resolve(reference)
    return str(error.value).removeprefix(f"no {reference} in {hub.address}").lstrip("; ")


@pytest.fixture
def crowded(hub: Hub, tmp_path: Path) -> Hub:
    """One name with a version, and 300 folders of names that have none, half of them before it and half behind it."""
    hub.publish(lora(), NAME)
    for number in range(300):
        client = f"{'ab' if number % 2 else 'xy'}-{number // 30}"
        Path(hub.address, home(f"{client}/spring/recommendation-{number}")).mkdir(parents=True)
    return hub


@pytest.mark.parametrize(
    "missing", ["acme/spring/recomendation", "acme/sprig/recommendation", "acne/spring/recommendation"]
)
def test_a_near_name_is_offered_after_few_looks(
    crowded: Hub, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(near, "_LOOKS", 12)
    looks: list[str] = []
    real = Local.folders
    monkeypatch.setattr(Local, "folders", lambda self, folder: looks.append(folder) or real(self, folder))
    assert told(crowded, missing) == f"did you mean {NAME}?"
    assert len(looks) == 12


def test_what_was_removed_or_never_published_is_not_offered(crowded: Hub) -> None:
    crowded.publish(lora(1), "acme/spring/recommendation-x")
    crowded.remove("acme/spring/recommendation-x@1")
    assert told(crowded, "acme/spring/recommendation-y") == f"did you mean {NAME}?"
    assert told(crowded, "zzz/zzz/zzz") == "`repertoire ls` lists what there is"


@pytest.mark.parametrize("limit", ["_LOOKS", "_NAMES"])
def test_only_a_hub_that_was_looked_through_is_called_empty(
    crowded: Hub, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    crowded.remove(f"{NAME}@1")
    assert told(crowded, "acme/spring/ad-copy").startswith(": the hub is empty")
    monkeypatch.setattr(near, limit, 30)
    assert told(crowded, "acme/spring/ad-copy") == "`repertoire ls` lists what there is"
