"""The base of these tests, and a registry on whatever hub a test has."""

from collections.abc import Iterator

import pytest

from adapters import Base
from hub import Hub, Registry
from tests.adapters import models


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


@pytest.fixture
def registry(hub: Hub, base: Base) -> Iterator[Registry]:
    registry = Registry(hub, base)
    yield registry
    registry.close()
