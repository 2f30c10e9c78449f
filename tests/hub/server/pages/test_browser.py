"""Every view in a real browser, in both languages, narrow and wide, light and dark: nothing on the console is an error,
and pictures of all of them stay under build/pages/."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import Hub
from hub.feedback import canary
from tests.clock import LIMIT
from tests.hub.server.conftest import Guarded
from tests.hub.server.pages.campaigns import showed

playwright = pytest.importorskip("playwright.sync_api")
PICTURES = Path(__file__).parents[4] / "build" / "pages"
WIDTHS = {"narrow": 400, "wide": 1600}
RANKING = "acme/spring/recommendation"


class Tab:
    """A tab of a browser. faults: what its console says that is wrong."""

    def __init__(self, browser: Any, url: str, width: int, language: str, scheme: str) -> None:
        self.context = browser.new_context(
            base_url=url,
            viewport={"width": width, "height": 900},
            locale={"en": "en-GB", "zh": "zh-CN"}[language],
            color_scheme=scheme,
            accept_downloads=True,
        )
        self.context.set_default_timeout(LIMIT * 1000)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.width = width

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.text} at {message.location}")

    def log_in(self, key: str) -> None:
        self.page.goto("/")
        self.page.fill("input[name=key]", key)
        self.page.press("input[name=key]", "Enter")
        self.page.wait_for_selector("table.list")

    def picture(self, name: str) -> None:
        """Keep how the page looks; nothing of it sticks out to the side."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width, name


@pytest.fixture(scope="module")
def lived(shop: tuple[Guarded, Hub]) -> Iterator[None]:
    """Days of users, and a canary that runs."""
    guarded, hub = shop
    log = guarded.served.app.state.looping.loop().log
    showed(log, canary.start(hub, log, RANKING, 3, share=0.4))
    yield
    canary.stop(hub, log, RANKING)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", WIDTHS)
@pytest.mark.usefixtures("lived")
def test_every_view_is_clicked_through(
    chromium: Any, shop: tuple[Guarded, Hub], language: str, size: str
) -> None:
    guarded, _ = shop
    scheme = "dark" if (size, language) in (("wide", "zh"), ("narrow", "en")) else "light"
    tab = Tab(chromium, guarded.served.url, WIDTHS[size], language, scheme)
    page, mark = tab.page, f"{language}-{size}-{scheme}"
    page.goto("/")
    tab.picture(f"login-{mark}")
    tab.log_in(guarded.admin)
    tab.picture(f"adapters-{mark}")
    page.fill("input[name=text]", "launch")
    playwright.expect(page.locator("table.list tbody tr")).to_have_count(2)
    page.wait_for_url("**text=launch**")
    page.goto("/page/adapters")
    page.click(f"a.name[href$='{RANKING}']")
    page.wait_for_selector("#quality")
    tab.picture(f"adapter-{mark}")
    page.click("form[action^='/page/diff'] button")
    page.wait_for_selector("h1")
    tab.picture(f"diff-{mark}")
    page.goto(f"/page/rollback/{RANKING}")
    tab.picture(f"rollback-{mark}")

    page.goto(f"/page/try/{RANKING}")
    page.fill("[name=column-user]", "likes tea")
    page.fill("[name=lines]", "tea sale 4\nrum sale 9\nsomething <b>else</b>")
    page.select_option("[name=other]", "1")
    page.check("[name=explain]")
    page.click("form button.main")
    page.wait_for_selector(".ranking li")
    assert page.locator(".ranking").count() == 2
    page.click("details.why summary >> nth=0")
    page.wait_for_selector("details.why[open] table")
    tab.picture(f"try-recommendation-{mark}")
    page.goto("/page/try/acme/spring/behavior")
    page.fill("[name=lines]", "glad 7\nmad 3")
    page.click("form button.main")
    page.wait_for_selector(".ranking li")
    tab.picture(f"try-behavior-{mark}")
    page.goto("/page/try/acme/spring/ad-copy")
    page.fill("[name=column-product]", "mug 7")
    page.fill("[name=max_chars]", "10")
    page.click("form button.main")
    page.wait_for_selector("[data-csv]:not([hidden])")
    page.wait_for_selector("form button.main:not([disabled])")
    assert page.locator(".texts li").count() == 3
    with page.expect_download() as begun:
        page.click("[data-csv]")
    assert Path(begun.value.path()).read_text(encoding="utf-8-sig").startswith('"text","width","refused"')
    tab.picture(f"try-ad-copy-{mark}")

    page.goto(f"/page/adapters/{RANKING}")
    page.click(f"a[href='/page/live/{RANKING}']")
    page.wait_for_selector("table.list")
    page.select_option("[name=days]", "30")
    page.click("form[action^='/page/live'] button")
    page.wait_for_url("**days=30**")
    tab.picture(f"live-{mark}")

    page.goto("/page/load")
    with page.expect_response(lambda answer: answer.url.endswith("/page/load")):
        pass
    page.wait_for_selector("table.list")
    tab.picture(f"load-{mark}")
    page.click(f".tools a[lang={'en' if language == 'zh' else 'zh'}]")
    page.wait_for_selector(f"html[lang={'en' if language == 'zh' else 'zh-Hans'}]")
    page.click(".tools form button")
    page.wait_for_selector("input[name=key]")
    tab.context.close()
    assert tab.faults == []
