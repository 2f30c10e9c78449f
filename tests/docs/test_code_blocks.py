"""Every code block of the pages runs, or says why not.

A page's blocks run from top to bottom in one folder: Python in one namespace, shell commands by bash, and what is YAML
or JSON is read by what will read it. See `blocks` for the comments that stand above a block.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub import Registry
from recipes import Recipe
from tests.docs.blocks import PAGES, ROOT, Block, blocks
from tests.docs.shell import Shell

RUN = ("python", "bash", "yaml", "json")
LOOKED_AT = ("text", "csv", "jsonl")
"""Drawings, output and data."""

BLOCKS = [block for page in PAGES for block in blocks(page)]


def test_every_block_says_what_language_it_is_in() -> None:
    assert [block.place for block in BLOCKS if block.language not in RUN + LOOKED_AT] == []


def test_a_block_that_is_not_run_says_why() -> None:
    left_out = [block for block in BLOCKS if block.not_run is not None]
    assert [block.place for block in left_out if len((block.not_run or "").split()) < 3] == []
    assert [block.place for block in left_out if block.language not in RUN] == []
    assert len(left_out) <= 0.15 * sum(block.language in RUN for block in BLOCKS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(
    page: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [block for block in blocks(page) if block.not_run is None]
    if not any(block.language in RUN for block in found):
        return
    begins_with_nothing = "Begin in an empty folder." in page.read_text(encoding="utf-8")
    folder: Path = request.getfixturevalue("empty" if begins_with_nothing else "folder")
    if any("--out my-adapter" in block.text for block in found):
        shutil.rmtree(folder / "my-adapter", ignore_errors=True)
    monkeypatch.chdir(folder)
    (tmp_path / "tools").mkdir()
    shell = Shell(folder, tmp_path / "tools")
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        for block in found:
            _run(block, shell, names)
    finally:
        for value in names.values():
            if isinstance(value, Registry):
                value.close()


def _run(block: Block, shell: Shell, names: dict[str, Any]) -> None:
    text = block.tested
    if block.title is not None:
        path = shell.folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    try:
        if block.language == "python":
            exec(compile(text, block.place, "exec"), names)
        elif block.language == "bash":
            shell.run(text)
        elif block.language == "yaml":
            _read_yaml(text, shell.folder)
        elif block.language == "json":
            json.loads(text)
    except Exception as error:
        raise AssertionError(f"{block.place}: {error}") from error


def _read_yaml(text: str, folder: Path) -> None:
    """Read a file of YAML as what it is: the keys tell. Raises what its reader raises."""
    keys = yaml.safe_load(text).keys()
    path = folder / ".block.yaml"
    path.write_text(text, encoding="utf-8")
    if "jobs" in keys:
        from recipes.runs import load_jobs

        for order in load_jobs(path, folder / "out"):
            assert isinstance(order.data, list)
            assert all(Path(file).is_file() for file in order.data), (
                f"{order.name} names no file: {order.data}"
            )
    elif "task" in keys:
        Recipe.load(path)
    elif "campaigns" in keys:
        from hub.feedback import load_campaigns

        load_campaigns(path)
    elif "clients" in keys:
        from hub.catalogue.trust import load_trust

        load_trust(path)
    elif "applications" in keys:
        from hub.fleet import Setting

        for application in yaml.safe_load(text)["applications"]:  # the rest is Ray's: see tests/hub/fleet
            Setting(**application["args"])
    elif all(key.split(".")[0] in Recipe.model_fields for key in keys):
        from recipes.runs import read_space

        read_space(path, Recipe.load("behavior"))
    else:
        raise ValueError(f"nobody knows what reads this: {', '.join(keys)}")
