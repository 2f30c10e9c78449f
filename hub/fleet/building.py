"""The application that Ray Serve runs: an ingress, replicas and one actor that counts.

client -> Ray's HTTP proxy -> Front (gate, body, which adapter) -> Replica (the server's application)
                                                                     -> Counting (keys, who is there)
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve import Application, Deployment
from ray.serve.config import RequestRouterConfig
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp, Message
from starlette.types import Scope as AsgiScope

from hub.fleet.counting import Counts, Heard, Refused
from hub.fleet.forwarding import Forwarding, Lost
from hub.fleet.setting import Setting, keys_of
from hub.server.bounds import Bounds
from hub.server.budgets import Levels
from hub.server.caller import Caller
from hub.server.gate import Gate
from hub.server.peers import Peer
from hub.server.sessions import Sessions

_ONGOING = 1024  # requests of one replica; more wait in the ingress
_HEALTH = 5.0  # seconds between two looks
_QUIET = {"enable_access_log": False}
_ROUTED = {"request_router_class": "hub.fleet.router:AdapterRouter", "request_routing_stats_period_s": 1.0}


def fleet(args: Setting) -> Application:
    """What `serve run` and `serve deploy` take: `import_path: hub.fleet:fleet`.

    Args:
        args: of the fleet; in a config file what stands below `args`.
    """
    setting = args.model_dump()
    counting = _deployed(
        Counting,
        num_replicas=1,
        max_ongoing_requests=_ONGOING,
        ray_actor_options={"num_cpus": 0},
    )
    replica = _deployed(
        Replica,
        num_replicas=args.replicas,
        max_ongoing_requests=_ONGOING,
        ray_actor_options={"num_cpus": args.cpus, "num_gpus": args.gpus},
        graceful_shutdown_timeout_s=args.drain,
        graceful_shutdown_wait_loop_s=0.5,
        request_router_config=RequestRouterConfig.model_validate(_ROUTED),
    )
    front = _deployed(
        serve.ingress()(Front),
        name="Front",
        num_replicas=min(2, args.replicas),
        max_ongoing_requests=4 * _ONGOING,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_timeout_s=args.drain,
    )
    return front.bind(setting, replica.bind(setting, counting.bind()))


def _deployed(kind: type, **options: Any) -> Deployment:
    return serve.deployment(health_check_period_s=_HEALTH, logging_config=_QUIET, **options)(kind)


class Counting:
    """`Counts` as an actor. It keeps nothing: Ray starts another one where it dies."""

    def __init__(self) -> None:
        self._counts = Counts(Bounds().working)

    async def sync(
        self, peer: Peer, running: Mapping[Caller, int], levels: Mapping[str, Levels], again: bool
    ) -> Heard:
        """As of `Counts`."""
        return self._counts.sync(peer, running, levels, again)

    async def take(self, id: str, caller: Caller) -> Refused | bool:
        """As of `Counts`."""
        return self._counts.take(id, caller)

    async def leave(self, id: str, caller: Caller, tokens: int) -> None:
        """As of `Counts`."""
        self._counts.leave(id, caller, tokens)


class _Asked:
    """The counting actor, by its handle."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def sync(
        self, peer: Peer, running: Mapping[Caller, int], levels: Mapping[str, Levels], again: bool
    ) -> Heard:
        return await self._handle.sync.remote(peer, running, levels, again)  # type: ignore[no-any-return]

    async def take(self, id: str, caller: Caller) -> Refused | bool:
        return await self._handle.take.remote(id, caller)  # type: ignore[no-any-return]

    async def leave(self, id: str, caller: Caller, tokens: int) -> None:
        await self._handle.leave.remote(id, caller, tokens)


class Replica:
    """A `Worker` as Ray Serve runs it."""

    def __init__(self, setting: Mapping[str, Any], counting: DeploymentHandle[Any]) -> None:
        from hub.fleet.replica import Worker  # what only a replica needs
        from hub.server.running import settle

        id = serve.get_replica_context().replica_id.unique_id
        self._worker = Worker(id, Setting(**setting), _Asked(counting))
        settle()

    async def answer(self, scope: AsgiScope, body: bytes, wanted: str) -> AsyncIterator[Sequence[Message]]:
        """A request that the ingress hands on; wanted: the reference that it is for, which the router reads."""
        async for messages in self._worker.answer(scope, body):
            yield messages

    async def record_routing_stats(self) -> dict[str, list[str]]:
        """What the routers know of it."""
        self._worker.speak()
        return self._worker.has()

    def check_health(self) -> None:
        """Raises where it must be replaced."""
        self._worker.check()

    async def __del__(self) -> None:
        """When its last request has ended, or the time for that is over."""
        await self._worker.close()


class Front:
    """The ingress: a gate, and the way to a replica."""

    def __init__(self, setting: Mapping[str, Any], replicas: DeploymentHandle[Any]) -> None:
        self._setting = Setting(**setting)
        self._replicas = replicas.options(stream=True)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """As Ray Serve asks for it."""
        bounds = Bounds(body=self._setting.body, seconds=self._setting.seconds)
        return Gate(
            Forwarding(self._forward, bounds.seconds),
            keys=keys_of(self._setting),
            sessions=Sessions(),
            open_paths=("/health", "/", "/page", "/page/"),
            local=self._setting.local,
            body=bounds.body,
            stalled=bounds.stalled,
        )

    async def _forward(self, scope: AsgiScope, body: bytes, wanted: str) -> AsyncIterator[Sequence[Message]]:
        answer: Any = self._replicas.answer.remote(scope, body, wanted)
        try:
            async for messages in answer:
                yield messages
        except RayTaskError:
            raise
        except (RayError, RayServeException) as error:
            raise Lost(type(error).__name__) from error
        finally:
            answer.cancel()
