"""Signatures: what counts as one, and what no forger gets past a reader."""

import json
import os
import random
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from model_signing import hashing, signing, verifying

from adapters import Lora
from hub.catalogue import resolving
from hub.catalogue.records import Record
from hub.catalogue.signing import PrivateKey, fault_of, make_keys, read_public_key
from hub.errors import BadKey, Damaged, HubError, Refused, Untrusted
from hub.hub import Hub
from hub.storage.layout import blob
from hub.storage.store import Store
from tests.hub.signed import OTHER, bundle_of, overwrite, reader, record_of, which
from tests.hub.tiny import NAME, lora


def test_a_record_that_was_changed_after_signing_is_refused(hub: Hub, acme: PrivateKey, trust: Path) -> None:
    hub.publish(lora(1), NAME, key=acme)
    hub.publish(lora(2), NAME)
    evil = json.loads(record_of(hub, 2).read_bytes()) | {"version": 1, "parent": None}
    overwrite(record_of(hub, 1), json.dumps(evil).encode())
    assert which(hub.read(f"{NAME}@1")) == 2, "hashes alone do not find it"
    with pytest.raises(
        Untrusted, match=r"for another record, of acme\.spring\.recommendation@1: this one was changed"
    ):
        reader(hub, trust).read(f"{NAME}@1")
    bundle_of(hub, acme).unlink()
    with pytest.raises(Untrusted, match="it is not signed"):
        reader(hub, trust).read(f"{NAME}@1")


def test_no_signature_can_be_moved_to_another_version_or_name(
    hub: Hub, acme: PrivateKey, trust: Path
) -> None:
    hub.publish(lora(1), NAME, key=acme)
    hub.publish(lora(2), NAME)
    hub.publish(lora(1), "acme/winter/recommendation")
    for number, name in ((2, NAME), (1, "acme/winter/recommendation")):
        overwrite(bundle_of(hub, acme, number, name), bundle_of(hub, acme).read_bytes())
        with pytest.raises(
            Untrusted, match=r"of acme\.spring\.recommendation@1: this one .* or it was moved here"
        ):
            reader(hub, trust).read(f"{name}@{number}")


def test_an_old_signed_version_cannot_come_back_under_a_new_number(
    hub: Hub, acme: PrivateKey, trust: Path
) -> None:
    hub.publish(lora(1), NAME, key=acme)
    hub.publish(lora(2), NAME, key=acme)
    overwrite(record_of(hub, 3), record_of(hub, 1).read_bytes())
    overwrite(bundle_of(hub, acme, 3), bundle_of(hub, acme, 1).read_bytes())
    with pytest.raises(Damaged, match="says that it is acme/spring/recommendation@1"):
        reader(hub, trust).read(NAME)
    evil = json.loads(record_of(hub, 1).read_bytes()) | {"version": 3, "parent": 2}
    overwrite(record_of(hub, 3), json.dumps(evil).encode())
    with pytest.raises(Untrusted, match=r"recommendation@3 is not loaded"):
        reader(hub, trust).read(NAME)


def test_a_blob_that_was_changed_after_signing_is_found_by_its_hash(
    hub: Hub, acme: PrivateKey, trust: Path
) -> None:
    version = hub.publish(lora(1), NAME, key=acme)
    [weights] = [file for file in version.record.files if file.name.endswith(".safetensors")]
    path = Path(hub.address) / blob(weights.sha256)
    overwrite(path, path.read_bytes()[:-1] + b"\0")
    with pytest.raises(Damaged, match="other bytes than were published"):
        reader(hub, trust).read(NAME)
    with pytest.raises(Damaged):
        hub.sign(NAME, acme)


def test_every_flipped_bit_of_a_record_is_refused(hub: Hub, acme: PrivateKey) -> None:
    hub.publish(lora(1), NAME, key=acme)
    record, bundle = record_of(hub).read_bytes(), bundle_of(hub, acme).read_bytes()
    assert fault_of(bundle, record, acme.public) is None
    for at in range(0, len(record), 31):
        changed = bytearray(record)
        changed[at] ^= 1 << at % 8
        found = fault_of(bundle, changed, acme.public)
        assert found is not None and "for another record" in found


def test_a_flipped_bit_of_a_bundle_is_refused_or_means_the_same(hub: Hub, acme: PrivateKey) -> None:
    hub.publish(lora(1), NAME, key=acme)
    record, bundle = record_of(hub).read_bytes(), bundle_of(hub, acme).read_bytes()
    idle = {b"tlogEntries", b"keyid", b"verificationMaterial"}
    draw, passed = random.Random(0), 0
    for at in range(0, len(bundle), 7):
        changed = bytearray(bundle)
        changed[at] ^= 1 << draw.randrange(8)
        if fault_of(changed, record, acme.public) is None:
            passed += 1
            around = bytes(bundle[max(0, at - 25) : at + 25])
            assert any(word in around for word in idle) or b"=" in around, around
    assert passed <= 10
    for cut in range(0, len(bundle), 97):
        assert fault_of(bundle[:cut], record, acme.public) is not None
    for odd in (b"", b"[]", b"null", b"{}", b"[" * 100_000, b"\xff", b'{"dsseEnvelope": 3}'):
        assert "damaged" in str(fault_of(odd, record, acme.public))


def test_a_flipped_bit_of_a_public_key_is_no_key_or_another_one(
    hub: Hub, acme: PrivateKey, keys: Path, tmp_path: Path
) -> None:
    hub.publish(lora(1), NAME, key=acme)
    record, bundle = record_of(hub).read_bytes(), bundle_of(hub, acme).read_bytes()
    pem, path = (keys / "acme.pub").read_bytes(), tmp_path / "flipped.pub"
    for at in range(len(pem)):
        changed = bytearray(pem)
        changed[at] ^= 1 << at % 8
        path.write_bytes(changed)
        try:
            key = read_public_key(path)
        except BadKey:
            continue
        assert key.id == acme.public.id or fault_of(bundle, record, key) is not None


def test_a_statement_that_leaves_the_record_out_does_not_count(
    keys: Path, acme: PrivateKey, tmp_path: Path
) -> None:
    """The library itself accepts it: a signer of models may leave files out."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "record.json").write_bytes(b"what was signed\n")
    config = hashing.Config().set_ignored_paths(paths=["record.json"])
    signing.Config().use_elliptic_key_signer(private_key=keys / "acme.pem").set_hashing_config(config).sign(
        model, tmp_path / "bundle"
    )
    (model / "record.json").write_bytes(b"what was never signed\n")
    verifying.Config().use_elliptic_key_verifier(public_key=keys / "acme.pub").verify(
        model, tmp_path / "bundle"
    )
    found = fault_of((tmp_path / "bundle").read_bytes(), b"what was never signed\n", acme.public)
    assert found is not None and "for another record" in found


def test_what_the_hub_says_is_not_signed_only_what_was_written(
    hub: Hub, acme: PrivateKey, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub in a forger's hands answers with another record as soon as one is there."""
    evil = hub.publish(lora(2), NAME).record

    def forge(*arguments: object) -> None:
        forged = evil.model_copy(update={"version": 2, "parent": 1})
        overwrite(record_of(hub, 2), forged.to_bytes())

    with monkeypatch.context() as patch:
        record_in = resolving.record_of

        def forging(store: Store, name: str, number: int) -> Record:
            if number == 2:
                forge()
            return record_in(store, name, number)

        patch.setattr(resolving, "record_of", forging)
        hub.publish(lora(1), NAME, key=acme)
    assert which(hub.read(f"{NAME}@2")) == 2
    with pytest.raises(Untrusted, match="for another record"):
        reader(hub, trust).read(f"{NAME}@2")


def test_publishing_again_with_the_same_id_signs_only_the_same_files(
    hub: Hub, acme: PrivateKey, trust: Path
) -> None:
    hub.publish(lora(1), NAME, publish_id="night")
    hub.publish(lora(1), NAME, publish_id="night", key=acme)
    assert which(reader(hub, trust).read(NAME)) == 1
    other = replace(lora(3), method=Lora(rank=2, alpha=8.0, targets=("q_proj",)))
    hub.publish(lora(3), NAME, publish_id="day")
    with pytest.raises(Refused, match="other files, so that it was not signed"):
        hub.publish(other, NAME, publish_id="day", key=acme)
    assert hub.signatures(f"{NAME}@2") == []


def test_signing_twice_keeps_the_first_signature(hub: Hub, acme: PrivateKey) -> None:
    hub.publish(lora(1), NAME, key=acme)
    first = bundle_of(hub, acme).read_bytes()
    hub.sign(NAME, acme)
    assert bundle_of(hub, acme).read_bytes() == first
    overwrite(bundle_of(hub, acme), b"{}")
    hub.sign(NAME, acme)
    assert fault_of(bundle_of(hub, acme).read_bytes(), record_of(hub).read_bytes(), acme.public) is None


def test_a_link_in_the_place_of_a_signature_is_not_followed(hub: Hub, acme: PrivateKey, trust: Path) -> None:
    hub.publish(lora(1), NAME, key=acme)
    path = bundle_of(hub, acme)
    path.rename(path.with_name("aside"))
    path.symlink_to(path.with_name("aside"))
    with pytest.raises(Untrusted, match="cannot be read"):
        reader(hub, trust).read(NAME)
    hub.sign(NAME, acme)
    assert not path.is_symlink()
    assert which(reader(hub, trust).read(NAME)) == 1


def test_the_stock_tool_accepts_a_bundle_for_a_folder_with_the_record(
    hub: Hub, acme: PrivateKey, keys: Path, tmp_path: Path
) -> None:
    hub.publish(lora(1), NAME, key=acme)
    model = tmp_path / "copied"
    model.mkdir()
    (model / "record.json").write_bytes(record_of(hub).read_bytes())
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(model)]
    command += ["--signature", str(bundle_of(hub, acme)), "--public_key", str(keys / "acme.pub")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "Verification succeeded"), done.stderr
    (model / "record.json").write_bytes(record_of(hub).read_bytes() + b" ")
    assert subprocess.run(command, capture_output=True).returncode == 1


def test_a_signature_by_the_stock_tool_counts(
    hub: Hub, acme: PrivateKey, keys: Path, tmp_path: Path, trust: Path
) -> None:
    hub.publish(lora(1), NAME)
    model = tmp_path / "copied"
    model.mkdir()
    (model / "record.json").write_bytes(record_of(hub).read_bytes())
    command = [sys.executable, "-m", "model_signing", "sign", "key", str(model)]
    command += ["--signature", str(tmp_path / "bundle"), "--private_key", str(keys / "acme.pem")]
    subprocess.run(command, check=True, capture_output=True)
    overwrite(bundle_of(hub, acme), (tmp_path / "bundle").read_bytes())
    assert which(reader(hub, trust).read(NAME)) == 1


@pytest.mark.parametrize("curve", ["p256", "p384"])
def test_a_key_with_a_password_signs_only_with_it(hub: Hub, tmp_path: Path, curve: str) -> None:
    made = make_keys(tmp_path / "own", "correct horse", curve)  # type: ignore[arg-type]
    assert stat.S_IMODE(os.stat(tmp_path / "own.pem").st_mode) == 0o600
    assert b"ENCRYPTED" in (tmp_path / "own.pem").read_bytes()
    with pytest.raises(BadKey, match="protected by a password"):
        PrivateKey(tmp_path / "own.pem")
    with pytest.raises(BadKey, match="the password does not open it"):
        PrivateKey(tmp_path / "own.pem", "wrong")
    key = PrivateKey(tmp_path / "own.pem", "correct horse")
    assert key.public.id == made.id == read_public_key(tmp_path / "own.pub").id
    hub.publish(lora(1), NAME, key=key)
    assert fault_of(bundle_of(hub, key).read_bytes(), record_of(hub).read_bytes(), made) is None


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "own.pub").write_bytes(b"mine")
    with pytest.raises(BadKey, match=r"own\.pub: there already"):
        make_keys(tmp_path / "own")
    assert sorted(os.listdir(tmp_path)) == ["own.pub"]
    assert (tmp_path / "own.pub").read_bytes() == b"mine"


def test_keys_of_other_kinds_are_told_apart(tmp_path: Path, keys: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    def pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
        kind, format = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return key.private_bytes(kind, format, serialization.NoEncryption())

    for key, said in (
        (ed25519.Ed25519PrivateKey.generate(), "of another kind .Ed25519"),
        (ec.generate_private_key(ec.SECP256K1()), "of another kind .curve secp256k1"),
    ):
        (tmp_path / "odd.pem").write_bytes(pem(key))
        with pytest.raises(BadKey, match=said):
            PrivateKey(tmp_path / "odd.pem")
    with pytest.raises(BadKey, match="holds no private key"):
        PrivateKey(keys / "acme.pub")
    with pytest.raises(BadKey, match="which only its signer may have"):
        read_public_key(keys / "acme.pem")
    with pytest.raises(BadKey, match="cannot be read"):
        PrivateKey(tmp_path / "nowhere.pem")


@pytest.mark.parametrize("missing", ["model_signing", "OpenSSL", "cryptography"])
def test_without_the_library_nothing_passes(
    hub: Hub, trust: Path, acme: PrivateKey, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish(lora(1), NAME, key=acme)
    early = reader(hub, trust)
    monkeypatch.setitem(sys.modules, missing, None)
    for load in (lambda: early.read(NAME), lambda: reader(hub, trust).read(NAME)):
        with pytest.raises(HubError, match=rf"signatures need {missing}; install it with .*\[signing\]"):
            load()


def test_the_library_loads_only_where_a_signature_is_checked(
    hub: Hub, trust: Path, acme: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish(lora(1), NAME, key=acme)
    hub.publish(lora(1), OTHER)
    for name in [name for name in sys.modules if name.split(".")[0] == "model_signing"]:
        monkeypatch.delitem(sys.modules, name)
    hub.read(NAME)
    reader(hub, trust).read(OTHER)
    assert "model_signing" not in sys.modules, "nothing is asked"
    reader(hub, trust).read(NAME)
    assert "model_signing" in sys.modules
