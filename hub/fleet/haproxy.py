"""HAProxy in the place of Ray's own proxies, as Ray Serve brings it along: what Serve is told for it.

client -> HAProxy -> Front (a port of its own) -> Replica

Serve reads this from the environment of its controller, once, when it starts on a cluster; its other actors inherit it.
"""

from math import ceil
from typing import Any

_GRACE = 30  # seconds that HAProxy waits longer than an ingress, which says why there is no answer


def controller_options(seconds: float) -> dict[str, Any]:
    """What `serve.start` and the file of `serve deploy` take under this name.

    Args:
        seconds: until a request must be answered.
    """
    told = {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # A machine that goes without a word closes no connection, and Ray's default is to wait for it for ever.
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": str(ceil(seconds) + _GRACE),
        # On a busy machine HAProxy is not there in Ray's five, and one that is given up then lives on.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        # Two nodes of one machine listen at one port, as they do with Ray's own proxies.
        "SERVE_SOCKET_REUSE_PORT_ENABLED": "1",
    }
    return {"runtime_env": {"env_vars": told}}
