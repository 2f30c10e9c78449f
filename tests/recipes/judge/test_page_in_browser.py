"""The report's page in a real browser: on a phone, without colours, on paper. Pictures stay under build/pages/."""

from pathlib import Path
from typing import Any

import pytest

from adapters import Adapter
from recipes.judge.cases import Case, Copy, Picked
from recipes.judge.page import write
from tests.hub.tiny import lora

PICTURES = Path(__file__).parents[3] / "build" / "pages"
PAPER = 718  # pixels between the margins of A4, 96 an inch
WORDS = "I was charged twice, TRX0099887766554433221100AABBCCDDEEFFGGHH. " * 4
LABEL = "balance_not_updated_after_cheque_or_cash_deposit"
METRICS = {"accuracy": 0.81, "macro_f1": 0.76, "log_loss": 0.51, "calibration_error": 0.03}
BEST = "frozen base + logistic regression"
CASE = Case(WORDS, LABEL, LABEL, LABEL, LABEL)
PICKED = Picked((CASE,) * 3, (CASE,) * 3, 9, 9, BEST, (Copy(WORDS, WORDS, WORDS, WORDS),) * 2)


def reported(low: float, high: float) -> Adapter:
    """An adapter whose gain in accuracy over the best baseline lies between two numbers."""
    own = {name: {"low": value - 0.02, "high": value + 0.02} for name, value in METRICS.items()}
    gain = {"difference": (low + high) / 2, "low": low, "high": high}
    names = ("TF-IDF + logistic regression", "columns + gradient boosting", BEST)
    row = {"label": LABEL, "precision": 0.25, "recall": 1.0, "f1": 0.4, "rows": 3}
    number = METRICS["accuracy"] - (low + high) / 2
    report = {
        "metric": "accuracy",
        "before": METRICS | {"accuracy": 0.1},
        "after": METRICS | {"labels": [row] * 3},
        "baselines": {name: METRICS | {"accuracy": number} for name in names},
        "intervals": own,
        "gains": {name: {"accuracy": gain, "log_loss": gain} for name in ("before", *names)},
        "groups": {
            "city": {"groups": [{"group": LABEL, "accuracy": 0.7, "rows": 9}], "gap": {"accuracy": 0.1}}
        },
        "rows": {"train": 7200, "validation": 800, "test": 2000},
        "history": [{"step": 10 * step, "loss": 1 / step, "accuracy": 0.7} for step in (1, 2, 3)],
    }
    gates = [{"gate": "min_gain", "passed": passed, "sentence": WORDS} for passed in (True, False)]
    file = {"name": f"{LABEL}_2026_export.csv", "sha256": "0" * 64, "bytes": 1, "rows": 9}
    data = {"notes": [WORDS], "files": [file]}
    return lora(report=report, gates={"passed": False, "verdicts": gates}, data=data, recipe={"task": WORDS})


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(
        reported(-0.1, -0.05), PICKED, tmp_path_factory.mktemp("page"), f"acme/spring/{LABEL}"
    ).as_uri()


def opened(browser: Any, url: str, width: int, **how: Any) -> Any:
    tab = browser.new_page(viewport={"width": width, "height": 900}, **how)
    tab.goto(url)
    return tab


SQUEEZED = """() => [...document.querySelectorAll("td, th")]
    .filter(cell => cell.textContent.trim().length > 3 && cell.clientWidth < 40).map(cell => cell.textContent)"""
STICKS_OUT = """() => [...document.querySelectorAll("body *")]
    .filter(each => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(each => each.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("width", [400, 1200])
def test_the_verdict_comes_first_and_words_are_read_as_words(chromium: Any, page: str, width: int) -> None:
    tab = opened(chromium, page, width)
    PICTURES.mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=PICTURES / f"report-{width}.png", full_page=True)
    assert tab.evaluate('document.querySelector("h1").nextElementSibling.className') == "verdict worse"
    assert tab.evaluate('document.querySelector(".verdict").getBoundingClientRect().bottom') < 900
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.evaluate(SQUEEZED) == []
    assert tab.evaluate("document.documentElement.scrollHeight") < 20 * 900, "a tower of letters"


def test_on_paper_nothing_is_cut_off(chromium: Any, page: str) -> None:
    tab = opened(chromium, page, PAPER, color_scheme="dark")
    tab.emulate_media(media="print")
    assert tab.evaluate(STICKS_OUT) == []
    assert tab.evaluate(SQUEEZED) == []
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    printed = tab.pdf(path=PICTURES / "report.pdf", format="A4")
    assert 1 <= printed.count(b"/Type /Page\n") <= 6


LIGHT = """() => [...document.querySelectorAll(".passed, .failed, td small, .verdict, th")].map(each => {
    const light = color => { const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3)
        .map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const [one, other] = [light(getComputedStyle(each).color),
        light(getComputedStyle(each.matches(".verdict") ? each : document.body).backgroundColor)];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05); })"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_colours_it_says_the_same(chromium: Any, tmp_path: Path, scheme: str) -> None:
    """Contrast by luminance (WCAG 2, 4.5 to 1); verdicts and gates differ by their marks and lines."""
    seen = set()
    for kind, (low, high) in {"better": (0.05, 0.1), "worse": (-0.1, -0.05), "even": (-0.05, 0.05)}.items():
        url = write(reported(low, high), PICKED, tmp_path / kind).as_uri()
        tab = opened(chromium, url, 1200, color_scheme=scheme)
        assert min(tab.evaluate(LIGHT)) >= 4.5
        first = tab.locator(".verdict")
        assert first.get_attribute("class") == f"verdict {kind}"
        line = first.evaluate("each => getComputedStyle(each).borderLeftStyle")
        seen.add((first.locator("span").inner_text(), line))
        marks = [each[0] for each in tab.locator("li.passed, li.failed").all_inner_texts()]
        assert marks == ["✓", "✗"]
    assert len({mark for mark, _ in seen}) == len({line for _, line in seen}) == 3
