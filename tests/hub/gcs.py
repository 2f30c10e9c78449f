"""A stand-in for Google Cloud Storage, as far as gcsfs asks for it: it shows what gcsfs sends and what we make of the
answers, and nothing about Google's own service."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, unquote

from werkzeug.serving import WSGIRequestHandler, make_server


class _Quiet(WSGIRequestHandler):
    def log(self, *args: Any, **options: Any) -> None:
        """Nothing."""


class Server:
    """objects: bucket/key -> content. heeds: whether it keeps to `ifGenerationMatch`. conditions: of every upload."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.heeds = True
        self.conditions: list[str | None] = []
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self._lock = threading.Lock()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("REQUEST_URI", environ["PATH_INFO"]).partition("?")[0]
        query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        with self._lock:
            status, answer = self._serve(environ["REQUEST_METHOD"], path, query, body)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        start_response(status, [("Content-Length", str(len(data))), ("Content-Type", "application/json")])
        return [data]

    def _serve(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[str, Any]:
        missing = "404 Not Found", {"error": {"code": 404, "message": "No such object"}}
        if method == "POST" and (found := re.fullmatch(r"/upload/storage/v1/b/([^/]+)/o", path)):
            _, about, content, _ = body.split(b"--==0==", 3)
            name = json.loads(about.split(b"\n\n", 1)[1])["name"]
            key = f"{found[1]}/{name}"
            self.conditions.append(query.get("ifGenerationMatch"))
            if self.heeds and query.get("ifGenerationMatch") == "0" and key in self.objects:
                return "412 Precondition Failed", {"error": {"code": 412, "message": "conditionNotMet"}}
            self.objects[key] = content.split(b"\n\n", 1)[1].removesuffix(b"\n")
            return "200 OK", self._about(key)
        if found := re.fullmatch(r"/storage/v1/b/([^/]+)/o/([^/]+)/rewriteTo/b/([^/]+)/o/([^/]+)", path):
            source, target = (
                f"{bucket}/{unquote(key)}" for bucket, key in (found.group(1, 2), found.group(3, 4))
            )
            self.objects[target] = self.objects[source]
            return "200 OK", {"done": True, "resource": self._about(target)}
        if found := re.fullmatch(r"(/download)?/storage/v1/b/([^/]+)/o/([^/]+)", path):
            key = f"{found[2]}/{unquote(found[3])}"
            if key not in self.objects:
                return missing
            if method == "DELETE":
                del self.objects[key]
                return "204 No Content", b""
            return "200 OK", self.objects[key] if query.get("alt") == "media" else self._about(key)
        if found := re.fullmatch(r"/storage/v1/b/([^/]+)/o/?", path):
            return "200 OK", self._listed(found[1], query.get("prefix", ""), query.get("delimiter"))
        return missing

    def _listed(self, bucket: str, prefix: str, delimiter: str | None) -> dict[str, Any]:
        keys = [key for key in sorted(self.objects) if key.startswith(f"{bucket}/{prefix}")]
        rest = {key: key.removeprefix(f"{bucket}/{prefix}") for key in keys}
        if delimiter is None:
            return {"items": [self._about(key) for key in keys]}
        folders = {
            prefix + name.split(delimiter)[0] + delimiter for name in rest.values() if delimiter in name
        }
        items = [self._about(key) for key, name in rest.items() if delimiter not in name]
        return {"items": items, "prefixes": sorted(folders)}

    def _about(self, key: str) -> dict[str, Any]:
        bucket, _, name = key.partition("/")
        data = self.objects[key]
        md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
        return {"bucket": bucket, "name": name, "size": str(len(data)), "md5Hash": md5, "generation": "1"}
