"""A registry behind HTTP, for other teams, their clients and their browsers."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.server.app import create_app
    from hub.server.bounds import Bounds
    from hub.server.keys import Key, Keys, Scope, keys_file
    from hub.server.refresher import Plan, Refresher
    from hub.server.running import listen, run
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.server.app": ["create_app"],
            "hub.server.bounds": ["Bounds"],
            "hub.server.keys": ["Key", "Keys", "Scope", "keys_file"],
            "hub.server.refresher": ["Plan", "Refresher"],
            "hub.server.running": ["listen", "run"],
        },
    )

__all__ = ["Bounds", "Key", "Keys", "Plan", "Refresher", "Scope", "create_app", "keys_file", "listen", "run"]
