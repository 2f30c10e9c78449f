"""Several servers that answer as one, on Ray: replicas, the way of a request to one of them, and what they agree on.

The only room that imports Ray, and only when a fleet is started.
"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.fleet.building import fleet
    from hub.fleet.routing import Seat, ranked
    from hub.fleet.setting import Setting
    from hub.fleet.starting import run_fleet
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.fleet.building": ["fleet"],
            "hub.fleet.routing": ["Seat", "ranked"],
            "hub.fleet.setting": ["Setting"],
            "hub.fleet.starting": ["run_fleet"],
        },
    )

__all__ = ["Seat", "Setting", "fleet", "ranked", "run_fleet"]
