"""Pages and cards of hostile data, as a browser and a Markdown reader show them."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from adapters import Adapter
from adapters.format import one_line
from adapters.unseen import hidden
from recipes.judge.card import trained_card
from recipes.judge.cases import Case, Copy, Picked
from recipes.judge.page import render
from tests.hub.tiny import lora
from tests.recipes.judge.test_page import REPORT

EVIL = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=document.title='owned'>",
    "</td></table><iframe src=javascript:alert(1)>",
    "[click](javascript:alert(1))",
    "\\[click](javascript:alert(1))",
    "![x](https://tracker.example/x.png)",
    "` <b>bold</b> `",
    "```\n</code></pre><h1>owned</h1>\n```",
    "a | b | c",
    "**bold** &lt;b&gt; <https://x.example>",
    "{{ 7 * 7 }}",
    "\x1b[2J\x9b\u202egnp.exe",
]
ALL = " ".join(EVIL)
TAGS = {"script", "img", "svg", "iframe", "b", "a", "strong"}


class Tags(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def hostile() -> Adapter:
    label = {"label": ALL, "precision": 0.25, "recall": 1, "f1": 0.4, "rows": 3}
    report = {**REPORT, "after": {**REPORT["after"], "labels": [label]}, "baselines": {ALL: {"auc": 0.5}}}
    gates = {"passed": False, "verdicts": [{"gate": ALL, "passed": False, "sentence": ALL}]}
    recipe = {"task": ALL, "note": EVIL[8]}
    return lora(labels=(ALL, "b"), report=report, gates=gates, data={"notes": [ALL]}, recipe=recipe)


def page() -> str:
    picked = Picked(
        gained=(Case(ALL, ALL, ALL, ALL, ALL),),
        gained_of=1,
        baseline=ALL,
        copies=(Copy(ALL, ALL, ALL, ALL),),
    )
    return render(hostile(), picked, {"curves": b"", "calibration": b""})


def test_a_page_holds_no_element_and_no_handler_of_the_data() -> None:
    text = page()
    assert hidden(text) is None and "{{ 7 * 7 }}" in text
    for tag, attributes in Tags(text).found:
        # The page's own pictures lie inside it.
        assert tag not in TAGS or (tag == "img" and str(attributes["src"]).startswith("data:image/png"))
        assert not any(name.startswith("on") for name in attributes)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no browser here")
def test_a_browser_shows_a_page_as_text(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page(), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        ["chromium", *options, "--dump-dom", path.as_uri()], capture_output=True, text=True, check=True
    )
    title = re.search("<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None and "owned" not in title[1]
    assert not {tag for tag, _ in Tags(done.stdout).found} & TAGS - {"img"}
    assert "&lt;script&gt;document.title='owned'&lt;/script&gt;" in done.stdout


@pytest.mark.parametrize("text", [*EVIL, ALL])
def test_a_line_of_a_card_is_text(text: str) -> None:
    shown = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(f"- message: {one_line(text)}")
    assert {tag for tag, _ in Tags(shown).found} <= {"ul", "li", "code"}
    assert hidden(shown) is None


def test_a_card_is_text() -> None:
    card = trained_card(hostile()).partition("\n---\n")[2]
    shown = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(card)
    assert not {tag for tag, _ in Tags(shown).found} & TAGS
    assert shown.count("<h1>") == 1 and "owned</h1>" not in shown and hidden(shown) is None


@pytest.mark.parametrize(
    "text", ["Größe 42 & mehr", "TF-IDF, LR", "`base` is right", "a_b: +0.1 (-0.2 to 0.3)"]
)
def test_good_lines_stay(text: str) -> None:
    assert one_line(text) == text
