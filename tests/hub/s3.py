"""A real S3 server of a test's own: moto's, in a thread, with faults on demand.

moto looks whether a file is there and stores it in two steps; one request at a time makes that one, as it is in S3.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
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
    "AWS_MAX_ATTEMPTS": "2",
    "NO_PROXY": "127.0.0.1",
}


class _Quiet(MotoRequestHandler):
    def log(self, *args: Any, **options: Any) -> None:
        """Nothing."""


class Server:
    """fault: answers instead of S3 where it returns something. asked: method and path of every request. sent, answered:
    bytes of all bodies."""

    def __init__(self) -> None:
        self._app: App = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.fault: Fault | None = None
        self.asked: list[tuple[str, str]] = []
        self.sent = self.answered = 0

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
        self.asked, self.sent, self.answered = [], 0, 0

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
            self.sent += int(environ.get("CONTENT_LENGTH") or 0)
            answer = self.fault(environ, start_response, self._app) if self.fault else None
            whole = list(self._app(environ, start_response) if answer is None else answer)
            self.answered += sum(map(len, whole))
            return whole


def is_put(environ: dict[str, Any], part: str = "") -> bool:
    """Whether a request stores a file whose path holds this."""
    return environ["REQUEST_METHOD"] == "PUT" and part in environ["PATH_INFO"]
