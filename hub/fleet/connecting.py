"""A Ray cluster, for as long as a command needs it."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import RayError

from hub.errors import HubError


class NoCluster(HubError):
    """There is no Ray where one was looked for."""


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Speak to a cluster; a connection that this process has already is taken as it is, and stays.

    Args:
        address: of a Ray cluster; `auto` is the one of this machine, `local` starts one for as long as this lasts.

    Raises:
        NoCluster: where no Ray answers at the address.
    """
    if ray.is_initialized():
        yield
        return
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=True, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise NoCluster(
            f"no Ray cluster answers at {address}: {error}; start one (ray start --head), or say --ray local; one "
            "that was started where ~/.ray/auth_token lies asks for it: RAY_AUTH_MODE=token, here and on each machine"
        ) from None
    try:
        if main:  # Ray puts its own in the place of who asked to hear of it
            signal.signal(signal.SIGTERM, before)
        yield
    finally:
        ray.shutdown()
