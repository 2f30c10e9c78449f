"""A repository of a model hub that speaks Hugging Face's protocol, as a source of adapters and as a place to put them.

    hf://owner/repo[@revision][/folder]

The list of files comes first, and decides: what an adapter needs is fetched, what a training or a tokenizer left beside
it is passed over and named, and anything that could be code, pickle or other weights is refused before a byte of it is
asked for. What was fetched is held against the size and the hash of the list, at one commit. Offline
(HF_HUB_OFFLINE=1), the local cache answers, whose files are known by their hashes.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from huggingface_hub import CommitOperationAdd, HfApi, constants, try_to_load_from_cache
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from adapters.errors import cause
from adapters.format import CONFIG, Bytes
from hub.errors import BadName, Damaged, HubError, NotInHub
from hub.intake.allowed import ALLOWED, REQUIRED, folder_below, refused, size_problem, sort_out

SCHEME = "hf://"
_ADDRESS = re.compile(
    r"hf://(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>refs/(pr|convert)/[\w.-]+|[\w.%-]+))?(/(?P<folder>[^@]+))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Address:
    """One folder of one repository. revision: a branch, a tag or a commit; None for the main branch."""

    repo: str
    revision: str | None = None
    folder: str = ""

    def __str__(self) -> str:
        at = f"@{self.revision}" if self.revision else ""
        return f"{SCHEME}{self.repo}{at}{'/' if self.folder else ''}{self.folder}"

    def path(self, name: str) -> str:
        """A file's path in the repository."""
        return f"{self.folder}/{name}" if self.folder else name


@dataclass(frozen=True)
class Download:
    """An adapter's files as they were fetched, or read from a folder of this machine.

    Attributes:
        address: from where.
        files: name -> bytes.
        origin: `source`, and the `commit` that it stood for; None of a folder.
        left: what was passed over, with a count where it is a folder.
    """

    address: str
    files: Mapping[str, Bytes]
    origin: Mapping[str, str] | None
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Uploaded:
    """What was put into a repository.

    Attributes:
        address: where.
        url: of the commit, for people.
        commit: its hash.
    """

    address: str
    url: str
    commit: str


@dataclass(frozen=True)
class _Listed:
    """What the list says of a file. sha256: of files in large storage; blob: git's own hash of others."""

    size: int
    sha256: str | None
    blob: str | None

    def is_of(self, data: bytes) -> bool:
        if len(data) != self.size:
            return False
        if self.sha256:
            return hashlib.sha256(data).hexdigest() == self.sha256
        return self.blob is None or _git_hash(data) == self.blob


def is_address(source: Any) -> bool:
    """Whether a source lies in a model hub."""
    return isinstance(source, str) and source.startswith(SCHEME)


def parse(text: str) -> Address:
    """The address that a text means. Raises BadName."""
    found = _ADDRESS.fullmatch(text.removesuffix("/"))
    revision, folder = (unquote(found["revision"] or ""), found["folder"] or "") if found else ("", "")
    parts = f"{revision or 'main'}/{folder or '-'}".split("/")
    if found is None or any(part in ("", ".", "..") for part in parts):
        raise BadName(f"{text!r} is no address of a model hub; write hf://owner/repo[@revision][/folder]")
    return Address(found["repo"], revision or None, folder)


def fetch(address: str, api: HfApi | None = None) -> Download:
    """Fetch an adapter from a model hub.

    Args:
        address: `hf://owner/repo[@revision][/folder]`.
        api: the client to use; one of the environment's unless given.

    Raises:
        BadName: for what is no address.
        Refused: with every file that stands against it, before anything is fetched.
        NotInHub: where there is no such repository, revision or folder, or it is private.
        Damaged: where other bytes came than were listed.
        HubError: where the model hub cannot be reached.
    """
    source, api = parse(address), api or HfApi()
    if constants.HF_HUB_OFFLINE:
        return _from_cache(source)
    with _telling(source, api.endpoint):
        info = api.model_info(source.repo, revision=source.revision, files_metadata=True)
    commit = str(info.sha)
    listed = {
        str(PurePosixPath(entry.rfilename).relative_to(source.folder)): _Listed(
            entry.size or 0, entry.lfs.sha256 if entry.lfs else None, entry.blob_id
        )
        for entry in info.siblings or ()
        if PurePosixPath(entry.rfilename).is_relative_to(source.folder)
    }
    if not listed:
        raise NotInHub(f"{source} holds no files; check the folder's name")
    below = folder_below(str(source), listed)
    if below is not None:
        source = Address(source.repo, source.revision, source.path(below))
        listed = {
            name.removeprefix(f"{below}/"): entry
            for name, entry in listed.items()
            if name.startswith(f"{below}/")
        }
    wanted, left, problems = sort_out(listed)
    problems += filter(None, (size_problem(name, listed[name].size) for name in wanted))
    if problems:
        raise refused(str(source), problems)
    with _telling(source, api.endpoint):
        found = {name: _download(api, source, commit, name, listed[name]) for name in wanted}
        # Asked by the revision's own name too, so that the cache knows it when there is no network.
        api.hf_hub_download(source.repo, source.path(CONFIG), revision=source.revision)
    return Download(str(source), found, {"source": str(source), "commit": commit}, tuple(left))


def upload(
    address: str, found: Mapping[str, bytes], message: str, private: bool = True, api: HfApi | None = None
) -> Uploaded:
    """Put files into a repository in one commit; it is made where there is none, `private` unless said otherwise.

    Raises BadName; NotInHub where it cannot be written; HubError where the model hub cannot be reached or
    will not.
    """
    target, api = parse(address), api or HfApi()
    operations = [CommitOperationAdd(target.path(name), data) for name, data in sorted(found.items())]
    with _telling(target, api.endpoint):
        api.create_repo(target.repo, private=private, exist_ok=True)
        if target.revision:
            api.create_branch(target.repo, branch=target.revision, exist_ok=True)
        done = api.create_commit(target.repo, operations, commit_message=message, revision=target.revision)
    return Uploaded(str(target), str(done.commit_url), str(done.oid))


def _download(api: HfApi, source: Address, commit: str, name: str, listed: _Listed) -> bytes:
    """The bytes that the list speaks of. What lies damaged in the cache is fetched once more."""
    for again in (False, True):
        path = api.hf_hub_download(source.repo, source.path(name), revision=commit, force_download=again)
        data = _read_cached(path)
        if listed.is_of(data):
            return data
    raise Damaged(
        f"{source.path(name)} of {source.repo} at {commit} came with {len(data):,} bytes that are not the "
        f"{listed.size:,} of its list; try again, or ask its maker"
    )


def _from_cache(source: Address) -> Download:
    """What an earlier fetch left in the local cache."""
    found: dict[str, bytes] = {}
    commit = ""
    for name in ALLOWED:
        path = try_to_load_from_cache(source.repo, source.path(name), revision=source.revision)
        if not isinstance(path, str):
            continue
        found[name] = data = _read_cached(path)
        commit = Path(path).parts[-1 - len(PurePosixPath(source.path(name)).parts)]
        if Path(path).resolve().name not in (hashlib.sha256(data).hexdigest(), _git_hash(data)):
            raise Damaged(f"{path} is not what was fetched once; delete it and fetch {source} again, online")
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        raise NotInHub(
            f"HF_HUB_OFFLINE is set, and the cache holds no {' and no '.join(missing)} of {source}; fetch it "
            "once online"
        )
    return Download(str(source), found, {"source": str(source), "commit": commit})


def _read_cached(path: str) -> bytes:
    """The bytes of a file of the cache, whose names are links to its blobs. Nothing outside the cache is read."""
    real, cache = os.path.realpath(path), os.path.realpath(constants.HF_HUB_CACHE)
    if os.path.commonpath([real, cache]) != cache:
        raise Damaged(f"{path} is a link out of the cache, to {real}; delete it")
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Damaged(f"{real} is no regular file; delete it")
        return file.read()


def _git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def _telling(address: Address, endpoint: str) -> Iterator[None]:
    """What goes wrong between here and the model hub, as errors of ours."""
    try:
        yield
    except HubError:
        raise
    except RevisionNotFoundError as error:
        raise NotInHub(
            f"{address.repo} has no revision {address.revision!r}; name a branch, a tag or a commit"
        ) from cause(error)
    except RepositoryNotFoundError as error:
        raise NotInHub(
            f"no {address.repo} at {endpoint}, or it is private: check the spelling, or set HF_TOKEN"
        ) from cause(error)
    except Exception as error:  # the client lets through whatever its HTTP library raises
        raise HubError(f"{endpoint} did not do what was asked of {address} ({error}); try again") from cause(
            error
        )
