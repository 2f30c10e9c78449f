"""Impressions as a registry would note them."""

from typing import Any

from sqlalchemy import select

from hub.feedback import Candidate, Feedback, Impression, Place
from hub.feedback.events import ad_key

NAME = "acme/spring/recommendation"
NOW = 1_800_000_000.0


def impression(
    ads: tuple[str, ...] = ("tea", "rum"), top: int = 1, at: float = NOW, **given: Any
) -> Impression:
    """The first `top` of some ads, shown because they were the likeliest."""
    each = [Candidate(ad_key({"ad": ad}), {"ad": ad}, 0.1 / (index + 1)) for index, ad in enumerate(ads)]
    places = [Place(index + 1, each[index].ad, each[index].probability, 1.0) for index in range(top)]
    told: dict[str, Any] = {
        "name": NAME,
        "task": "recommendation",
        "reference": NAME,
        "version": 1,
        "digest": "ab" * 32,
        "columns": {"user": "likes tea"},
        "candidates": each,
        "places": places,
    }
    return Impression(at=at, **{**told, **given})


def stored(log: Feedback, table: Any) -> list[dict[str, Any]]:
    """The rows of a table, when all that was logged is there."""
    log.flush()
    with log.database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(select(table))]
