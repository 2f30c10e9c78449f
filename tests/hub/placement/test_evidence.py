"""What the log says of ads, in SQLite and in PostgreSQL."""

import numpy as np
import pytest

from hub.feedback import Feedback, Outcome
from hub.feedback.tables import impressions
from hub.placement.evidence import Evidence, clicked_since, counted, of_others, seen_by, strength_of
from hub.placement.posterior import USUAL_STRENGTH
from tests.hub.feedback.conftest import clock, log, postgres, url
from tests.hub.feedback.made import NAME, NOW, impression

__all__ = ["clock", "log", "postgres", "url"]


def test_ads_are_counted_with_what_was_predicted_and_shadows_are_not(log: Feedback) -> None:
    made = [impression(("tea", "rum"), top=2, user="me") for _ in range(4)]
    other = [
        impression(("tea",), name="acme/autumn/recommendation"),
        impression(("tea",), name="globex/a/recommendation"),
    ]
    log.add_all([*made, *other, impression(("tea",), arm="shadow", user="me")])
    told = [
        Outcome(made[0].id, "click"),
        Outcome(made[1].id, "click", position=2),
        Outcome(made[1].id, "dislike"),
    ]
    log.feedback_all([*told, Outcome(made[0].id, "click", event="again")])
    found = counted(log, "click", impressions.c.name == NAME)
    tea, rum = (place.ad for place in made[0].places)
    assert found == {
        (NAME, tea): (4.0, 1.0, pytest.approx(0.1)),
        (NAME, rum): (4.0, 1.0, pytest.approx(0.05)),
    }
    assert len(of_others(log, NAME, "click")) == 1, "of the same client"
    assert strength_of(found.values()) == USUAL_STRENGTH
    known = Evidence({ad: count for (_, ad), count in found.items()}, {}, 1.0)
    shown, clicks, predicted = known.of([rum, "new"])
    assert (shown.tolist(), clicks.tolist(), predicted[0]) == ([4, 0], [1, 0], pytest.approx(0.05))
    assert np.isnan(predicted[1]) and known.seen == 8
    assert seen_by(log, NAME, "me", NOW - 1) == {tea: 4, rum: 4} and seen_by(log, NAME, "me", NOW + 1) == {}
    assert clicked_since(log, NAME, "click", NOW - 1) == {tea: 2, rum: 1}
