"""The command line: words for people, one JSON document for programs, an exit code for scripts."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.format import files
from hub.cli import app
from hub.hub import Hub
from hub.registry.requests import RefusedText, Texts
from recipes.measure.policy import Violation
from recipes.recipe import Recipe
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora, prefix

REPORT = {
    "metric": "auc",
    "before": {"auc": 0.5, "log_loss": 0.7},
    "after": {"auc": 0.8125, "log_loss": 0.5},
    "baselines": {"constant": {"auc": 0.5, "log_loss": 0.69}},
    "rows": {"train": 70, "validation": 10, "test": 20},
    "seconds": 3.0,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return files.write(lora(report=REPORT, data={"digest": "cd" * 32}), tmp_path / "adapter")


def test_publish_ls_and_show_tell_a_person(run: Run, folder: Path) -> None:
    code, out, _ = run("publish", folder, NAME, "--tag", "spring", "-m", "first season")
    assert code == 0
    assert f"Published {NAME}@1 to campaigns" in out
    assert str(Path("campaigns/adapters") / NAME / "v000001") in out
    code, out, _ = run("ls")
    assert code == 0
    assert NAME in out and "lora, rank 2" in out and "first season" in out
    code, out, _ = run("show", NAME)
    assert code == 0
    assert "1 of 1 (latest)" in out and "cd" * 32 in out and "spring" in out
    assert "with the adapter" in out and "0.812" in out


def test_the_same_as_documents(run: Run, folder: Path) -> None:
    published = json.loads(run("publish", folder, NAME, "--publish-id", "job", "--json")[1])
    assert (published["reference"], published["base"]["id"]) == (f"{NAME}@1", "starter")
    assert json.loads(run("publish", folder, NAME, "--publish-id", "job", "--json")[1]) == published
    found = {"publisher", "data_digest", "metrics", "aliases", "removed"}
    (listed,) = json.loads(run("ls", "--json")[1])
    assert {key: value for key, value in listed.items() if key not in found} == published
    assert listed.keys() - published.keys() == found
    assert (listed["metrics"]["auc"], listed["aliases"], listed["data_digest"]) == (
        0.8125,
        ["latest"],
        "cd" * 32,
    )
    shown = json.loads(run("show", f"{NAME}@1", "--json")[1])
    assert shown["aliases"] == {"latest": 1}
    assert shown["record"]["metrics"]["after"] == {"auc": 0.8125, "log_loss": 0.5}
    assert Path(published["folder"], files.CONFIG).is_file()


def test_the_hub_comes_from_the_option_or_the_environment(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("publish", folder, NAME, "--hub", "one")
    monkeypatch.setenv("REPERTOIRE_HUB", str(tmp_path / "two"))
    run("publish", files.write(prefix(), tmp_path / "second"), "globex/launch/ad-copy")
    assert Hub("one", create=False).names() == (NAME,)
    assert [item["name"] for item in json.loads(run("ls", "--json")[1])] == ["globex/launch/ad-copy"]
    assert [item["name"] for item in json.loads(run("ls", "--hub", "one", "--json")[1])] == [NAME]
    assert "No adapters in" in run("ls", "--client", "nobody")[1]


def test_init_makes_a_hub_once(run: Run) -> None:
    made = json.loads(run("init", "--hub", "one", "--json")[1])
    assert (made["made"], made["id"]) == (True, Hub("one", create=False).id)
    assert json.loads(run("init", "--hub", "one", "--json")[1]) == made | {"made": False}
    assert run("init", "--hub", "two")[1] == "Made a hub in two.\n"
    Path("full").mkdir()
    Path("full", "thesis.tex").touch()
    assert run("init", "--hub", "full")[0] == 4


def test_search_and_versions_tell_a_person_and_a_program(run: Run, folder: Path, tmp_path: Path) -> None:
    run("publish", folder, NAME, "--tag", "spring", "-m", "first season")
    better = REPORT | {"after": {"auc": 0.9, "log_loss": 0.4}}
    run("publish", files.write(lora(1, report=better), tmp_path / "two"), NAME, "-m", "second season")
    run("publish", files.write(prefix(), tmp_path / "three"), "globex/launch/ad-copy")
    Hub("campaigns").set_alias(NAME, "production", 1)

    def references(*arguments: object) -> list[str]:
        return [found["reference"] for found in json.loads(run(*arguments, "--json")[1])]

    every = ("search", "--all-versions", "--metric", "auc>=0.8")
    assert references(*every, "--sort", "auc") == [f"{NAME}@2", f"{NAME}@1"]
    assert references(*every, "--metric", "log_loss<0.5") == [f"{NAME}@2"]
    assert references("search", "season", "--limit", 1) == [f"{NAME}@2"]
    assert references("search", "FIRST season", "--all-versions") == [f"{NAME}@1"]
    assert references("search", "--tag", "spring", "--all-versions", "--data", "cdcd") == [f"{NAME}@1"]
    assert references("search", "--alias", "production", "--rebuild") == [f"{NAME}@1"]
    assert references("versions", NAME) == [f"{NAME}@1", f"{NAME}@2"]
    out = run(*every, "--sort", "auc")[1]
    assert out.index("0.9 ") < out.index("0.8125") and "production" in out and "first season" in out
    assert "log_loss" not in out and "log_loss" in run("versions", NAME)[1]
    assert run("search", "winter")[1] == "Nothing in campaigns fits.\n"
    assert run("search", "--rebuild", "--client", "globex")[1].count("globex/launch/ad-copy@1") == 1


def complete(words: str) -> list[str]:
    """What a shell offers for a command line that ends where the last word is typed."""
    told = {"_REPERTOIRE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    code = "import sys, hub.cli\ntry: hub.cli.main([])\nfinally: assert 'torch' not in sys.modules"
    environment = {**os.environ, **told, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_shell_completes_references(run: Run, tmp_path: Path) -> None:
    hub = Hub("campaigns")
    for name in (NAME, "acme/autumn/behavior", "globex/launch/ad-copy"):
        hub.publish(lora(), name)
    hub.set_alias(NAME, "production", 1)
    assert complete("repertoire show acm") == ["acme/autumn/behavior", NAME]
    assert complete("repertoire versions acme/spr") == [NAME]
    assert complete(f"repertoire recommend {NAME}@") == [f"{NAME}@latest", f"{NAME}@production"]
    assert complete("repertoire show --hub campaigns globex/launch/") == ["globex/launch/ad-copy"]
    assert complete("repertoire show --hub nowhere acme") == []
    assert complete("repertoire sho") == ["show"]


def missing_name(run: Run, folder: Path) -> tuple[Any, ...]:
    run("publish", folder, NAME)
    return ("show", "acme/spring/recomendation")


def missing_versions(run: Run, folder: Path) -> tuple[Any, ...]:
    return ("versions", *missing_name(run, folder)[1:])


def bad_condition(run: Run, folder: Path) -> tuple[Any, ...]:
    run("publish", folder, NAME)
    return ("search", "--metric", "auc")


def stranger(run: Run, folder: Path) -> tuple[Any, ...]:
    (folder / "evil.py").write_text("")
    return ("publish", folder, NAME)


def broken(run: Run, folder: Path) -> tuple[Any, ...]:
    run("publish", folder, NAME)
    record = Path("campaigns/adapters", NAME, ".records/000001.json")
    record.chmod(0o644)
    record.write_text("{}")
    return ("show", NAME)


FAILURES: list[tuple[Callable[[Run, Path], tuple[Any, ...]], int, str, str]] = [
    (lambda run, folder: ("publish", folder, "Acme/spring"), 2, "BadName", "expected client/campaign/task"),
    (
        lambda run, folder: ("publish", folder),
        2,
        "MissingParameter",
        "Missing argument 'name'. (repertoire publish --help",
    ),
    (lambda run, folder: ("ls", "--colour"), 2, "NoSuchOption", "--colour"),
    (lambda run, folder: ("recommend", NAME, "--user", "u"), 2, "BadParameter", "no ads to rank"),
    (
        lambda run, folder: ("train", "recomendation", "x.csv", "--out", "o"),
        2,
        "RecipeError",
        "recommendation",
    ),
    (
        lambda run, folder: ("train", "behavior", "x.csv", "--out", folder),
        2,
        "BadParameter",
        "holds files already",
    ),
    (lambda run, folder: ("train", "behavior", "x.csv", "--out", "o"), 4, "DataError", "x.csv"),
    (lambda run, folder: ("ls",), 3, "NoHub", "no hub at"),
    (lambda run, folder: ("search",), 3, "NoHub", "no hub at"),
    (bad_condition, 2, "BadSearch", "write it as auc>=0.8"),
    (missing_versions, 3, "NotInHub", f"did you mean {NAME}?"),
    (missing_name, 3, "NotInHub", f"did you mean {NAME}?"),
    (stranger, 4, "Refused", "evil.py does not belong"),
    (broken, 5, "Damaged", "cannot be read"),
]


@pytest.mark.parametrize(("make", "code", "kind", "says"), FAILURES)
def test_failures_have_a_code_a_message_and_a_document(
    run: Run, folder: Path, make: Callable[[Run, Path], tuple[Any, ...]], code: int, kind: str, says: str
) -> None:
    arguments = make(run, folder)
    got, out, err = run(*arguments)
    assert (got, out) == (code, "")
    assert err.startswith("repertoire: ") and says in err
    assert "Traceback" not in err
    got, out, _ = run(*arguments, "--json")
    error = json.loads(out)["error"]
    assert (got, error["type"], error["exit_code"]) == (code, kind, code)
    assert says in error["message"]


def test_every_command_has_help_with_an_example_and_json(run: Run) -> None:
    commands = [
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    ]
    assert {"train", "tune", "init", "publish", "ls", "search", "versions", "show", "recommend"} <= set(
        commands
    )
    assert {"analyze", "write", "doctor"} <= set(commands)
    for command in commands:
        code, out, _ = run(command, "--help")
        assert code == 0
        assert "--json" in out, command
        assert f"repertoire {command}" in out.split("Example:")[1], command


def test_no_arguments_show_the_help(run: Run) -> None:
    code, out, err = run()
    assert code in (0, 2)
    assert "Usage: repertoire" in out + err


def clicks(path: Path) -> Path:
    """A file with its own words for everything: shoppers click what they looked for."""
    lines = ["shopper,banner,bought"]
    for index in range(40):
        wanted = ("tea", "shoes")[index % 2]
        for shown in ("tea", "shoes"):
            lines.append(
                f"looked for {wanted} {index},buy {shown} now,{'Yes.' if wanted == shown else 'No.'}"
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_profile_tells_what_the_data_is_like_before_training(run: Run, tmp_path: Path) -> None:
    data = clicks(tmp_path / "clicks.csv")
    words = ("--column", "user=shopper", "--column", "ad=banner", "--column", "clicked=bought")
    labels = ("--label", "1=Yes.", "--label", "0=No.")
    code, out, err = run("profile", "recommendation", data, *words, *labels, "--json")
    assert code == 0, err
    told = json.loads(out)
    rows = sum(1 for _ in data.open(encoding="utf-8")) - 1
    assert sum(told["profile"]["rows"].values()) == rows == told["profile"]["tokens"]["looked_at"]
    assert told["profile"]["languages"].keys() >= {"en"}
    code, out, _ = run("profile", "recommendation", data, *words, *labels)
    assert code == 0 and "all but repeats a training row" in out and "tokens: half of" in out
    train = ("train", "recommendation", data, "--out", "made", *words, *labels, "--set", "train.max_steps=1")
    code, trained, err = run(*train)
    assert code == 0, err
    assert out[: out.index("languages:")].rstrip() in trained, "training prints the same table"
    code, out, _ = run("profile", "recommendation", data, *words, *labels, "--check")
    assert (code, out) == (0, f"{rows} rows, and nothing wrong with any of them.\n")
    data.write_text(data.read_text(encoding="utf-8").replace("tea", "tea a@b.com", 1), encoding="utf-8")
    code, _, err = run("profile", "recommendation", data, *words, *labels)
    assert code == 4 and "holds an e-mail address, a@b.com" in err


def test_train_publish_recommend_from_a_file_with_its_own_words(run: Run, tmp_path: Path) -> None:
    words = ("--column", "user=shopper", "--column", "ad=banner", "--column", "clicked=bought")
    labels = ("--label", "1=Yes.", "--label", "0=No.")
    short = ("--set", "train.max_steps=2", "--set", "lora.rank=2")
    data = clicks(tmp_path / "clicks.csv")
    code, out, err = run("train", "recommendation", data, "--out", "made", *words, *labels, *short, "--json")
    assert code == 0, err
    trained = json.loads(out)
    assert trained["task"] == "recommendation"
    assert trained["report"]["rows"]["train"] > trained["report"]["rows"]["test"] > 0
    assert {"before", "after", "baselines"} <= trained["report"].keys()
    assert run("publish", "made", NAME)[0] == 0
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
    run("publish", files.write(second, tmp_path / "second"), NAME)
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


def test_tune_writes_the_best_recipe_and_tells_each_trial(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ("--column", "user=shopper", "--column", "ad=banner", "--column", "clicked=bought")
    labels = ("--label", "1=Yes.", "--label", "0=No.")
    data, space = clicks(tmp_path / "clicks.csv"), tmp_path / "space.yaml"
    space.write_text("train.learning_rate: {low: 1e-4, high: 1e-2, log: true}\nlora.rank: [2, 4]\n")
    search = ("tune", "recommendation", data, "--space", space, *words, *labels, "--set", "train.max_steps=2")
    few = ("--trials", "2", "--together", "2")
    code, out, err = run(*search, *few, "--out", "best.yaml", "--json")
    assert code == 0, err
    told = json.loads(out)
    best = told["trials"][told["best"]]
    assert [trial["state"] for trial in told["trials"]] == ["complete", "complete"]
    assert told["value"] == best["value"] == max(trial["value"] for trial in told["trials"])
    written = Recipe.load("best.yaml")
    assert written.to_dict() == told["recipe"] and written.lora.rank == best["values"]["lora.rank"]
    assert written.train.learning_rate == best["values"]["train.learning_rate"]
    code, out, err = run(*search, *few, "--out", "again.yaml")
    assert code == 0, err
    assert "2 of 2" in out and "complete" in out and f"repertoire train again.yaml {data} --out" in out
    assert not any(record.name.startswith("optuna") for record in caplog.records)
    assert Path("again.yaml").read_text() == Path("best.yaml").read_text()
    code, _, err = run(*search, "--out", "best.yaml")
    assert code == 2 and "best.yaml is there already" in err
    space.write_text("lora.rnak: [2]\ndata.seed: [1, 2]\n")
    code, _, err = run(*search, "--out", "third.yaml")
    assert code == 2 and "did you mean `rank`?" in err and "data.seed: changes the rows" in err
    assert not Path("third.yaml").exists()


def test_write_shows_what_was_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Fake:
        def write(self, reference: str, product: Any, n: int, **options: Any) -> Texts:
            asked.update(options)
            return Texts(["A mug"], [RefusedText("The best mug", (Violation("banned", "best", (4, 8)),))])

    monkeypatch.setattr("hub.cli.ask.open_registry", lambda *_: Fake())
    line = ("write", "acme/spring/ad-copy", "--product", "mug", "--banned", "best", "--required", "mug")
    code, out, err = run(*line)
    assert (code, out) == (0, "A mug\n")
    assert err == "refused: The best mug ('best' is banned)\n"
    assert asked["policy"] == {"banned": ["best"], "required": ["mug"]}
    assert json.loads(run(*line, "--json")[1]) == {
        "texts": ["A mug"],
        "refused": [{"text": "The best mug", "reasons": ["'best' is banned"]}],
    }


TENSORLESS = """
--help
ls
ls --json
search season --metric auc>=0.5 --sort auc --all-versions
versions acme/spring/recommendation
show acme/spring/recommendation@1
card acme/spring/recommendation@1
alias set acme/spring/recommendation production 1
alias ls
history acme/spring/recommendation
rm acme/spring/recommendation@2 --yes
gc --dry-run
show acme/spring/recomendation
"""


def test_what_needs_no_tensor_does_not_wait_for_torch(run: Run, folder: Path, tmp_path: Path) -> None:
    for name in (NAME, NAME):
        run("publish", folder, name, "-m", "season")
    code = """
import sys
from hub.cli import main

for line in sys.argv[1:]:
    try:
        main(line.split())
    except SystemExit:
        pass
    waited = {"torch", "transformers", "peft", "bitsandbytes", "sklearn"} & sys.modules.keys()
    if waited:
        sys.exit(f"{line} imports {waited}")
"""
    lines = TENSORLESS.strip().splitlines()
    done = subprocess.run(
        [sys.executable, "-c", code, *lines],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "did you mean" in done.stderr and done.stderr.count("repertoire: ") == 1, done.stderr
