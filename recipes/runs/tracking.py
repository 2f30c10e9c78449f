"""Curves of a run, for TensorBoard, Weights & Biases or MLflow, through accelerate's trackers."""

import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.tracking import GeneralTracker, MLflowTracker, TensorBoardTracker, WandBTracker

from adapters.unseen import visible
from recipes.errors import TrainingError

TRACKERS = ("tensorboard", "wandb", "mlflow")


class Trackers:
    """Told of every validation and every result; one curve for each job and number, `client/campaign/task/loss`.

    names: of `TRACKERS`; folder: where TensorBoard writes, and what W&B and MLflow call the project or the experiment;
    those write where their own settings say (WANDB_MODE, MLFLOW_TRACKING_URI). One that fails on the way is left out
    from then on, and told on standard error. Raises TrainingError for one that is not known, not installed, or does not
    start.
    """

    def __init__(self, names: Sequence[str], folder: Path) -> None:
        if names:
            PartialState(cpu=not torch.cuda.is_available())  # trackers log through it
        self._trackers = [_tracker(name, folder) for name in names]
        for tracker in self._trackers:
            try:
                tracker.start()
            except Exception as error:  # of another's library, whatever its reason
                raise TrainingError(
                    f"{tracker.name} does not start ({error!r}); see to it, or leave it out"
                ) from error

    def log(self, job: str, values: Mapping[str, Any], step: int) -> None:
        """Note the numbers among some values."""
        numbers = {
            f"{job}/{name}": float(value) for name, value in values.items() if isinstance(value, int | float)
        }
        for tracker in list(self._trackers):
            own, options = numbers, {"step": step}
            if tracker.name == "wandb":  # its steps only grow, and jobs stand at different ones
                own, options = numbers | {f"{job}/step": step}, {}
            elif tracker.name == "mlflow":  # of its own, no name may have an @
                own = {name.replace("@", "_at_"): value for name, value in numbers.items()}
            try:
                tracker.log(own, **options)
            except Exception as error:  # a server that went away, a full disk: no reason to end a night
                self._trackers.remove(tracker)
                _tell(tracker, error)

    def close(self) -> None:
        """Write what is not yet written."""
        for tracker in self._trackers:
            try:
                tracker.finish()
            except Exception as error:
                _tell(tracker, error)


def _tell(tracker: GeneralTracker, error: Exception) -> None:
    told = f"{tracker.name} takes no more numbers ({error!r}); the training goes on without its curves."
    print(visible(told), file=sys.stderr, flush=True)


def _tracker(name: str, folder: Path) -> GeneralTracker:
    if name not in TRACKERS:
        raise TrainingError(f"{name} is no tracker; choose of {', '.join(TRACKERS)}")
    if find_spec(name) is None:
        raise TrainingError(f"{name} is not installed; run pip install {name}, or track with tensorboard")
    if name == "tensorboard":
        return TensorBoardTracker(folder.name, folder.parent)
    if name == "wandb":
        return WandBTracker(folder.name)
    return MLflowTracker(folder.name)
