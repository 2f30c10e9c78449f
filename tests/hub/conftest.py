"""A fresh hub for a test, and a store for remote ones."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs

from hub.hub import Hub
from tests.hub.s3 import ENVIRONMENT, Server


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "hub")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, and the environment by which s3fs finds it."""
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": s3_server.url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    s3_server.forget()
    return s3_server


@pytest.fixture
def bucket(s3: Server) -> str:
    """`s3://<a new bucket>`."""
    name = f"test-{uuid.uuid4().hex}"
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
    s3.forget()
    return f"s3://{name}"
