"""One cluster for all tests that need a real one: to start it takes longer than most of them."""

from collections.abc import Iterator

import pytest

from tests.hub.fleet.nodes import Nodes, two_nodes


@pytest.fixture(scope="package")
def nodes() -> Iterator[Nodes]:
    """Two nodes; a test that killed one leaves it to the next to start another."""
    pytest.importorskip("ray")
    with two_nodes() as started:
        yield started
