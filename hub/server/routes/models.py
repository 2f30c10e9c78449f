"""Which adapters there are, as OpenAI lists models."""

import asyncio
from collections import defaultdict
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Request

from hub.catalogue.version import Version
from hub.errors import NotInHub
from hub.server.caller import Caller
from hub.server.service import Service, caller_of
from hub.server.wire.body import ERRORS, Columns, Reply
from hub.storage.names import LATEST, parse


class ModelReply(Reply):
    """One reference that can be asked. repertoire: its version, task, method, aliases and held-out metrics."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    repertoire: Columns


class ModelsReply(Reply):
    """All that the key sees."""

    object: Literal["list"] = "list"
    data: list[ModelReply]


def models(service: Service) -> APIRouter:
    """The routes, of one server."""
    router = APIRouter(prefix="/v1", tags=["models"], responses=ERRORS)

    @router.get("/models")
    async def list_models(http: Request) -> ModelsReply:
        """The adapters that the key sees, by name, and by each of their aliases."""
        return ModelsReply(data=await asyncio.to_thread(_all, service, caller_of(http.scope)))

    @router.get("/models/{model:path}")
    async def one_model(http: Request, model: str) -> ModelReply:
        """One reference: a name, or one with @alias or @3."""
        caller = caller_of(http.scope)
        reference = await service.look_one(caller, model)
        try:
            version = await asyncio.to_thread(service.registry.hub.resolve, reference)
        except NotInHub as error:
            raise await service.seen(caller, reference, error) from None
        return _of(reference, version)

    return router


def _all(service: Service, caller: Caller) -> list[ModelReply]:
    base, found = service.registry.base.fingerprint, []
    everything = [each for each in service.registry.hub.search(all_versions=True) if caller.sees(each.name)]
    meant: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for each in everything:
        meant[each.name] += ((alias, each.number) for alias in each.aliases if alias != LATEST)
    for each in everything:
        if LATEST not in each.aliases or each.base.get("fingerprint") != base:
            continue
        told = {
            "version": each.number,
            "digest": each.digest,
            "task": each.task,
            "method": each.method,
            "aliases": list(each.aliases),
            "metrics": dict(each.metrics),
        }
        found.append(_reply(each.name, each.created, told))
        for alias, number in sorted(meant[each.name]):
            found.append(_reply(f"{each.name}@{alias}", each.created, {"version": number}))
    return found


def _of(reference: str, version: Version) -> ModelReply:
    record = version.record
    told = {"version": parse(version.reference).version, "digest": version.digest, "task": record.task}
    return _reply(reference, record.created, told)


def _reply(id: str, created: str, told: dict[str, Any]) -> ModelReply:
    when = int(datetime.fromisoformat(created).timestamp())
    return ModelReply(id=id, created=when, owned_by=id.partition("/")[0], repertoire=told)
