"""Pins: what a publication under way needs stays, for a day."""

from collections.abc import Callable

from hub.hub import Hub
from hub.storage.pins import pin
from tests.hub.looking import paths
from tests.hub.tiny import NAME, lora


def test_pins_keep_blobs_of_a_publication_under_way_for_a_day(
    hub: Hub, later: Callable[[float], None]
) -> None:
    hub.publish(lora(), NAME)
    hub.store.keep({"ab" * 32: b"x"})
    pin(hub.storage, "adapters/acme/spring/recommendation/.records", ["ab" * 32])
    assert hub.collect(0).deleted == []
    later(25 * 3600.0)
    assert hub.collect(0).deleted == ["ab" * 32]
    assert paths(hub, ".pins") == set()
