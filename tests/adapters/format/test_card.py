"""The model card that an adapter makes of itself."""

from adapters.format.files import render
from tests.adapters import models


def test_the_card_says_where_stock_peft_differs() -> None:
    same = render(models.made_here("bert", "lora", 3, "pooler"))["README.md"].decode()
    other = render(models.made_here("bert", "lora", 3, "mean"))["README.md"].decode()
    assert "will not give the same answers" not in same
    assert "pools by `mean`" in other
    assert "will not give the same answers" in other
