"""Adapters from a model hub: the list decides, the bytes are held against it, and the cache answers offline."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, file_download

from adapters.format import files
from hub.errors import BadName, Damaged, HubError, NotInHub, Refused
from hub.exchange.exports import upload
from hub.hub import Hub
from hub.intake import huggingface
from hub.intake.allowed import sort_out
from hub.intake.huggingface import Address, fetch, parse
from tests.hub.model_hub import ModelHub, running
from tests.hub.tiny import NAME, lora

ADAPTER = files.render(lora())
LITTER = {
    ".gitattributes": b"*.safetensors filter=lfs",
    "LICENSE": b"MIT",
    "adapter_model.bin": b"pickle",
    "checkpoint-10/adapter_model.safetensors": b"older",
    "checkpoint-10/optimizer.pt": b"pickle",
    "rng_state_0.pth": b"pickle",
    "tokenizer.json": b"{}",
    "training_args.bin": b"pickle",
}


@pytest.fixture
def model_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    with running() as started:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, started.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", started.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(file_download.time, "sleep", lambda _: None)
        started.repos["owner/tiny"] = {"main": {**ADAPTER, **LITTER}}
        yield started


def test_an_adapter_is_fetched_without_what_lies_beside_it(model_hub: ModelHub) -> None:
    found = fetch("hf://owner/tiny")
    assert found.files == ADAPTER
    assert found.origin == {"source": "hf://owner/tiny", "commit": model_hub.commit("owner/tiny", "main")}
    assert found.left == (
        ".gitattributes",
        "LICENSE",
        "adapter_model.bin",
        "rng_state_0.pth",
        "tokenizer.json",
        "training_args.bin",
        "checkpoint-10/ (2 files)",
    )
    assert sorted(Path(path).name for path in model_hub.downloaded()) == sorted(ADAPTER)


def test_a_hub_publishes_it_as_it_would_a_folder_and_records_the_commit(
    model_hub: ModelHub, hub: Hub, tmp_path: Path
) -> None:
    version = hub.publish("hf://owner/tiny@main", NAME, publish_id="once")
    assert version.record.origin == {
        "source": "hf://owner/tiny@main",
        "commit": model_hub.commit("owner/tiny", "main"),
    }
    assert version.digest == hub.publish(files.write(lora(), tmp_path / "folder"), NAME).digest
    assert hub.publish("hf://owner/tiny@main", NAME, publish_id="once") == version


def test_a_revision_a_folder_and_a_pull_request_are_found(model_hub: ModelHub) -> None:
    other = files.render(lora(1))
    below = {f"spring/german/{name}": data for name, data in other.items()}
    model_hub.repos["owner/tiny"] |= {"v2": other, "refs/pr/1": other, "many": {**ADAPTER, **below}}
    for address in ("@v2", "@refs/pr/1", "@many/spring/german", f"@{model_hub.commit('owner/tiny', 'v2')}"):
        assert fetch(f"hf://owner/tiny{address}").files == other, address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("hf://a/b", Address("a", None)),
        ("hf://a/b@main/x/y/", Address("a", "main", "x/y")),
        ("hf://a/b@feature%2Fx", Address("a", "feature/x")),
        ("hf://a/b@refs/pr/3/x", Address("a", "refs/pr/3", "x")),
    ],
)
def test_addresses_are_read(text: str, address: Address) -> None:
    read = parse(text)
    assert (read.repo, read.revision, read.folder) == ("a/b", address.revision, address.folder)


@pytest.mark.parametrize(
    "text",
    [
        "hf://a",
        "hf://a/b/../c",
        "hf://a/b//c",
        "hf://a/b@",
        "hf://a/b@../x",
        "hf://ä/b",
        "hf:/a/b",
        "hf://a/b@x@y",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadName, match=r"write hf://owner/repo\[@revision\]\[/folder\]"):
        parse(text)


def test_what_could_be_code_pickle_or_other_weights_is_refused_before_anything_is_fetched(
    model_hub: ModelHub, hub: Hub
) -> None:
    model_hub.repos["owner/tiny"]["main"] |= {
        "modeling.py": b"",
        "backup.zip": b"",
        "head.pkl": b"",
        "new_embeddings.safetensors": b"",
    }
    model_hub.sizes["README.md"] = (1 << 20) + 1
    model_hub.sizes["adapter_model.safetensors"] = 1 << 33
    with pytest.raises(Refused) as refused:
        hub.publish("hf://owner/tiny", NAME)
    told = str(refused.value)
    assert "modeling.py does not belong to an adapter (code is never taken)" in told
    assert "backup.zip does not belong to an adapter (archives are never taken)" in told
    assert "head.pkl does not belong to an adapter (pickle can run code" in told
    assert "new_embeddings.safetensors may be part of what the adapter is" in told
    assert "README.md has 1,048,577 bytes; at most 1,048,576 are taken" in told
    assert "adapter_model.safetensors has 8,589,934,592 bytes; at most 4,294,967,296 are taken" in told
    assert model_hub.downloaded() == []
    assert hub.names() == ()


def test_pickled_weights_alone_are_refused() -> None:
    wanted, left, problems = sort_out(["adapter_config.json", "adapter_model.bin"])
    assert (wanted, left) == (["adapter_config.json"], [])
    assert problems == [
        "adapter_model.bin is the only weights here, and pickle can run code; save them as safetensors",
        "adapter_model.safetensors is missing",
    ]


def test_a_configuration_that_loads_code_is_refused(model_hub: ModelHub, hub: Hub) -> None:
    config = json.loads(ADAPTER[files.CONFIG]) | {"auto_map": {"AutoModel": "modeling.Evil"}}
    model_hub.repos["owner/tiny"]["main"][files.CONFIG] = json.dumps(config).encode()
    with pytest.raises(Refused, match=r"(?s)hf://owner/tiny cannot be published.*auto_map, which loads code"):
        hub.publish("hf://owner/tiny", NAME)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("hf://owner/nothing", "no owner/nothing at http.*or it is private"),
        ("hf://owner/tiny@v9", "owner/tiny has no revision 'v9'"),
        ("hf://owner/tiny/nowhere", "hf://owner/tiny/nowhere holds no files"),
    ],
)
def test_what_is_not_there_is_told(model_hub: ModelHub, address: str, told: str) -> None:
    with pytest.raises(NotInHub, match=told):
        fetch(address)


def test_a_model_hub_that_cannot_be_reached_is_told(
    model_hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match=r"http://127.0.0.1:9 did not do what was asked of hf://owner/tiny"):
        fetch("hf://owner/tiny")


def test_a_body_that_breaks_off_is_an_error(model_hub: ModelHub) -> None:
    model_hub.truncate = True
    with pytest.raises(HubError, match="did not do what was asked"):
        fetch("hf://owner/tiny")


def test_a_body_of_another_size_or_other_bytes_is_an_error(model_hub: ModelHub) -> None:
    weights = ADAPTER[files.WEIGHTS]
    model_hub.sent[files.WEIGHTS] = weights[:-1] + bytes([weights[-1] ^ 1])
    with pytest.raises(
        Damaged, match=r"adapter_model.safetensors of owner/tiny at .* are not the .* of its list"
    ):
        fetch("hf://owner/tiny")
    model_hub.sent[files.WEIGHTS] = weights + b"more"
    with pytest.raises(HubError):
        fetch("hf://owner/tiny")


def test_a_branch_that_moves_meanwhile_does_not_mix_two_commits(model_hub: ModelHub) -> None:
    listed = model_hub.repos["owner/tiny"]["main"]

    def move() -> None:
        model_hub.repos["owner/tiny"] = {"main": files.render(lora(1)), "before": listed}

    model_hub.after_list = move
    found = fetch("hf://owner/tiny")
    assert found.files == ADAPTER
    assert found.origin["commit"] == model_hub.commit("owner/tiny", "before")


def pointer(name: str) -> Path:
    """The name of a fetched file in the cache: a link to its blob."""
    (found,) = Path(constants.HF_HUB_CACHE).glob(f"models--owner--tiny/snapshots/*/{name}")
    assert found.is_symlink()
    return found


def test_what_lies_damaged_in_the_cache_is_fetched_again(model_hub: ModelHub) -> None:
    fetch("hf://owner/tiny")
    blob = pointer(files.WEIGHTS).resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    assert fetch("hf://owner/tiny").files == ADAPTER


def test_a_link_out_of_the_cache_is_not_followed(model_hub: ModelHub, tmp_path: Path) -> None:
    fetch("hf://owner/tiny")
    secret = tmp_path / "secret"
    secret.write_bytes(ADAPTER[files.CONFIG])
    link = pointer(files.CONFIG)
    link.unlink()
    link.symlink_to(secret)
    with pytest.raises(Damaged, match="is a link out of the cache"):
        fetch("hf://owner/tiny")


def test_offline_the_cache_answers_with_the_same_bytes_and_commit(
    model_hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = fetch("hf://owner/tiny")
    asked = len(model_hub.asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    offline = fetch("hf://owner/tiny")
    assert (offline.files, offline.origin) == (online.files, online.origin)
    assert fetch(f"hf://owner/tiny@{online.origin['commit']}").files == ADAPTER
    assert len(model_hub.asked) == asked
    with pytest.raises(
        NotInHub, match=r"the cache holds no adapter_config.json and no adapter_model.safetensors"
    ):
        fetch("hf://owner/tiny@v9")
    blob = pointer(files.WEIGHTS).resolve()
    os.chmod(blob, 0o600)
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    with pytest.raises(Damaged, match="is not what was fetched once"):
        fetch("hf://owner/tiny")


def test_a_version_is_uploaded_with_its_card_and_comes_back_the_same(
    model_hub: ModelHub, hub: Hub, tmp_path: Path
) -> None:
    version = hub.publish(lora(), NAME, message="first")
    done = upload(hub, NAME, "hf://acme/adapter")
    assert model_hub.made == {"acme/adapter": "private"}
    put = model_hub.repos["acme/adapter"]["main"]
    assert done.commit == model_hub.commit("acme/adapter", "main")
    assert put[files.CARD].startswith(b"---\nlibrary_name: peft\n")
    assert f"# {version.reference}\n".encode() in put[files.CARD]
    back = Hub(tmp_path / "other").publish("hf://acme/adapter", "x/y/z")
    assert back.digest == version.digest


def test_a_version_is_uploaded_to_a_branch_and_a_folder_beside_what_is_there(
    model_hub: ModelHub, hub: Hub
) -> None:
    hub.publish(lora(), NAME)
    upload(hub, NAME, "hf://owner/tiny@spring/german", private=False)
    put = model_hub.repos["owner/tiny"]["spring"]
    assert put.keys() == {*ADAPTER, *LITTER, *(f"german/{name}" for name in ADAPTER)}
    assert model_hub.repos["owner/tiny"]["main"].keys() == {*ADAPTER, *LITTER}
    assert fetch("hf://owner/tiny@spring/german").files[files.WEIGHTS] == hub.store.get(
        hub.resolve(NAME).record.file(files.WEIGHTS).sha256
    )


def test_the_address_alone_makes_a_source_one_of_a_model_hub() -> None:
    sources: list[Any] = ["hf://a/b", "hf", Path("hf:/a/b"), lora()]
    assert [huggingface.is_address(source) for source in sources] == [True, False, False, False]
