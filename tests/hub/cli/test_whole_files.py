"""--data and --out of recommend, analyze and write: a feed of products becomes checked headlines by one command."""

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from adapters import load_base
from hub.hub import Hub
from recipes import Recipe, train
from recipes.data.file_bytes import look_at
from tests.hub.conftest import Run
from tests.hub.voices import voice

COPY = "acme/spring/ad-copy"
MOODS = ("acme/spring/behavior", "globex/launch/behavior")


@pytest.fixture(scope="module")
def campaigns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that writes, and two that label."""
    folder = tmp_path_factory.mktemp("campaigns")
    data = folder / "copies.csv"
    rows = [
        f"Kettle {at},{('tea', 'water')[at % 2]},{15 + at % 3},Kettle for {15 + at % 3} euros"
        for at in range(80)
    ]
    data.write_text("\n".join(["name,for,price,copy", *rows]))
    base = load_base("starter")
    changes: dict[str, Any] = {
        "train.max_steps": 40,
        "train.batch_size": 16,
        "train.learning_rate": 5e-3,
        "write.evaluated": 1,
        "write.max_new_tokens": 16,
        "data.repeats": "keep",
    }
    hub = Hub(folder / "hub")
    hub.publish(train(Recipe.load("ad-copy", **changes), data, base), COPY)
    for seed, name in enumerate(MOODS):
        hub.publish(voice(base, seed, 0.1), name)
    return folder / "hub"


def feed(path: Path, count: int) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "name", "for", "price"])
        writer.writerows(
            [f"S{at}", f"Kettle {at}", ("tea", "water")[at % 2], 15 + at % 3] for at in range(count)
        )
    return path


def read(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_feed_becomes_checked_headlines(run: Run, campaigns: Path, tmp_path: Path) -> None:
    data = feed(tmp_path / "feed.csv", 60)
    line = (
        "write",
        COPY,
        "--hub",
        campaigns,
        "--data",
        data,
        "--out",
        "headlines.csv",
        "-n",
        2,
        "--max-chars",
        40,
    )
    code, out, err = run(*line, "--json")
    assert code == 0, err
    told = json.loads(out)
    rows = read("headlines.csv")
    assert [row["sku"] for row in rows] == [f"S{at}" for at in range(60)]
    answered = [row for row in rows if not row["answer_error"]]
    assert told["rows"] == 60 and told["errors"] == 60 - len(answered) and len(answered) > 20
    for row in answered:
        assert 0 < len(row["answer_text"]) <= 40 and len(row["answer_text_2"]) <= 40
    refused = [each for row in rows for each in json.loads(row["answer_refused"])]
    assert len(refused) == told["refused"] and all(each["reasons"] for each in refused)
    code, _, err = run(*line)
    assert code == 2 and "headlines.csv is there already; --force" in err


def test_a_feed_is_written_as_its_options_say(run: Run, campaigns: Path, tmp_path: Path) -> None:
    line = ("write", COPY, "--hub", campaigns, "--data", feed(tmp_path / "feed.csv", 6))
    for out, how in (
        ("greedy.csv", ()),
        ("hot.csv", ("--temperature", 3)),
        ("sure.csv", ("--temperature", 3, "--min-p", 1)),  # leaves the likeliest token alone
    ):
        code, _, err = run(*line, "--out", out, *how)
        assert code == 0, err
    greedy, hot, sure = (
        [row["answer_text"] for row in read(out)] for out in ("greedy.csv", "hot.csv", "sure.csv")
    )
    assert sure == greedy != hot


def test_each_row_by_the_adapter_that_it_names(run: Run, campaigns: Path, tmp_path: Path) -> None:
    data = tmp_path / "tickets.jsonl"
    rows = [{"said": f"so late {at}", "adapter": MOODS[at % 2]} for at in range(20)] + [{"said": "lost"}]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = ("analyze", "--hub", campaigns, "--data", data, "--by", "adapter", "--column", "text=said")
    code, out, err = run(*line, "--out", "labelled.csv")
    assert code == 0, err
    assert "21 rows answered: labelled.csv" in out and "1 have no answer; the column answer_error" in out
    found = read("labelled.csv")
    assert [row["answer_adapter"] for row in found[:2]] == [f"{name}@1" for name in MOODS]
    assert found[-1]["answer_error"] == "no adapter is named"
    code, out, err = run(*line, "--out", "labelled.csv", "--force", "--prefix", "their_")
    assert code == 0 and "their_label" in read("labelled.csv")[0], err


def test_how_a_file_is_written_can_be_said_and_it_is_read_once(
    run: Run, campaigns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "tickets.csv"
    data.write_text("".join(f"so late {at},{MOODS[at % 2]}\n" for at in range(20)))
    looked: list[Path] = []

    def look(path: Path, *given: Any) -> Any:
        looked.append(path)
        return look_at(path, *given)

    monkeypatch.setattr("recipes.data.tables.look_at", look)
    line = ("analyze", "--hub", campaigns, "--data", data, "--by", "adapter", "--columns", "text,adapter")
    code, out, err = run(*line, "--out", "labelled.csv")
    assert code == 0 and "20 rows answered" in out, err
    assert read("labelled.csv")[0]["text"] == "so late 0" and looked == [data]


@pytest.mark.parametrize("by", [(), ("--by", "adapter")])
def test_advice_on_how_a_file_is_written_is_followed_here_too(
    run: Run, campaigns: Path, tmp_path: Path, by: tuple[str, ...]
) -> None:
    data = tmp_path / "tickets.csv"
    rows = "".join(f"Свежий чай каждый день {at},{MOODS[at % 2]}\n" for at in range(20))
    data.write_bytes(f"text,adapter\n{rows}".encode("cp1251"))
    line = ("analyze", *(by or (MOODS[0],)), "--hub", campaigns, "--data", data, "--out", "labelled.csv")
    code, _, err = run(*line)
    assert code != 0 and "data.format.encoding=windows-1251" in " ".join(err.split())
    code, out, err = run(*line, "--set", "data.format.encoding=windows-1251")
    assert code == 0 and "20 rows answered" in out, err
    assert read("labelled.csv")[3]["text"] == "Свежий чай каждый день 3"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (("analyze", MOODS[0], "--data", "feed.csv"), "--data FILE needs --out FILE"),
        (("analyze", "--data", "feed.csv", "--out", "out.csv"), "name the adapter, or with --by"),
        (("analyze", MOODS[0], "so late", "--out", "out.csv"), "name one: --data FILE"),
        (("analyze", MOODS[0], "so late", "--format", "ga4"), "name one: --data FILE"),
        (("analyze", MOODS[0], "so late", "--set", "data.format.header=0"), "name one: --data FILE"),
        (
            ("analyze", MOODS[0], "--data", "feed.csv", "--out", "out.csv", "--set", "train.epochs=3"),
            "train.epochs is the adapter's own",
        ),
        (
            (
                "analyze",
                MOODS[0],
                "--data",
                "feed.csv",
                "--out",
                "out.csv",
                "--set",
                "data.format.encodin=utf-8",
            ),
            "data.format.encodin",
        ),
        (("recommend",), "name the adapter: client/campaign/task"),
        (("write", COPY), "no product; give --product"),
        (("analyze", MOODS[0], "--data", "feed.csv", "--out", "out.doc"), ".doc is not written"),
        (("analyze", MOODS[0], "--data", "feed.csv", "--out", "out.csv"), "--column text=NAME"),
    ],
)
def test_what_is_missing_is_said(
    run: Run, campaigns: Path, tmp_path: Path, line: tuple[str, ...], told: str
) -> None:
    feed(tmp_path / "feed.csv", 3)
    code, _, err = run(*line, "--hub", campaigns)
    assert code == 2 and told in err
    assert not Path("out.csv").exists() and not Path("out.csv.state").exists()


def test_what_is_told_to_end_says_that_the_same_command_goes_on(
    run: Run, campaigns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = feed(tmp_path / "feed.csv", 3), tmp_path / "labelled.csv"
    command = ("analyze", MOODS[0], "--hub", campaigns, "--data", data, "--out", out, "--column", "text=name")

    def is_told(*_: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as context:
        context.setattr("hub.bulk.answering.write_table", is_told)
        code, _, err = run(*command)
    assert (code, out.exists()) == (143, False)
    assert "stopped by SIGTERM. What is answered is kept, and the same command goes on." in err
    code, told, _ = run(*command)
    assert code == 0 and "3 of them an earlier run had answered" in told and len(read(str(out))) == 3
