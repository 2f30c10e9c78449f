"""The page of a night: which jobs passed, and why the others did not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from recipes.errors import TrainingError
from recipes.recipe import Recipe
from recipes.runs.night import brief, counts, render, write_night
from recipes.runs.order import Order
from tests.hub.tiny import lora

HOSTILE = "<script>alert('x')</script>"
REPORT: dict[str, Any] = {
    "metric": "auc",
    "before": {"auc": 0.5},
    "after": {"auc": 0.8456, "pair_accuracy": 0.61},
    "baselines": {"prior": {"auc": 0.5}, "TF-IDF": {"auc": 0.82, "pair_accuracy": 0.55}},
    "intervals": {"auc": {"low": 0.8123, "high": 0.8789}, "pair_accuracy": {"low": 0.58, "high": 0.64}},
    "gains": {
        "before": {"auc": {"difference": 0.3456, "low": 0.21, "high": 0.42}},
        "prior": {"auc": {"difference": 0.3456, "low": 0.21, "high": 0.42}},
        "TF-IDF": {
            "auc": {"difference": 0.0256, "low": -0.011, "high": 0.06},
            "pair_accuracy": {"difference": 0.06, "low": 0.01, "high": 0.11},
        },
    },
    "rows": {"train": 70, "validation": 10, "test": 20},
    "steps": 30,
    "seconds": 41.6,
}


def order(name: str, out: Path, **changes: Any) -> Order:
    return Order(Recipe.load("recommendation", **changes), "rows.csv", out=out / name, name=name)


def gated(passed: bool) -> dict[str, Any]:
    verdict = {"gate": "min_gain", "passed": passed, "sentence": f"inside the noise {HOSTILE}"}
    return {"passed": passed, "verdicts": [verdict]}


def test_a_job_is_told_by_the_metric_that_its_gate_looks_at(tmp_path: Path) -> None:
    adapter = lora(report=REPORT, gates=None)
    plain = brief(order("a/b/c", tmp_path), adapter)
    told = plain.to_dict()
    assert (told["state"], told["metric"], told["baseline_name"]) == ("ungated", "auc", "TF-IDF")
    assert (told["before"], told["baseline"], told["after"]) == (0.5, 0.82, 0.8456)
    assert told["gain"] == {"difference": 0.0256, "low": -0.011, "high": 0.06} and told["gates"] is None
    gate = {"gates": {"min_gain": {"metric": "pair_accuracy"}}}
    found = brief(order("a/b/c", tmp_path, **gate), lora(report=REPORT, gates=gated(True)))
    assert found.state == "passed" and found.figures is not None and found.figures.metric == "pair_accuracy"
    assert (found.figures.before, found.figures.baseline, found.figures.after) == (None, 0.55, 0.61)
    assert found.to_dict()["before"] is None


def test_a_job_that_has_not_come_through_has_no_figures(tmp_path: Path) -> None:
    waiting = brief(order("a/b/c", tmp_path), None).to_dict()
    assert waiting["state"] == "waiting" and "metric" not in waiting and waiting["error"] is None
    assert brief(order("a/b/c", tmp_path), TrainingError("line 3")).to_dict()["error"] == "line 3"


def test_the_page_says_what_came_of_each_job_and_shows_text_as_text(tmp_path: Path) -> None:
    briefs = [
        replace(
            brief(order("a/b/passed", tmp_path), lora(report=REPORT, gates=gated(True))),
            published="a/b/passed@1",
        ),
        replace(
            brief(order("a/b/closed", tmp_path), lora(report=REPORT, gates=gated(False))), refused="gates"
        ),
        replace(brief(order("a/b/full", tmp_path), lora(report=REPORT, gates=None)), refused="disk full"),
        brief(order("a/b/failed", tmp_path), TrainingError(f"line 3: {HOSTILE}")),
        brief(order("a/b/waiting", tmp_path), None),
    ]
    assert counts(briefs) == ("5 jobs: 1 passed, 1 without gates, 1 not passed, 1 failed, 1 not done yet")
    text = " ".join(render(briefs, tmp_path / "night-report").split())
    assert "0.846<small>0.812 to 0.879</small>" in text
    assert "0.820<small>TF-IDF</small>" in text
    assert "+0.026<small>-0.011 to +0.060</small>" in text
    assert "published as a/b/passed@1" in text
    assert text.count("✓ min_gain: inside the noise") == text.count("✗ min_gain: inside the noise") == 1
    assert text.count("not published: ") == 1 and "not published: disk full" in text
    assert "line 3: " in text
    assert "<script" not in text and text.count("&lt;script&gt;") == 3
    assert text.count("<a href") == 3 and 'href="../a/b/passed-report/report.html"' in text


def test_the_page_is_written_again_when_more_is_known(tmp_path: Path) -> None:
    job = order("a/b/c", tmp_path)
    write_night([brief(job, None)], tmp_path / "night-report")
    page = write_night([brief(job, lora(report=REPORT, gates=gated(True)))], tmp_path / "night-report")
    assert "1 job: 1 passed." in page.read_text(encoding="utf-8")
    assert [path.name for path in page.parent.iterdir()] == ["report.html"]
