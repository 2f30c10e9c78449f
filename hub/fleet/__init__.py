"""Several machines on Ray: servers that answer as one, with the way of a request to one of them and what they agree on;
and workers that train.

The only room that imports Ray, and only when it is asked for.
"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.fleet.building import fleet
    from hub.fleet.crew import OnRay
    from hub.fleet.nights import train_on_ray
    from hub.fleet.routing import Seat, ranked
    from hub.fleet.searches import tune_on_ray
    from hub.fleet.setting import Setting
    from hub.fleet.starting import run_fleet
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.fleet.building": ["fleet"],
            "hub.fleet.crew": ["OnRay"],
            "hub.fleet.nights": ["train_on_ray", "tune_on_ray"],
            "hub.fleet.routing": ["Seat", "ranked"],
            "hub.fleet.searches": ["tune_on_ray"],
            "hub.fleet.setting": ["Setting"],
            "hub.fleet.starting": ["run_fleet"],
        },
    )

__all__ = ["OnRay", "Seat", "Setting", "fleet", "ranked", "run_fleet", "train_on_ray", "tune_on_ray"]
