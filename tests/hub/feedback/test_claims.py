"""One refresher of a campaign, in SQLite and in PostgreSQL."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from adapters import Base
from hub import Hub
from hub.errors import FeedbackError
from hub.feedback import Claims, Feedback, Refresh
from hub.feedback.campaigns import Campaign
from tests.adapters import models
from tests.hub.feedback.conftest import clock, log, postgres, url
from tests.hub.feedback.made import NAME

__all__ = ["clock", "log", "postgres", "url"]
OTHER = "acme/autumn/recommendation"


def test_a_campaign_is_held_by_one_until_it_ends(log: Feedback, url: str, tmp_path: Path) -> None:
    with closing(Claims()) as first, closing(Feedback(tmp_path / "hub", url)) as second_log:
        first.take(log.database, NAME)
        first.take(log.database, NAME)
        second = Claims()
        for _ in range(2):
            with pytest.raises(FeedbackError, match=f"another refresh holds {NAME}.*leave the campaign out"):
                second.take(second_log.database, NAME)
        second.take(second_log.database, OTHER)
        with pytest.raises(FeedbackError, match=OTHER):
            first.take(log.database, OTHER)
        first.close()
        second.take(second_log.database, NAME)
        second.close()
    assert not list(tmp_path.glob("*refresh-*")), "nothing lies beside the log"


def test_who_is_killed_holds_nothing(log: Feedback, url: str, tmp_path: Path) -> None:
    code = (
        "import time; from hub.feedback import Claims, Feedback\n"
        f"log = Feedback({str(tmp_path)!r}, {url!r}); Claims().take(log.database, {NAME!r})\n"
        "print('held', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    claims = Claims()
    with pytest.raises(FeedbackError, match=str(process.pid) if log.database.embedded else "another process"):
        claims.take(log.database, NAME)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    if log.database.embedded:
        claims.take(log.database, NAME)  # PostgreSQL notices in its own time
    claims.close()


def test_a_refresh_leaves_to_another_what_that_holds(log: Feedback, tmp_path: Path) -> None:
    base: Base = models.base("llama")
    hub, campaigns = Hub(tmp_path / "hub"), [Campaign(name=NAME), Campaign(name=OTHER)]
    with closing(Claims()) as server:
        server.take(log.database, NAME)
        held, own = Refresh(hub, log, base, tmp_path / "refresh").run(campaigns)
        assert held.happened == "failed" and "another refresh holds" in held.why
        assert f"no {OTHER}" in own.why, "the hub is empty; nothing else is wrong"
        beside = Refresh(hub, log, base, tmp_path / "refresh", claims=server).run(campaigns)
        assert all(f"no {each.name}" in each.why for each in beside)
    again = Refresh(hub, log, base, tmp_path / "refresh").run(campaigns)
    assert all(f"no {each.name}" in each.why for each in again), "each run lets go of what it held"
