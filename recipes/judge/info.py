"""What a recipe leaves in an adapter's `info`, which travels as JSON inside the weights' file.

    {"recipe": {...}, "data": {...}, "parent": "acme/spring/behavior@1", "created": "2026-01-31T09:30:00+00:00",
     "quantization": "nf4", "report": {...}, "gates": {...}, "calibration": {...}, "blend": {...}}

All of it may be missing: an adapter that stock PEFT made has none. Whatever shows an adapter reads it here. What an
answer depends on is read where answers are made, and refused where it is wrong: `Recipe.from_dict`,
`Calibration.from_info`, `Blend.from_info`.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from recipes.data.facts import DataFacts
from recipes.judge.report import Gates, Report
from recipes.measure.calibration import Calibration
from recipes.part import Part


class AdapterInfo(Part):
    """What training and its judges say of an adapter.

    recipe: as `Recipe.to_dict`. parent: which adapter it was trained on from. created: UTC, ISO 8601. quantization: of
    the base while it was trained. blend: as `Blend.to_info`.
    """

    recipe: dict[str, Any] | None = None
    data: Annotated[DataFacts | None, BeforeValidator(DataFacts.read)] = None
    parent: str | None = None
    created: str | None = None
    quantization: str | None = None
    report: Annotated[Report | None, BeforeValidator(Report.read)] = None
    gates: Annotated[Gates | None, BeforeValidator(Gates.read)] = None
    calibration: Calibration | None = None
    blend: dict[str, Any] | None = None

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> "AdapterInfo":
        """What an adapter's `info` says, without what is not of this form. Never raises."""
        return cls.read(info) or cls()

    def to_info(self) -> dict[str, Any]:
        """Of an adapter's `info` the keys that were given here. Gates are null where a recipe has none; else what is
        None is left out."""
        parts = {name: getattr(self, name) for name in self.model_fields_set}
        return {
            name: part.to_info() if isinstance(part, DataFacts | Report | Gates | Calibration) else part
            for name, part in parts.items()
            if part is not None or name == "gates"
        }
