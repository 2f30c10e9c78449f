"""The base that an adapter names is one that others can find, and the one that it was checked against."""

import json
from pathlib import Path

import pytest

from adapters import load_base
from adapters.base import load_shape
from adapters.errors import BaseError, BaseNotFound
from adapters.format import CARD, CONFIG
from hub import Declared, Hub, Refused
from hub.intake.naming import named
from tests.adapters import models
from tests.hub.conftest import Run
from tests.hub.voices import NAME

pytestmark = pytest.mark.filterwarnings("ignore:Could not find a config file")
ID = "mycorp/tiny-llama"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A base."""
    return models.saved("llama", tmp_path / "bases" / "tiny")


def stock(where: Path, base: str) -> Path:
    """An adapter of stock PEFT, with two labels, that names its base so."""
    models.peft_adapter(models.model("llama", head=2), where, "lora")
    (where / CARD).unlink()
    config = json.loads((where / CONFIG).read_text()) | {"base_model_name_or_path": base}
    (where / CONFIG).write_text(json.dumps(config))
    return where


def test_a_folder_becomes_the_id_that_is_given_and_is_found_by_it(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stock(tmp_path / "made", "/srv/models/ours")
    code, _, err = run("import", made, NAME)
    assert code == 4 and "say which base that is (--base FOLDER --base-id owner/model)" in err
    assert run("import", made, NAME, "--base", folder)[0] == 4
    assert run("import", made, NAME, "--base-id", ID)[0] == 2
    code, _, err = run("import", made, NAME, "--base", folder, "--base-id", "../x")
    assert code == 4 and "write an id such as owner/model" in err
    assert run("import", made, NAME, "--base", folder, "--base-id", ID)[0] == 0
    base = json.loads(run("show", NAME, "--json")[1])["record"]["base"]
    assert base["id"] == ID and base["fingerprint"] == load_shape(str(folder), id=ID).identity.fingerprint
    code, _, err = run("analyze", NAME, "glad")
    assert code == 3 and f"--base FOLDER, or {ID}: FOLDER in the file that REPERTOIRE_BASES names" in err
    bases = tmp_path / "bases.yaml"
    bases.write_text(f"{ID}: bases/tiny\n")
    monkeypatch.setenv("REPERTOIRE_BASES", str(bases))
    assert run("analyze", NAME, "glad", "--quantization", "none")[0] == 0
    assert load_base(ID, "none").identity == load_shape(str(folder), id=ID).identity


def test_an_adapter_of_this_machine_is_found_again_by_its_id(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("import", stock(tmp_path / "made", str(folder)), NAME, "--base", folder)[0] == 0
    code, _, err = run("analyze", NAME, "glad")
    assert code == 3 and "local/tiny: FOLDER in the file" in err
    (tmp_path / "bases.yaml").write_text(f"local/tiny: {folder.rename(tmp_path / 'moved')}\n")
    monkeypatch.setenv("REPERTOIRE_BASES", str(tmp_path / "bases.yaml"))
    assert run("analyze", NAME, "glad", "--quantization", "none")[0] == 0


def test_another_id_is_not_overwritten(hub: Hub, folder: Path, tmp_path: Path) -> None:
    shape = load_shape(str(folder), id=ID)
    with pytest.raises(
        Refused, match="names the base 'mycorp/other', and is checked against 'mycorp/tiny-llama'"
    ):
        hub.publish(stock(tmp_path / "a", "mycorp/other"), NAME, base=shape, declared=Declared(base_id=ID))
    version = hub.publish(stock(tmp_path / "b", ID), NAME, base=shape)
    assert version.record.base.id == ID


def test_a_download_in_the_cache_is_named_by_its_repository() -> None:
    commit = "0123456789" * 4
    for path in (
        f"/root/.cache/huggingface/hub/models--Qwen--Qwen2.5-7B-Instruct/snapshots/{commit}",
        f"C:\\cache\\models--Qwen--Qwen2.5-7B-Instruct\\snapshots\\{commit}\\",
    ):
        found = named({"base_model_name_or_path": path, "r": 2}, None, Declared())
        assert found == {"base_model_name_or_path": "Qwen/Qwen2.5-7B-Instruct", "revision": commit, "r": 2}


@pytest.mark.parametrize("text", ["[1]", "a: 3", "a: {b: c}", "{", "a: \x00", None])
def test_a_file_of_bases_that_is_wrong_is_told(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "bases.yaml").write_text(text)
    monkeypatch.setenv("REPERTOIRE_BASES", str(tmp_path / "bases.yaml"))
    with pytest.raises(BaseError, match="REPERTOIRE_BASES"):
        load_shape("mycorp/tiny")


def test_a_base_that_is_not_in_the_file_is_looked_for_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bases.yaml").write_text("")
    monkeypatch.setenv("REPERTOIRE_BASES", str(tmp_path / "bases.yaml"))
    with pytest.raises(BaseNotFound, match="mycorp/tiny: FOLDER in the file that REPERTOIRE_BASES names"):
        load_shape("mycorp/tiny")
    assert load_shape("starter").identity.id == "starter"
