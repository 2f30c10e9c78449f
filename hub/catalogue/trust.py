"""Whom a reader trusts: the clients whose adapters are loaded only where one of these keys signed them.

    clients:
      acme: {require_signature: [keys/acme.pub]}     # one of them is enough; paths start at this file
      "*": {require_signature: []}                   # every other client: nothing is asked

The file belongs to the reader (`REPERTOIRE_TRUST`, `Hub(..., trust=...)`), and never to the hub: whoever can write into
a hub could write it too. A signature says who vouches for a version, not that the version is the newest: who can write
into a hub may still point an alias at an older version that was signed. `name@3` is exactly version 3.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo

from hub.catalogue import records, signing
from hub.catalogue.records import Record
from hub.catalogue.signing import PublicKey
from hub.errors import BadKey, BadTrust, Untrusted
from hub.storage.layout import is_part, log, numbered
from hub.storage.storage import Storage

OTHERS = "*"


@dataclass(frozen=True)
class Trust:
    """What a trust file says.

    Attributes:
        source: the file, for messages.
        clients: client, or `*` for the others -> the keys of which one must have signed; none where nothing is asked.
    """

    source: str
    clients: Mapping[str, tuple[PublicKey, ...]]
    _proved: dict[str, Record] = field(default_factory=dict, repr=False, compare=False)

    def keys(self, client: str) -> tuple[PublicKey, ...]:
        """The keys of which one must have signed this client's adapters."""
        return self.clients[client if client in self.clients else OTHERS]


@dataclass(frozen=True)
class Signature:
    """One signature of a version.

    Attributes:
        key: the id of its key.
        name: of the reader's key file with this id; None where the reader does not know it, and nothing was checked.
        fault: why it does not count.
    """

    key: str
    name: str | None
    fault: str | None

    @property
    def counts(self) -> bool:
        """Whether a key that the reader trusts for this client signed the version as it is."""
        return self.name is not None and self.fault is None


def check_signed(storage: Storage, record: Record, trust: Trust) -> None:
    """Raise Untrusted, with the reason, where the trust file asks for a signature that a version does not have.

    `record` may come from anywhere: what counts is whether a key signed the bytes in the hub that say the same. A proof
    is kept: a record that was signed stays signed.
    """
    keys = trust.keys(record.name.split("/")[0])
    if not keys or trust._proved.get(record.reference) == record:
        return
    data = _stored(storage, record)
    faults = {}
    for key in keys:
        fault = signing.fault(storage, record.name, record.version, data, key)
        if fault is None:
            trust._proved[record.reference] = record
            return
        faults[key] = fault
    raise Untrusted(_why(storage, record, trust, faults))


def unproved(record: Record) -> str | None:
    """What a reader should know of a version whose base nobody can tell from another; None where it can be told."""
    if record.base.fingerprint is not None:
        return None
    return (
        f"it carries no fingerprint of its base: nothing shows that a base is the {record.base.id} that it was trained "
        "on; publish it again with --base"
    )


def check_proved(record: Record, trust: Trust) -> None:
    """Raise Untrusted where a trust file asks for signatures of a client whose version does not tell its base."""
    if trust.keys(record.name.split("/")[0]) and (why := unproved(record)):
        raise Untrusted(f"{record.reference} answers nothing under {trust.source}: {why}")


def signatures(storage: Storage, record: Record, trust: Trust | None) -> list[Signature]:
    """The signatures of a version, each checked where the trust file names its key for this client."""
    known = {key.id: key for key in trust.keys(record.name.split("/")[0])} if trust else {}
    found = []
    for id in signing.signers(storage, record.name, record.version):
        key = known.get(id)
        fault = None
        if key is not None:
            fault = signing.fault(storage, record.name, record.version, _stored(storage, record), key)
        found.append(Signature(id, key.name if key else None, fault))
    return found


def trust_for(given: Trust | str | os.PathLike[str] | None) -> Trust | None:
    """What holds for a reader who gave this: a trust file, one that was read, or none, and then that of the environment
    (`REPERTOIRE_TRUST`). None where nothing is asked. Raises BadTrust."""
    named = os.environ.get("REPERTOIRE_TRUST") if given is None else given
    return named if named is None or isinstance(named, Trust) else load_trust(named)


def load_trust(path: str | os.PathLike[str]) -> Trust:
    """Read a trust file and the keys that it names.

    Args:
        path: a YAML file; paths in it start at its folder.

    Raises:
        BadTrust: with all problems at once.
    """
    from recipes.options import BadYaml, load_yaml

    source = os.fspath(path)
    try:
        content = load_yaml(path)
    except BadYaml as error:
        raise BadTrust([f"{source}: {error}; give a trust file"]) from error
    problems = []
    clients = content.get("clients") if isinstance(content, dict) else None
    if isinstance(clients, dict) and OTHERS not in clients:
        problems.append(
            'clients."*": is missing; write what holds for every other client, such as "*": {require_signature: []}'
        )
    try:
        read = _File.model_validate(content, context=Path(path).parent)
    except ValidationError as error:
        problems = [_told(fault) for fault in error.errors()] + problems
    if problems:
        raise BadTrust(f"{source}: {problem}" for problem in problems)
    return Trust(source, {client: tuple(policy.require_signature) for client, policy in read.clients.items()})


def _stored(storage: Storage, record: Record) -> bytes:
    """The bytes of a record in the hub. Raises Untrusted where they say something else."""
    try:
        data = bytes(storage.read(numbered(log(record.name), record.version)))
    except OSError as error:
        raise Untrusted(
            f"{record.reference}: its record cannot be read again ({error.strerror or error}); ask once more"
        ) from error
    if records.from_bytes(data, record.name, record.version) != record:
        raise Untrusted(f"{record.reference}: its record in the hub is another by now; ask once more")
    return data


def _why(storage: Storage, record: Record, trust: Trust, faults: Mapping[PublicKey, str]) -> str:
    claimed = signing.signers(storage, record.name, record.version)
    found = [
        f"the signature of {key.name} does not count: {faults[key]}" for key in faults if key.id in claimed
    ]
    if not found and claimed:
        found = [f"it is signed by other keys only ({', '.join(id[:12] for id in claimed)})"]
    names = " or ".join(key.name for key in faults)
    return (
        f"{record.reference} is not loaded: {'; '.join(found) or 'it is not signed'}. {trust.source} asks for a "
        f"signature of {names}; whoever holds that key gives it with `repertoire sign {record.reference}`"
    )


def _key(value: Any, info: ValidationInfo) -> PublicKey:
    if not isinstance(value, str):
        raise ValueError("write the path of a public key")
    assert isinstance(info.context, Path)
    try:
        return signing.read_public_key(info.context / value)
    except BadKey as error:
        raise ValueError(str(error)) from error


def _client(name: str) -> str:
    if name != OTHERS and not is_part(name):
        raise ValueError('is no name of a client; write it as in client/campaign/task, or "*" for the others')
    return name


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Policy(_Section):
    require_signature: list[Annotated[PublicKey, BeforeValidator(_key)]]


class _File(_Section):
    clients: dict[Annotated[str, AfterValidator(_client)], _Policy]


def _told(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    where = f"{key}: " if key else ""
    match fault["type"]:
        case "missing":
            return f"{where}is missing; write it"
        case "extra_forbidden":
            return f"{where}no such key; a trust file knows clients, and a client require_signature"
        case "list_type":
            return f"{where}{fault['input']!r} should be a list of public keys, such as [keys/acme.pub]"
        case "value_error":
            return f"{where}{fault['ctx']['error']}"
    sample = "clients: {acme: {require_signature: [keys/acme.pub]}}"
    return f"{where}{fault['input']!r} should be a block of keys, such as in {sample}"
