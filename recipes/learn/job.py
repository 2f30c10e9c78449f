"""A job: one recipe on one client's data, with all the state that is its own: weights, optimizer, schedule, position
in the data, early stopping. What other jobs share a batch with it never shows in it.

Everything random follows from the recipe's seed and a count (of the epoch, of the micro-batch), so that a job's state
is numbers and tensors, and a run that was killed goes on as if it had not been.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapters import Adapter, Base, Lora
from adapters.kernels import Dropout
from adapters.slots import Hidden, Slots, Trained, pooled
from recipes.data.named_labels import with_names
from recipes.errors import TrainingError
from recipes.examples import Example, Splits
from recipes.learn import adalora, eva, optimizer, unsaid
from recipes.learn.adalora import Allocation, Schedule
from recipes.learn.batches import Batches, Plan, number_of
from recipes.learn.encode import EncodedRow, encode
from recipes.learn.frame import PromptFrame
from recipes.learn.guesses import guessed, kept, restored
from recipes.learn.held_out import HeldOut
from recipes.learn.predict import copy_loss, label_losses, logits, probabilities, target_losses
from recipes.measure.baselines import weights_of
from recipes.measure.calibration import Calibration
from recipes.measure.intervals import units_of
from recipes.options.train import FEWEST_TO_CHOOSE
from recipes.tasks.task import task_for

if TYPE_CHECKING:
    from recipes.options.method import AdaLoraOptions
    from recipes.recipe import Recipe


@dataclass(eq=False)
class Job:
    """Training of one adapter in one slot.

    train: encoded rows, those of `splits.train`, then what augmentation added, then the labels' names; validation:
    encoded rows; unlabelled: encoded rows, see `guess`; adapter: as `start` made it, until `restore_best`. step:
    optimizer steps taken; drawn: micro-batches drawn; history: one entry per validation with step, loss and metric;
    best: the weights that are kept so far, see `judge`. ranks: what AdaLoRA left of each layer, by its path, from
    `restore_best` on. held_out: see `hold_out`.

    Raises TrainingError where AdaLoRA has too few steps.
    """

    recipe: "Recipe"
    splits: Splits
    adapter: Adapter
    train: list[EncodedRow]
    validation: list[EncodedRow]
    name: str = ""
    slot: int = 0
    step: int = 0
    drawn: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_metric: float = math.nan
    best_step: int = 0
    done: bool = False
    failure: TrainingError | None = None
    ranks: dict[str, int] = field(default_factory=dict)
    held_out: HeldOut | None = None
    unlabelled: list[EncodedRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._schedule = Schedule.of(self._shared, self.steps, self.name) if self._shared else None

    @classmethod
    def prepare(
        cls,
        recipe: "Recipe",
        splits: Splits,
        rows: Sequence[Example],
        adapter: Adapter,
        base: Base,
        name: str = "",
    ) -> "Job":
        """Encode the data of a job. rows: what it trains on, beside the labels' names."""
        frame, named = PromptFrame.from_info(adapter.info), with_names(rows, splits, recipe)
        parts = named, splits.validation, splits.unlabelled
        train, validation, unlabelled = (encode(base, recipe, part, frame) if part else [] for part in parts)
        eva.start(adapter, recipe, base, train)
        return cls(recipe, splits, adapter, train, validation, name or recipe.task, unlabelled=unlabelled)

    @property
    def metric_name(self) -> str:
        """The metric that early stopping watches."""
        return self.recipe.train.metric

    @property
    def frame(self) -> PromptFrame | None:
        """What stands around a prompt, of a job that writes."""
        return PromptFrame.from_info(self.adapter.info)

    @property
    def steps(self) -> int:
        """Optimizer steps of a full run."""
        return self._plan.steps

    @property
    def epochs(self) -> int:
        """The most passes over the rows with labels."""
        return unsaid.epochs(self.recipe.train, len(self.train))

    @property
    def keeps_best(self) -> bool:
        """Whether the best weights are kept, and not the last ones."""
        keep = self.recipe.train.keep
        return keep == "best" or (keep == "auto" and self.has_enough_to_choose)

    @cached_property
    def has_enough_to_choose(self) -> bool:
        """Whether there are validation rows enough to choose by."""
        validation = self.splits.validation
        return bool(validation) and int(units_of(validation).max()) + 1 >= FEWEST_TO_CHOOSE

    @property
    def evaluate_every(self) -> int:
        """Steps between validations; unless the recipe says otherwise once an epoch, and in a pass over rows without
        labels as often again."""
        begun, ends = self._plan.part(self.step)
        return self.recipe.train.evaluate_every or max(1, math.ceil((ends - begun) / self.epochs))

    @property
    def starts_with_probe(self) -> bool:
        """Whether a linear probe is put into the head first: not where the head comes from a trained adapter."""
        return (
            self.recipe.head.init == "probe"
            and self.adapter.head is not None
            and "parent" not in self.adapter.info
        )

    @property
    def batch_tokens(self) -> float:
        """Mean tokens of a micro-batch."""
        every = [*self.train, *self.unlabelled]
        return self.recipe.train.batch_size * sum(map(len, every)) / len(every)

    def begin(self, slots: Slots, slot: int) -> None:
        """Take a slot, which holds this job's adapter already, and make the optimizer."""
        settings = self.recipe.train
        self.slot = slot
        halves = self.recipe.method == "lora" and self.recipe.lora.is_difference
        self.trained = Trained(slots, slot, as_triplets=self._schedule is not None, first_halves=halves)
        self._allocation = None
        if self._shared and self._schedule:
            self._allocation = Allocation(self._shared, self._schedule, self.trained)
        parameters = self.trained.parameters
        body = [p for name, p in parameters.items() if name not in self.trained.head_names]
        head = [parameters[name] for name in self.trained.head_names]
        rate = unsaid.learning_rate(self.recipe, slots.base)
        groups = [{"params": body, "lr": rate}]
        if head:
            groups.append({"params": head, "lr": settings.head_learning_rate or rate})
        self._optimizer = optimizer.make(settings, groups)
        self._rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        alone = self._plan.alone * settings.accumulate
        lengths = [len(row) for row in (*self.train, *self.unlabelled)]
        self._batches = Batches(settings.seed, settings.batch_size, lengths, len(self.train), alone)
        self._loss_sum, self._loss_count = 0.0, 0
        self._window_weight = 0.0

    @torch.no_grad()
    def start_head(self, weight: Tensor, bias: Tensor) -> None:
        """Give the head, before the first step, a weight `[labels, width]` and a bias `[labels]`, if it has one."""
        for name, value in zip(self.trained.head_names, (weight, bias), strict=False):
            self.trained.parameters[name].copy_(value)
        self.trained.update()

    def hold_out(self, heads: HeldOut) -> None:
        """While they train, let rows be answered by heads that have not seen them."""
        self.held_out, self.train = heads, heads.parted(self.train)

    @property
    def is_to_guess(self) -> bool:
        """Whether rows without labels are to be trained on next, and have none yet."""
        waits = bool(self.unlabelled) and self.unlabelled[0].label is None
        return waits and self.step >= self._plan.alone

    def guess(self, base: Base, slots: Slots) -> None:
        """Give rows without labels those that the adapter finds the likeliest."""
        ordinary = float(weights_of(self.splits.train).mean())
        self.unlabelled = guessed(self.unlabelled, logits(base, slots, self.slot, self.unlabelled), ordinary)

    def next_batch(self) -> list[EncodedRow]:
        """The next micro-batch. A window is `accumulate` of them; each loss is divided by the weight of its whole
        window: accumulating changes memory, never the gradient."""
        if not self.in_window:
            ahead = range(self.drawn, self.drawn + self.recipe.train.accumulate)
            self._window_weight = sum(self._weight(self._batch(number)) for number in ahead)
        self.drawn += 1
        return self._batch(self.drawn - 1)

    @property
    def in_window(self) -> bool:
        """Whether micro-batches of this step are still to come."""
        return self.drawn % self.recipe.train.accumulate != 0

    def dropout(self, indices: Sequence[int], lengths: Sequence[int], left: bool) -> Dropout | None:
        """Dropout of rows of the last micro-batch, by their indices in it; None where the recipe has none."""
        share = self.recipe.lora.dropout if self.recipe.method != "prefix" else 0.0
        if not share:
            return None
        keys = [number_of(self.recipe.train.seed, "dropout", self.drawn, index) for index in indices]
        return Dropout(share, tuple(keys), tuple(lengths), left)

    def loss(self, base: Base, slots: Slots, hidden: Hidden, batch: Sequence[EncodedRow]) -> Tensor:
        """This job's own loss on some rows of its micro-batch: their supervised sum over its own window's count."""
        return self._loss_total(base, slots, hidden, batch) / self._window_weight

    def after_batch(self, loss: float) -> None:
        """Count a micro-batch; at the end of a window, clip and step."""
        self._loss_sum += loss
        if self.in_window:
            return
        settings = self.recipe.train
        if self._allocation:
            self._allocation.straighten()
        nn.utils.clip_grad_norm_(self.trained.parameters.values(), settings.clip)
        begun, ends = self._plan.part(self.step)
        climbs = round(settings.warmup_share * (ends - begun))
        factor = optimizer.factor(settings.schedule, self.step - begun, climbs, ends - begun)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self._optimizer.step()
        self.step += 1
        if self._allocation:
            self._allocation.after_step(self.step)
        self._optimizer.zero_grad(set_to_none=True)
        self.trained.update()
        self._loss_count += 1

    def gradients(self) -> list[Tensor]:
        """Of all parameters, zeros where there is none yet."""
        found = []
        for parameter in self.trained.parameters.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            found.append(parameter.grad)
        return found

    def due(self) -> bool:
        """Whether it is time to validate."""
        begun, _ = self._plan.part(self.step)
        return not self.in_window and (
            self.step >= self.steps or (self.step - begun) % self.evaluate_every == 0
        )

    def judge(self, base: Base, slots: Slots) -> None:
        """Validate; keep the best weights, of equally good ones the later; stop after `patience` validations behind the
        warm-up without a better one. Where the last weights are kept, these are the best so far."""
        value = self.validate(base, slots)
        mean = self._loss_sum / max(1, self._loss_count)
        self._loss_sum, self._loss_count = 0.0, 0
        self.history.append({"step": self.step, "loss": mean, self.metric_name: value})
        sign = -1 if task_for(self.recipe.task).METRICS[self.metric_name] == "min" else 1
        settled = self._allocation is None or self._allocation.settled(self.step)
        better = not self.best or not self.keeps_best or sign * value >= sign * self.best_metric
        if settled and better:
            self.keep(self.step)
            self.best_metric = value
        settled_at = (
            self._plan.alone if self.unlabelled else round(self.recipe.train.warmup_share * self.steps)
        )
        since = sum(entry["step"] > max(self.best_step, settled_at) for entry in self.history)
        patience = self.recipe.train.patience if self.keeps_best else None
        self.done = self.step >= self.steps or (settled and patience is not None and since >= patience)

    def keep(self, step: int) -> None:
        """Take the weights as they are for the best ones so far. step: that they come from."""
        self.best = {name: p.detach().clone() for name, p in self.trained.parameters.items()}
        self.best_step = step

    def validate(self, base: Base, slots: Slots) -> float:
        """The watched metric on the validation split."""
        if self.adapter.head is None:
            total, count = copy_loss(base, slots, self.slot, self.validation)
            return total / count
        calibration = Calibration.from_info(self.adapter.info, len(self.splits.labels))
        found = probabilities(base, slots, self.slot, self.validation, calibration=calibration)
        metrics = task_for(self.recipe.task).metrics(self.splits.validation, found, self.splits.labels)
        return float(metrics[self.metric_name])

    def fail(self, failure: TrainingError) -> None:
        """Stop this job alone."""
        self.failure, self.done = failure, True

    def restore_best(self) -> None:
        """Put the best weights back and into the adapter."""
        with torch.no_grad():
            for name, parameter in self.trained.parameters.items():
                parameter.copy_(self.best[name])
        self.trained.update()
        tensors = self.trained.tensors(self.best)
        if self._shared:
            assert isinstance(self.adapter.method, Lora)
            self.ranks = adalora.ranks(tensors)
            self.adapter.method, tensors = adalora.as_plain(self.adapter.method, tensors)
        self.adapter.tensors = tensors

    def release(self) -> None:
        """Let go of weights and optimizer, when the slot is left."""
        self.best = {}
        del self.trained, self._optimizer, self._allocation

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """All that `restore` needs, between two micro-batches: plain JSON, and tensors."""
        tensors = {f"best/{name}": value for name, value in self.best.items()}
        for name, parameter in self.trained.parameters.items():
            tensors[f"parameter/{name}"] = parameter.detach()
            if parameter.grad is not None:
                tensors[f"gradient/{name}"] = parameter.grad
            own = optimizer.state(self._optimizer, parameter)
            tensors |= {f"optimizer/{name}/{key}": value for key, value in own.items()}
        if self.held_out is not None:
            tensors |= {f"held_out/{name}": value for name, value in self.held_out.tensors().items()}
        tensors |= {f"guess/{name}": value for name, value in kept(self.unlabelled).items()}
        if self._allocation:
            tensors |= {f"allocation/{key}": value for key, value in self._allocation.state().items()}
        numbers = {name: getattr(self, name) for name in _KEPT}
        return numbers | {"best_metric": float(self.best_metric)}, tensors

    def restore(self, numbers: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Go on from a `state`, after `begin`."""
        for name in _KEPT:
            setattr(self, name, numbers[name])
        self.best_metric = numbers["best_metric"]
        if held_out := _below("held_out/", tensors):
            self.hold_out(HeldOut(**held_out))
        if guess := _below("guess/", tensors):
            self.unlabelled = restored(self.unlabelled, guess)
        parameters = self.trained.parameters
        with torch.no_grad():
            for name, parameter in parameters.items():
                index = parameter.device
                parameter.copy_(tensors[f"parameter/{name}"])
                if (gradient := tensors.get(f"gradient/{name}")) is not None:
                    parameter.grad = gradient.to(index, copy=True)
                optimizer.restore(self._optimizer, parameter, _below(f"optimizer/{name}/", tensors))
        if self._allocation:
            self._allocation.restore(_below("allocation/", tensors))
        self.best = {
            name: tensors[f"best/{name}"].to(parameter.device, copy=True)
            for name, parameter in parameters.items()
            if f"best/{name}" in tensors
        }
        self.trained.update()

    @property
    def _plan(self) -> Plan:
        """Of how many steps."""
        settings = self.recipe.train
        window = settings.batch_size * settings.accumulate
        return Plan.of(len(self.train), len(self.unlabelled), window, self.epochs, settings.max_steps)

    @property
    def _shared(self) -> "AdaLoraOptions | None":
        """How ranks are shared out; None where every layer has its own from the start."""
        return self.recipe.lora.adalora if self.recipe.method == "lora" else None

    def _loss_total(self, base: Base, slots: Slots, hidden: Hidden, batch: Sequence[EncodedRow]) -> Tensor:
        weights = torch.tensor([row.weight for row in batch], device=hidden.states.device)
        if self.adapter.head is None:
            counts = torch.tensor([len(row.target) for row in batch], device=weights.device)
            return (target_losses(base, hidden, batch) * weights.repeat_interleave(counts)).sum()
        head = slots.head(self.slot)
        vectors = pooled(hidden.states, hidden.mask, hidden.pooler, head.head.pooling)
        said = head.of_pooled(vectors).float()
        if self.held_out is not None:
            said = said + self.held_out.logits(vectors.float(), batch)
        return (label_losses(said, batch, head.head.multi_label) * weights).sum()

    def _weight(self, batch: Sequence[EncodedRow]) -> float:
        """What a batch counts: its rows' weights, of texts each times its copy tokens."""
        return sum(row.weight * (len(row.target) if self.adapter.head is None else 1) for row in batch)

    def _batch(self, number: int) -> list[EncodedRow]:
        """The micro-batch of a number, counted over all epochs."""
        known = len(self.train)
        rows = self._batches.rows(number)
        return [self.train[row] if row < known else self.unlabelled[row - known] for row in rows]


_KEPT = (
    "step", "drawn", "history", "best_step", "done", "_loss_sum", "_loss_count", "_window_weight"
)  # fmt: skip


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What stands under a prefix, without it."""
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
