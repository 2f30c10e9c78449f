"""No token, key, password or credential of an address is left behind, or told, by anything that runs."""

import logging
import platform
import socket
import subprocess
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from s3fs import S3FileSystem

from adapters.errors import RepertoireError, cause, without_credentials
from adapters.format import files
from hub.catalogue.signing import PrivateKey, make_keys
from hub.errors import BadKey, Unreachable
from hub.hub import Hub
from hub.storage.address import open_storage
from tests.hub.cli.clicks import WORDS, clicks
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora

PLANTED = "PLANTED"
ENVIRONMENT = {
    "HF_TOKEN": f"hf_{PLANTED}1",
    "HUGGING_FACE_HUB_TOKEN": f"hf_{PLANTED}2",
    "AWS_SECRET_ACCESS_KEY": f"{PLANTED}3",
    "AWS_SESSION_TOKEN": f"{PLANTED}4",
    "REPERTOIRE_KEY_PASSWORD": f"{PLANTED}5",
    "WANDB_API_KEY": f"{PLANTED}6",
    "MLFLOW_TRACKING_URI": f"https://me:{PLANTED}7@127.0.0.1:9",
    "HTTPS_PROXY": f"http://me:{PLANTED}8@127.0.0.1:9",
    "DATABASE_URL": f"postgresql://me:{PLANTED}9@127.0.0.1:9/hub",
    "HOSTNAME": f"{PLANTED}10",
}
ADDRESSES = [
    f"s3://AKIA:{PLANTED}@bucket/hub",
    f"gs://{PLANTED}@bucket/hub",
    f"https://me:{PLANTED}@127.0.0.1:9/hub",
    f"https://me:{PLANTED}/with/slashes@127.0.0.1:9/hub",
    f"https://127.0.0.1:9/hub?X-Amz-Signature={PLANTED}&x=1",
    f"hf://me:hf_{PLANTED}@owner/repo",
    f"hf://hf_{PLANTED}@owner/repo",
]
COMMANDS = [
    ("ls", "--hub", "{}"),
    ("show", NAME, "--hub", "{}"),
    ("verify", "--hub", "{}"),
    ("init", "--hub", "{}"),
    ("push", "{}", "--hub", "campaigns"),
    ("pull", "{}", "--hub", "campaigns"),
    ("publish", "{}", NAME, "--hub", "campaigns"),
    ("import", "{}", NAME, "--hub", "campaigns"),
    ("publish", "made", NAME, "--hub", "campaigns", "--base", "{}"),
    ("export", NAME, "{}", "--to", "hf", "--hub", "campaigns"),
    ("train", "recommendation", "{}", "--out", "out"),
    ("train", "{}"),
    ("train", "recommendation", "clicks.csv", "--out", "out", "--base", "{}"),
    ("profile", "{}"),
    ("recommend", NAME, "--user", "u", "--ad", "a", "--hub", "campaigns", "--base", "{}"),
    ("recommend", NAME, "--data", "{}", "--out", "answers.csv", "--hub", "campaigns"),
]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for module, name in ((socket, "gethostname"), (socket, "getfqdn"), (platform, "node")):
        monkeypatch.setattr(module, name, lambda *_: f"{PLANTED}11")


def holding(folder: Path) -> list[str]:
    """Files below a folder with what was planted in their bytes or their names."""
    every = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in every if PLANTED.encode() in path.read_bytes() + str(path.name).encode()]


@pytest.mark.usefixtures("planted")
def test_what_a_training_a_publication_and_an_export_leave_behind_holds_no_secret_and_no_place(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_keys(tmp_path / "key", f"{PLANTED}5")
    home = tmp_path / "home-of-someone"
    home.mkdir()
    data = clicks(home / "clicks.csv")
    short = ("--set", "train.max_steps=2", "--set", "lora.rank=2")
    with caplog.at_level(logging.DEBUG):
        told = [
            run("train", "recommendation", data, "--out", home / "made", *WORDS, *short),
            run("publish", home / "made", NAME, "--key", "key.pem", "--yes"),
            run("show", NAME, "--json"),
            run("card", NAME),
            run("history", NAME),
            run("doctor"),
            run("doctor", "--json"),
            run("export", NAME, "loras", "--to", "vllm"),
            run("recommend", NAME, "--user", "u", "--ad", "a", "--ad", "b"),
        ]
    assert [code for code, _, _ in told[:5]] == [0] * 5, told[1]
    assert PLANTED not in "".join(out + err for _, out, err in told)
    assert PLANTED not in caplog.text
    assert holding(tmp_path) == []
    # What goes to others names no folder of the machine that trained it; what lies there for its own next start may.
    given = [home / "made", tmp_path / "campaigns", tmp_path / "loras"]
    kept = [path for folder in given for path in folder.rglob("*") if path.is_file()]
    assert len(kept) > 8
    assert [str(path) for path in kept if b"home-of-someone" in path.read_bytes()] == []


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("address", ADDRESSES)
def test_no_command_tells_the_credentials_of_an_address(
    run: Run, tmp_path: Path, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    clicks(tmp_path / "clicks.csv")
    Hub(tmp_path / "campaigns").publish(files.write(lora(), tmp_path / "made"), NAME)
    for command in COMMANDS:
        given = [part.format(address) for part in command]
        for arguments in (given, [*given, "--json"])[: 1 + ("https" in address)]:
            code, out, err = run(*arguments)
            assert code != 0, command
            assert PLANTED not in out + err, (command, out, err)
    assert PLANTED not in caplog.text
    assert holding(tmp_path) == []


@pytest.mark.usefixtures("s3")
def test_a_store_whose_address_has_a_password_is_told_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://me:{PLANTED}@127.0.0.1:9")
    # A client of its own: the server's are kept from test to test, and know their address already.
    monkeypatch.setattr("s3fs.S3FileSystem", partial(S3FileSystem, skip_instance_cache=True))
    with pytest.raises(Unreachable) as caught:
        open_storage("s3://bucket/hub").read("hub.json")
    assert PLANTED not in "".join(traceback.format_exception(caught.value)) + repr(caught.value)


def test_a_key_and_its_password_are_in_no_error(tmp_path: Path) -> None:
    make_keys(tmp_path / "key", PLANTED)
    secret = (tmp_path / "key.pem").read_text().splitlines()[1]
    for password in (None, f"wrong-{PLANTED}"):
        with pytest.raises(BadKey) as caught:
            PrivateKey(tmp_path / "key.pem", password)
        told = "".join(traceback.format_exception(caught.value))
        assert PLANTED not in told and secret not in told
    key = PrivateKey(tmp_path / "key.pem", PLANTED)
    assert PLANTED not in repr(key) + str(key)


def test_an_error_that_nobody_expected_is_told_without_credentials() -> None:
    program = (
        "import hub.cli\n"
        f"def broken(*given, **options): raise RuntimeError('at https://me:{PLANTED}@host/x') from OSError('s3://{PLANTED}@b/y')\n"
        "import hub.hub; hub.hub.Hub.__init__ = broken\n"
        "hub.cli.main(['ls', '--hub', 'campaigns'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" in done.stderr and "***@host/x" in done.stderr
    shown = [line for line in done.stderr.splitlines() if not line.startswith("    ")]
    assert PLANTED not in "\n".join(shown) + done.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("s3://k:s@b/c is", "s3://***@b/c is"),
        ("at https://a:b/c@h:8/d?x=1, and http://t@h", "at https://***@h:8/d?x=1, and http://***@h"),
        ("https://h:80/a@b", "https://h:80/a@b"),
        ("https://shop.example/@user", "https://shop.example/@user"),
        ("hf://owner/repo@main", "hf://owner/repo@main"),
        ("mail me@b.c", "mail me@b.c"),
        ("https://h/f?a=1&access_token=x&b=2", "https://h/f?a=1&access_token=***&b=2"),
        ("https://h/f?sig=x", "https://h/f?sig=***"),
        ("https://h/f?design=x", "https://h/f?design=x"),
    ],
)
def test_what_is_left_out_of_a_text(text: str, told: str) -> None:
    assert without_credentials(text) == told
    assert str(RepertoireError(text)) == told


def test_a_cause_that_tells_credentials_is_none() -> None:
    good, bad = OSError("https://h/x"), OSError("https://a:b@h/x")
    kept: list[Any] = [cause(good), cause(bad)]
    assert kept == [good, None]
