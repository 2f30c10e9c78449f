"""A real Ray cluster of two nodes of one processor each, and the processes that it runs."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import psutil

from tests.clock import LIMIT

_NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


class Nodes:
    """A cluster to which this process is connected."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._second: Any = None

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    @property
    def second(self) -> Any:
        """The node that is not the head; another one, where it was killed."""
        if self._second is None:
            self._second = _started(lambda: self._cluster.add_node(**_NODE))
        return self._second

    def kill_second(self) -> None:
        self._cluster.remove_node(self.second, allow_graceful=False)
        self._second = None


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"] = "300"  # on a busy machine it is not ready in five
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  Else its workers get nothing beside other tests.
    cluster = _started(
        lambda: Cluster(initialize_head=True, head_node_args=_NODE | {"include_dashboard": False})
    )
    try:
        nodes = Nodes(cluster)
        assert nodes.second is not None
        ray.init(address=cluster.address, log_to_driver=False)
        yield nodes
    finally:
        ray.shutdown()
        cluster.shutdown()


def _started(start: Callable[[], Any]) -> Any:
    """What starts a node; Ray gives it half a minute, which on a busy machine is not enough at each time."""
    ends = monotonic() + LIMIT
    while True:
        try:
            return start()
        except Exception as error:
            if "timed out during startup" not in str(error) or monotonic() > ends:
                raise


def processes(words: str, node: Any = None) -> list[psutil.Process]:
    """Those that Ray runs with some words in their command line, on any node or on one."""
    top = psutil.Process() if node is None else psutil.Process(_raylet(node))
    found = []
    for each in top.children(recursive=True):
        try:
            if words in " ".join(each.cmdline()):
                found.append(each)
        except psutil.NoSuchProcess:
            pass
    return found


def _raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)
