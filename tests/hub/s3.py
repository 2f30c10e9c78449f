"""A real S3 server of a test's own: moto's, in a thread, with faults on demand.

moto looks whether a file is there and stores it in two steps; one request at a time makes that one, as it is in S3.
"""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from s3fs import S3FileSystem
from werkzeug.serving import make_server

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
Fault = Callable[[dict[str, Any], Any, App], Iterable[bytes] | None]
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "1",
    "NO_PROXY": "127.0.0.1",
}


class _Quiet(MotoRequestHandler):
    def log(self, *args: Any, **options: Any) -> None:
        """Nothing."""


class Server:
    """fault: answers instead of S3 where it returns something. asked: method and path of every request. sent, answered:
    bytes of the bodies of all requests and answers. headers: bytes of the headers of both."""

    def __init__(self) -> None:
        self._app: App = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.fault: Fault | None = None
        self.asked: list[tuple[str, str]] = []
        self.sent = self.answered = self.headers = 0
        self._clients: dict[str, Any] = {}

    def client(self, **options: Any) -> Any:
        """A client of this server, the same one for the same options."""
        options = {"use_listings_cache": False} | options | {"skip_instance_cache": True}
        if repr(options) not in self._clients:
            self._clients[repr(options)] = S3FileSystem(**options)
        return self._clients[repr(options)]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def faulty(self, fault: Fault) -> Iterator[None]:
        """`fault(environ, start_response, app)` meets every request; None lets it pass."""
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None

    def forget(self) -> None:
        """Count anew."""
        self.asked, self.sent, self.answered, self.headers = [], 0, 0, 0

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answered: list[tuple[str, str]] = []

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            answered.extend(headers)
            return start_response(status, headers, *more)

        answer = self.fault(environ, start, self._serve) if self.fault else None
        whole = list(self._serve(environ, start) if answer is None else answer)
        asked = [(key, value) for key, value in environ.items() if key.startswith(("HTTP_", "CONTENT_"))]
        asked.append((environ["REQUEST_METHOD"], environ.get("REQUEST_URI", "")))
        with self._lock:
            self.headers += sum(len(key) + len(str(value)) + 4 for key, value in [*asked, *answered])
            self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
            self.sent += int(environ.get("CONTENT_LENGTH") or 0)
            self.answered += sum(map(len, whole))
        return whole

    def _serve(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with self._lock:
            return list(self._app(environ, start_response))


def is_put(environ: dict[str, Any], part: str = "") -> bool:
    """Whether a request stores a file whose path holds this."""
    return environ["REQUEST_METHOD"] == "PUT" and part in environ["PATH_INFO"]


def told(start_response: Any, status: str, code: str = "") -> list[bytes]:
    """An answer of S3's own form."""
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode() if code else b""
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


def swallow(status: str, headers: object) -> None:
    """A start_response for an answer that nobody is to see."""


def hang_up(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The connection is gone before the answer."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return told(start_response, "200 OK")
