"""The file that `serve deploy` takes, for a fleet that stays when nobody is logged in.

How many replicas there are stands under `deployments`, where Ray changes it in a fleet that runs; what stands under
`args` is what a replica begins with, so that a change there puts another one in the place of each.
"""

from typing import Any

import yaml

from hub.fleet.haproxy import controller_options
from hub.fleet.setting import Setting
from hub.server.hosts import is_loopback

NAME = "repertoire"
"""Of the application, in files and where a command deploys it."""

_HEAD = """\
# A fleet, as `repertoire serve` was asked for it: `serve deploy FILE` starts it, and changes one that runs.
# Another num_replicas, or autoscaling_config in its place, leaves the replicas that are there; other args replace them.
"""
_ELSEWHERE = "# On several machines HAProxy asks ingresses on others: say host: 0.0.0.0 there.\n"


def deploy_file(setting: Setting, host: str, port: int, haproxy: bool = False) -> str:
    """The text of the file.

    Args:
        setting: of the fleet.
        host: that each machine's proxy listens at.
        port: the same.
        haproxy: in the place of Ray's own proxies.
    """
    document = _document(setting, host, port)
    if haproxy:
        document["controller_options"] = controller_options(setting.seconds)
    head = _HEAD + (_ELSEWHERE if haproxy and is_loopback(host) else "")
    return head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _document(setting: Setting, host: str, port: int) -> dict[str, Any]:
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": host, "port": port},
        "applications": [
            {
                "name": NAME,
                "route_prefix": "/",
                "import_path": "hub.fleet:fleet",
                "args": setting.model_dump(exclude={"replicas"}, exclude_none=True),
                "deployments": [{"name": "Replica", "num_replicas": setting.replicas}],
            }
        ],
    }
