"""A job: one recipe on one client's data, with all the state that is its own: weights, optimizer, schedule, sampler,
dropout stream, early stopping. What other jobs share a batch with it never shows in it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from adapters import Adapter, Base
from adapters.forward import Hidden
from adapters.kernels import Dropout
from adapters.slots import Slots
from recipes.calibration import Calibration
from recipes.data import Splits
from recipes.encode import EncodedRow, encode
from recipes.errors import TrainingError
from recipes.predict import copy_loss, probabilities, target_losses
from recipes.recipe import Recipe
from recipes.tasks import task_for

_BUCKET = 16  # batches that are sorted by length together


@dataclass
class Job:
    """Training of one adapter in one slot.

    train, validation: encoded rows; adapter: as `start` made it; history: one entry per validation with step, loss and
    metric; best: the weights of the best validation so far.
    """

    recipe: Recipe
    splits: Splits
    adapter: Adapter
    train: list[EncodedRow]
    validation: list[EncodedRow]
    slot: int = 0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_metric: float = math.nan
    best_step: int = 0
    done: bool = False
    failure: TrainingError | None = None

    @classmethod
    def prepare(cls, recipe: Recipe, splits: Splits, adapter: Adapter, base: Base) -> "Job":
        """Encode the data of a job."""
        return cls(
            recipe,
            splits,
            adapter,
            encode(base, recipe, splits.train),
            encode(base, recipe, splits.validation),
        )

    @property
    def metric_name(self) -> str:
        """The metric that early stopping watches."""
        return self.recipe.train.metric

    @property
    def steps(self) -> int:
        """Optimizer steps of a full run."""
        settings = self.recipe.train
        per_epoch = math.ceil(len(self.train) / (settings.batch_size * settings.accumulate))
        planned = max(1, math.ceil(per_epoch * settings.epochs))
        return min(planned, settings.max_steps) if settings.max_steps else planned

    @property
    def evaluate_every(self) -> int:
        """Steps between validations; once an epoch unless the recipe says otherwise."""
        settings = self.recipe.train
        return settings.evaluate_every or max(1, math.ceil(self.steps / math.ceil(settings.epochs)))

    def begin(self, slots: Slots, slot: int) -> None:
        """Take a slot, which holds this job's adapter already, and make the optimizer."""
        settings = self.recipe.train
        self.slot = slot
        self.parameters = slots.parameters(slot)
        heads = {name for name in self.parameters if ".score." in name or ".classifier." in name}
        body = [p for name, p in self.parameters.items() if name not in heads]
        head = [p for name, p in self.parameters.items() if name in heads]
        groups = [{"params": body, "lr": settings.learning_rate}]
        if head:
            groups.append({"params": head, "lr": settings.head_learning_rate or settings.learning_rate})
        self._optimizer = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
        self._rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        self._order = torch.Generator().manual_seed(settings.seed)
        share = self.recipe.lora.dropout if self.recipe.method == "lora" else 0.0
        device = body[0].device
        self.dropout = Dropout(share, torch.Generator(device).manual_seed(settings.seed)) if share else None
        self._batches = self._sample()
        self._window: list[list[EncodedRow]] = []
        self._window_weight = 0.0
        self._loss_sum, self._loss_count = 0.0, 0

    def next_batch(self) -> list[EncodedRow]:
        """The next micro-batch. The windows of `accumulate` micro-batches are drawn whole, so that each loss
        is divided by the weight of its whole window: accumulating changes memory, never the gradient."""
        if not self._window:
            self._window = [next(self._batches) for _ in range(self.recipe.train.accumulate)]
            self._window_weight = sum(self._weight(batch) for batch in self._window)
        return self._window.pop(0)

    def loss(self, base: Base, slots: Slots, hidden: Hidden, batch: Sequence[EncodedRow]) -> Tensor:
        """This job's own loss on its own rows: its supervised sum over its own window's count."""
        return self._loss_total(base, slots, hidden, batch) / self._window_weight

    def after_backward(self, loss: float) -> None:
        """Count a micro-batch; at the end of a window, clip and step."""
        self._loss_sum += loss
        if self._window:
            return
        settings = self.recipe.train
        if settings.clip:
            nn.utils.clip_grad_norm_(self.parameters.values(), settings.clip)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * self._factor()
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._loss_count += 1

    def due(self) -> bool:
        """Whether it is time to validate."""
        return not self._window and (self.step % self.evaluate_every == 0 or self.step >= self.steps)

    def judge(self, base: Base, slots: Slots) -> None:
        """Validate; keep the best weights; stop after `patience` validations without a better one."""
        value = self.validate(base, slots)
        mean = self._loss_sum / max(1, self._loss_count)
        self._loss_sum, self._loss_count = 0.0, 0
        self.history.append({"step": self.step, "loss": mean, self.metric_name: value})
        sign = -1 if task_for(self.recipe.task).METRICS[self.metric_name] == "min" else 1
        if not self.best or sign * value > sign * self.best_metric:
            self.best = {name: p.detach().clone() for name, p in self.parameters.items()}
            self.best_metric, self.best_step = value, self.step
        since = sum(entry["step"] > self.best_step for entry in self.history)
        patience = self.recipe.train.patience
        self.done = self.step >= self.steps or (patience is not None and since >= patience)

    def validate(self, base: Base, slots: Slots) -> float:
        """The watched metric on the validation split."""
        if self.recipe.task == "ad-copy":
            total, count = copy_loss(base, slots, self.slot, self.validation)
            return total / count
        calibration = Calibration.from_info(self.adapter.info)
        found = probabilities(base, slots, self.slot, self.validation, calibration=calibration)
        metrics = task_for(self.recipe.task).metrics(self.splits.validation, found, self.splits.labels)
        return float(metrics[self.metric_name])

    def fail(self, failure: TrainingError) -> None:
        """Stop this job alone."""
        self.failure, self.done = failure, True

    def restore_best(self) -> None:
        """Put the best weights back and into the adapter."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(self.best[name])
        self.adapter.tensors = {name: tensor.float().cpu() for name, tensor in self.best.items()}

    def _loss_total(self, base: Base, slots: Slots, hidden: Hidden, batch: Sequence[EncodedRow]) -> Tensor:
        weights = torch.tensor([row.weight for row in batch], device=hidden.states.device)
        if self.recipe.task == "ad-copy":
            counts = torch.tensor([len(row.target) for row in batch], device=weights.device)
            return (target_losses(base, hidden, batch) * weights.repeat_interleave(counts)).sum()
        head = slots.head(self.slot)
        logits = head(hidden.states, hidden.mask, hidden.pooler).float()
        if head.head.multi_label:
            targets = torch.zeros_like(logits)
            for row, encoded in enumerate(batch):
                targets[row, list(_several(encoded.label))] = 1.0
            losses = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)
        else:
            labels = torch.tensor([row.label for row in batch], device=logits.device)
            losses = nn.functional.cross_entropy(logits, labels, reduction="none")
        return (losses * weights).sum()

    def _weight(self, batch: Sequence[EncodedRow]) -> float:
        """What a batch counts: its rows' weights, for ad copy each times its copy tokens."""
        return sum(row.weight * (len(row.target) if self.recipe.task == "ad-copy" else 1) for row in batch)

    def _sample(self) -> Iterator[list[EncodedRow]]:
        """Endless micro-batches: every epoch in a new order, rows of like length together to spare padding."""
        size = self.recipe.train.batch_size
        while True:
            order = torch.randperm(len(self.train), generator=self._order).tolist()
            batches = []
            for start in range(0, len(order), size * _BUCKET):
                bucket = sorted(order[start : start + size * _BUCKET], key=lambda i: len(self.train[i]))
                batches += [bucket[at : at + size] for at in range(0, len(bucket), size)]
            for place in torch.randperm(len(batches), generator=self._order).tolist():
                yield [self.train[i] for i in batches[place]]

    def _factor(self) -> float:
        """Warm-up from 0 to 1, then the schedule down to 0 (or flat)."""
        settings = self.recipe.train
        warmup = round(settings.warmup_share * self.steps)
        if self.step < warmup:
            return (self.step + 1) / (warmup + 1)
        left = 1 - (self.step - warmup) / max(1, self.steps - warmup)
        shapes: Mapping[str, float] = {
            "constant": 1.0,
            "linear": left,
            "cosine": 0.5 * (1 - math.cos(math.pi * left)),
        }
        return shapes[settings.schedule]


def _several(label: int | tuple[int, ...] | None) -> tuple[int, ...]:
    assert isinstance(label, tuple)
    return label
