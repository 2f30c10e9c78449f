"""What a hub can mend by itself is mended, and the rest is told."""

import os
import shutil
from pathlib import Path

from adapters.format import files
from hub.hub import Hub
from tests.hub.keeping.spoiling import (
    FOLDER,
    HOME,
    OTHER,
    flip,
    found,
    plant,
    rewrite,
    weights,
    written,
)
from tests.hub.tiny import NAME, lora, prefix


def test_repair_brings_blobs_back_and_makes_folders_again(hub: Hub, root: Path) -> None:
    good = (root / weights(hub)).read_bytes()
    copy = root / FOLDER / files.WEIGHTS
    copy.unlink()
    written(good)(copy)  # a sound copy of its own, as in a copied hub
    flip(hub, root)
    shutil.rmtree(root / HOME / "v000002")
    (root / HOME / ".records/000002.json").chmod(0o666)
    plant(f"adapters/{OTHER}/v000001/adapter_model.bin", written(b"pickle"))(hub, root)
    before = found(hub)
    planned = hub.repair(dry_run=True)
    assert found(hub) == before and planned.left == []
    done = hub.repair()
    assert (done.mended, done.left) == (planned.mended, [])
    assert done.mended[weights(hub)] == f"brought back from {FOLDER}/{files.WEIGHTS}"
    assert found(hub) == set()
    assert hub.read(f"{NAME}@1").method == lora().method
    assert os.path.samefile(copy, root / weights(hub))
    [thrown] = (root / ".trash").iterdir()
    assert thrown.name.endswith("-adapter_model.bin") and thrown.read_bytes() == b"pickle"


def test_repair_brings_a_blob_back_from_the_trash(hub: Hub, root: Path) -> None:
    (root / ".trash").mkdir()
    digest = Path(weights(hub)).name
    os.rename(root / weights(hub), root / ".trash" / f"1700000000.00-0badcafe-{digest}")
    assert found(hub) == {("blob in the trash", weights(hub), "warning")}
    hub.repair()
    assert found(hub) == set()


def test_links_are_replaced_by_what_belongs_there(hub: Hub, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(root / FOLDER, outside)
    plant(FOLDER, lambda path: path.symlink_to(outside))(hub, root)
    good = (root / weights(hub, f"{NAME}@2")).read_bytes()
    (root / weights(hub, f"{NAME}@2")).unlink()
    (root / weights(hub, f"{NAME}@2")).symlink_to(outside / files.WEIGHTS)
    hub.repair()
    assert found(hub) == set()
    assert (root / weights(hub, f"{NAME}@2")).read_bytes() == good
    assert sorted(os.listdir(outside)) == sorted(files.render(lora())), "nothing outside was touched"


def test_what_the_hub_cannot_mend_is_left_and_told(hub: Hub, root: Path) -> None:
    flip(hub, root)
    (root / f"adapters/{OTHER}/.records/000001.json").unlink()
    hub.publish(prefix(1), OTHER)
    lost = root / HOME / ".records/000002.json"
    rewrite(lost, b"")
    done = hub.repair()
    assert {(one.kind, one.where) for one in done.left} == {
        ("blob damaged", weights(hub)),
        ("record missing", f"adapters/{OTHER}/.records/000001.json"),
        ("folder of no version", f"adapters/{OTHER}/v000001"),
        ("record unreadable", f"{HOME}/.records/000002.json"),
    }
    assert found(hub) >= {(one.kind, one.where, one.level) for one in done.left}
