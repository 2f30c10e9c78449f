"""The wheel holds what a user needs and little else; the pins name one version of all that is installed."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hub.cli import main
from hub.exchange.resolver import register

ROOT = Path(__file__).parents[1]
PACKAGES = ("adapters", "hub", "recipes")
OFFERED = "import adapters, hub, recipes; adapters.__all__, hub.__all__, recipes.__all__"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources, so that the checkout stays clean."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    code = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
    (source / "dist").mkdir()
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [built] = (source / "dist").glob("*.whl")
    return built


def test_wheel_holds_every_source_preset_and_weight_but_not_what_builds_the_weights(wheel: Path) -> None:
    held = set(ZipFile(wheel).namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path != ROOT / "hub" / "README.md"
    }
    builds = {name for name in wanted if name.startswith("adapters/starter/build/")}
    assert builds and not builds & held
    assert wanted - builds - held == set()
    assert {f"{package}/py.typed" for package in PACKAGES} <= held
    assert {
        f"recipes/options/presets/{task}.yaml" for task in ("recommendation", "behavior", "ad-copy")
    } <= held
    assert {f"recipes/measure/policies/{name}.txt" for name in ("en-claims", "zh-absolute")} <= held
    assert "adapters/starter/weights/model.safetensors" in held


def test_wheel_holds_nothing_but_the_three_packages(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in ZipFile(wheel).namelist()}
    assert tops == {*PACKAGES, f"adapter_repertoire-{PROJECT['version']}.dist-info"}


def test_wheel_is_small_enough_to_send(wheel: Path) -> None:
    files = ZipFile(wheel).infolist()
    weights = sum(f.compress_size for f in files if f.filename.startswith("adapters/starter/weights/"))
    assert weights <= 25e6
    assert wheel.stat().st_size - weights <= 2e6, "code alone"


def test_wheel_installs_the_command_and_vllms_plugin(wheel: Path) -> None:
    """As Python tells them of whatever is installed; the second is the group that vLLM loads in each process."""
    (installed,) = importlib.metadata.distributions(path=[str(wheel)])
    found = {(each.group, each.name): each for each in installed.entry_points}
    assert found["console_scripts", "repertoire"].load() is main
    assert found["vllm.general_plugins", "repertoire"].load() is register


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_pins_are_exact_and_not_of_one_machine() -> None:
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pins().values()), "no +cpu, no ranges"


def test_every_requirement_and_what_it_needs_is_pinned_within_the_declared_range() -> None:
    pinned = pins()
    optional = PROJECT["optional-dependencies"]
    declared = [*PROJECT["dependencies"], *optional["dev"], *optional["docs"]]
    todo = [Requirement(text) for text in declared]
    for requirement in todo:
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        if name.startswith(("nvidia-", "cuda-")) or name == "triton":
            continue  # a CUDA build of torch brings these and pins them itself
        assert name in pinned, f"{name} is installed but not pinned in constraints.txt"
        for text in importlib.metadata.requires(name) or []:
            needed = Requirement(text)
            extras = requirement.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(needed)


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with an editable install, as the Makefile makes it; what it needs is that of
    this environment."""
    source, environment = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("environment")
    for name in ("pyproject.toml", "README.md", "LICENSE", *PACKAGES):
        (source / name).symlink_to(ROOT / name)
    code = "from setuptools.build_meta import build_editable; print(build_editable('dist'))"
    (source / "dist").mkdir()
    built = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    [made] = (source / "dist").glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    install = (
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(made),
    )
    done = subprocess.run([sys.executable, *install], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A user's folder with folders of our packages' names, as `--out adapters/acme` and `--hub hub` make them."""
    for name in ("adapters/acme/spring", "hub/adapters", "recipes"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "recipes" / "my.yaml").write_text("task: behavior")
    (tmp_path / "mine.py").write_text(OFFERED)
    return tmp_path


def test_folders_of_our_names_where_the_user_works_do_not_hide_an_editable_install(
    editable: Path, elsewhere: Path
) -> None:
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    commands = (
        (editable / "repertoire", "--version"),
        (editable / "python", "-c", OFFERED),
        (editable / "python", "-m", "hub.errors"),
        (editable / "python", "mine.py"),
    )
    for command in commands:
        done = subprocess.run(command, cwd=elsewhere, env=outside, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
