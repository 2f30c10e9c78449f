"""Signatures of versions: with a key, somebody vouches for a record, and so for every byte of a version.

    adapters/<client>/<campaign>/<task>/.signatures/000003/<key id>.json      a sigstore bundle, made by model-signing

What is signed is a folder with one file, `record.json`: the very bytes of the record. They say name and number, so that
a signature cannot be moved to another version, and the hash of every file:

    signature -> record -> hashes of the files -> bytes that are parsed

A key pair is one of an elliptic curve. The id of a key is the sha256 of its public half as PEM; bundles carry it.

The libraries take a moment to load, and come with the extra `signing`; nothing here loads them before it needs them.
"""

import base64
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from adapters.format import Bytes
from hub.errors import BadKey, HubError
from hub.storage.layout import signature, signatures
from hub.storage.storage import Storage
from hub.storage.store import sha256

RECORD = "record.json"
Curve = Literal["p256", "p384"]
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_BUNDLE = re.compile(r"([0-9a-f]{64})\.json")


@dataclass(frozen=True)
class PublicKey:
    """The half of a key pair that checks signatures.

    Attributes:
        name: of its file.
        id: the sha256 of `pem`.
        pem: canonical.
    """

    name: str
    id: str
    pem: bytes


class PrivateKey:
    """The half of a key pair that signs.

    Args:
        path: a PEM file of an elliptic-curve key; `make_keys` makes one.
        password: that of the file, where it has one.

    Attributes:
        public: the other half.

    Raises:
        BadKey: where the file holds none, or the password does not open it.
        HubError: where the extra `signing` is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], password: str | None = None) -> None:
        _require()
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        self._path = Path(path)
        # Text is what model-signing declares, and bytes is what it hands on to a library that takes nothing else.
        self._password: Any = password.encode() if password and needs_password(path) else None
        if self._password is None and needs_password(path):
            raise BadKey(
                f"{path} is protected by a password; run in a terminal, or set REPERTOIRE_KEY_PASSWORD"
            )
        try:
            key = load_pem_private_key(_bytes(path), self._password)
        except (ValueError, TypeError) as error:
            wrong = "the password does not open it" if self._password else "it holds no private key as PEM"
            raise BadKey(f"{path}: {wrong}; `repertoire keygen` makes a key pair") from error
        self.public = _public(key.public_key(), str(path))

    def sign(self, record: Bytes, subject: str) -> bytes:
        """The bundle for these bytes of a record. subject: what a person reads there, such as `acme.spring.ads@3`."""
        from model_signing import signing

        with _folder(record, subject) as folder:
            bundle = folder.parent / "bundle.json"
            config = signing.Config()
            config.use_elliptic_key_signer(private_key=self._path, password=self._password)
            config.sign(folder, bundle)
            return bundle.read_bytes()


def read_public_key(path: str | os.PathLike[str]) -> PublicKey:
    """The public key in a PEM file. Raises BadKey where it holds none."""
    _require()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data = _bytes(path)
    if b"PRIVATE KEY" in data:
        raise BadKey(
            f"{path} is a private key, which only its signer may have; give the public one, the .pub file"
        )
    try:
        key = load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKey(f"{path} holds no public key as PEM; `repertoire keygen` makes a key pair") from error
    return _public(key, str(path))


def needs_password(path: str | os.PathLike[str]) -> bool:
    """Whether a private key is encrypted. Raises BadKey where the file cannot be read."""
    return b"ENCRYPTED" in _bytes(path)


def make_keys(stem: str | os.PathLike[str], password: str | None = None, curve: Curve = "p256") -> PublicKey:
    """Write a new pair: `<stem>.pem`, which only its owner may read, and `<stem>.pub`.

    Args:
        stem: path and name of the files, without their endings.
        password: protect the private half with it.
        curve: `p256` or `p384`.

    Returns:
        The public half.

    Raises:
        BadKey: where one of the files is there already: a key is never overwritten.
    """
    _require()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    secret, public = Path(f"{os.fspath(stem)}.pem"), Path(f"{os.fspath(stem)}.pub")
    if taken := [str(path) for path in (secret, public) if os.path.lexists(path)]:
        raise BadKey(
            f"{' and '.join(taken)}: there already, and a key is not overwritten; choose another name"
        )
    key = ec.generate_private_key(ec.SECP256R1() if curve == "p256" else ec.SECP384R1())
    lock = (
        serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    made = _public(key.public_key(), str(public))
    public.parent.mkdir(parents=True, exist_ok=True)
    for path, data, mode in ((secret, pem, 0o600), (public, made.pem, 0o644)):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
    return made


def sign(storage: Storage, name: str, number: int, record: Bytes, key: PrivateKey) -> None:
    """Put the signature of a record, given as the bytes that the signer means, beside it in the hub.

    A signature of this key that is there already and counts is kept; one that does not count makes way.
    """
    path = signature(name, number, key.public.id)
    bundle = key.sign(record, f"{name.replace('/', '.')}@{number}")
    if (
        path not in storage.create({path: bundle})
        and fault(storage, name, number, record, key.public) is not None
    ):
        storage.replace(path, bundle)


def signers(storage: Storage, name: str, number: int) -> list[str]:
    """Ids of the keys by which a version claims to be signed; whether that is true, `fault` finds out."""
    found = map(_BUNDLE.fullmatch, storage.files(signatures(name, number)))
    return sorted(match[1] for match in found if match)


def fault(storage: Storage, name: str, number: int, record: Bytes, key: PublicKey) -> str | None:
    """Why the signature of this key on these bytes of a record does not count; None where it does."""
    try:
        bundle = storage.read(signature(name, number, key.id))
    except FileNotFoundError:
        return "there is none"
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"
    return fault_of(bundle, record, key)


def fault_of(bundle: Bytes, record: Bytes, key: PublicKey) -> str | None:
    """As `fault`, of a bundle that was read.

    model-signing says whether the key signed the statement inside, and whether that fits a folder with the record. A
    statement may leave files out; ours must be about the record, and nothing else.
    """
    _require()
    from cryptography.exceptions import InvalidSignature
    from model_signing import verifying

    try:
        hint, statement, plain = _read(bundle)
        subject = str(statement["subject"][0]["name"])[:200]
        signed = [
            (each["name"], each["algorithm"], each["digest"]) for each in statement["predicate"]["resources"]
        ]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        return f"its bundle is damaged ({type(error).__name__}: {str(error)[:200]})"
    if hint != key.id:
        return f"its bundle is of another key, {str(hint)[:64]}"
    fits = signed == [(RECORD, "sha256", sha256(record))]
    moved = f"it is for another record, of {subject}: this one was changed after it was signed, or it was moved here"
    with _folder(record, "record") as folder:
        public, stored = folder.parent / "key.pub", folder.parent / "bundle.json"
        public.write_bytes(key.pem)
        stored.write_bytes(plain)
        try:
            verifying.Config().use_elliptic_key_verifier(public_key=public).verify(folder, stored)
        except InvalidSignature:
            return "its bundle was changed after it was signed"
        except Exception as error:  # whatever a stranger's bundle brings about there, it does not count
            return f"its bundle is damaged ({type(error).__name__}: {str(error)[:200]})" if fits else moved
    return None if fits else moved


def _read(bundle: Bytes) -> tuple[Any, Any, bytes]:
    """A bundle's hint, its statement, and the bundle again with nothing in it but what we read ourselves, so that the
    library cannot read it otherwise than we did."""
    raw = json.loads(bytes(bundle))
    envelope, hint = raw["dsseEnvelope"], raw["verificationMaterial"]["publicKey"]["hint"]
    plain = {
        "mediaType": raw["mediaType"],
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": envelope["payload"],
            "payloadType": envelope["payloadType"],
            "signatures": [{"sig": envelope["signatures"][0]["sig"], "keyid": ""}],
        },
    }
    return hint, json.loads(base64.b64decode(envelope["payload"])), json.dumps(plain).encode()


@contextmanager
def _folder(record: Bytes, subject: str) -> Iterator[Path]:
    """A folder that holds the record alone, in one that is ours."""
    with tempfile.TemporaryDirectory(prefix="repertoire-") as own:
        folder = Path(own) / subject
        folder.mkdir()
        (folder / RECORD).write_bytes(record)
        yield folder


def _public(key: Any, name: str) -> PublicKey:
    from cryptography.hazmat.primitives import serialization

    curve = getattr(getattr(key, "curve", None), "name", None)
    if curve not in _CURVES:
        kind = f"curve {curve}" if curve else type(key).__name__
        raise BadKey(f"{name} is a key of another kind ({kind}); `repertoire keygen` makes one that fits")
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(Path(name).name, sha256(pem), pem)


def _bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadKey(
            f"{path} cannot be read ({error.strerror or error}); give the path of a key file"
        ) from error


def _require() -> None:
    missing = [name for name in ("cryptography", "model_signing", "OpenSSL") if find_spec(name) is None]
    if missing:
        raise HubError(
            f"signatures need {', '.join(missing)}; install it with `pip install 'adapter-repertoire[signing]'`"
        )
