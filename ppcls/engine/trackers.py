"""Programs that show the numbers of runs; each is imported when it is used, and takes its own environment variables.

WandB and MLflow keep the id of their run in the run's folder, so that a resumed run continues it.
"""

import importlib.util
import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Callable

from ppcls.errors import ConfigError

# Which module each of Global.loggers imports; `pip install 'ppcls[...]'` by its name in small letters.
MODULES = {"TensorBoard": "tensorboardX", "WandB": "wandb", "MLflow": "mlflow"}
WANDB_ID, MLFLOW_ID = "wandb.id", "mlflow.id"


def refuse_missing(source: str, loggers: Iterable[str]) -> None:
    """Raise ConfigError for a program that is not installed."""
    for name in loggers:
        if name in MODULES and importlib.util.find_spec(MODULES[name]) is None:
            raise ConfigError(
                f"{source}: Global.loggers: {name}: the package {MODULES[name]} is not installed; "
                f"pip install 'ppcls[{name.lower()}]'"
            )


class VisualDL:
    """For the page of `visualdl --logdir FOLDER/vdl`."""

    def __init__(self, folder: Path) -> None:
        from visualdl import LogWriter  # slow to import

        self.writer = LogWriter(logdir=str(folder / "vdl"))

    def add(self, phase: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(tag=f"{phase}/{name}", step=step, value=value)

    def close(self) -> None:
        self.writer.close()


class TensorBoard:
    """For the page of `tensorboard --logdir FOLDER/tensorboard`."""

    def __init__(self, folder: Path) -> None:
        from tensorboardX import SummaryWriter

        self.writer = SummaryWriter(logdir=str(folder / "tensorboard"))

    def add(self, phase: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(f"{phase}/{name}", value, step)

    def close(self) -> None:
        self.writer.close()


def forget_runs(folder: Path) -> None:
    """Let a new run not continue those of an earlier one in its folder."""
    for name in (WANDB_ID, MLFLOW_ID):
        (folder / name).unlink(missing_ok=True)


class WandB:
    """A run of Weights & Biases."""

    def __init__(self, folder: Path) -> None:
        import wandb

        kept = folder / WANDB_ID
        run_id = kept.read_text() if kept.exists() else uuid.uuid4().hex
        project = os.environ.get("WANDB_PROJECT", "ppcls")
        try:
            self.run = wandb.init(project=project, name=folder.name, id=run_id, resume="allow", dir=str(folder))
        except wandb.Error as error:
            raise ConfigError(f"Global.loggers: WandB: {error}; log in, or set WANDB_MODE=offline") from error
        kept.write_text(run_id)
        self.run.define_metric("*", step_metric="step")  # its own steps count calls, and never go back

    def add(self, phase: str, step: int, values: Mapping[str, float]) -> None:
        self.run.log({"step": step, **{f"{phase}/{name}": value for name, value in values.items()}})

    def close(self) -> None:
        self.run.finish()


class MLflow:
    """A run of MLflow."""

    def __init__(self, folder: Path) -> None:
        import mlflow

        kept = folder / MLFLOW_ID
        try:
            self.client = mlflow.MlflowClient()
            self.run_id = kept.read_text() if kept.exists() else self._new_run(folder.name)
            self.client.get_run(self.run_id)
        except mlflow.MlflowException as error:
            raise ConfigError(f"Global.loggers: MLflow: {error}; check MLFLOW_TRACKING_URI") from error
        kept.write_text(self.run_id)

    def _new_run(self, name: str) -> str:
        experiment = self.client.get_experiment_by_name(os.environ.get("MLFLOW_EXPERIMENT_NAME", "Default"))
        run = self.client.create_run(experiment.experiment_id, run_name=name)
        return str(run.info.run_id)

    def add(self, phase: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.client.log_metric(self.run_id, f"{phase}/{name}", value, step=step)

    def close(self) -> None:
        self.client.set_terminated(self.run_id)


TRACKERS: dict[str, Callable[[Path], Any]] = {"TensorBoard": TensorBoard, "WandB": WandB, "MLflow": MLflow}
