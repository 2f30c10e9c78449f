"""repertoire keygen, sign, publish --key, show: keys and signatures from a terminal."""

import json
from pathlib import Path

import pytest

from hub.hub import Hub
from tests.hub.conftest import Run
from tests.hub.tiny import NAME


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    path = tmp_path / "trust.yaml"
    path.write_text('clients: {acme: {require_signature: [keys/acme.pub]}, "*": {require_signature: []}}')
    return path


@pytest.fixture(autouse=True)
def _no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPERTOIRE_KEY_PASSWORD", raising=False)
    monkeypatch.delenv("REPERTOIRE_TRUST", raising=False)


def test_keys_are_made_and_a_version_is_signed_and_shown(run: Run, folder: Path, trust: Path) -> None:
    code, out, _ = run("keygen", "keys/acme", "--no-password")
    assert code == 0 and "Made keys/acme.pem, which signs" in out
    run("publish", folder, NAME)
    code, out, _ = run("show", NAME, "--trust", trust)
    assert code == 0, "what is not loaded can still be looked at"
    assert "not loaded" in out and "it is not signed" in out
    code, out, _ = run("sign", NAME, "--key", "keys/acme.pem")
    assert code == 0 and f"Signed {NAME}@1, published " in out
    code, out, _ = run("show", NAME, "--trust", trust)
    assert "not loaded" not in out and "acme.pub, key " in out and ": counts" in out
    _, out, _ = run("show", NAME)
    assert ", not checked: no trust file names it for this client" in out


def test_publish_signs_with_a_key(run: Run, folder: Path, trust: Path) -> None:
    _, out, _ = run("keygen", "keys/acme", "--no-password", "--curve", "p384", "--json")
    made = json.loads(out)
    assert made == {"key": made["key"], "private": "keys/acme.pem", "public": "keys/acme.pub"}
    code, out, _ = run("publish", folder, NAME, "--key", "keys/acme.pem", "--json")
    assert (code, json.loads(out)["signed_by"]) == (0, made["key"])
    shown = json.loads(run("show", NAME, "--trust", trust, "--json")[1])
    assert shown["untrusted"] is None
    assert shown["signatures"] == [{"key": made["key"], "name": "acme.pub", "counts": True, "fault": None}]
    assert Hub("campaigns", trust=trust).read(NAME).task == "recommendation"


def test_a_password_comes_from_the_environment_and_never_from_the_command_line(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run("keygen", "keys/acme")
    assert code == 2 and "REPERTOIRE_KEY_PASSWORD" in err and "--no-password" in err
    monkeypatch.setenv("REPERTOIRE_KEY_PASSWORD", "correct horse")
    assert run("keygen", "keys/acme")[0] == 0
    assert run("publish", folder, NAME, "--key", "keys/acme.pem")[0] == 0
    monkeypatch.setenv("REPERTOIRE_KEY_PASSWORD", "wrong")
    code, _, err = run("sign", NAME, "--key", "keys/acme.pem")
    assert code == 2 and "the password does not open it" in err
    monkeypatch.delenv("REPERTOIRE_KEY_PASSWORD")
    code, _, err = run("publish", folder, NAME, "--key", "keys/acme.pem")
    assert code == 2 and "protected by a password" in err
    assert len(Hub("campaigns").versions(NAME)) == 1, "a key that does not open publishes nothing"


def test_a_terminal_is_asked_for_passwords(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def prompt(text: str, **options: object) -> str:
        asked.append((text, options.get("hide_input"), options.get("confirmation_prompt", False)))
        return "correct horse"

    monkeypatch.setattr("hub.cli.sign.typer.prompt", prompt)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    run("keygen", "acme")
    assert run("publish", folder, NAME, "--key", "acme.pem")[0] == 0
    assert asked == [("A password for the new key", True, True), ("Password of acme.pem", True, False)]


def test_unsigned_adapters_are_not_asked(
    run: Run, folder: Path, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("keygen", "keys/acme", "--no-password")
    run("publish", folder, NAME)
    ask = ("recommend", NAME, "--ad", "tea", "--base", "starter", "--json")
    code, out, _ = run(*ask, "--trust", trust)
    assert (code, json.loads(out)["error"]["type"]) == (4, "Untrusted")
    monkeypatch.setenv("REPERTOIRE_TRUST", str(trust))
    assert json.loads(run(*ask)[1])["error"]["type"] == "Untrusted"
    trust.write_text("clients: {acme: {require_signature: [gone.pub]}}")
    code, out, _ = run("ls", "--json")
    error = json.loads(out)["error"]
    assert (code, error["type"], len(error["problems"])) == (2, "BadTrust", 2)
