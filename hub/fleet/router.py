"""Our order of replicas, as Ray Serve asks for it: a class that its handles load in the process of the ingress."""

from typing import Any

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

from hub.fleet.forwarding import PAGE
from hub.fleet.routing import Seat, ranked


class AdapterRouter(RequestRouter):
    """Sends a call to the replica that `ranked` puts first and that takes it.

    The third argument of a call is the reference that it is for. What replicas have they say themselves
    (`Replica.record_routing_stats`); how much each has under way is what this process has sent there.
    """

    # Seconds for a replica to say how much it has. With Ray's 0.1 a busy machine would send an adapter's requests to
    # replicas that must load it, which costs more than to wait; one that is dead is known at once.
    queue_len_response_deadline_s = 2.0
    max_queue_len_response_deadline_s = 10.0

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Replicas in the order in which they are tried."""
        wanted = _wanted(pending_request)
        by_id = {each.replica_id.unique_id: each for each in candidate_replicas}
        seats = [
            Seat(
                id,
                0 if wanted == PAGE else self._replica_queue_len_cache.get(each.replica_id) or 0,
                each.routing_stats.get("slots", ()),
                each.routing_stats.get("host", ()),
            )
            for id, each in by_id.items()
        ]
        return [[by_id[id]] for id in ranked(wanted, seats)]


def _wanted(pending: PendingRequest | None) -> str:
    given: Any = pending.args[2] if pending is not None and len(pending.args) > 2 else ""
    return given if isinstance(given, str) else ""
