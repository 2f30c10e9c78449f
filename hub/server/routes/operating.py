"""What operators ask: is it alive, is it ready, what does it count, which adapter is where."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field

from hub.errors import NotInHub, Unreachable
from hub.server.caller import Caller, Forbidden
from hub.server.failing import SafeJSON
from hub.server.keys import Scope
from hub.server.metrics import Meters
from hub.server.peers import Peer
from hub.server.refresher import Refresher
from hub.server.service import Service, caller_of
from hub.server.wire.body import ERRORS, Body, Reply, StrictRoute
from hub.storage.reach import check_readable


class Health(Reply):
    """Alive."""

    status: Literal["ok"] = "ok"


class CampaignReply(Reply):
    """What the last refresh did with a campaign, and why."""

    happened: str
    version: int | None
    why: str


class RefreshReply(Reply):
    """The refresh beside the server. state: `starts`, `runs`, `waits` or `ended`; process: its number; trouble: why the
    last round did nothing; campaigns: those that the key sees, by name."""

    state: str
    process: int | None
    rounds: int
    last: str
    trouble: str
    campaigns: dict[str, CampaignReply]


class Ready(Reply):
    """Whether it answers. behind: reference -> why it is not answered by the version that it means."""

    ready: bool
    base: str
    hub: Literal["ok", "unreachable"]
    draining: bool
    behind: dict[str, str]
    refresh: RefreshReply | None


class ResidentReply(Reply):
    """Where one adapter is: `slot`, `host` or `loading`; rows: running; size: bytes in host memory; replica: which one
    of a fleet."""

    adapter: str
    tier: str
    slot: int | None
    rows: int
    pinned: bool
    size: int
    replica: str | None = None


class ReplicaReply(Reply):
    """One server of a fleet; age: seconds since the others heard of it."""

    id: str
    node: str
    slots: int
    waiting: int
    writing: int
    age: float


class ResidencyReply(Reply):
    """Adapters nearer than the hub, and what waits and is written now, by everybody. replicas: of a fleet."""

    slots: int
    waiting: int
    writing: int
    adapters: list[ResidentReply]
    replicas: list[ReplicaReply] = Field(default_factory=list)


class LoadBody(Body):
    """An adapter by its reference, as vLLM's clients name it; a path of the server's disk is none."""

    lora_name: Annotated[str, Field(examples=["acme/spring/behavior@production"])]


def operating(service: Service, meters: Meters, refresher: Refresher | None = None) -> APIRouter:
    """The routes, of one server."""
    router = APIRouter(tags=["operating"], route_class=StrictRoute)

    @router.get("/health")
    async def health() -> Health:
        """Alive: asked by anybody, and answered while everything else is busy."""
        return Health()

    @router.get("/ready", response_model=Ready, responses=ERRORS)
    async def ready(http: Request) -> SafeJSON:
        """Whether requests are answered: 503 while the hub cannot be read, or the server is shutting down."""
        caller = caller_of(http.scope)
        try:
            await asyncio.to_thread(check_readable, service.registry.hub.storage)
            hub = "ok"
        except Unreachable:
            hub = "unreachable"
        behind = {each.reference: each.behind for each in service.following(caller) if each.behind}
        is_ready = hub == "ok" and not service.draining
        told: dict[str, Any] = {"ready": is_ready, "base": service.registry.base.id, "hub": hub}
        told |= {"draining": service.draining, "behind": behind, "refresh": _refresh(caller)}
        return SafeJSON(told, 200 if is_ready else 503, headers={} if is_ready else {"retry-after": "1"})

    @router.get(
        "/metrics", responses={**ERRORS, 200: {"content": {"text/plain": {}}}}, response_class=Response
    )
    async def metrics(http: Request) -> Response:
        """For Prometheus; a key sees what names its own clients, and what names nobody."""
        caller = caller_of(http.scope)
        caller.need(Scope.operate)
        return Response(await asyncio.to_thread(meters.text, caller), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/residency", responses=ERRORS)
    async def residency(http: Request) -> ResidencyReply:
        """Which adapter is in a slot, in host memory or on its way."""
        caller = caller_of(http.scope)
        caller.need(Scope.operate)
        if peers := service.peers():
            return _of_fleet(peers, caller)
        state, found = service.registry.state(), service.registry.residency()
        own = [ResidentReply(**vars(each)) for each in found if caller.sees(each.adapter)]
        return ResidencyReply(**{name: state[name] for name in ("slots", "waiting", "writing")}, adapters=own)

    @router.post("/v1/load_lora_adapter", responses=ERRORS)
    async def load_lora_adapter(http: Request, body: LoadBody) -> Health:
        """Bring an adapter into a slot, by its reference."""
        return await _move(http, body, service.registry.load)

    @router.post("/v1/unload_lora_adapter", responses=ERRORS)
    async def unload_lora_adapter(http: Request, body: LoadBody) -> Health:
        """Let an adapter go from slot and memory; the next request brings it in again."""
        return await _move(http, body, service.registry.unload)

    def _refresh(caller: Caller) -> dict[str, Any] | None:
        """How the refresh stands; what is wrong with all of it may name anybody's campaign."""
        if refresher is None:
            return None
        found = asdict(refresher.now)
        own = {name: each for name, each in found["campaigns"].items() if caller.sees(name)}
        campaigns = {
            name: {"happened": each["happened"], "version": each["version"], "why": service.hide(each["why"])}
            for name, each in own.items()
        }
        trouble = found["trouble"] and "the server's owner is told why nothing was refreshed"
        if caller.all_clients:
            trouble = service.hide(found["trouble"])
        return found | {"campaigns": campaigns, "trouble": trouble}

    async def _move(http: Request, body: LoadBody, how: Any) -> Health:
        caller = caller_of(http.scope)
        caller.need(Scope.operate)
        if not service.adapter_calls:
            raise Forbidden(
                "this server brings adapters in by itself; it takes such calls with --adapter-calls"
            )
        reference = await service.look_one(caller, body.lora_name)
        try:
            await asyncio.to_thread(how, reference)
        except NotInHub as error:
            raise await service.seen(caller, reference, error) from None
        return Health()

    return router


def _of_fleet(peers: Sequence[Peer], caller: Caller) -> ResidencyReply:
    """Which adapter is where on all servers of a fleet, with their sums."""
    names = ("slots", "waiting", "writing")
    return ResidencyReply(
        **{name: sum(getattr(peer, name) for peer in peers) for name in names},
        adapters=[
            ResidentReply(**vars(each), replica=peer.id)
            for peer in peers
            for each in peer.residents
            if caller.sees(each.adapter)
        ],
        replicas=[
            ReplicaReply(
                id=peer.id,
                node=peer.node,
                age=round(peer.age, 1),
                **{name: getattr(peer, name) for name in names},
            )
            for peer in peers
        ],
    )
