"""Whom a reader trusts: what is loaded, what is refused, and what a trust file says."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adapters import Adapter, BaseId
from hub import Analyze, Registry
from hub.catalogue.signing import PrivateKey, PublicKey, read_public_key
from hub.catalogue.trust import Trust, load_trust
from hub.errors import BadTrust, HubError, Untrusted
from hub.hub import Hub
from tests.adapters import models
from tests.hub.signed import OTHER, bundle_of, overwrite, reader, record_of, which
from tests.hub.tiny import NAME, lora


def test_a_signed_version_is_loaded_and_an_unsigned_one_is_not(
    hub: Hub, acme: PrivateKey, trust: Path
) -> None:
    hub.publish(lora(1), NAME, key=acme)
    hub.publish(lora(2), NAME)
    ours = reader(hub, trust)
    assert which(ours.read(f"{NAME}@1")) == 1
    with pytest.raises(Untrusted, match=r"@2 is not loaded: it is not signed\. .*trust\.yaml asks for a "):
        ours.read(f"{NAME}@2")
    assert which(hub.read(f"{NAME}@2")) == 2, "the hub itself asks for nothing"
    hub.sign(f"{NAME}@2", acme)
    assert which(ours.read(f"{NAME}@2")) == 2, "signed meanwhile: a refusal is not remembered"


def test_other_clients_need_no_signature(hub: Hub, trust: Path) -> None:
    hub.publish(lora(1), OTHER)
    assert which(reader(hub, trust).read(OTHER)) == 1


def test_the_star_holds_for_every_client_without_a_line(
    hub: Hub, keys: Path, acme: PrivateKey, trust: Path
) -> None:
    hub.publish(lora(1), OTHER)
    hub.publish(lora(1), NAME)
    trust.write_text('clients:\n  acme: {require_signature: []}\n  "*": {require_signature: [acme.pub]}\n')
    assert which(reader(hub, trust).read(NAME)) == 1
    with pytest.raises(Untrusted):
        reader(hub, trust).read(OTHER)
    hub.sign(OTHER, acme)
    assert which(reader(hub, trust).read(OTHER)) == 1


def test_any_of_several_keys_is_enough(hub: Hub, mallory: PrivateKey, trust: Path) -> None:
    trust.write_text('clients: {"*": {require_signature: [acme.pub, mallory.pub]}}')
    hub.publish(lora(1), NAME, key=mallory)
    assert which(reader(hub, trust).read(NAME)) == 1


def test_a_signature_by_another_key_does_not_count(
    hub: Hub, acme: PrivateKey, mallory: PrivateKey, trust: Path
) -> None:
    hub.publish(lora(1), NAME, key=mallory)
    with pytest.raises(Untrusted, match=f"signed by other keys only .{mallory.public.id[:12]}"):
        reader(hub, trust).read(NAME)
    overwrite(bundle_of(hub, acme), bundle_of(hub, mallory).read_bytes())
    with pytest.raises(
        Untrusted, match=f"acme.pub does not count: its bundle is of another key, {mallory.public.id}"
    ):
        reader(hub, trust).read(NAME)
    forged = bundle_of(hub, mallory).read_bytes().replace(mallory.public.id.encode(), acme.public.id.encode())
    overwrite(bundle_of(hub, acme), forged)
    with pytest.raises(
        Untrusted, match=r"acme\.pub does not count: its bundle was changed after it was signed"
    ):
        reader(hub, trust).read(NAME)
    hub.sign(NAME, acme)
    assert which(reader(hub, trust).read(NAME)) == 1, "a bundle that does not count makes way"
    assert bundle_of(hub, mallory).exists()


def test_a_proof_holds_for_the_record_that_was_proved_and_for_no_other(
    hub: Hub, acme: PrivateKey, trust: Path
) -> None:
    hub.publish(lora(1), NAME, key=acme)
    hub.publish(lora(2), NAME)
    ours = reader(hub, trust)
    signed = ours.resolve(f"{NAME}@1")
    assert which(ours.read(signed)) == 1
    evil = json.loads(record_of(hub, 2).read_bytes()) | {"version": 1, "parent": None}
    overwrite(record_of(hub, 1), json.dumps(evil).encode())
    with pytest.raises(Untrusted):
        ours.read(f"{NAME}@1")
    assert which(ours.read(signed)) == 1, "in hand: its very record was signed"
    others = signed.record.model_copy(update={"files": ours.resolve(f"{NAME}@2").record.files})
    with pytest.raises(Untrusted, match="is another by now"):
        ours.read(replace(signed, record=others))


def test_signatures_tell_what_counts(hub: Hub, acme: PrivateKey, mallory: PrivateKey, trust: Path) -> None:
    hub.publish(lora(1), NAME, key=acme)
    hub.sign(NAME, mallory)
    overwrite(bundle_of(hub, acme).with_name("notes.json"), b"no signature")
    found = {each.key: (each.name, each.counts) for each in reader(hub, trust).signatures(NAME)}
    assert found == {acme.public.id: ("acme.pub", True), mallory.public.id: (None, False)}
    assert [each.counts for each in hub.signatures(NAME)] == [False, False], (
        "nothing is known, nothing checked"
    )


def test_everything_wrong_with_a_trust_file_is_told_at_once(keys: Path) -> None:
    path = keys / "wrong.yaml"
    path.write_text(
        """
        clients:
          Acme Corp: {require_signature: []}
          acme: {require_signature: [nowhere.pub, acme.pem, 3]}
          globex: {require_signatures: [acme.pub]}
          initech: acme.pub
          hooli: {require_signature: acme.pub}
        hubs: []
        """
    )
    with pytest.raises(BadTrust) as told:
        load_trust(path)
    problems = [problem.removeprefix(f"{path}: ") for problem in told.value.problems]
    assert [problem.split(":")[0] for problem in problems] == [
        "clients.Acme Corp",
        "clients.acme.require_signature.0",
        "clients.acme.require_signature.1",
        "clients.acme.require_signature.2",
        "clients.globex.require_signature",
        "clients.globex.require_signatures",
        "clients.initech",
        "clients.hooli.require_signature",
        "hubs",
        'clients."*"',
    ]
    assert str(told.value).count("\n") == len(problems) - 1


@pytest.mark.parametrize(
    "text", ["", "[]", "clients", "clients: []", "clients: {}", "clients: {a: {}, a: {}}", "clients: [", "\0"]
)
def test_what_is_no_trust_file_never_means_that_all_are_trusted(hub: Hub, tmp_path: Path, text: str) -> None:
    (tmp_path / "trust.yaml").write_text(text)
    with pytest.raises(BadTrust):
        Hub(hub.address, trust=tmp_path / "trust.yaml")


@pytest.mark.parametrize("named", ["", "nowhere.yaml"])
def test_a_trust_file_that_is_named_and_missing_is_an_error(
    hub: Hub, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPERTOIRE_TRUST", named)
    with pytest.raises(BadTrust, match="cannot be read"):
        Hub(hub.address)


def test_the_environment_names_the_trust_file_of_every_hub(
    hub: Hub, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish(lora(1), NAME)
    monkeypatch.setenv("REPERTOIRE_TRUST", str(trust))
    with pytest.raises(Untrusted):
        Hub(hub.address).read(NAME)


Made = Callable[[str, int], Adapter]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Adapters with a head of two labels for the tiny base, by name and seed."""

    def make(name: str, seed: int) -> Adapter:
        adapter = models.peft_adapter(models.model("llama", 2), tmp_path / name, "lora", seed=seed)
        return replace(adapter, base=BaseId("tiny/llama"))

    return make


def test_a_registry_answers_from_signed_adapters_and_refuses_the_others_in_one_batch(
    hub: Hub, made: Made, trust: Path, acme: PrivateKey
) -> None:
    hub.publish(made("signed", 1), "acme/spring/behavior", key=acme, base=models.base("llama"))
    hub.publish(made("unsigned", 2), "acme/summer/behavior", base=models.base("llama"))
    hub.publish(made("free", 3), "globex/spring/behavior")
    names = ["acme/spring/behavior", "acme/summer/behavior", "globex/spring/behavior"]
    registry = Registry(hub.address, models.base("llama"), trust=trust)
    try:
        served, refused, free = registry.run([Analyze(name, ["a text"]) for name in names])
        assert isinstance(refused, Untrusted) and "acme/summer/behavior@1 is not loaded" in str(refused)
        for answer in (served, free):
            assert isinstance(answer, list) and len(answer) == 1
        with pytest.raises(Untrusted, match="acme/summer/behavior"):
            registry.analyze(["acme/spring/behavior", "acme/summer/behavior"], "a text")
        with pytest.raises(Untrusted):
            registry.load("acme/summer/behavior")
    finally:
        registry.close()


def test_content_that_is_loaded_for_a_signed_version_is_not_served_for_an_unsigned_one(
    hub: Hub, made: Made, trust: Path, acme: PrivateKey
) -> None:
    """Weights are kept by content: version 1 brought back as version 3 has the very same."""
    adapter = made("one", 1)
    hub.publish(adapter, "acme/spring/behavior", key=acme, base=models.base("llama"))
    hub.publish(made("two", 2), "acme/spring/behavior", key=acme, base=models.base("llama"))
    registry = Registry(hub.address, models.base("llama"), trust=trust)
    try:
        registry.analyze("acme/spring/behavior@1", "a text")
        again = hub.publish(adapter, "acme/spring/behavior", base=models.base("llama"))
        assert again.digest == hub.resolve("acme/spring/behavior@1").digest
        with pytest.raises(Untrusted, match="behavior@3 is not loaded: it is not signed"):
            registry.analyze("acme/spring/behavior", "a text")
        assert registry.analyze("acme/spring/behavior@1", "a text")
    finally:
        registry.close()


def test_a_registry_on_an_open_hub_takes_no_second_trust_file(hub: Hub, trust: Path) -> None:
    with pytest.raises(HubError, match="has its own trust file"):
        Registry(hub, models.base("llama"), trust=trust)


def test_a_trust_is_of_its_file_and_not_of_what_was_proved(trust: Path, keys: Path) -> None:
    key = read_public_key(keys / "acme.pub")
    assert load_trust(trust) == Trust(str(trust), {"acme": (key,), "*": ()})
    assert load_trust(trust).keys("acme") == (key,)
    assert load_trust(trust).keys("anybody") == ()
    assert key == PublicKey("acme.pub", key.id, key.pem)
