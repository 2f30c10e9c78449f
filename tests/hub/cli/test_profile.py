"""repertoire profile: what the data is like, before training."""

import json
from pathlib import Path

from tests.hub.cli.clicks import WORDS, clicks
from tests.hub.conftest import Run


def test_profile_tells_what_the_data_is_like_before_training(run: Run, tmp_path: Path) -> None:
    data = clicks(tmp_path / "clicks.csv")
    code, out, err = run("profile", "recommendation", data, *WORDS, "--json")
    assert code == 0, err
    told = json.loads(out)
    rows = sum(1 for _ in data.open(encoding="utf-8")) - 1
    assert sum(told["profile"]["rows"].values()) == rows == told["profile"]["tokens"]["looked_at"]
    assert told["profile"]["languages"].keys() >= {"en"}
    code, out, _ = run("profile", "recommendation", data, *WORDS)
    assert code == 0 and "all but repeats a training row" in out and "tokens: half of" in out
    train = ("train", "recommendation", data, "--out", "made", *WORDS, "--set", "train.max_steps=1")
    code, trained, err = run(*train)
    assert code == 0, err
    assert out[: out.index("languages:")].rstrip() in trained, "training prints the same table"
    code, out, _ = run("profile", "recommendation", data, *WORDS, "--check")
    assert (code, out) == (0, f"{rows} rows, and nothing wrong with any of them.\n")
    data.write_text(data.read_text(encoding="utf-8").replace("tea", "tea a@b.com", 1), encoding="utf-8")
    code, _, err = run("profile", "recommendation", data, *WORDS, "--set", "data.pii=refuse")
    assert code == 4 and "holds an e-mail address, a@b.com" in err
