"""Requests in, answers out: generation and heads in one batch, slots, failures."""

from pathlib import Path

import peft
import pytest
import torch

from adapters import Adapter, Base
from adapters.errors import BadAdapter, RepertoireError, RequestError
from adapters.generate import Sampling, choose
from adapters.runtime import Request, Runtime
from tests.adapters import models

PROMPTS = [(5, 9, 20, 33, 7), (8, 6), (40, 41, 42, 43, 44, 45), (3, 4, 5)]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Adapter]]:
    """Four adapters that write and one that labels, as stock PEFT saved them."""
    folder = tmp_path_factory.mktemp("shelf")
    made = {}
    for index, (method, options) in enumerate(
        [
            ("lora", {"r": 2}),
            ("prefix", {"num_virtual_tokens": 3}),
            ("lora", {"r": 6}),
            ("prefix", {"num_virtual_tokens": 6}),
        ]
    ):
        made[f"w{index}"] = models.peft_adapter(
            models.model("llama"), folder / f"w{index}", method, seed=index, **options
        )
    made["labels"] = models.peft_adapter(models.model("llama", head=3), folder / "labels", "lora", r=4)
    return folder, made


@pytest.fixture
def runtime(shelf: tuple[Path, dict[str, Adapter]]) -> Runtime:
    return Runtime(models.base("llama"), lambda key: shelf[1][key], slots=5)


def alone(folder: Path, name: str | None, prompt: tuple[int, ...], tokens: int) -> list[int]:
    """Greedy generation of stock PEFT (or of the base), one row alone."""
    model = models.model("llama")
    if name is not None:
        model = peft.PeftModel.from_pretrained(model, folder / name).eval()
    ids = torch.tensor([prompt])
    made = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=tokens,
        do_sample=False,
        pad_token_id=0,
    )
    new = made[0, len(prompt) :].tolist()
    return new[: new.index(1)] if 1 in new else new


def test_mixed_greedy_generation_equals_peft_token_for_token(
    runtime: Runtime, shelf: tuple[Path, dict[str, Adapter]]
) -> None:
    keys = ["w0", "w1", "w2", "w3", None]
    requests = [Request(key, prompt, Sampling(12)) for key in keys for prompt in PROMPTS]
    answers = runtime.run(requests)
    for request, answer in zip(requests, answers, strict=True):
        assert answer == alone(shelf[0], request.adapter, request.ids, 12)


def test_heads_and_texts_share_a_batch(runtime: Runtime, shelf: tuple[Path, dict[str, Adapter]]) -> None:
    mixed = [
        Request("labels", PROMPTS[0]),
        Request("w1", PROMPTS[1], Sampling(6)),
        Request("labels", PROMPTS[2]),
    ]
    first, text, second = runtime.run(mixed)
    model = peft.PeftModel.from_pretrained(models.model("llama", head=3), shelf[0] / "labels").eval()
    for answer, prompt in ((first, PROMPTS[0]), (second, PROMPTS[2])):
        with torch.no_grad():
            expected = model(input_ids=torch.tensor([prompt])).logits[0]
        assert isinstance(answer, torch.Tensor)
        assert torch.allclose(answer, expected, rtol=1e-4, atol=1e-5)
    assert text == alone(shelf[0], "w1", PROMPTS[1], 6)


def test_more_adapters_than_slots_and_the_least_recently_used_leaves(
    shelf: tuple[Path, dict[str, Adapter]],
) -> None:
    fetched: list[str] = []

    def fetch(key: str) -> Adapter:
        fetched.append(key)
        return shelf[1][key]

    runtime = Runtime(models.base("llama"), fetch, slots=2)
    requests = [Request(f"w{index}", PROMPTS[0], Sampling(5)) for index in (0, 1, 2, 3)]
    assert runtime.run(requests) == [alone(shelf[0], f"w{index}", PROMPTS[0], 5) for index in (0, 1, 2, 3)]
    assert runtime.resident() == ("w2", "w3")
    runtime.run([requests[2]])
    runtime.run([requests[0]])
    assert runtime.resident() == ("w2", "w0")
    assert fetched == ["w0", "w1", "w2", "w3", "w0"]


def test_one_bad_adapter_fails_only_its_own_requests(shelf: tuple[Path, dict[str, Adapter]]) -> None:
    def fetch(key: str) -> Adapter:
        if key == "broken":
            raise BadAdapter("broken on purpose")
        return shelf[1][key]

    runtime = Runtime(models.base("llama"), fetch, slots=5)
    bad, good, empty, wrong = runtime.run(
        [
            Request("broken", PROMPTS[0], Sampling(4)),
            Request("w0", PROMPTS[0], Sampling(4)),
            Request("w0", (), Sampling(4)),
            Request("labels", PROMPTS[0], Sampling(4)),
        ]
    )
    assert isinstance(bad, BadAdapter)
    assert good == alone(shelf[0], "w0", PROMPTS[0], 4)
    assert isinstance(empty, RequestError)
    assert isinstance(wrong, RequestError)


def test_an_adapter_that_does_not_fit_leaves_no_trace(shelf: tuple[Path, dict[str, Adapter]]) -> None:
    """A slot whose load failed stays free and never answers, also when it held another adapter before."""
    half = Adapter(**{**vars(shelf[1]["w0"]), "tensors": dict(list(shelf[1]["w0"].tensors.items())[:3])})
    runtime = Runtime(models.base("llama"), lambda key: half if key == "half" else shelf[1][key], slots=1)
    expected = runtime.run([Request("w2", PROMPTS[0], Sampling(4))])
    assert isinstance(runtime.run([Request("half", PROMPTS[0], Sampling(4))])[0], RepertoireError)
    assert runtime.resident() == ()
    assert runtime.run([Request("w2", PROMPTS[0], Sampling(4))]) == expected


def test_a_text_over_the_positions_is_refused_with_the_numbers(runtime: Runtime) -> None:
    base: Base = runtime.base
    answer = runtime.run([Request("w1", (5,) * base.max_positions, Sampling(4))])[0]
    assert isinstance(answer, RequestError)
    assert f"3 prefix + {base.max_positions} prompt + 4 new" in str(answer)


def test_a_seed_gives_the_same_text_whatever_else_is_in_the_batch(runtime: Runtime) -> None:
    how = Sampling(10, temperature=1.0, top_p=0.9, seed=3)
    lone = runtime.run([Request("w0", PROMPTS[0], how)])[0]
    crowd = runtime.run(
        [Request(f"w{i}", p, Sampling(10, 1.0, seed=i)) for i, p in enumerate(PROMPTS)]
        + [Request("w0", PROMPTS[0], how)]
    )
    assert crowd[-1] == lone
    assert lone != runtime.run([Request("w0", PROMPTS[0], Sampling(10, 1.0, 0.9, seed=4))])[0]


def test_sampling_keeps_to_top_p_and_top_k() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).repeat(2000, 1)
    streams = [torch.Generator().manual_seed(seed) for seed in range(2000)]
    nucleus = choose(logits, [Sampling(temperature=1.0, top_p=0.7)] * 2000, streams)
    assert set(nucleus) == {0, 1}
    assert nucleus.count(0) / 2000 == pytest.approx(0.5 / 0.8, abs=0.04)
    assert set(choose(logits, [Sampling(temperature=1.0, top_k=3)] * 2000, streams)) == {0, 1, 2}
    assert choose(logits[:1], [Sampling()], streams[:1]) == [0]
