"""What the pages show, and to whom."""

import json
import re
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapters import Base
from hub import Hub, Registry
from hub.feedback import canary
from hub.feedback.live import live
from hub.registry.following import Followed
from hub.server import Keys, Scope, create_app
from hub.server.pages import words
from tests.hub import tiny
from tests.hub.server.conftest import TASKS, Guarded
from tests.hub.server.pages.campaigns import HOSTILE_NAME, showed
from tests.hub.server.pages.conftest import TOKEN, Visitor, logged_in, visitor

NAMES = [f"acme/spring/{task}" for task in TASKS]
OTHERS = [f"globex/launch/{task}" for task in TASKS]
RANKING, COPY = "acme/spring/recommendation", "acme/spring/ad-copy"
LIVE = f"/page/live/{COPY}"
VIEWS = ("adapters", "diff", "move", "rollback", "try", "live")


def test_the_list_shows_every_adapter_with_its_quality_and_who_answers_in_production(
    anybody: Visitor,
) -> None:
    page = anybody.get("/page/adapters")
    assert page.status_code == 200
    assert all(f'href="/page/adapters/{name}"' in page.text for name in NAMES + OTHERS)
    assert "6 of 6 adapters" in page.text
    assert 'href="/page/adapters/acme/spring/ad-copy?v=1"' in page.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("text=launch", OTHERS),
        ("client=acme&task=behavior", ["acme/spring/behavior"]),
        ("method=prefix", ["acme/spring/behavior", "globex/launch/behavior"]),
        ("alias=production", ["acme/spring/ad-copy"]),
        ("gates=passed", []),
        ("metric=nonsense", []),
        ("metric=unheard>=1", []),
        ("metric=nll<1000&client=acme", ["acme/spring/ad-copy"]),
        ("client=../../etc&page=99999", []),
    ],
)
def test_filters_leave_what_fits(anybody: Visitor, query: str, found: list[str]) -> None:
    text = anybody.get(f"/page/adapters?{query}").text
    assert sorted(re.findall(r'class="name" href="/page/adapters/([^"]+)"', text)) == sorted(found)


@pytest.mark.parametrize("name", NAMES)
def test_one_adapter_shows_its_numbers_files_and_history(anybody: Visitor, name: str) -> None:
    page = anybody.get(f"/page/adapters/{name}")
    assert page.status_code == 200
    for told in (
        "Held-out results",
        "adapter_model.safetensors",
        "Who can serve it",
        "base alone",
        "was published",
    ):
        assert told in page.text


def test_gates_verdict_and_interval_stand_as_the_record_has_them(shop: tuple[Guarded, Hub]) -> None:
    guarded, _ = shop
    acme = logged_in(guarded.served, guarded.acme)
    text = acme.get(f"/page/adapters/{RANKING}?v=3").text
    for told in (
        "the gain in auc is +0.040",
        "a holiday week; asked by the client",
        "0.690",
        "0.650 to 0.730",
    ):
        assert told in text
    text = acme.get("/page/adapters?gates=failed").text
    assert "0 of 4 adapters" in text, "the newest version of each passed, or has no gates"


def test_two_versions_stand_beside_each_other(shop: tuple[Guarded, Hub]) -> None:
    guarded, _ = shop
    text = logged_in(guarded.served, guarded.acme).get(f"/page/diff/{RANKING}?a=1&b=4").text
    assert "0.660" in text and "0.780" in text and "Clicks up to week 9" in text


def test_a_key_sees_its_own_client_s_adapters_and_learns_nothing_of_others(
    guarded: Guarded, acme: Visitor
) -> None:
    """On every page; one that is there and one that is not are answered in the same words."""
    assert "globex" not in acme.get("/page/adapters").text
    assert "globex" not in acme.get("/page/load").text
    assert "3 of 3 adapters" in acme.get("/page/adapters?metric=nll<1000&metric=").text
    for view in VIEWS:
        told = []
        for name in ("globex/launch/behavior", "globex/nothing/here"):
            answer = acme.get(f"/page/{view}/{name}?alias=production&to=1")
            told.append(
                (
                    answer.status_code,
                    re.sub(r"; near: [^<]*|; GET [^<]*", "", answer.text).replace(name, "NAME"),
                )
            )
        assert told[0] == told[1]
        assert told[0][0] == 404
        assert "globex" not in told[0][1].replace("globex%2F", "").replace("globex/", "")
    for view in ("move", "rollback", "try", "write"):
        sent = {"alias": "production", "to": "1", "why": "mine", "lines": "a", "column-product": "a"}
        answers = [
            acme.post(f"/page/{view}/{name}", "/page/adapters", **sent)
            for name in ("globex/launch/ad-copy", "globex/nothing/here")
        ]
        assert answers[0].status_code == answers[1].status_code
        assert "there is no adapter" in answers[0].text
    assert guarded.served.registry.hub.aliases("globex/launch/ad-copy") == {"latest": 1}


@pytest.mark.parametrize("query", ["", "?gates=passed", "?gates=failed"])
def test_a_damaged_record_leaves_its_neighbours_on_the_list(base: Base, tmp_path: Path, query: str) -> None:
    hub = Hub(tmp_path / "hub")
    for seed, name in enumerate(("acme/spring/a", "acme/spring/b")):
        gates = {"passed": True, "verdicts": []}
        hub.publish(tiny.lora(seed, gates=gates), name)
    with closing(Registry(hub, base)) as registry:
        app = create_app(registry, Keys(tmp_path / "keys"))
        client = TestClient(app, base_url="http://localhost")
        assert client.get("/page/adapters").text.count('class="name"') == 2
        record = tmp_path / "hub" / "adapters" / "acme" / "spring" / "a" / ".records" / "000001.json"
        record.chmod(0o600)
        record.write_bytes(b"{")
        answer = client.get(f"/page/adapters{query}")
        assert answer.status_code == 200
        assert ("acme/spring/b" in answer.text) == (query != "?gates=failed")
        assert client.get("/page/adapters/acme/spring/b").status_code == 200


def test_without_a_session_every_page_sends_to_the_login_and_back(guarded: Guarded) -> None:
    somebody = visitor(guarded.served)
    for path in (
        "/page/adapters",
        f"/page/adapters/{RANKING}",
        "/page/load",
        f"/page/try/{RANKING}",
        f"/page/live/{RANKING}",
        "/page/no/such",
    ):
        answer = somebody.get(path)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/page/login")
    answer = somebody.post("/page/login", "/page/login", key=guarded.acme, next="/page/load")
    assert answer.headers["location"] == "/page/load"


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example", "/page/\\evil", "/v1/models", ""]
)
def test_a_login_leads_to_no_other_site(guarded: Guarded, onward: str) -> None:
    answer = visitor(guarded.served).post("/page/login", "/page/login", key=guarded.acme, next=onward)
    assert answer.headers["location"] == "/page/adapters"


def test_a_wrong_key_begins_no_session(guarded: Guarded) -> None:
    somebody = visitor(guarded.served)
    answer = somebody.post("/page/login", "/page/login", key="rk_wrong")
    assert answer.status_code == 403
    assert "repertoire_session" not in answer.headers.get("set-cookie", "")
    assert somebody.get("/page/adapters").status_code == 303


def test_the_cookie_is_kept_from_scripts_and_other_sites(guarded: Guarded) -> None:
    answer = visitor(guarded.served).post("/page/login", "/page/login", key=guarded.acme)
    (cookie,) = [
        each for each in answer.headers.get_list("set-cookie") if each.startswith("repertoire_session=")
    ]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    assert guarded.acme not in cookie


def test_a_cookie_replayed_after_logout_or_after_its_key_was_revoked_opens_nothing(guarded: Guarded) -> None:
    keys = guarded.served.keys
    key, secret = keys.new("acme")
    somebody = logged_in(guarded.served, secret)
    cookie = somebody.client.cookies["repertoire_session"]
    assert somebody.get("/page/adapters").status_code == 200
    keys.revoke(key.id)
    assert somebody.get("/page/adapters").status_code == 303
    other = logged_in(guarded.served, guarded.acme)
    old = other.client.cookies["repertoire_session"]
    assert other.post("/page/logout", "/page/adapters").status_code == 303
    for each in (cookie, old):
        thief = visitor(guarded.served)
        thief.client.cookies.set("repertoire_session", each)
        assert thief.get("/page/adapters").status_code == 303


def test_every_form_needs_the_token_of_its_own_session(
    guarded: Guarded, acme: Visitor, anybody: Visitor
) -> None:
    other = logged_in(guarded.served, guarded.acme)
    found = TOKEN.search(other.get("/page/adapters").text)
    assert found
    paths = [
        "/page/login",
        "/page/logout",
        *(f"/page/{view}/{COPY}" for view in ("move", "rollback", "try", "write")),
    ]
    sent = {
        "alias": "production",
        "to": "1",
        "why": "x",
        "key": guarded.acme,
        "column-product": "a",
        "n": "1",
    }
    for path in paths:
        for token in ({}, {"csrf": ""}, {"csrf": "x"}, {"csrf": found[1]}):
            answer = acme.client.post(path, data={**sent, **token})
            assert answer.status_code == 403 or '"fault"' in answer.text, (path, token)
    for path in paths[
        2:
    ]:  # also where no key is asked for: another site's page could send forms to this machine
        answer = anybody.client.post(path, data={**sent, "csrf": "x"})
        assert answer.status_code == 403 or '"fault"' in answer.text, path
    mine = TOKEN.search(acme.get("/page/adapters").text)
    assert mine
    crossed = acme.client.post(
        "/page/logout", data={"csrf": mine[1]}, headers={"sec-fetch-site": "cross-site"}
    )
    assert crossed.status_code == 403
    assert acme.get("/page/adapters").status_code == 200


def test_a_key_that_may_only_infer_moves_nothing_and_sees_no_load(guarded: Guarded) -> None:
    _, secret = guarded.served.keys.new("acme")
    somebody = logged_in(guarded.served, secret)
    assert "/page/move/" not in somebody.get(f"/page/adapters/{COPY}").text
    assert somebody.get("/page/load").status_code == 403
    assert somebody.get(f"/page/move/{COPY}?to=1").status_code == 403
    answer = somebody.post(
        f"/page/move/{COPY}", "/page/adapters", alias="production", to="1", why="x", expect="1"
    )
    assert answer.status_code == 403


def test_an_alias_moves_with_a_reason_and_rolls_back_to_what_was_shown(shop: tuple[Guarded, Hub]) -> None:
    guarded, hub = shop
    acme = logged_in(guarded.served, guarded.acme)
    path = f"/page/move/{RANKING}"
    shown = acme.get(f"{path}?alias=web&to=2").text
    assert "not set" in shown and "0.710" in shown
    assert acme.post(path, "/page/adapters", alias="web", to="2", expect="0").status_code == 400, (
        "without a reason"
    )
    assert (
        acme.post(path, "/page/adapters", alias="web", to="2", expect="0", why="<b>try</b>").status_code
        == 303
    )
    assert acme.post(path, "/page/adapters", alias="web", to="3", expect="2", why="next").status_code == 303
    assert acme.post(path, "/page/adapters", alias="web", to="4", expect="2", why="late").status_code == 409
    assert hub.aliases(RANKING)["web"] == 3
    back = f"/page/rollback/{RANKING}"
    assert "Roll back to version 2" in acme.get(f"{back}?alias=web").text
    assert acme.post(back, "/page/adapters", alias="web", to="1", expect="3", why="no").status_code == 409
    assert acme.post(back, "/page/adapters", alias="web", to="2", expect="3", why="worse").status_code == 303
    assert hub.aliases(RANKING)["web"] == 2
    last = hub.history(RANKING, "web")[-1]
    assert last.why == "worse" and last.who.startswith("acme (key ")
    assert "&lt;b&gt;try&lt;/b&gt;" in acme.get(f"/page/adapters/{RANKING}").text
    for sent in ({"alias": "latest", "to": "1"}, {"alias": "../x", "to": "1"}, {"alias": "web", "to": "99"}):
        assert acme.post(path, "/page/adapters", why="x", **sent).status_code in (400, 404)


def test_whatever_a_client_wrote_is_shown_and_never_run(shop: tuple[Guarded, Hub]) -> None:
    guarded, _ = shop
    acme = logged_in(guarded.served, guarded.acme)
    for path in (
        f"/page/adapters/{HOSTILE_NAME}",
        "/page/adapters",
        "/page/adapters?text=%3Cscript%3Ealert(1)",
    ):
        answer = acme.get(path)
        assert "&lt;script&gt;alert(1)" in answer.text, path
        assert "<script>alert" not in answer.text and "<img src=x" not in answer.text
        assert "{{7*7}}" in answer.text or "text=" in path
    sent = {"v": "4", "column-user": "<script>alert(1)</script>", "lines": "<img src=x onerror=alert(2)>\nb"}
    answer = acme.post(f"/page/try/{RANKING}", f"/page/try/{RANKING}", **sent)
    assert answer.text.count("&lt;img src=x") == 2
    assert "<script>alert" not in answer.text and "<img src=x" not in answer.text


def test_the_load_counts_tokens_as_the_metrics_do(guarded: Guarded, acme: Visitor) -> None:
    sent = {"model": COPY, "messages": [{"role": "user", "content": "mug 7"}]}
    with guarded.served.http(guarded.acme) as http:
        assert http.post("/v1/chat/completions", json=sent).status_code == 200
        shown = http.get("/metrics").text
    page = acme.get("/page/load").text
    for direction, label in (("in", "Tokens read"), ("out", "Tokens written")):
        told = re.search(rf'repertoire_tokens_total{{client="acme",direction="{direction}"}} (\d+)', shown)
        assert told and f'data-label="{label}">{int(told[1]):,}<' in page


def test_what_is_behind_tells_nobody_where_the_hub_lies(
    guarded: Guarded, acme: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = guarded.served.registry
    why = f"version 2: {registry.hub.storage.address}/blobs: the store does not answer"
    found = [Followed(f"{COPY}@production", f"{COPY}@1", why, 0), Followed(OTHERS[0], None, why, 0)]
    monkeypatch.setattr(registry, "following", lambda: found)
    for path in ("/page/adapters", f"/page/adapters/{COPY}", "/page/load", "/ready"):
        text = acme.get(path).text
        assert "the hub/blobs: the store does not answer" in text, path
        assert registry.hub.storage.address not in text and "globex" not in text, path


def test_no_page_lets_a_script_in_that_is_not_its_own(anybody: Visitor) -> None:
    for path in (
        "/page/adapters",
        f"/page/adapters/{COPY}",
        f"/page/try/{COPY}",
        LIVE,
        "/page/load",
        "/page/no",
    ):
        answer = anybody.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=|\sstyle=", answer.text), path
        for url in re.findall(r'(?:src|href)="(/page/static/[^"]+)"', answer.text):
            assert anybody.get(url).status_code == 200
    assert anybody.get("/page/static/../frame.py").status_code == 404


def test_texts_are_ranked_labelled_and_written_as_the_registry_does(shop: tuple[Guarded, Hub]) -> None:
    guarded, _ = shop
    acme, registry = logged_in(guarded.served, guarded.acme), guarded.served.registry
    sent = {"v": "4", "other": "1", "column-user": "likes tea", "lines": "tea sale 4\nrum sale 9"}
    text = acme.post(f"/page/try/{RANKING}", f"/page/try/{RANKING}", **sent).text
    for each in registry.recommend(f"{RANKING}@4", user="likes tea", ads=["tea sale 4", "rum sale 9"]):
        assert text.count(f"<span>{each.ad}</span><b>{100 * each.probability:.1f}%</b>") == 2
    text = acme.post("/page/try/acme/spring/behavior", f"/page/try/{RANKING}", v="1", lines="glad 7").text
    (analysis,) = registry.analyze("acme/spring/behavior@1", ["glad 7"])
    assert f"{100 * max(analysis.probabilities.values()):.1f}%" in text
    written = {"v": "1", "column-product": "mug 7", "n": "2", "temperature": "0.8", "seed": "0"}
    events = _events(acme.post(f"/page/write/{COPY}", f"/page/try/{COPY}", **written).text)
    done = {each["index"]: each["text"] for each in events if each.get("done")}
    wanted = registry.write(f"{COPY}@1", {"product": "mug 7"}, n=2, temperature=0.8)
    assert [done[at] for at in sorted(done)] == list(wanted)


def test_a_ranking_says_why_and_whose_reason_it_is(shop: tuple[Guarded, Hub]) -> None:
    guarded, _ = shop
    acme, registry = logged_in(guarded.served, guarded.acme), guarded.served.registry
    sent = {"v": "4", "column-user": "likes tea; hates rum", "lines": "tea sale 4\nrum, <b>9</b>"}
    plain = acme.post(f"/page/try/{RANKING}", f"/page/try/{RANKING}", **sent).text
    text = acme.post(f"/page/try/{RANKING}", f"/page/try/{RANKING}", **sent, explain="1").text
    assert 'class="why"' not in plain and "not the customer&#39;s" not in plain
    assert text.count('class="why"') == text.count("the model&#39;s reason, not the customer&#39;s") == 2
    ranked = registry.recommend(
        f"{RANKING}@4", "likes tea; hates rum", ["tea sale 4", "rum, <b>9</b>"], explain=True
    )
    for each in ranked:
        assert each.explained is not None
        for one in each.explained.moved:
            told = escape(one.phrase) if one.phrase else f"<b>{one.field}</b>"
            shown = re.findall(rf'{re.escape(told)}</th><td class="number \w+">([^<]*)<', text)
            assert pytest.approx(100 * one.by, abs=0.06) in map(float, shown), one


def test_what_is_true_now_is_what_the_log_says(shop: tuple[Guarded, Hub]) -> None:
    guarded, hub = shop
    acme, log = logged_in(guarded.served, guarded.acme), guarded.served.app.state.looping.loop().log
    assert "Nothing of this is logged yet" in acme.get(f"/page/live/{RANKING}").text
    showed(log, canary.start(hub, log, RANKING, 3, share=0.4, why="to be seen"))
    text, found = acme.get(f"/page/live/{RANKING}?days=30").text, live(log, RANKING)
    for each in (*found.versions, *found.days):
        assert f"<b>{each.of}</b>" in text and f"{each.rate.value:.4f} " in text
        assert f"{each.rate.low:.4f} to {each.rate.high:.4f}" in text
    assert "version 3 for 40% of the users, against version 4" in text and "it goes on" in text
    assert f'<p class="notice warn" lang="en">{found.drift[0]}' in text
    assert "Nothing moved" in acme.get(f"/page/live/{RANKING}?days=1").text
    assert "selected>click<" in acme.get(f"/page/live/{RANKING}?outcome=nothing&days=-5").text
    chinese = acme.get(f"/page/live/{RANKING}", headers={"accept-language": "zh"}).text
    assert "归一化熵" in chinese and "版本 3，占用户的 40%" in chinese
    canary.stop(hub, log, RANKING)
    only_asks = guarded.served.keys.new("acme", Scope.infer)[1]
    assert logged_in(guarded.served, only_asks).get(f"/page/live/{RANKING}").status_code == 403


def test_a_text_over_the_limit_comes_refused_with_its_reason_and_width(shop: tuple[Guarded, Hub]) -> None:
    guarded, _ = shop
    acme = logged_in(guarded.served, guarded.acme)
    sent = {"v": "1", "column-product": "mug 7", "n": "2", "max_chars": "1"}
    events = _events(acme.post(f"/page/write/{COPY}", f"/page/try/{COPY}", **sent).text)
    ends = [each for each in events if each.get("done")]
    assert len(ends) == 2
    assert all(each["reasons"] and each["over"] and each["width"].endswith(" / 1") for each in ends)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": "0"},
        {"n": "x"},
        {"temperature": "nan"},
        {"column-product": " "},
        {"max_chars": "-1"},
        {"seed": "9" * 30},
    ],
)
def test_a_form_that_cannot_be_asked_says_why(shop: tuple[Guarded, Hub], wrong: dict[str, str]) -> None:
    guarded, _ = shop
    acme = logged_in(guarded.served, guarded.acme)
    sent = {"v": "1", "column-product": "mug", "n": "1", **wrong}
    (told,) = _events(acme.post(f"/page/write/{COPY}", f"/page/try/{COPY}", **sent).text)
    assert told["fault"]
    answer = acme.post(f"/page/try/{COPY}", f"/page/try/{COPY}", **sent)
    assert answer.status_code == 200 and 'role="alert"' in answer.text


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("en-GB,zh;q=0.5", "en"),
        ("fr", "en"),
        ("zh;q=oops", "en"),
        ("", "en"),
    ],
)
def test_the_language_is_the_browser_s_own_until_another_is_chosen(
    guarded: Guarded, accepted: str, language: str
) -> None:
    somebody = logged_in(guarded.served, guarded.acme)
    headers = {"accept-language": accepted}
    assert f'<html lang="{language}">' in somebody.get("/page/adapters", headers=headers).text
    assert somebody.get("/page/language?to=zh&next=/page/load").headers["location"] == "/page/load"
    assert '<html lang="zh-Hans">' in somebody.get("/page/adapters", headers=headers).text


def test_every_text_of_the_pages_has_its_chinese_with_the_same_places() -> None:
    folder = Path(words.__file__).parent / "templates"
    said = {text for path in folder.glob("*.html") for text in _told_in(path.read_text(encoding="utf-8"))}
    missing = said - set(words.CHINESE)
    assert len(said) > 150
    assert not missing
    for english, chinese in words.CHINESE.items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese)), english


def _told_in(template: str) -> set[str]:
    """The texts of `t("...")`, and of `t({"key": "..."}[which])`."""
    plain = re.findall(r"\bt\(\"([^\"]+)\"|\bt\('([^']+)'", template)
    chosen = [
        text
        for told in re.findall(r"\bt\(\{(.*?)\}", template)
        for text in re.findall(r": \"([^\"]+)\"", told)
    ]
    return {one or other for one, other in plain} | set(chosen)


def _events(text: str) -> list[dict[str, Any]]:
    return [json.loads(each.removeprefix("data: ")) for each in text.split("\n\n") if each]
