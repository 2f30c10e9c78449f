"""Doctor finds what is wrong with a machine, and says what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import adapters.base.base
from hub.cli import doctor, main
from hub.cli.doctor import (
    Check,
    clashes,
    compiled_products,
    disk,
    examine,
    hidden,
    quantization,
    threads,
    versions,
)

ROOT = Path(__file__).parents[3]


def install(folder: Path, name: str, package: str) -> None:
    """A distribution that owns a top-level package, as pip would leave it."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("")
    about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "top_level.txt").write_text(package + "\n")


def test_another_distribution_with_a_package_of_our_name_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(clashes()) == []
    install(tmp_path, "someone-elses", "adapters")
    install(tmp_path, "harmless", "harmless")
    monkeypatch.syspath_prepend(tmp_path)
    [check] = clashes()
    assert (check.name, check.status) == ("adapters", "fault")
    assert check.found == "someone-elses also installs a package `adapters`"
    assert check.fix.startswith("pip uninstall someone-elses, or install")


def test_a_folder_or_file_of_our_name_where_python_runs_is_noted(tmp_path: Path) -> None:
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "__init__.py").write_text("")
    (tmp_path / "recipes.py").write_text("")
    (tmp_path / "hub").mkdir()
    found = {check.name: check for check in hidden(tmp_path)}
    assert list(hidden(ROOT)) == [], "the checkout's own"
    assert (found["adapters"].status, found["recipes"].status) == ("note", "note")
    assert str(tmp_path / "adapters") in found["adapters"].found
    assert "rename" in found["recipes"].fix and str(tmp_path / "recipes.py") in found["recipes"].fix
    assert "hub" not in found, "a plain folder hides nothing of what stands on the path"


def test_a_plain_folder_that_hides_an_install_by_a_finder_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hub").mkdir()
    monkeypatch.setattr(sys, "path", [each for each in sys.path if Path(each or ".").resolve() != ROOT])
    [check] = [check for check in hidden(tmp_path) if check.name == "hub"]
    assert check.status == "note" and "pip install -e ." in check.fix


def test_a_package_of_our_name_that_is_imported_in_the_place_of_ours_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "__init__.py").write_text("")
    monkeypatch.delitem(sys.modules, "recipes", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    [check] = hidden(ROOT)
    assert (check.name, check.status) == ("recipes", "fault")
    assert str(tmp_path / "recipes") in check.found


def test_versions_out_of_range_and_missing_packages_are_faults() -> None:
    found = {check.name: check for check in versions(["torch>=2", "numpy>=9999", "no-such-package>=1"])}
    assert found["numpy"].status == found["no-such-package"].status == "fault"
    assert found["numpy"].fix == "pip install 'numpy>=9999'"
    assert found["no-such-package"].found == "not installed"
    assert found["packages"] == Check("packages", "ok", f"torch {torch.__version__}")


def test_quantization_is_tried_for_real() -> None:
    nf4, int8, *_ = quantization()
    assert [(check.name, check.status) for check in (nf4, int8)] == [
        ("bitsandbytes nf4", "ok"),
        ("bitsandbytes int8", "ok"),
    ]


def test_a_missing_compiler_is_noted_with_what_it_costs() -> None:
    assert compiled_products(None).status == "ok"
    lacking = compiled_products("there is no C compiler; install gcc")
    assert lacking.status == "note" and "nine times its memory" in lacking.found and "gcc" in lacking.fix


def test_a_quantization_that_is_far_off_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters.base, "quantization_fault", lambda *_: RuntimeError("a product is 80% off"))
    nf4 = next(quantization())
    assert nf4.status == "fault"
    assert "a product is 80% off" in nf4.found
    assert "--quantization none" in nf4.fix


def test_a_library_user_is_told_that_idle_threads_spin() -> None:
    rest = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1", "OMP_NUM_THREADS": "1"}
    assert threads(rest, {}).status == "ok"
    here = threads(rest, rest)
    assert here.status == "note" and here.found.startswith("right in this command")
    assert "GOMP_SPINCOUNT=1000" in here.fix
    assert threads({}, {}).found.startswith("idle ones spin")


def test_a_full_disk_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk(tmp_path).found.endswith("GiB free here")
    monkeypatch.setattr(
        doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10, "total": 2**40})
    )
    assert disk(tmp_path).status == "note"


def test_a_fault_sets_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def outcome(*arguments: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as left:
            main(["doctor", *arguments])
        return left.value.code, capsys.readouterr().out

    monkeypatch.setattr(
        doctor, "examine", lambda: iter([Check("a", "ok", "fine"), Check("b", "note", "so so", "x")])
    )
    assert outcome()[0] == 0
    monkeypatch.setattr(doctor, "examine", lambda: iter([Check("torch", "fault", "gone", "install torch")]))
    code, out = outcome()
    assert code == 1
    assert "FAULT" in out and "install torch" in out
    code, out = outcome("--json")
    assert (code, json.loads(out)) == (
        1,
        {
            "ok": False,
            "checks": [{"name": "torch", "status": "fault", "found": "gone", "fix": "install torch"}],
        },
    )


def test_every_check_says_what_to_do_unless_all_is_well() -> None:
    checks = list(examine())
    assert {"Python", "torch", "GPU", "bitsandbytes nf4", "starter", "memory", "disk"} <= {
        c.name for c in checks
    }
    assert all(check.fix for check in checks if check.status != "ok")


def test_doctor_runs_where_torch_does_not(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')")
    done = subprocess.run(
        [sys.executable, "-c", "from hub.cli import main; main(['doctor', '--json'])"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert found["torch"]["status"] == "fault"
    assert "libcudart.so.13" in found["torch"]["found"]
    assert found["disk"]["status"] in ("ok", "note"), "the rest is looked at all the same"
