"""OpenAI's own client against a started server: each answer equals the same call through the registry."""

import base64
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import openai
import pytest
from fastapi.testclient import TestClient

from adapters import Base
from hub import Embed, Hub, Registry, Texts, Write
from hub.server import Keys, create_app
from recipes.answer import chosen
from tests.clock import LIMIT
from tests.hub.server.conftest import Served
from tests.hub.voices import voice

COPY = "acme/spring/ad-copy"
PRODUCT = {"product": "mug 7"}
USER: Any = [{"role": "user", "content": "mug 7"}]


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, timeout=LIMIT) as found:
        yield found


def written(served: Served, **options: Any) -> Texts:
    (answer,) = served.registry.run([Write(COPY, "mug 7", **options)])
    assert isinstance(answer, Texts), answer
    return answer


def test_a_chat_is_what_the_registry_writes(client: openai.OpenAI, served: Served) -> None:
    found = client.chat.completions.create(
        model=COPY, messages=USER, n=3, seed=5, temperature=1.0, top_p=0.9, logprobs=True, top_logprobs=2
    )
    expected = written(served, n=3, seed=5, temperature=1.0, top_p=0.9, logprobs=2)
    assert [choice.message.content for choice in found.choices] == list(expected)
    assert found.usage is not None
    assert found.usage.prompt_tokens == expected.prompt_tokens
    assert found.usage.completion_tokens == expected.completion_tokens
    for choice, told in zip(found.choices, expected.told, strict=True):
        assert choice.finish_reason == ("length" if told.finish == "length" else "stop")
        assert choice.logprobs is not None and choice.logprobs.content is not None
        for mine, theirs in zip(choice.logprobs.content, told.logprobs, strict=True):
            assert (mine.token, mine.logprob) == (theirs.token, pytest.approx(theirs.logprob, abs=1e-5))
            assert [top.token for top in mine.top_logprobs] == [token for token, _ in theirs.likeliest]


@pytest.mark.parametrize("product", [{"product": "mug 9"}, "mug 9"])
def test_a_product_is_json_in_the_message_or_beside_it(
    client: openai.OpenAI, served: Served, product: Any
) -> None:
    expected = list(served.registry.write(COPY, product))
    beside = client.chat.completions.create(
        model=COPY, messages=[{"role": "user", "content": "please"}], extra_body={"product": product}
    )
    inside = client.chat.completions.create(
        model=COPY,
        messages=[
            {"role": "system", "content": "You are a poet."},
            {"role": "user", "content": product if isinstance(product, str) else '{"product": "mug 9"}'},
        ],
    )
    assert [beside.choices[0].message.content] == [inside.choices[0].message.content] == expected
    assert inside.model_dump()["repertoire"]["ignored"] == ["messages[0]"]


@pytest.mark.parametrize("n", [1, 3])
def test_a_stream_is_the_same_in_pieces_with_its_usage(client: openai.OpenAI, served: Served, n: int) -> None:
    expected = written(served, n=n, seed=2, temperature=1.0, logprobs=0)
    texts, tokens, ends, usage = [""] * n, [[] for _ in range(n)], {}, None  # type: ignore[var-annotated]
    stream = client.chat.completions.create(
        model=COPY,
        messages=USER,
        n=n,
        seed=2,
        temperature=1.0,
        logprobs=True,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        assert chunk.object == "chat.completion.chunk" and chunk.model == COPY
        if not chunk.choices:
            usage = chunk.usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            if choice.logprobs is not None:
                tokens[choice.index] += [each.token for each in choice.logprobs.content or ()]
            if choice.finish_reason:
                ends[choice.index] = choice.finish_reason
    assert texts == list(expected)
    assert tokens == [[each.token for each in told.logprobs] for told in expected.told]
    assert set(ends) == set(range(n))
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (
        expected.prompt_tokens,
        expected.completion_tokens,
    )


def test_stop_and_limits_end_a_text(client: openai.OpenAI, served: Served) -> None:
    short = client.chat.completions.create(model=COPY, messages=USER, max_completion_tokens=2, temperature=0)
    assert short.choices[0].finish_reason == "length"
    assert short.choices[0].message.content == written(served, max_new_tokens=2, temperature=0)[0]
    whole = written(served, temperature=0)[0]
    stop = whole[len(whole) // 2]
    ended = client.chat.completions.create(model=COPY, messages=USER, stop=stop, temperature=0)
    assert ended.choices[0].message.content == whole.split(stop)[0].strip()
    assert ended.choices[0].finish_reason == "stop"


def test_min_p_is_asked_for_as_of_vllm(client: openai.OpenAI, served: Served) -> None:
    """At 1 it leaves the likeliest token alone, however hot."""
    (greedy,) = written(served, temperature=0)
    hot = {"temperature": 3.0, "seed": 1}
    assert list(written(served, **hot)) != [greedy]
    asked: Any = hot | {"extra_body": {"min_p": 1.0}}
    assert (
        client.chat.completions.create(model=COPY, messages=USER, **asked).choices[0].message.content
        == greedy
    )
    assert client.completions.create(model=COPY, prompt="mug 7", **asked).choices[0].text == greedy
    body = {"reference": COPY, "product": "mug 7", "min_p": 1.0, **hot}
    with served.http() as http:
        assert http.post("/v1/write", json=body).json()["texts"][0]["text"] == greedy


def test_of_several_drafts_one_is_given_and_all_are_counted(client: openai.OpenAI, served: Served) -> None:
    how = {"seed": 1, "temperature": 3.0, "max_new_tokens": 8}
    seeds = range(1, 6)  # its own, and those that follow
    drafts = [written(served, **how | {"seed": seed})[0] for seed in seeds]
    assert len(set(drafts)) > 1
    expected = [drafts[chosen(drafts)]]
    assert list(written(served, **how, drafts=5)) == expected
    asked: Any = {"max_tokens": 8, "temperature": 3.0, "seed": 1}
    found = client.chat.completions.create(model=COPY, messages=USER, **asked, extra_body={"drafts": 5})
    assert [each.message.content for each in found.choices] == expected
    one = client.chat.completions.create(model=COPY, messages=USER, **asked)
    assert found.usage and one.usage and found.usage.completion_tokens > one.usage.completion_tokens
    assert found.usage.prompt_tokens == one.usage.prompt_tokens
    with served.http() as http:
        body = {"reference": COPY, "product": "mug 7", "drafts": 5, **how}
        assert [each["text"] for each in http.post("/v1/write", json=body).json()["texts"]] == expected
        refused = http.post("/v1/write", json=body | {"n": 400})
        assert refused.status_code == 400 and "n is 400 and drafts is 5; at most" in refused.text
        prompts = {"model": COPY, "prompt": ["mug 7"] * 300, "drafts": 5}
        refused = http.post("/v1/completions", json=prompts)
        assert refused.status_code == 400 and "300 prompts; at most" in refused.text
    shown = client.chat.completions.create(
        model=COPY, messages=USER, **asked, extra_body={"drafts": 5}, stream=True
    )
    assert "".join(each.choices[0].delta.content or "" for each in shown if each.choices).strip() == drafts[0]


def test_text_completions_take_many_prompts(client: openai.OpenAI, served: Served) -> None:
    found = client.completions.create(
        model=COPY, prompt=["mug 7", '{"product": "mug 9"}'], n=2, seed=1, temperature=0.9, logprobs=1
    )
    expected = [
        text
        for product in ("mug 7", {"product": "mug 9"})
        for text in served.registry.write(COPY, product, n=2, seed=1, temperature=0.9)
    ]
    assert [(each.index, each.text) for each in found.choices] == list(enumerate(expected))
    assert found.choices[0].logprobs is not None
    assert "".join(found.choices[0].logprobs.tokens or ()).strip() == expected[0]
    pieces = client.completions.create(model=COPY, prompt="mug 7", seed=1, temperature=0.9, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == expected[0]


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_are_the_registry_s(client: openai.OpenAI, served: Served, encoding: Any) -> None:
    texts = ["glad 500", "mad 501"]
    found = client.embeddings.create(model="acme/spring/behavior", input=texts, encoding_format=encoding)
    (expected,) = served.registry.run([Embed("acme/spring/behavior", texts)])
    for mine, theirs in zip(found.data, expected, strict=True):  # type: ignore[arg-type]
        vector: Any = mine.embedding
        if isinstance(vector, str):
            packed = base64.b64decode(vector)
            vector = struct.unpack(f"<{len(packed) // 4}f", packed)
        assert vector == pytest.approx(theirs.vector, abs=1e-5)  # type: ignore[union-attr]
    assert found.usage.prompt_tokens > 0


def test_models_are_the_adapters_and_their_aliases(client: openai.OpenAI) -> None:
    listed = [model.id for model in client.models.list()]
    assert {"acme/spring/ad-copy", "acme/spring/ad-copy@production", "globex/launch/behavior"} <= set(listed)
    for name in (*listed, "acme/spring/ad-copy@1"):
        model = client.models.retrieve(name)
        assert (model.id, model.owned_by) == (name, name.split("/")[0])


def test_errors_are_those_that_the_sdk_knows(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="acme/spring/add-copy", messages=USER)
    assert missing.value.code == "model_not_found" and "acme/spring/ad-copy" in missing.value.message
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-4", messages=USER)
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("acme/spring/nothing")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("../../etc/passwd")
    with pytest.raises(openai.BadRequestError, match="behavior"):
        client.chat.completions.create(model="acme/spring/behavior", messages=USER)
    with pytest.raises(openai.BadRequestError, match="temperature"):
        client.chat.completions.create(model=COPY, messages=USER, temperature=1000)
    with pytest.raises(openai.BadRequestError, match="tools"):
        client.chat.completions.create(
            model=COPY, messages=USER, tools=[{"type": "function", "function": {"name": "f"}}]
        )
    with pytest.raises(openai.UnprocessableEntityError) as none:
        client.chat.completions.create(
            model=COPY, messages=USER, max_tokens=3, extra_body={"policy": {"required": ["not to be had"]}}
        )
    body: Any = none.value.body
    assert body["code"] == "refused" and "not to be had" in str(body["refused"][0]["reasons"])


def test_refused_texts_are_told_with_those_that_are_given(client: openai.OpenAI, served: Served) -> None:
    ask: dict[str, Any] = {"n": 8, "seed": 3, "temperature": 2.0, "max_chars": 2}
    (expected,) = served.registry.run([Write(COPY, "mug 7", **ask)])
    assert isinstance(expected, Texts) and expected.refused
    found = client.chat.completions.create(
        model=COPY, messages=USER, n=8, seed=3, temperature=2.0, extra_body={"max_chars": 2}
    )
    told = found.model_dump()["repertoire"]["refused"]
    assert [each["text"] for each in told] == [each.text for each in expected.refused]
    assert [choice.message.content for choice in found.choices] == list(expected)


def test_a_stream_that_breaks_a_rule_ends_and_says_which(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=COPY, messages=USER, stream=True, temperature=0, extra_body={"max_chars": 3}
    )
    chunks = list(stream)
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert "over 3 characters" in str(chunks[-1].model_dump()["repertoire"]["refused"][0]["reasons"])


def test_a_stream_that_is_left_frees_its_row(client: openai.OpenAI, served: Served) -> None:
    before = served.registry.state()["cancelled"]
    with served.registry.base.lock:  # nothing is written meanwhile
        pass
    stream = client.chat.completions.create(
        model=COPY, messages=USER, stream=True, temperature=1.0, max_tokens=200, stop=["zzzz"]
    )
    next(iter(stream))
    stream.close()
    until(lambda: served.registry.state()["writing"] == 0)
    assert served.registry.state()["cancelled"] >= before


def until(true: Any) -> None:
    """Wait for what another thread does."""
    import time

    ends = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_damaged_alias_leaves_its_neighbours_among_the_models(base: Base, tmp_path: Path) -> None:
    hub, names = Hub(tmp_path / "hub"), ["acme/spring/a", "acme/spring/b"]
    for name in names:
        for _ in range(2):
            hub.publish(voice(base, 1), name)
        hub.set_alias(name, "web", 2)
        hub.set_alias(name, "production", 1)
    with closing(Registry(hub, base)) as registry:
        client = TestClient(create_app(registry, Keys(tmp_path / "keys")), base_url="http://localhost")
        listed = [
            (each["id"], each["repertoire"]["version"]) for each in client.get("/v1/models").json()["data"]
        ]
        assert listed == [
            (f"{name}{alias}", number)
            for name in names
            for alias, number in (("", 2), ("@production", 1), ("@web", 2))
        ]
        (event,) = (tmp_path / "hub" / "adapters" / "acme" / "spring" / "a").rglob("web/*.json")
        event.chmod(0o600)
        event.write_bytes(b"{")
        answer = client.get("/v1/models")
        assert answer.status_code == 200 and "acme/spring/b@web" in answer.text
