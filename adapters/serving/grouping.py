"""Requests of like length share a forward."""

from collections.abc import Sequence

from adapters.serving.request import Ticket

_WASTE = 64  # padded tokens that cost as much as a forward of their own


def by_length(tickets: Sequence[Ticket]) -> list[list[Ticket]]:
    """Group requests by length, so that padding never costs more than forwards of their own would."""
    groups: list[list[Ticket]] = []
    padded = 0
    for ticket in sorted(tickets, key=lambda ticket: len(ticket.request.ids)):
        length = len(ticket.request.ids)
        if groups:
            padded += (length - len(groups[-1][-1].request.ids)) * len(groups[-1])
        if not groups or padded > max(_WASTE, length * len(groups[-1]) // 4):
            groups.append([])
            padded = 0
        groups[-1].append(ticket)
    return groups
