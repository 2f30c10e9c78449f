"""What other tools read: the layout of a hub and of exports held against their rules, and stock PEFT's own answers."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from adapters import Adapter, BaseId, Head
from adapters.base import load_shape
from adapters.format import files
from hub.errors import HubError, Refused
from hub.exchange.exports import export
from hub.hub import Hub
from hub.intake import Declared
from hub.intake.servable import VLLM_SEEN
from tests.adapters import models
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora, prefix
from tests.hub.writers import compatible, writer

COPY = "globex/launch/ad-copy"


def vllm_finds(cache: Path, served: str, name: str) -> Path | None:
    """vLLM's filesystem resolver, by its rules: the folder of the name, LORA, and the very name of the base."""
    folder = Path(os.path.realpath(cache / name))
    if (
        os.path.commonpath([os.path.realpath(cache), folder]) != os.path.realpath(cache)
        or not folder.is_dir()
    ):
        return None
    config = json.loads((folder / "adapter_config.json").read_text())
    fits = config["peft_type"] == "LORA" and config["base_model_name_or_path"] == served
    return folder if fits else None


def test_the_record_says_who_serves_a_version_and_show_works_it_out_for_older_ones(
    hub: Hub, run: Run
) -> None:
    record = hub.publish(writer(), COPY).record
    assert record.servable_by == compatible(writer())
    old = json.loads(record.to_bytes()) | {"version": 2, "parent": 1}
    for key in ("servable_by", "origin", "parameters", "profile", "pooling", "calibration", "blended"):
        del old[key]
    hub.storage.create({f"adapters/{COPY}/.records/000002.json": json.dumps(old).encode()})
    for which in ("@1", "@2"):
        code, out, _ = run("show", COPY + which, "--hub", hub.address)
        assert code == 0 and "vLLM: yes; `vllm serve owner/tiny" in out, which


def test_versions_lie_in_folders_that_sort_and_that_vllms_resolver_finds(hub: Hub) -> None:
    versions = [hub.publish(replace(writer(), info={"n": n}), COPY) for n in range(11)]
    shown = sorted(
        name for name in os.listdir(Path(hub.address) / "adapters" / COPY) if not name.startswith(".")
    )
    assert shown == [f"v{number:06d}" for number in range(1, 12)]
    for version in versions:
        assert version.folder is not None
        assert sorted(os.listdir(version.folder)) == [files.CARD, files.CONFIG, files.WEIGHTS]
        config = json.loads((version.folder / files.CONFIG).read_text())
        assert (config["peft_type"], config["base_model_name_or_path"], config["revision"]) == (
            "LORA",
            "owner/tiny",
            "1" * 40,
        )
        name = f"{COPY}/v{version.number:06d}"
        assert vllm_finds(Path(hub.address) / "adapters", "owner/tiny", name) == version.folder.resolve()
        assert vllm_finds(Path(hub.address) / "adapters", "owner/other", name) is None


def test_an_export_for_vllm_is_found_by_reference_and_shares_nothing_with_the_hub(
    hub: Hub, tmp_path: Path
) -> None:
    version = hub.publish(writer("starter"), COPY)
    with pytest.raises(Refused, match=r"is not for vLLM: it names its base 'starter'.*--base NAME"):
        export(hub, COPY, tmp_path / "loras", "vllm")
    assert not (tmp_path / "loras").exists()
    made = export(hub, COPY, tmp_path / "loras", "vllm", base="/models/starter")
    assert vllm_finds(tmp_path / "loras", "/models/starter", version.reference) == made.folder
    assert made.notes == ("`vllm serve /models/starter --enable-lora --max-lora-rank 8`", VLLM_SEEN)
    assert version.folder is not None
    for name in os.listdir(made.folder):
        assert (made.folder / name).stat().st_nlink == 1
    assert (made.folder / files.WEIGHTS).read_bytes() == (version.folder / files.WEIGHTS).read_bytes()
    assert export(hub, COPY, tmp_path / "loras", "vllm", base="/models/starter") == made


@pytest.mark.parametrize("adapter", [replace(lora(), head=Head(("0", "1"), "mean")), prefix()])
def test_an_export_for_vllm_is_refused_with_the_reason(adapter: Adapter, hub: Hub, tmp_path: Path) -> None:
    hub.publish(adapter, NAME)
    with pytest.raises(Refused, match="is not for vLLM: it"):
        export(hub, NAME, tmp_path / "loras", "vllm", base="owner/tiny")
    assert not (tmp_path / "loras").exists()


def test_an_export_does_not_touch_a_folder_that_holds_something_else(hub: Hub, tmp_path: Path) -> None:
    hub.publish(lora(), NAME)
    (tmp_path / "empty").mkdir()
    assert sorted(os.listdir(export(hub, NAME, tmp_path / "empty", "peft").folder)) == sorted(
        files.render(lora())
    )
    (tmp_path / "empty" / "note.txt").write_text("mine")
    with pytest.raises(HubError, match="holds other files; give a new or an empty folder"):
        export(hub, NAME, tmp_path / "empty", "peft")
    assert (tmp_path / "empty" / "note.txt").read_text() == "mine"


def test_a_card_that_the_maker_wrote_is_exported_as_it_is(hub: Hub, tmp_path: Path) -> None:
    source = files.write(lora(), tmp_path / "source")
    (source / files.CARD).write_text("# Ours")
    hub.publish(source, NAME)
    assert (export(hub, NAME, tmp_path / "out", "hf").folder / files.CARD).read_text() == "# Ours"


@pytest.mark.filterwarnings("ignore:Could not find a config file in owner/tiny")
@pytest.mark.parametrize("kind", ["lora", "head", "prefix"])
def test_stock_peft_reads_the_newest_version_of_a_directory_listing(
    kind: str, hub: Hub, tmp_path: Path
) -> None:
    head = 3 if kind == "head" else None
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])

    def logits(model: Any) -> torch.Tensor:
        with torch.no_grad():
            return model.eval()(input_ids=ids).logits

    for seed in (1, 2):
        model = models.model("llama", head)
        model.name_or_path = "owner/tiny"
        method = "prefix" if kind == "prefix" else "lora"
        models.peft_adapter(model, tmp_path / f"made-{seed}", method, seed=seed)
        os.remove(tmp_path / f"made-{seed}" / files.CARD)
        hub.publish(tmp_path / f"made-{seed}", NAME)
    made, other = (
        logits(peft.PeftModel.from_pretrained(models.model("llama", head), tmp_path / f"made-{seed}"))
        for seed in (2, 1)
    )
    home = Path(hub.address) / "adapters" / NAME
    newest = max(name for name in os.listdir(home) if not name.startswith("."))
    read = logits(peft.PeftModel.from_pretrained(models.model("llama", head), home / newest))
    assert torch.equal(read, made)
    assert not torch.equal(read, other)


def saved_base(folder: Path) -> Path:
    models.saved("llama", folder)
    (folder / "model.safetensors").unlink()
    return folder


@pytest.mark.filterwarnings("ignore:Could not find a config file in owner/tiny")
def test_intake_holds_every_tensor_against_the_configuration_of_a_base(hub: Hub, tmp_path: Path) -> None:
    shape = load_shape(str(saved_base(tmp_path / "tiny")))
    model = models.model("llama")
    model.name_or_path = "owner/tiny"
    models.peft_adapter(model, tmp_path / "made", "lora")
    (tmp_path / "made" / files.CARD).unlink()
    same = Declared(base_id_is_alias=True)
    assert hub.publish(tmp_path / "made", NAME, base=shape, declared=same).number == 1
    with pytest.raises(Refused) as refused:
        hub.publish(replace(writer(), base=BaseId("owner/tiny")), COPY, base=shape)
    told = str(refused.value)
    assert "on local/tiny: base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight is (2, 8)" in told
    assert "q_proj.lora_A.weight is (2, 8), this base needs (2, 32)" in told
    assert hub.names() == (NAME,)


@pytest.mark.filterwarnings("ignore:Could not find a config file in owner/tiny")
def test_an_adapter_without_a_revision_gets_that_of_the_base_it_is_checked_against(
    hub: Hub, tmp_path: Path
) -> None:
    model = models.model("llama")
    model.name_or_path = "owner/tiny"
    models.peft_adapter(model, tmp_path / "made", "lora")
    (tmp_path / "made" / files.CARD).unlink()
    shape = replace(load_shape(str(saved_base(tmp_path / "tiny"))), identity=BaseId("owner/tiny", "2" * 40))
    version = hub.publish(tmp_path / "made", NAME, base=shape)
    assert version.record.base.revision == "2" * 40
    assert version.folder is not None
    assert json.loads((version.folder / files.CONFIG).read_text())["revision"] == "2" * 40


def test_a_configuration_and_weights_that_name_two_bases_are_refused(hub: Hub, tmp_path: Path) -> None:
    folder = files.write(lora(), tmp_path / "adapter")
    config = json.loads((folder / files.CONFIG).read_text()) | {"base_model_name_or_path": "owner/other"}
    (folder / files.CONFIG).write_text(json.dumps(config))
    with pytest.raises(
        Refused, match=r"names the base 'owner/other', adapter_model.safetensors was made for 'starter'"
    ):
        hub.publish(folder, NAME)


def test_the_command_line_imports_exports_and_prints_cards(run: Run, tmp_path: Path) -> None:
    folder = files.write(writer(), tmp_path / "made")
    code, out, err = run("import", folder, COPY, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["reference"], told["origin"], told["passed_over"]) == (f"{COPY}@1", None, [])
    code, out, _ = run("export", COPY, "loras", "--to", "vllm", "--json")
    assert code == 0
    assert vllm_finds(tmp_path / "loras", "owner/tiny", f"{COPY}@1") == Path(json.loads(out)["folder"])
    code, out, _ = run("card", COPY)
    assert code == 0 and out.startswith("---\n") and f"\n# {COPY}@1\n" in out
    code, _, err = run("export", COPY, "hf://owner/x", "--to", "vllm")
    assert code == 2 and "hf:// goes with --to hf" in err
    code, _, err = run("import", folder, COPY, "--base", "starter")
    assert code == 4 and "on starter: it was made for owner/tiny" in err


@pytest.mark.parametrize("name", ["adapter.zip", "adapter.tar.gz"])
def test_archives_are_refused(name: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK")
    code, _, err = run("import", name, NAME)
    assert code == 4 and "is an archive, which is never taken; unpack it" in err
