"""What `serve deploy` reads: the file of the docs, as Ray and `Setting` take it; and an ingress before a replica, as
they are built, with no cluster between them."""

import asyncio
import pickle
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient

from hub.fleet import Setting
from hub.fleet.counting import Counts
from hub.fleet.deploy_file import deploy_file
from hub.fleet.replica import Worker
from hub.hub import Hub
from hub.server import Keys
from tests.adapters import models
from tests.hub.server.pages.conftest import Visitor

DOC = Path(__file__).parents[3] / "docs" / "how-to" / "fleet.md"


def test_the_config_file_of_the_docs_is_one() -> None:
    pytest.importorskip("ray.serve")
    from ray.serve.schema import ServeDeploySchema

    from hub import fleet

    text = DOC.read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]
    (application,) = ServeDeploySchema.model_validate(yaml.safe_load(text)).applications
    module, _, name = str(application.import_path).partition(":")
    assert (module, getattr(fleet, name)) == ("hub.fleet", fleet.fleet)
    built = fleet.fleet(Setting(**application.args))
    assert built._bound_deployment.name == "Front"
    assert [(each.name, each.num_replicas) for each in application.deployments] == [("Replica", 4)]


def test_the_config_file_of_the_docs_is_the_one_that_its_command_writes() -> None:
    text = DOC.read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]
    setting = Setting(hub="/shared/campaigns", keys="/shared/campaigns.keys", local=False, replicas=4)
    assert yaml.safe_load(text) == yaml.safe_load(deploy_file(setting, "0.0.0.0", 8000))


class _Answer:
    """What a handle gives for a call: the answer as it comes."""

    def __init__(self, messages: AsyncIterator[Any]) -> None:
        self._messages = messages

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._messages

    def cancel(self) -> None:
        """Nothing runs any more where it was read to its end."""


class _Handle:
    """That of one replica in this process; what is asked of it goes through pickle, as between two."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.answer = self

    def options(self, **_: Any) -> "_Handle":
        return self

    def remote(self, scope: Any, body: bytes, wanted: str) -> _Answer:
        return _Answer(self._worker.answer(pickle.loads(pickle.dumps(scope)), body))


def test_a_login_to_the_pages_of_a_fleet_holds(tmp_path: Path) -> None:
    """The session lies in the replica that answers the pages; the ingress knows of none."""
    pytest.importorskip("ray.serve")
    from hub.fleet.building import Front

    models.saved("llama", tmp_path / "base")
    Hub(tmp_path / "hub")
    keys = Keys(tmp_path / "hub.keys")
    key, secret = keys.new("acme")
    setting = Setting(hub=str(tmp_path / "hub"), base=str(tmp_path / "base"), quantization="none", replicas=1)
    worker = Worker("r0", setting, Counts(8))  # type: ignore[arg-type]
    try:
        app = Front(setting.model_dump(), _Handle(worker)).__serve_build_asgi_app__()  # type: ignore[arg-type]
        somebody = Visitor(TestClient(app, base_url="http://localhost", follow_redirects=False))
        assert somebody.get("/page/adapters").headers["location"].startswith("/page/login")
        answer = somebody.post("/page/login", "/page/login", key=secret, next="/page/adapters")
        assert (answer.status_code, answer.headers["location"]) == (303, "/page/adapters")
        assert somebody.get("/page/adapters").status_code == 200
        keys.revoke(key.id)
        assert somebody.get("/page/adapters").status_code == 303
        assert somebody.get("/v1/models").status_code == 401
    finally:
        asyncio.run(worker.close())
