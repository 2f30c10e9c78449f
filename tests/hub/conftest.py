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
    """The server, and the environment by which s3fs finds it. Clients are kept: each takes half a second to make."""
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": s3_server.url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 3)
    monkeypatch.setattr("s3fs.S3FileSystem", s3_server.client)
    s3_server.forget()
    return s3_server


@pytest.fixture
def bucket(s3: Server) -> str:
    """`s3://<a new bucket>`."""
    name = f"test-{uuid.uuid4().hex}"
    s3.client().mkdir(name)
    s3.forget()
    return f"s3://{name}"
