"""repertoire train: from a client's file to an adapter that answers; many jobs are in test_night.py."""

import json
import re
import shlex
from pathlib import Path

import pytest

from adapters.format import files
from tests.hub.cli.clicks import WORDS, clicks
from tests.hub.conftest import Run
from tests.hub.tiny import NAME


def test_train_publish_recommend_from_a_file_with_its_own_words(run: Run, tmp_path: Path) -> None:
    short = ("--set", "train.max_steps=2", "--set", "lora.rank=2")
    data = clicks(tmp_path / "clicks.csv")
    code, out, err = run("train", "recommendation", data, "--out", "made", *WORDS, *short, "--json")
    assert code == 0, err
    trained = json.loads(out)
    assert trained["task"] == "recommendation"
    assert trained["report"]["rows"]["train"] > trained["report"]["rows"]["test"] > 0
    assert {"before", "after", "baselines"} <= trained["report"].keys()
    assert run("publish", "made", NAME, "--yes")[0] == 0
    ask = ("recommend", NAME, "--user", "looked for tea 99", "--ad", "buy tea now", "--ad", "buy shoes now")
    code, out, err = run(*ask, "--json")
    assert code == 0, err
    ranked = json.loads(out)
    assert {item["ad"] for item in ranked} == {"buy tea now", "buy shoes now"}
    assert 0 < ranked[1]["probability"] <= ranked[0]["probability"] < 1
    code, out, _ = run(*ask)
    assert code == 0 and f"{ranked[0]['probability']:.3f}" in out
    second = files.read("made")
    second.info["calibration"] = {"temperature": 5.0}
    run("publish", files.write(second, tmp_path / "second"), NAME, "--yes")
    one, two, both = (
        {
            item["ad"]: item["probability"]
            for item in json.loads(run("recommend", name, *ask[2:], "--json")[1])
        }
        for name in (f"{NAME}@1", f"{NAME}@2", f"{NAME}@1+{NAME}@2")
    )
    assert both == pytest.approx({ad: (one[ad] + two[ad]) / 2 for ad in one}) and both != pytest.approx(one)
    code, _, err = run("analyze", NAME, "asked twice about refunds")
    assert code == 2 and "recommendation" in err, "the wrong call for this adapter"


def test_the_publish_that_train_advises_works_whatever_the_folder_is_called(run: Run, tmp_path: Path) -> None:
    data = clicks(tmp_path / "clicks.csv")
    short = ("--set", "train.max_steps=2", "--set", "lora.rank=2")
    code, out, err = run("train", "recommendation", data, "--out", "it's made", *WORDS, *short)
    assert code == 0, err
    [advised] = re.findall(r"repertoire (publish .*?/recommendation)", out)
    words = shlex.split(advised.replace("CLIENT/CAMPAIGN", "acme/spring"))
    assert words[1] == "it's made"
    code, _, err = run(*words, "--yes")
    assert code == 0, err
