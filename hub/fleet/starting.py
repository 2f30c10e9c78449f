"""A fleet that a command started: until SIGTERM or Ctrl-C, then drained and taken away."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

import ray
from ray import serve
from ray.exceptions import RayError

from hub.errors import HubError
from hub.fleet.building import fleet
from hub.fleet.connecting import connected
from hub.fleet.deploy_file import NAME
from hub.fleet.setting import Setting
from hub.server.lines import log_lines
from hub.server.refresher import Refresher
from hub.server.running import listen


class NotDeployed(HubError):
    """Ray could not start the replicas."""


def run_fleet(
    setting: Setting,
    address: str,
    host: str,
    port: int,
    ready: Callable[[str], None],
    refresher: Callable[[str], Refresher] | None = None,
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

    Raises:
        NoCluster: where no Ray answers at the address.
        NotDeployed: where the replicas do not start; nothing of them stays.
    """
    with connected(address):
        try:
            number = port or _free(host)
            try:
                _deploy(setting, host, number)
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


def _deploy(setting: Setting, host: str, port: int) -> None:
    try:
        serve.start(http_options={"host": host, "port": port})
        serve.run(fleet(setting), name=NAME)
    except (RuntimeError, TimeoutError, RayError) as error:
        raise NotDeployed(f"the fleet does not start: {error}") from None


def _free(host: str) -> int:
    with listen(host, 0) as listening:
        return int(listening.getsockname()[1])
