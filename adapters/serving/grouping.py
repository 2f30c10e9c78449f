"""Requests of like length share a forward, and so do those of one adapter that begin with the same tokens."""

from collections.abc import Sequence

from adapters.serving.request import Ticket
from adapters.slots.reading import of_like_length
from adapters.slots.stems import shared_stems

_SLACK = 1 / 16


def by_length(tickets: Sequence[Ticket], shares: bool = False) -> list[list[Ticket]]:
    """Group requests by length, so that padding never costs more than forwards of their own would.

    shares: whether rows for heads that share first tokens are kept together, as long as the longest of them. Rows of an
    encoder do not, and its forwards are short: more of them cost less than what they would pad.
    """
    together = _families(tickets) if shares else [[ticket] for ticket in tickets]
    lengths = [max(len(ticket.request.ids) for ticket in own) for own in together]
    groups = of_like_length(lengths) if shares else of_like_length(lengths, _SLACK)
    return [[ticket for place in group for ticket in together[place]] for group in groups]


def _families(tickets: Sequence[Ticket]) -> list[list[Ticket]]:
    by_adapter: dict[str | None, list[Ticket]] = {}
    found = []
    for ticket in tickets:
        if ticket.request.sampling is None:
            by_adapter.setdefault(ticket.request.adapter, []).append(ticket)
        else:
            found.append([ticket])
    for own in by_adapter.values():
        groups = [rows for _, rows in shared_stems([ticket.request.ids for ticket in own])]
        alone = set(range(len(own))).difference(*groups)
        found += [[own[row] for row in rows] for rows in (*groups, *([row] for row in sorted(alone)))]
    return found
