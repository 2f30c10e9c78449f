"""A fresh hub for a test, a store for remote ones, and the command line in an empty folder."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import s3fs

from hub.cli import main
from hub.hub import Hub
from tests.hub.s3 import ENVIRONMENT, Server

Run = Callable[..., tuple[int, str, str]]


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


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one command line in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REPERTOIRE_HUB", raising=False)

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, captured.out, captured.err

    return call
