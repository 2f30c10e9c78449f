"""A fleet that a command started: until SIGTERM or Ctrl-C, then drained and taken away."""

import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.util import list_named_actors

from hub.errors import HubError
from hub.fleet.building import fleet
from hub.fleet.connecting import connected
from hub.fleet.deploy_file import NAME
from hub.fleet.haproxy import controller_options
from hub.fleet.setting import Setting
from hub.server.hosts import is_loopback
from hub.server.lines import log_lines
from hub.server.refresher import Refresher
from hub.server.running import listen

_log = logging.getLogger(__name__)


class NotDeployed(HubError):
    """Ray could not start the replicas."""


def run_fleet(
    setting: Setting,
    address: str,
    host: str,
    port: int,
    ready: Callable[[str], None],
    refresher: Callable[[str], Refresher] | None = None,
    haproxy: bool = False,
) -> None:
    """Deploy a fleet, say where it answers, and wait for a signal.

    Args:
        setting: of the fleet.
        address: of a Ray cluster; `auto` is the one of this machine, `local` starts one for as long as this lasts.
        host: that each machine's proxy listens at.
        port: the same; 0 takes one that is free here.
        ready: is told the address that clients ask.
        refresher: makes what trains campaigns again beside the fleet, given the address of the cluster; it runs in a
            process of this machine until the signal.
        haproxy: in the place of Ray's own proxies. A Serve that runs on the cluster without it stays so, which is told.

    Raises:
        NoCluster: where no Ray answers at the address.
        NotDeployed: where the replicas do not start, or HAProxy could not reach them; nothing of them stays.
    """
    with connected(address):
        try:
            number = port or _free(host)
            try:
                _deploy(setting, host, number, _serve_options(setting, host, haproxy))
                ended = Event()
                for each in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(each, lambda *_: ended.set())
                ready(f"http://{f'[{host}]' if ':' in host else host}:{number}")
                with _beside(refresher):
                    ended.wait()
            finally:  # a cluster keeps what is not taken away, also what it still tries to start
                serve.delete(NAME)
        finally:
            if address == "local":
                serve.shutdown()


@contextmanager
def _beside(refresher: Callable[[str], Refresher] | None) -> Iterator[None]:
    if refresher is None:
        yield
        return
    log_lines()
    made = refresher(ray.get_runtime_context().gcs_address)
    made.start()
    try:
        yield
    finally:
        made.close()


def _serve_options(setting: Setting, host: str, haproxy: bool) -> dict[str, Any]:
    """What Serve is told beside where to listen, so that it begins with HAProxy. It is told once: where it runs already
    it stays as it is."""
    names = {each["name"] for each in list_named_actors(all_namespaces=True) if each["namespace"] == "serve"}
    # Beside HAProxy a proxy of Ray's own stays, for what has no ingress.
    behind = any("-fallback-" in each for each in names)
    if "SERVE_CONTROLLER_ACTOR" in names:
        if haproxy or behind:
            _log.warning(
                "Ray Serve runs on this cluster already, %s: so does this fleet. To change it, end this command, say "
                "serve shutdown, which takes away all that Serve runs there, and begin again",
                "behind HAProxy as it was told then (with its --seconds)"
                if behind
                else "and without HAProxy",
            )
        return {}
    if not haproxy:
        return {}
    if is_loopback(host) and len({each["NodeManagerAddress"] for each in ray.nodes() if each["Alive"]}) > 1:
        raise NotDeployed(
            f"the fleet does not start: HAProxy asks ingresses on other machines, which would listen at {host} only; "
            "say --host 0.0.0.0"
        )
    return {"controller_options": controller_options(setting.seconds)}


def _deploy(setting: Setting, host: str, port: int, more: Mapping[str, Any]) -> None:
    try:
        serve.start(http_options={"host": host, "port": port}, **more)
        serve.run(fleet(setting), name=NAME)
    except (RuntimeError, TimeoutError, RayError) as error:
        raise NotDeployed(f"the fleet does not start: {error}") from None


def _free(host: str) -> int:
    with listen(host, 0) as listening:
        return int(listening.getsockname()[1])
