"""Adapters that stock PEFT made and saved, by name, and what PEFT answers with them: the truth of the runtime's
tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import peft
import torch

from adapters import Adapter
from adapters.serving.limits import Limits
from adapters.serving.residency import Fetched
from adapters.serving.resident import Resident
from adapters.serving.runtime import Runtime
from tests.adapters import models

Options = Mapping[str, Any]


@dataclass
class Shelf:
    """name -> (method, options; `head` gives it that many labels). Everything on one tiny base of `family`, with
    `changes` to its configuration."""

    folder: Path
    options: Mapping[str, tuple[str, Options]]
    family: str = "llama"
    changes: Mapping[str, Any] = field(default_factory=dict)
    adapters: dict[str, Adapter] = field(default_factory=dict)
    _models: dict[str | None, Any] = field(default_factory=dict)
    _known: dict[Any, torch.Tensor] = field(default_factory=dict)
    _written: dict[Any, tuple[int, list[int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for seed, (name, (method, options)) in enumerate(self.options.items()):
            own = dict(options)
            model = models.model(self.family, own.pop("head", None), **self.changes)
            self.adapters[name] = models.peft_adapter(model, self.folder / name, method, seed=seed, **own)

    def has_head(self, name: str | None) -> bool:
        return name is not None and "head" in self.options[name][1]

    def model(self, name: str | None) -> Any:
        """The base alone, or stock PEFT with one adapter."""
        if name not in self._models:
            head = self.options[name][1].get("head") if name else None
            model = models.model(self.family, head, **self.changes)
            if name:
                model = peft.PeftModel.from_pretrained(model, self.folder / name).eval()
            self._models[name] = model
        return self._models[name]

    def logits(self, name: str | None, ids: tuple[int, ...]) -> torch.Tensor:
        """What PEFT gives for one row alone: `[labels]` of a head, else `[tokens, vocabulary]`."""
        if (name, ids) not in self._known:
            row = torch.tensor([ids])
            with torch.no_grad():
                found = self.model(name)(input_ids=row, attention_mask=torch.ones_like(row)).logits[0]
            self._known[name, ids] = found
        return self._known[name, ids]

    def greedy(self, name: str | None, ids: tuple[int, ...], tokens: int, **options: Any) -> list[int]:
        """What PEFT writes for one row alone, without the end token. A short text is how a longer one begins."""
        key = (name, ids, *sorted(options.items()))
        longest, known = self._written.get(key, (0, []))
        if longest < tokens:
            row = torch.tensor([ids])
            made = self.model(name).generate(
                input_ids=row,
                attention_mask=torch.ones_like(row),
                max_new_tokens=tokens,
                do_sample=False,
                pad_token_id=0,
                **options,
            )
            new = made[0, len(ids) :].tolist()
            known = new[: new.index(1)] if 1 in new else new
            self._written[key] = tokens, known
        return known[:tokens]

    def fetch(self, key: str) -> Fetched:
        """As a hub would: an error for names that are not there."""
        return Fetched(self.adapters[key])

    def runtime(self, fetch: Callable[[str], Fetched] | None = None, **limits: Any) -> Runtime:
        """A runtime on a fresh copy of the base."""
        return Runtime(
            models.base(self.family, **self.changes), fetch or self.fetch, Limits(**({"slots": 4} | limits))
        )


def in_slots(runtime: Runtime) -> list[str]:
    """Names of the adapters in slots, the least recently used first."""
    return [found.adapter for found in runtime.residency() if found.tier == "slot"]


def whereabouts(runtime: Runtime, name: str) -> Resident | None:
    """Where one adapter is."""
    return next((found for found in runtime.residency() if found.adapter == name), None)
