"""The card tells the training that the weights come from, also when only their rows are changed afterwards."""

from pathlib import Path

import pytest

from adapters.starter.build.card import CARD, card, progress_of
from adapters.starter.build.held_out import HeldOut


@pytest.mark.parametrize("resumed", [0.0, 2.0])
def test_what_a_card_tells_of_the_training_is_read_again(tmp_path: Path, resumed: float) -> None:
    progress = {"steps": 7043.0, "tokens": 14_424_064.0, "seconds": 3513.0, "resumed": resumed}
    told = card(progress, HeldOut(1.35, 6.2, 3.2, 16_320), [("The", " end")], 6_524_160, 1686)
    (tmp_path / CARD).write_text(told, encoding="utf-8")
    assert progress_of(tmp_path) == progress
