"""Fused training: each turn takes a micro-batch of every running job, and their rows share passes of the base.

    job a   rows of 9 9 12 13 tokens     pass 1   a a a a b b c c     one forward, one backward
    job b   rows of 8 9 40 41            pass 2   b b c c
    job c   rows of 9 8 44 39

Each job's loss is its own rows' sum over its own window's count, its parameters are its own, and rows meet nowhere in
the base: each job gets the gradient that it would get alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from adapters import Base
from adapters.errors import RepertoireError
from adapters.slots import Hidden, PaddedBatch, Slots, forward, join, pad
from recipes.errors import TrainingError
from recipes.learn import unsaid
from recipes.learn.encode import EncodedRow
from recipes.learn.job import Job
from recipes.learn.parallel import Processes
from recipes.learn.passes import arrange

_FEWEST = 16  # tokens of a pass below which running out of memory is no matter of its size


class Fused:
    """Runs turns on one base.

    budget: padded tokens of one pass; it is halved whenever memory runs out. checkpoint: compute each layer again in
    the backward, which spares most of the activations' memory for a third more time. processes: among which each
    micro-batch is divided. computed, useful: tokens so far, with and without padding.
    """

    def __init__(
        self,
        base: Base,
        slots: Slots,
        budget: int,
        checkpoint: bool = False,
        processes: Processes | None = None,
    ) -> None:
        self.base = base
        self.slots = slots
        self.budget = budget
        self.checkpoint = checkpoint
        self.processes = processes or Processes()
        self.computed = 0
        self.useful = 0

    def turn(self, jobs: Sequence[Job]) -> None:
        """A micro-batch of each job, forward and backward. What goes wrong in a job stops that job alone."""
        for job in jobs:
            if job.is_to_guess:
                self._guess(job)
        batches = {job: job.next_batch() for job in jobs if job.failure is None}
        own = {job: self.processes.share(len(batch)) for job, batch in batches.items()}
        lengths = {job: [len(batches[job][index]) for index in indices] for job, indices in own.items()}
        losses = dict.fromkeys(jobs, 0.0)
        with checkpointing(self.base, self.checkpoint):
            for part in arrange(lengths, self.budget):
                rows = {job: [own[job][at] for at in indices] for job, indices in part.items()}
                self._run(rows, batches, losses)
        self._add_up(jobs, losses)
        for job, loss in losses.items():
            if job.failure is None:
                job.after_batch(loss)

    def _guess(self, job: Job) -> None:
        try:
            job.guess(self.base, self.slots)
        except Exception as error:
            job.fail(TrainingError(f"{job.name}: labels for rows without any failed: {error!r}"))

    def _add_up(self, jobs: Sequence[Job], losses: dict[Job, float]) -> None:
        """Losses, failures and, at the end of a window, gradients of all processes."""
        if self.processes.count == 1:
            return
        told = torch.tensor([[losses[job], float(job.failure is not None)] for job in jobs])
        told = told.double().to(self.base.device)
        self.processes.add([told])
        for job, (loss, failed) in zip(jobs, told.tolist(), strict=True):
            losses[job] = loss
            if failed and job.failure is None:
                job.fail(TrainingError(f"{job.name}: step {job.step} failed in another process"))
            elif not failed and not job.in_window:
                self.processes.add(job.gradients())

    def _run(
        self, part: dict[Job, list[int]], batches: dict[Job, list[EncodedRow]], losses: dict[Job, float]
    ) -> None:
        """One pass. Where it does not fit into memory it is cut in two; where it fails, each job runs by itself."""
        part = {job: indices for job, indices in part.items() if job.failure is None}
        if not part:
            return
        try:
            found = self._pass(part, batches)
        except Exception as error:
            for job in part:
                job.trained.take_gradients(keep=False)
            for smaller in self._smaller(part, batches, error):
                self._run(smaller, batches, losses)
            return
        for job, loss in found.items():
            losses[job] += loss

    def _pass(self, part: dict[Job, list[int]], batches: dict[Job, list[EncodedRow]]) -> dict[Job, float]:
        """The loss of each job's rows, after their backward; and another pass over the rows of jobs that train
        against an adversary."""
        jobs = sorted(part, key=lambda job: (job.recipe.method == "prefix", job.slot))
        given = {job: [batches[job][index] for index in part[job]] for job in jobs}
        wary = [job for job in jobs if job.recipe.train.fgm != 0]
        tokens = pad(self.base, [(*row.ids, *row.target) for job in jobs for row in given[job]])
        embedded = self.base.embed(tokens.ids).detach().requires_grad_() if wary else None
        found = self._backward(jobs, part, given, tokens, embedded)
        if again := [job for job in wary if job in found]:
            assert embedded is not None and embedded.grad is not None
            moved = embedded.detach() + _against(
                embedded, tokens.mask, [(job, len(given[job])) for job in jobs]
            )
            rows = [at for at, job in enumerate(j for j in jobs for _ in given[j]) if job in again]
            adverse = PaddedBatch(tokens.ids[rows], tokens.mask[rows])
            still = self._backward(again, part, given, adverse, moved[rows])
            found = {job: loss for job, loss in found.items() if job in still or job not in again}
        for job in jobs:
            job.trained.take_gradients(keep=job in found)
        return {job: float(loss.detach()) for job, loss in found.items()}

    def _backward(
        self,
        jobs: Sequence[Job],
        part: dict[Job, list[int]],
        given: dict[Job, list[EncodedRow]],
        tokens: PaddedBatch,
        embedded: Tensor | None,
    ) -> dict[Job, Tensor]:
        """One forward and backward; the losses of the jobs whose loss is finite. The others fail."""
        lengths = {job: [len(row) for row in given[job]] for job in jobs}
        rows = join([(job.slot, len(given[job])) for job in jobs])
        left = self.base.kind == "decoder"
        drawn = {job.slot: job.dropout(part[job], lengths[job], left) for job in jobs}
        dropout = {slot: each for slot, each in drawn.items() if each is not None}
        found: dict[Job, Tensor] = {}
        with self.slots.using(rows, dropout):  # also while checkpointed layers run again
            hidden, at = forward(self.base, self.slots, tokens, rows, dropout, embedded), 0
            for job in jobs:
                loss = job.loss(self.base, self.slots, _slice(hidden, at, at + len(given[job])), given[job])
                at += len(given[job])
                if torch.isfinite(loss):
                    found[job] = loss
                else:
                    what = f"{job.name}: the loss is {loss.item()} at step {job.step}"
                    job.fail(TrainingError(f"{what}; lower train.learning_rate"))
            if found:
                torch.stack(list(found.values())).sum().backward()
        self.computed += tokens.ids.numel()
        self.useful += sum(sum(each) for each in lengths.values())
        return found

    def _smaller(
        self, part: dict[Job, list[int]], batches: dict[Job, list[EncodedRow]], error: Exception
    ) -> Iterator[dict[Job, list[int]]]:
        """What is to run in the place of a pass that failed; a job that is alone in it and can be cut no further
        fails."""
        rows = [(job, index) for job, indices in part.items() for index in indices]
        if out_of_memory(error) and len(rows) > 1:
            width = max(len(batches[job][index]) for job, index in rows)
            self.budget = max(_FEWEST, min(self.budget, len(rows) * width) // 2)
            lengths = {job: [len(batches[job][index]) for index in indices] for job, indices in part.items()}
            for smaller in arrange(lengths, self.budget):
                yield {job: [part[job][at] for at in indices] for job, indices in smaller.items()}
        elif len(part) > 1:
            yield from ({job: indices} for job, indices in part.items())
        else:
            (job,) = part
            job.fail(_told(job, error))


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, on a GPU or on a CPU."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


@contextmanager
def checkpointing(base: Base, on: bool) -> Iterator[None]:
    """While active and `on`, layers keep nothing for the backward but their inputs. Dropout of the base stays off: only
    the layers themselves are told that they train."""
    if not on:
        yield
        return
    model: Any = base.model  # from some transformers 5 on it is called activation checkpointing
    enable = getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)
    disable = getattr(model, "activation_checkpointing_disable", model.gradient_checkpointing_disable)
    enable({"use_reentrant": False})
    layers = [module for module in base.model.modules() if hasattr(module, "gradient_checkpointing")]
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False
        disable()


def _told(job: Job, error: Exception) -> TrainingError:
    if out_of_memory(error):
        return TrainingError(
            f"{job.name}: one row alone does not fit into memory; lower data.max_tokens, train with --checkpoint, or "
            "free some memory"
        )
    message = str(error) if isinstance(error, RepertoireError) else repr(error)
    return TrainingError(f"{job.name}: step {job.step} failed: {message}")


def _against(embedded: Tensor, mask: Tensor, jobs: Sequence[tuple[Job, int]]) -> Tensor:
    """The step by which each row's embeddings raise its loss most, of the length that `train.fgm` says (Miyato et al.
    2017, arXiv:1605.07725, equation 5); zero for jobs without.

    Args:
        embedded: `[rows, tokens, width]`, with its gradient.
        mask: `[rows, tokens]`, zero where a row is padded.
        jobs: whose rows they are, and how many.
    """
    assert embedded.grad is not None
    steep, own = (
        torch.linalg.vector_norm(each.float(), dim=(1, 2))
        for each in (embedded.grad, embedded.detach() * mask[..., None])
    )
    parts = own.split([rows for _, rows in jobs])
    lengths = [unsaid.fgm(job.recipe.train, part) for (job, _), part in zip(jobs, parts, strict=True)]
    factors = torch.cat(lengths) / steep.clamp(min=1e-12)
    step: Tensor = (embedded.grad.float() * factors[:, None, None]).to(embedded.dtype)
    return step


def _slice(hidden: Hidden, start: int, stop: int) -> Hidden:
    pooler = None if hidden.pooler is None else hidden.pooler[start:stop]
    return Hidden(hidden.states[start:stop], hidden.mask[start:stop], pooler)
