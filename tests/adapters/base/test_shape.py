"""The shape of a base is known from its configuration alone, and is that of the loaded base."""

from pathlib import Path

import pytest

from adapters import BaseId, load_base
from adapters.base.shape import load_shape
from adapters.errors import BaseNotFound
from tests.adapters import models


@pytest.mark.parametrize("family", ["llama", "qwen3", "phi3", "gemma2", "bert", "roberta"])
def test_the_shape_of_a_base_is_that_of_the_loaded_one(family: str, tmp_path: Path) -> None:
    folder = models.saved(family, tmp_path / family)
    shape, base = load_shape(str(folder)), load_base(str(folder), "none", device="cpu")
    assert shape.identity == base.identity
    assert (shape.width, shape.prefix_width) == (base.width, base.prefix_width)
    assert {path: tuple(layer.weight.shape) for path, layer in shape.linears.items()} == {
        path: tuple(layer.weight.shape) for path, layer in base.linears.items()
    }
    assert {layer.weight.device.type for layer in shape.linears.values()} == {"meta"}


def test_a_base_of_which_only_the_configuration_is_there_has_a_shape_and_no_fingerprint(
    tmp_path: Path,
) -> None:
    folder = models.saved("llama", tmp_path / "tiny")
    (folder / "model.safetensors").unlink()
    assert load_shape(str(folder)).identity == BaseId("local/tiny")
    with pytest.raises(BaseNotFound, match="no base"):
        load_shape(str(tmp_path / "nothing"))
