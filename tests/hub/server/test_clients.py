"""Cohere's client and LangChain against a started server, and the tasks by their own names."""

from collections.abc import Iterator
from typing import Any

import cohere
import httpx
import pytest
from langchain_openai import ChatOpenAI

from adapters.errors import RepertoireError
from hub import Analyze, Recommend, Write
from tests.clock import LIMIT
from tests.hub.server.conftest import Served

CLICK, MOOD, COPY = "acme/spring/recommendation", "acme/spring/behavior", "globex/launch/ad-copy"
ADS = ["rum sale 3", "tea sale 5", "rum sale 3", "mug"]


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    with served.http() as found:
        yield found


def test_both_cohere_clients_rank_ads_as_the_registry(served: Served) -> None:
    expected = served.registry.recommend(CLICK, "likes tea", ADS)
    old = cohere.Client("none", base_url=served.url, timeout=LIMIT)
    new = cohere.ClientV2("none", base_url=served.url, timeout=LIMIT)
    ranked = new.rerank(model=CLICK, query="likes tea", documents=ADS).results
    assert [ADS[each.index] for each in ranked] == [each.ad for each in expected]
    assert sorted(each.index for each in ranked) == [0, 1, 2, 3]
    assert [each.relevance_score for each in ranked] == pytest.approx(
        [each.probability for each in expected], abs=1e-5
    )
    documents: Any = [{"text": ad} for ad in ADS]
    top = old.rerank(model=CLICK, query="likes tea", documents=documents, top_n=2, return_documents=True)
    assert [each.index for each in top.results] == [each.index for each in ranked[:2]]
    assert [each.document.text for each in top.results if each.document] == [
        ADS[each.index] for each in ranked[:2]
    ]
    with pytest.raises(cohere.NotFoundError):
        new.rerank(model="acme/spring/nothing", query="tea", documents=ADS)


def test_langchain_writes_and_streams(served: Served) -> None:
    chat: Any = ChatOpenAI(
        model=COPY, base_url=f"{served.url}/v1", api_key="none", temperature=0.7, seed=3, timeout=LIMIT
    )
    (expected,) = served.registry.write(COPY, "mug 7", temperature=0.7, seed=3)
    answer = chat.invoke("mug 7")
    assert answer.content == expected
    assert answer.usage_metadata["output_tokens"] > 0
    assert "".join(piece.content for piece in chat.stream("mug 7")) == expected


def test_tasks_by_their_names_are_the_registry_s(served: Served, http: httpx.Client) -> None:
    found = http.post("/v1/recommend", json={"reference": CLICK, "user": "likes tea", "ads": ADS[:2]}).json()
    expected = served.registry.recommend(CLICK, "likes tea", ADS[:2])
    assert [each["ad"] for each in found["ranked"]] == [each.ad for each in expected]
    assert [each["probability"] for each in found["ranked"]] == pytest.approx(
        [each.probability for each in expected], abs=1e-5
    )
    labelled = http.post("/v1/analyze", json={"reference": [MOOD], "texts": ["glad 5", {"text": "mad 6"}]})
    analyses = served.registry.analyze(MOOD, ["glad 5", {"text": "mad 6"}])
    assert [each["label"] for each in labelled.json()["analyses"]] == [each.label for each in analyses]
    classes = http.post("/v1/classify", json={"model": MOOD, "input": ["glad 5", "mad 6"]}).json()
    for one, other in zip(classes["data"], analyses, strict=True):
        assert one["label"] == other.label and one["num_classes"] == 2
        assert one["probs"] == pytest.approx(list(other.probabilities.values()), abs=1e-5)
    wanted = {"reference": COPY, "product": "mug 7", "n": 2, "seed": 3, "temperature": 0.9, "logprobs": 1}
    texts = http.post("/v1/write", json=wanted).json()
    assert [each["text"] for each in texts["texts"]] == list(
        served.registry.write(COPY, "mug 7", n=2, seed=3, temperature=0.9)
    )
    assert len(texts["texts"][0]["logprobs"]) == texts["texts"][0]["tokens"]


def test_a_batch_answers_each_request_or_says_why_not_in_order(served: Served, http: httpx.Client) -> None:
    entries: list[Any] = [
        {"call": "analyze", "reference": MOOD, "texts": ["glad 5"]},
        {"call": "analyze", "reference": "acme/spring/behaviour", "texts": ["glad 5"]},
        {"call": "write", "reference": COPY, "product": "mug 7"},
        {"call": "dance", "reference": COPY},
        {"call": "recommend", "reference": CLICK, "user": "likes tea", "ads": "no list"},
        {"call": "recommend", "reference": MOOD, "user": "likes tea", "ads": ["tea"]},
        {"call": "recommend", "reference": CLICK, "user": "likes tea", "ads": ["tea"]},
    ]
    found = http.post("/v1/batch", json={"requests": entries})
    assert found.status_code == 200, found.text
    answers = found.json()["answers"]
    assert [each["error"] is None for each in answers] == [True, False, True, False, False, False, True]
    assert answers[1]["error"]["code"] == "model_not_found"
    assert MOOD in answers[1]["error"]["message"]
    assert "does behavior" in answers[5]["error"]["message"]
    expected = served.registry.run(
        [Analyze(MOOD, ["glad 5"]), Write(COPY, "mug 7"), Recommend(CLICK, "likes tea", ["tea"])]
    )
    assert not any(isinstance(each, RepertoireError) for each in expected)
    assert answers[2]["answer"]["texts"][0]["text"] == expected[1][0]  # type: ignore[index]


def test_an_ensemble_answers_as_one(served: Served, http: httpx.Client) -> None:
    pair = [MOOD, "globex/launch/behavior"]
    refused = http.post("/v1/analyze", json={"reference": pair, "texts": ["glad 5"]})
    assert refused.status_code == 400 and "same adapter" in refused.json()["error"]["message"]
