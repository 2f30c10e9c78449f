"""Hubs in step: whole versions move, once, under their numbers; nothing is overwritten."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main
from hub.errors import BadName, Damaged, NoHub, NotInHub, Unreachable
from hub.exchange import mirrors
from hub.hub import Hub
from hub.storage.layout import blob
from hub.storage.local import Local
from tests.hub.exchange.contents import OTHER, TOMBSTONE, contents
from tests.hub.s3 import App, Server, is_put, told
from tests.hub.tiny import NAME, lora


def test_push_and_pull_bring_everything_byte_for_byte(filled: Hub, bucket: str, tmp_path: Path) -> None:
    moved = mirrors.push(filled, f"{bucket}/hub")
    assert moved.versions == (f"{NAME}@1", f"{NAME}@2", f"{OTHER}@1")
    assert len(moved.blobs) == len({path for path in contents(filled.storage) if path.startswith("blobs/")})
    assert (len(moved.files), moved.conflicts, moved.problems) == (3 + 2 + 2, (), ())
    assert moved.size == sum(map(len, contents(filled.storage).values()))
    remote = Hub(f"{bucket}/hub", create=False)
    assert contents(remote.storage) == contents(filled.storage)
    pulled = mirrors.pull(tmp_path / "mirror", f"{bucket}/hub")
    assert (pulled.versions, pulled.size) == (moved.versions, moved.size)
    assert contents(Local(tmp_path / "mirror")) == contents(filled.storage)


def test_a_mirror_works_offline_and_knows_its_origin(
    filled: Hub, bucket: str, s3: Server, tmp_path: Path
) -> None:
    mirrors.push(filled, f"{bucket}/hub")
    mirrors.pull(tmp_path / "mirror", f"{bucket}/hub")
    s3.forget()
    mirror = Hub(tmp_path / "mirror", create=False)
    assert mirror.origin == f"{bucket}/hub" and mirror.id != filled.id
    assert mirror.resolve(f"{NAME}@production").number == 2
    folder = mirror.resolve(f"{NAME}@1").folder
    assert folder is not None and sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert mirror.read(f"{OTHER}@1").method == lora().method
    assert s3.asked == []


def test_what_is_there_does_not_move_again(filled: Hub, bucket: str, s3: Server) -> None:
    mirrors.push(filled, f"{bucket}/hub")
    s3.forget()
    again = mirrors.push(filled, f"{bucket}/hub")
    assert (again.versions, again.blobs, again.files, again.size) == ((), (), (), 0)
    assert not any(method == "PUT" and ".tmp" not in path for method, path in s3.asked)
    assert not any("/.records/" in path for _, path in s3.asked), "their MD5s are in the listing"
    filled.publish(lora(2), OTHER)
    filled.set_alias(NAME, "production", 1, why="back")
    more = mirrors.push(filled, f"{bucket}/hub")
    assert more.versions == (f"{OTHER}@2",)
    assert more.blobs == (), "the same bytes as another version's"
    assert more.files == (
        f"adapters/{OTHER}/.records/000002.json",
        f"adapters/{NAME}/.events/production/000003.json",
    )


def test_between_folders_too(filled: Hub, tmp_path: Path) -> None:
    mirrors.push(filled, tmp_path / "copy")
    assert contents(Local(tmp_path / "copy")) == contents(filled.storage)
    assert mirrors.push(filled, tmp_path / "copy").size == 0


def test_a_dry_run_tells_the_same_and_moves_nothing(filled: Hub, tmp_path: Path) -> None:
    told_first = mirrors.push(filled, tmp_path / "copy", dry_run=True)
    assert not (tmp_path / "copy").exists()
    done = mirrors.push(filled, tmp_path / "copy")
    assert (told_first.versions, told_first.blobs, told_first.size) == (done.versions, done.blobs, done.size)
    assert (told_first.dry_run, done.dry_run) == (True, False)


def test_progress_counts_every_byte(filled: Hub, tmp_path: Path) -> None:
    told_of: list[tuple[int, int]] = []
    moved = mirrors.push(
        filled, tmp_path / "copy", progress=lambda done, total: told_of.append((done, total))
    )
    assert told_of == sorted(told_of) and told_of[-1] == (moved.size, moved.size)


# ---- selections


def test_a_client_or_a_name_moves_alone(filled: Hub, tmp_path: Path) -> None:
    assert mirrors.push(filled, tmp_path / "a", client="globex").versions == (f"{OTHER}@1",)
    assert Hub(tmp_path / "a").names() == (OTHER,)
    assert mirrors.push(filled, tmp_path / "b", client="acme", campaign="summer").versions == ()
    assert mirrors.push(filled, tmp_path / "c", only=[NAME]).versions == (f"{NAME}@1", f"{NAME}@2")
    assert Hub(tmp_path / "c").aliases(NAME) == {"production": 2, "latest": 2}


def test_a_reference_moves_one_version_under_its_number(filled: Hub, tmp_path: Path) -> None:
    filled.set_alias(NAME, "fallback", 1)
    moved = mirrors.push(filled, tmp_path / "a", only=[f"{NAME}@production"])
    assert moved.versions == (f"{NAME}@2",)
    part = Hub(tmp_path / "a")
    assert [version.number for version in part.versions(NAME)] == [2]
    assert part.aliases(NAME) == {"production": 2, "latest": 2}, "an alias of what did not move stays behind"
    with pytest.raises(NotInHub, match=f"holds no version 1.*pull --only {NAME}@1"):
        part.resolve(f"{NAME}@1")
    rest = mirrors.push(filled, tmp_path / "a")
    assert rest.versions == (f"{NAME}@1", f"{OTHER}@1")
    assert contents(Local(tmp_path / "a")) == contents(filled.storage)


def test_a_selection_that_means_nothing_is_refused(filled: Hub, tmp_path: Path) -> None:
    with pytest.raises(NotInHub, match="no acme/spring/behavior"):
        mirrors.push(filled, tmp_path / "a", only=["acme/spring/behavior"])
    with pytest.raises(NotInHub, match="no version 9"):
        mirrors.push(filled, tmp_path / "a", only=[f"{NAME}@9"])
    with pytest.raises(BadName, match="client"):
        mirrors.push(filled, tmp_path / "a", campaign="spring")
    with pytest.raises(BadName, match="client"):
        mirrors.push(filled, tmp_path / "a", client="../..")
    with pytest.raises(BadName, match="not both"):
        mirrors.push(filled, tmp_path / "a", only=[NAME], client="acme")
    assert not (tmp_path / "a").exists()


# ---- removed versions


def test_a_removed_version_moves_as_a_record_and_a_tombstone_without_its_bytes(
    filled: Hub, tmp_path: Path
) -> None:
    weights = filled.resolve(f"{NAME}@1").record.file("adapter_model.safetensors").sha256
    filled.storage.create({f"adapters/{NAME}/.tombstones/000001.json": TOMBSTONE})
    moved = mirrors.push(filled, tmp_path / "a", only=[NAME])
    assert weights not in moved.blobs
    assert (tmp_path / "a" / f"adapters/{NAME}/.records/000001.json").exists()
    assert (tmp_path / "a" / f"adapters/{NAME}/.tombstones/000001.json").exists()


def test_a_tombstone_arrives_before_its_record(filled: Hub, bucket: str, s3: Server) -> None:
    filled.storage.create({f"adapters/{NAME}/.tombstones/000001.json": TOMBSTONE})
    mirrors.push(filled, f"{bucket}/hub")
    written = [path for method, path in s3.asked if method == "PUT"]

    def last(part: str) -> int:
        return max(index for index, path in enumerate(written) if part in path)

    def first(part: str) -> int:
        return min(index for index, path in enumerate(written) if part in path)

    assert last("/.tombstones/") < first("/blobs/") and last("/.signatures/") < first("/blobs/")
    assert last("/blobs/") < first("/.records/") and last("/.records/") < first("/.events/")


@pytest.mark.parametrize("step", ["lacking", "_note_taken", "_carry_blobs", "_carry_entries", "_show"])
def test_a_collector_takes_nothing_that_arriving_versions_need(
    filled: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The target holds the blobs already, for a version that was removed; they are collected just before, or after, a
    step."""
    target = Hub(tmp_path / "a")
    for seed in (1, 2):
        target.publish(lora(seed), "initech/spring/behavior")
        target.remove(f"initech/spring/behavior@{seed}")
    owner = mirrors if step == "lacking" else mirrors._Carrier
    real = getattr(owner, step)

    def beside(*arguments: object) -> object:
        if step != "lacking":
            target.collect(0)
        result = real(*arguments)
        target.collect(0)
        return result

    monkeypatch.setattr(owner, step, beside)
    mirrors.push(filled, target.address)
    target.collect(0)
    for reference in (f"{NAME}@1", f"{NAME}@2", f"{OTHER}@1"):
        assert target.read(reference).method == lora().method
    assert not [path for path in target.storage.walk("") if path.startswith((".pins", ".trash"))]
    assert target.verify().sound


def test_sync_brings_both_what_the_other_has(filled: Hub, tmp_path: Path) -> None:
    mirrors.push(filled, tmp_path / "copy")
    copy = Hub(tmp_path / "copy")
    filled.publish(lora(6), NAME)
    copy.publish(lora(7), OTHER)
    there, back = mirrors.sync(filled, copy.address)
    assert (there.versions, back.versions) == ((f"{NAME}@3",), (f"{OTHER}@2",))
    assert contents(filled.storage) == contents(copy.storage)


# ---- faults


def test_broken_off_at_any_write_it_leaves_whole_versions_and_goes_on(
    filled: Hub, bucket: str, s3: Server
) -> None:
    writes = [0]

    def breaks(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes] | None:
        if is_put(environ):
            writes[0] += 1
            if writes[0] > limit:
                return told(start_response, "503 Service Unavailable", "ServiceUnavailable")
        return None

    for limit in range(0, 60, 5):
        writes[0] = 0
        with s3.faulty(breaks):
            try:
                mirrors.push(filled, f"{bucket}/{limit}")
                broke = False
            except Unreachable:
                broke = True
        if broke and limit > 4:
            part = Hub(f"{bucket}/{limit}", create=False)
            for name in part.names():
                numbers = [version.number for version in part.versions(name)]
                assert numbers == list(range(1, len(numbers) + 1))
                assert all(part.read(version) for version in part.versions(name))
                assert part.aliases(name)["latest"] == numbers[-1]
        mirrors.push(filled, f"{bucket}/{limit}")
        assert contents(Hub(f"{bucket}/{limit}", create=False).storage) == contents(filled.storage)
        if not broke:
            break
    assert not broke and limit > 10


def test_a_blob_that_is_damaged_in_the_source_keeps_its_version_back_and_no_other(
    filled: Hub, tmp_path: Path
) -> None:
    weights = filled.resolve(f"{NAME}@2").record.file("adapter_model.safetensors").sha256
    filled.storage.replace(blob(weights), b"damaged")
    moved = mirrors.push(filled, tmp_path / "a")
    assert moved.versions == (f"{NAME}@1", f"{OTHER}@1")
    assert [problem.split(":")[0] for problem in moved.problems] == [f"{NAME}@2 stays behind"]
    part = Hub(tmp_path / "a")
    assert part.aliases(NAME) == {"latest": 1}, "the alias that means it stays behind too"
    assert not part.storage.exists(blob(weights))


def test_a_mirror_that_lost_bytes_gets_them_back(filled: Hub, bucket: str, tmp_path: Path) -> None:
    mirrors.push(filled, f"{bucket}/hub")
    mirrors.pull(tmp_path / "a", f"{bucket}/hub")
    mirror = Hub(tmp_path / "a")
    weights, config = (
        mirror.resolve(f"{NAME}@2").record.file(name).sha256
        for name in ("adapter_model.safetensors", "adapter_config.json")
    )
    mirror.storage.remove(blob(weights))
    mirror.storage.replace(blob(config), b"{}")
    moved = mirrors.pull(tmp_path / "a", f"{bucket}/hub")
    assert (set(moved.blobs), moved.versions) == ({weights, config}, ())
    assert mirror.read(f"{NAME}@2").method == lora().method


def test_what_arrives_damaged_is_told(filled: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Local.create

    def rotten(self: Local, files: Any, then: Any = None) -> set[str]:
        wrong = {path: bytes(data)[:-1] + b"?" if "blobs/" in path else data for path, data in files.items()}
        return real(self, wrong, then)

    monkeypatch.setattr(Local, "create", rotten)
    with pytest.raises(Damaged, match="did not arrive"):
        mirrors.push(filled, tmp_path / "a")


def test_of_two_pushes_at_once_the_later_finds_the_other_s_version(
    filled: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors.push(filled, tmp_path / "copy")
    copy = Hub(tmp_path / "copy")
    filled.publish(lora(8), NAME, publish_id="ours")
    filled.publish(lora(9), NAME)
    real, done = Local.create, []

    def slow(self: Local, files: Any, then: Any = None) -> set[str]:
        if not done and any("/.records/" in path for path in files):
            done.append(1)
            copy.publish(lora(10), NAME, publish_id="theirs")
        return real(self, files, then)

    monkeypatch.setattr(Local, "create", slow)
    moved = mirrors.push(filled, copy.address)
    assert moved.versions == () and len(moved.problems) == 2
    assert "somebody took its place" in moved.problems[0]
    assert [version.record.publish_id for version in copy.versions(NAME)] == ["one", "two", "theirs"]
    assert mirrors.push(filled, copy.address).conflicts[0].what == "version 3"


# ---- a source that means harm


def test_what_no_hub_would_hold_is_not_taken_from_another(
    filled: Hub, bucket: str, s3: Server, tmp_path: Path
) -> None:
    mirrors.push(filled, f"{bucket}/hub", only=[OTHER])
    record = json.loads(filled.storage.read(f"adapters/{NAME}/.records/000001.json"))
    planted = {
        "name with a path": {**record, "version": 1, "files": [{**record["files"][0], "name": "../../x"}]},
        "code": {**record, "version": 2, "files": [{**record["files"][0], "name": "run.py"}]},
        "no hash": {
            **record,
            "version": 3,
            "files": [{**record["files"][0], "sha256": "../../../etc/passwd"}],
        },
    }
    client = s3.client()
    for value in planted.values():
        path = f"adapters/{NAME}/.records/{value['version']:06d}.json"
        client.pipe_file(f"{bucket}/hub/{path}", json.dumps(value).encode())
    for path in (
        f"adapters/{OTHER}/.signatures/000001/.hidden",
        f"adapters/{OTHER}/.signatures/../../../../../evil",
        f"adapters/{OTHER}/.events/../production/000001.json",
        f"adapters/{OTHER}/.strange/000001.json",
        f"adapters/{OTHER}/v000001/model.py",
        "adapters/ACME/spring/behavior/.records/000001.json",
        "evil",
    ):
        client.pipe_file(f"{bucket}/hub/{path}", b"{}")
    moved = mirrors.pull(tmp_path / "a", f"{bucket}/hub")
    assert moved.versions == (f"{OTHER}@1",)
    assert len(moved.problems) == 3
    names = {
        path.name for path in tmp_path.rglob("*") if path.is_file() and tmp_path / "hub" not in path.parents
    }
    assert names.isdisjoint({"evil", "x", "run.py", "model.py", ".hidden"})
    assert contents(Local(tmp_path / "a")).keys() == {
        path for path in contents(filled.storage) if OTHER in path
    } | {blob(file.sha256) for file in filled.resolve(OTHER).record.files}


@pytest.mark.parametrize(
    "wrong", [{"name": "../../x"}, {"name": "x\n"}, {"sha256": "../../../etc/passwd"}, {"size": -1}]
)
def test_a_record_whose_files_would_lead_elsewhere_is_damaged(filled: Hub, wrong: dict[str, object]) -> None:
    path = f"adapters/{OTHER}/.records/000001.json"
    record = json.loads(filled.storage.read(path))
    record["files"][0].update(wrong)
    filled.storage.replace(path, json.dumps(record).encode())
    with pytest.raises(Damaged, match="cannot be read"):
        filled.resolve(OTHER)


# ---- the commands


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0), capsys.readouterr().out


def test_the_commands_push_pull_and_sync(
    filled: Hub, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remote, mirror = f"{bucket}/hub", tmp_path / "mirror"
    code, out = run(capsys, "push", remote, "--hub", filled.address, "--dry-run")
    assert code == 0 and "Would move 3 versions" in out and f"{OTHER}@1" in out
    code, out = run(capsys, "push", remote, "--hub", filled.address, "--json")
    told_json = json.loads(out)
    assert (code, told_json["versions"]) == (0, [f"{NAME}@1", f"{NAME}@2", f"{OTHER}@1"])
    code, out = run(capsys, "pull", remote, "--hub", mirror, "--only", f"{NAME}@production")
    assert code == 0 and "Moved 1 version from" in out
    code, out = run(capsys, "pull", "--hub", mirror)
    assert code == 0 and "Moved 2 versions" in out, "from its origin"
    Hub(mirror).publish(lora(11), OTHER)
    code, out = run(capsys, "sync", "--hub", mirror, "--json")
    assert code == 0 and [each["versions"] for each in json.loads(out)] == [[f"{OTHER}@2"], []]
    assert run(capsys, "show", f"{OTHER}@2", "--hub", remote)[0] == 0


def test_the_commands_tell_contradictions_by_their_exit_code(
    filled: Hub, parted: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = run(capsys, "push", parted.address, "--hub", filled.address)
    assert code == 4 and f"Conflict: {NAME}: version 3 is publish id ours" in out
    code, out = run(capsys, "sync", parted.address, "--hub", filled.address)
    assert code == 4 and out.count("Conflict:") == 1
    assert run(capsys, "push", "--hub", filled.address)[0] == 2
    assert run(capsys, "pull", tmp_path / "nowhere", "--hub", filled.address)[0] == 3


@pytest.mark.parametrize("command", ["push", "pull", "sync"])
def test_the_commands_tell_a_removal_against_an_alias(
    filled: Hub, copy: Hub, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled.remove(f"{NAME}@3")
    copy.set_alias(NAME, "production", 3)
    code, out = run(capsys, command, copy.address, "--hub", filled.address)
    here, there = "removed", "what production means"
    if command == "pull":
        here, there = there, here
    assert code == 4 and out.count("Conflict:") == 1
    assert f"Conflict: {NAME}: version 3 is {here} in the one hub, {there} in the other." in out


def test_pulling_from_where_no_hub_is_makes_none(tmp_path: Path) -> None:
    with pytest.raises(NoHub):
        mirrors.pull(tmp_path / "a", tmp_path / "nowhere")
    assert not (tmp_path / "a").exists()


def test_a_mirror_of_one_late_version_works_alone_and_is_sound(hub: Hub, tmp_path: Path) -> None:
    for seed in range(5):
        hub.publish(lora(seed), NAME)
    mirrors.push(hub, tmp_path / "a", only=[f"{NAME}@4"])
    mirror = Hub(tmp_path / "a", create=False)
    assert mirror.resolve(NAME).number == mirror.resolve(f"{NAME}@4").number == 4
    assert mirror.resolve(NAME).folder is not None and mirror.resolve(NAME).folder.is_dir()
    assert [found.reference for found in mirror.search()] == [f"{NAME}@4"]
    assert mirror.verify().sound, mirror.verify().findings
    assert mirror.collect(0).freed == 0
    with pytest.raises(NotInHub, match="mirrors a part of a hub"):
        mirror.resolve(f"{NAME}@2")
    with pytest.raises(NotInHub, match="was never brought here"):
        mirror.remove(f"{NAME}@2")
    mirror.remove(f"{NAME}@4")
    with pytest.raises(NotInHub):
        mirror.resolve(NAME)
    mirrors.push(hub, tmp_path / "a", only=[f"{NAME}@2"])
    assert [found.reference for found in mirror.search()] == [f"{NAME}@2"], (
        "the newest that is here and stands"
    )
    assert mirror.resolve(NAME).number == 2
    mirrors.push(hub, tmp_path / "a", only=[NAME])
    assert mirror.resolve(NAME).number == 5
