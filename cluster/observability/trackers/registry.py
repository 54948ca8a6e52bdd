"""The trackers that a configuration asks for."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from cluster.config.tracking import TrackingSettings
from cluster.observability.trackers.base import Tracker, Trackers, failed
from imitation.common import storage
from imitation.common.settings import UserError


def check_tracking(settings: TrackingSettings) -> None:
    """Raises UserError, before anything starts, where a tracker's package is missing."""
    for key, package, extra in (("mlflow", "mlflow", "mlflow"), ("wandb", "wandb", "wandb")):
        if getattr(settings, key) is not None and importlib.util.find_spec(package) is None:
            raise UserError(
                f"tracking.{key} is set, but the package {package!r} is not installed; install the extra: "
                f"pip install 'imitation-training[{extra}]', or set tracking.{key}=null"
            )


def make_trackers(
    settings: TrackingSettings,
    folder: str,
    name: str,
    config: Mapping[str, Any],
    warn: Callable[[str], None],
) -> Trackers:
    """The trackers of the run `name` in `folder`; `config` is its flat configuration.

    One that does not start is said to, and left out.
    """
    makers: list[tuple[str, Callable[[], Tracker]]] = []
    if settings.tensorboard:

        def tensorboard() -> Tracker:
            from cluster.observability.trackers.tensorboard import TensorBoard

            return TensorBoard(storage.join(folder, "tensorboard"), config)

        makers.append(("TensorBoard", tensorboard))
    if settings.mlflow is not None:
        uri = settings.mlflow

        def mlflow() -> Tracker:
            from cluster.observability.trackers.mlflow import MlflowTracker

            return MlflowTracker(uri, settings.experiment, name, config, folder)

        makers.append(("MLflow", mlflow))
    if settings.wandb is not None:
        project = settings.wandb

        def wandb() -> Tracker:
            from cluster.observability.trackers.wandb import WandbTracker

            return WandbTracker(project, settings.experiment, name, config, folder)

        makers.append(("Weights & Biases", wandb))
    trackers: list[Tracker] = []
    for title, make in makers:
        try:
            trackers.append(make())
        except Exception as error:
            warn(failed(title, error))
    return Trackers(trackers, warn)
