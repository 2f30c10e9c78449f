"""verify and repair as they are typed."""

import json
from pathlib import Path

from hub.hub import Hub
from tests.hub.conftest import Run
from tests.hub.tiny import NAME


def test_verify_says_what_was_looked_at_and_exits_with_5_for_damage(run: Run, live: Hub) -> None:
    code, out, _ = run("verify")
    assert code == 0 and "3 versions under 1 names, 0 removed; 5 blobs" in out and "All is sound." in out
    record = Path(live.address) / f"adapters/{NAME}/.records/000002.json"
    record.chmod(0o644)
    record.write_bytes(b"")
    code, out, _ = run("verify", "acme")
    assert code == 5 and "record unreadable" in out and "The hub is damaged" in out
    code, out, _ = run("verify", "--json")
    told = json.loads(out)
    assert code == 5 and not told["sound"] and told["versions"] == 2
    assert {(found["kind"], found["level"]) for found in told["findings"]} == {
        ("record unreadable", "damage"),
        ("permissions", "warning"),
    }
    assert all(found["mend"] for found in told["findings"])
    assert run("verify", "globex")[0] == 3
    code, out, _ = run("repair", "--json")
    told = json.loads(out)
    assert code == 5 and [left["kind"] for left in told["left"]] == ["record unreadable"]
    assert list(told["mended"].values()) == ["its permissions were put right"]


def test_repair_says_what_it_would_do_and_does_it(run: Run, live: Hub) -> None:
    live.storage.discard(f"adapters/{NAME}/v000002")
    code, out, _ = run("repair", "--dry-run")
    assert code == 0 and "would be done" in out and "1 would be mended, 0 left" in out
    assert not (Path(live.address) / f"adapters/{NAME}/v000002").exists()
    assert run("repair")[0] == 0
    assert (Path(live.address) / f"adapters/{NAME}/v000002").is_dir()
