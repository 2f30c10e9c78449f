"""A model hub of the tests' own: the few endpoints that huggingface_hub asks, on this machine.

GET  /api/models/<repo>[/revision/<rev>]       the list: commit, names, sizes, hashes
HEAD,GET /<repo>/resolve/<rev>/<path>          a redirect to /cdn for large files, the bytes for others
POST /api/repos/create, /api/validate-yaml, /api/models/<repo>/preupload/<rev>, /branch/<rev>, /commit/<rev>
POST /<repo>.git/info/lfs/objects/batch, PUT /store/<sha256>
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin", ".pt", ".pth")


@dataclass
class ModelHub:
    """repos: repository -> revision -> path -> bytes. sent: path -> what goes over the wire in its place. sizes: path
    -> what the list says of its size. asked: every request. stored: what was uploaded, by sha256. made: repositories
    that were made, and who may see them. truncate: break off in the middle of a body. after_list: what happens when a
    list was made."""

    url: str = ""
    cdn: str = ""
    repos: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    sent: dict[str, bytes] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    truncate: bool = False
    after_list: Callable[[], None] = lambda: None

    def commit(self, repo: str, revision: str) -> str | None:
        """The hash that a revision stands for."""
        content = self.repos.get(repo, {}).get(revision)
        if content is None:
            known = (self.commit(repo, name) for name in self.repos.get(repo, {}) if len(name) != 40)
            return revision if revision in known else None
        told = [(path, hashlib.sha256(data).hexdigest()) for path, data in sorted(content.items())]
        return hashlib.sha1(json.dumps(told).encode()).hexdigest()

    def tree(self, repo: str, revision: str) -> dict[str, bytes]:
        """The files at a revision or a commit."""
        commit = self.commit(repo, revision)
        return next(files for name, files in self.repos[repo].items() if self.commit(repo, name) == commit)

    def downloaded(self) -> list[str]:
        """The paths of which bytes were asked for, in order."""
        return [
            path
            for verb, path in (line.split(" ", 1) for line in self.asked)
            if verb == "GET" and "/api/" not in path
        ]


@contextmanager
def running() -> Iterator[ModelHub]:
    """A model hub that answers as long as this lasts."""
    state = ModelHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": state}))
    state.url = f"http://127.0.0.1:{server.server_port}"
    state.cdn = f"http://localhost:{server.server_port}"  # another host, as it is outside
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: ModelHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self._path()
        if path.startswith("/api/models/"):
            repo, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            return self._list(repo, revision or "main")
        if path.startswith("/cdn/"):
            return self._send(self._content(*path.removeprefix("/cdn/").split("/resolve/")))
        repo, _, rest = path[1:].partition("/resolve/")
        if repo not in self.hub.repos:
            return self._fail(404, "RepoNotFound")
        self._resolve(repo, rest)

    def do_POST(self) -> None:
        path, body = self._path(), self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            told = json.loads(body)
            repo = f"{told['organization']}/{told['name']}" if told.get("organization") else told["name"]
            if repo in self.hub.repos:
                return self._json({"error": "exists", "url": f"{self.hub.url}/{repo}"}, 409)
            self.hub.repos[repo] = {"main": {}}
            self.hub.made[repo] = told["visibility"]
            return self._json({"url": f"{self.hub.url}/{repo}"})
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                {
                    "oid": o["oid"],
                    "size": o["size"],
                    "actions": {"upload": {"href": f"{self.hub.url}/store/{o['oid']}"}},
                }
                for o in json.loads(body)["objects"]
            ]
            return self._json({"transfer": "basic", "objects": objects})
        repo, verb, revision = self._parts(path)
        if verb == "preupload":
            files = [
                {
                    "path": f["path"],
                    "uploadMode": "lfs" if f["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                }
                for f in json.loads(body)["files"]
            ]
            return self._json({"files": files})
        if verb == "branch":
            self.hub.repos[repo].setdefault(revision, dict(self.hub.repos[repo]["main"]))
            return self._json({}, 201)
        return self._commit(repo, revision, body)

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        oid = self._path().rsplit("/", 1)[1]
        assert hashlib.sha256(data).hexdigest() == oid
        self.hub.stored[oid] = data
        self._send(b"")

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def _path(self) -> str:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        return path

    def _parts(self, path: str) -> tuple[str, str, str]:
        owner, name, verb, revision = path.removeprefix("/api/models/").split("/", 3)
        return f"{owner}/{name}", verb, revision

    def _commit(self, repo: str, revision: str, body: bytes) -> None:
        tree = self.hub.repos[repo][revision]
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                tree[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                tree[value["path"]] = self.hub.stored[value["oid"]]
        commit = self.hub.commit(repo, revision)
        self._json({"commitOid": commit, "commitUrl": f"{self.hub.url}/{repo}/commit/{commit}"})

    def _list(self, repo: str, revision: str) -> None:
        if repo not in self.hub.repos:
            return self._fail(401, "RepoNotFound")
        commit = self.hub.commit(repo, revision)
        if commit is None:
            return self._fail(404, "RevisionNotFound")
        siblings = []
        for path, data in self.hub.tree(repo, revision).items():
            entry: dict[str, Any] = {
                "rfilename": path,
                "size": self.hub.sizes.get(path, len(data)),
                "blobId": _git(data),
            }
            if path.endswith(LARGE):
                entry["lfs"] = {"sha256": _sha(data), "size": entry["size"], "pointerSize": 100}
            siblings.append(entry)
        self.hub.after_list()
        self._json({"id": repo, "sha": commit, "siblings": siblings})

    def _split(self, repo: str, rest: str) -> tuple[str, str]:
        """`refs/pr/1/README.md` -> revision and path."""
        named = next((name for name in self.hub.repos[repo] if rest.startswith(f"{name}/")), None)
        revision = named or rest.partition("/")[0]
        return revision, rest[len(revision) + 1 :]

    def _content(self, repo: str, rest: str) -> bytes:
        revision, path = self._split(repo, rest)
        return self.hub.sent.get(path, self.hub.tree(repo, revision)[path])

    def _resolve(self, repo: str, rest: str) -> None:
        revision, path = self._split(repo, rest)
        data = self.hub.tree(repo, revision)[path]
        commit = {"X-Repo-Commit": str(self.hub.commit(repo, revision))}
        size = str(self.hub.sizes.get(path, len(data)))
        if path.endswith(LARGE):
            link = {"X-Linked-Etag": f'"{_sha(data)}"', "X-Linked-Size": size}
            headers = commit | link | {"Location": f"{self.hub.cdn}/cdn/{repo}/resolve/{rest}"}
            return self._send(b"", 302, headers)
        self._send(self._content(repo, rest), headers=commit | {"ETag": f'"{_git(data)}"'})

    def _fail(self, code: int, kind: str) -> None:
        self._json({"error": kind}, code, {"X-Error-Code": kind})

    def _json(self, value: Any, code: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(value).encode(), code, {"Content-Type": "application/json"} | (headers or {}))

    def _send(self, data: bytes, code: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.hub.truncate and len(data) > 100 and "/api/" not in self.path:
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        else:
            self.wfile.write(data)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _git(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
