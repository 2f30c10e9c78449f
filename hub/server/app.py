"""The application: routes behind a gate, observed.

Observed   id, log line, metrics
Gate       key or session; nothing is read before it
Heads      HEAD as GET
routes     the wire's shapes -> Service -> the registry's one door
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI

from hub.feedback.log import Feedback
from hub.server.bounds import Bounds
from hub.server.budgets import Spending
from hub.server.failing import add_handlers
from hub.server.gate import Gate
from hub.server.heads import Heads
from hub.server.keys import Keys
from hub.server.looping import Looping
from hub.server.metrics import Meters
from hub.server.observed import Observed
from hub.server.pages.site import site
from hub.server.peers import Peer
from hub.server.refresher import Refresher
from hub.server.routes.completions import completions
from hub.server.routes.feedback import feedback
from hub.server.routes.models import models
from hub.server.routes.operating import operating
from hub.server.routes.scoring import scoring
from hub.server.routes.tasks import tasks
from hub.server.service import Service
from hub.server.sessions import Sessions

if TYPE_CHECKING:
    from hub.registry.registry import Registry

_ABOUT = """
Adapters of a Repertoire hub by their references: `client/campaign/task`, or with `@alias` or `@3`. OpenAI's, Cohere's
and vLLM's clients speak to it with `base_url` and `api_key` changed.
"""


def create_app(
    registry: "Registry",
    keys: Keys,
    bounds: Bounds | None = None,
    *,
    local: bool = True,
    adapter_calls: bool = False,
    open_paths: Sequence[str] = ("/health", "/", "/page", "/page/"),
    log: Callable[[], Feedback] | None = None,
    refresher: Refresher | None = None,
    spending: Spending | None = None,
    peers: Callable[[], Sequence[Peer]] = tuple,
) -> FastAPI:
    """The application of one server; `app.state.service`, `sessions` and `looping` are what further routes share.

    Args:
        registry: that answers.
        keys: of its clients; as long as there are none, everybody on this machine is let in.
        bounds: of one request.
        local: whether without keys only this machine's own names are answered.
        adapter_calls: whether clients may bring adapters in and let them go.
        open_paths: that need no key; those of the page send whoever has no session to its login.
        log: gives the feedback log, when it is first needed; None is that of the hub.
        refresher: of campaigns, which `run` starts and ends; /ready tells how it stands.
        spending: who may send a request now; None is what this server counts by itself.
        peers: the servers of its fleet, itself among them.
    """
    bounds = bounds or Bounds()
    app = FastAPI(
        title="Repertoire",
        version="1",
        description=_ABOUT,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        telemetry={"metrics": False, "logs": False, "operation_spans": False},  # errors may hold a text
    )
    service, sessions = Service(registry, bounds, adapter_calls, spending, peers), Sessions()
    looping = Looping(service, log or partial(Feedback, registry.hub))
    meters = Meters(registry, looping.state)
    app.state.service, app.state.sessions, app.state.looping = service, sessions, looping
    app.state.refresher = refresher
    for routes in (completions, models, scoring):
        app.include_router(routes(service))
    for loops in (tasks, feedback):
        app.include_router(loops(looping))
    app.include_router(operating(service, meters, refresher))
    app.include_router(site(looping, keys, sessions, meters), include_in_schema=False)
    add_handlers(app, hidden=registry.hub.storage.address)
    app.add_middleware(Heads)
    app.add_middleware(
        Gate,
        keys=keys,
        sessions=sessions,
        open_paths=open_paths,
        local=local,
        body=bounds.body,
        stalled=bounds.stalled,
    )
    app.add_middleware(Observed, meters=meters)
    return app
