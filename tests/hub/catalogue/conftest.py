"""Key pairs, and a trust file that asks for one of them."""

from pathlib import Path

import pytest

from hub.catalogue.signing import PrivateKey, make_keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two pairs: acme's, and that of somebody else."""
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder / "acme")
    make_keys(folder / "mallory")
    return folder


@pytest.fixture
def acme(keys: Path) -> PrivateKey:
    return PrivateKey(keys / "acme.pem")


@pytest.fixture
def mallory(keys: Path) -> PrivateKey:
    return PrivateKey(keys / "mallory.pem")


@pytest.fixture
def trust(keys: Path) -> Path:
    """acme's adapters must be signed by acme; nothing is asked of anybody else."""
    path = keys / "trust.yaml"
    path.write_text('clients:\n  acme: {require_signature: [acme.pub]}\n  "*": {require_signature: []}\n')
    return path
