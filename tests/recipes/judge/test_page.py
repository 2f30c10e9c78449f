"""The page for people: what it shows, that it is safe to open, and that it never enters a hub."""

import base64
import csv
import re
from pathlib import Path
from typing import Any

from adapters import Adapter, Base
from adapters.format import files
from hub.hub import Hub
from recipes import Recipe, train
from recipes.judge.cases import Case, Copy, Picked
from recipes.judge.page import folder_of, render, write
from tests.hub.tiny import NAME, lora
from tests.recipes.runs.test_training import QUICK, base, copies, moods

__all__ = ["base"]

HOSTILE = "<script>alert('x')</script>"
REPORT: dict[str, Any] = {
    "metric": "auc",
    "before": {"auc": 0.5123},
    "after": {
        "auc": 0.8456,
        "labels": [{"label": HOSTILE, "precision": 0.25, "recall": 1, "f1": 0.4, "rows": 3}],
    },
    "baselines": {"constant prior": {"auc": 0.5}},
    "intervals": {"auc": {"low": 0.8123, "high": 0.8789}},
    "gains": {
        "before": {"auc": {"difference": 0.3333, "low": 0.2111, "high": 0.4222}},
        "constant prior": {"auc": {"difference": 0.3456, "low": -0.0234, "high": 0.4567}},
    },
    "calibration": {
        "temperature": 1.234,
        "shift": 0.0,
        "calibration_error": {"raw": 0.111, "calibrated": 0.022},
        "log_loss": {"raw": 0.7, "calibrated": 0.6},
        "curve": [{"predicted": 0.2, "observed": 0.3, "share": 1.0}],
    },
    "groups": {
        "city": {"groups": [{"group": HOSTILE, "accuracy": 0.75, "rows": 9}], "gap": {"accuracy": 0.125}}
    },
    "blend": {
        "baseline": "TF-IDF",
        "weight": 0.25,
        "metric": "auc",
        "value": 0.8501,
        "gain": {"difference": 0.0045, "low": -0.001, "high": 0.01},
    },
    "rows": {"train": 7200, "validation": 800, "test": 2000},
    "steps": 30,
    "best_step": 20,
    "history": [{"step": 10, "loss": 0.7, "auc": 0.6}, {"step": 20, "loss": 0.5, "auc": 0.8}],
    "seconds": 41.6,
}
GATES = {
    "passed": False,
    "verdicts": [{"gate": "min_gain", "passed": False, "sentence": f"inside the noise {HOSTILE}"}],
}
PICKED = Picked(
    gained=(Case(HOSTILE, "good", "bad", "bad", "good"),),
    lost=(Case("meh", "bad", "bad", "good", "good"),),
    gained_of=7,
    lost_of=1,
    baseline="TF-IDF",
    copies=(Copy(f"a mug {HOSTILE}", "Buy it!", "...", HOSTILE),),
)


def adapter() -> Adapter:
    return lora(report=REPORT, gates=GATES, data={"notes": [HOSTILE]}, recipe={"task": HOSTILE})


def test_the_page_says_the_numbers_their_intervals_and_the_gains() -> None:
    text = render(adapter(), PICKED, {"curves": b"", "calibration": b"png"})
    assert "0.846<small>0.812 to 0.879</small>" in text
    assert "0.512<small>adapter +0.333 (+0.211 to +0.422)</small>" in text
    assert "0.500<small>adapter +0.346 (-0.023 to +0.457)</small>" in text
    assert "0.111 to 0.022" in " ".join(text.split())
    told = " ".join(text.split())
    assert "Blended with TF-IDF (25% of the evidence, fitted on the validation rows) the adapter" in told
    assert "auc 0.850, +0.004 (-0.001 to +0.010) over the adapter alone" in told
    assert "failed, a hub refuses it" in text and "✗ min_gain: inside the noise" in text
    assert '<p class="verdict even">' in text and "Cannot be told apart from constant prior" in told
    assert told.index("Cannot be told apart") < told.index("This page shows rows")
    assert "Gained: 1 of 7 rows, against TF-IDF" in text and "Lost: 1 of 1 rows" in text
    assert "0.125" in text and "0.250" in text
    assert base64.b64encode(b"png").decode() in text


def test_whatever_stands_in_the_data_is_shown_as_text_and_never_run() -> None:
    text = render(adapter(), PICKED, {"curves": b"", "calibration": b""})
    assert "<script" not in text.lower()
    assert text.count("&lt;script&gt;") == 8  # label, group, gate, row, product, text, note, recipe


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = write(adapter(), PICKED, tmp_path / "made-report")
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "calibration.png",
        "curves.png",
        "report.html",
    ]
    text = page.read_text(encoding="utf-8")
    assert (page.parent / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert base64.b64encode((page.parent / "curves.png").read_bytes()).decode() in text
    assert re.findall('(?:src|href)="(.{5})', text) == ["data:", "data:"]


def test_a_page_is_titled_by_what_the_adapter_was_trained_as(tmp_path: Path) -> None:
    text = write(adapter(), PICKED, tmp_path, "acme/spring/behavior").read_text(encoding="utf-8")
    title = re.search("<h1>(.*?)</h1>", text)
    assert title is not None and title[1].startswith("acme/spring/behavior: ")
    assert "<td>acme</td>" in text


def test_a_page_lies_beside_its_adapter() -> None:
    assert folder_of("some/made") == Path("some/made-report").resolve()
    assert folder_of("some/made/") == folder_of("some/made")


def test_a_trained_adapter_has_a_page_beside_it_and_can_still_be_published(
    base: Base, tmp_path: Path
) -> None:
    out = tmp_path / "made"
    adapter = train(Recipe.load("behavior", **QUICK), moods(tmp_path, 120, noise=0.1), base, out=out)
    text = (tmp_path / "made-report" / "report.html").read_text(encoding="utf-8")
    assert f"{adapter.info['report']['after']['accuracy']:.3f}" in text
    assert "TF-IDF + logistic regression" in text
    assert Hub(tmp_path / "hub").publish(out, NAME).number == 1
    assert sorted(path.name for path in out.iterdir()) == sorted((files.CARD, files.CONFIG, files.WEIGHTS))
    assert "love it" not in str(adapter.info), "the client's rows stay out of what is published"


def test_texts_stand_side_by_side(base: Base, tmp_path: Path) -> None:
    data = copies(tmp_path)
    with data.open("a", newline="") as file:
        csv.writer(file).writerows([[f"mug <b>{n}</b>", "Buy!"] for n in range(20)])
    options = {"train.max_steps": 1, "write.max_new_tokens": 4, "data.max_tokens": 96}
    train(Recipe.load("ad-copy", **QUICK | options), data, base, out=tmp_path / "made")
    text = (tmp_path / "made-report" / "report.html").read_text(encoding="utf-8")
    assert "<th>product</th><th>reference</th><th>base alone</th><th>with the adapter</th>" in text
    assert "Buy mug" in text and "<b>" not in text
