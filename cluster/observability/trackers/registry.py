"""The trackers that a configuration asks for."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cluster.config.tracking import TrackingSettings
from cluster.observability.trackers.base import Tracked, Tracker, Trackers, failed
from imitation.common.registry import Registry
from imitation.common.settings import UserError

TRACKERS: Registry[type[Tracker]] = Registry(
    "tracker",
    "tracking",
    {
        "tensorboard": "cluster.observability.trackers.tensorboard:TensorBoard",
        "mlflow": "cluster.observability.trackers.mlflow:MlflowTracker",
        "wandb": "cluster.observability.trackers.wandb:WandbTracker",
    },
)
"""By the key of `tracking` that asks for each."""


def _asked(settings: TrackingSettings) -> Iterator[tuple[str, type[Tracker]]]:
    """The trackers that are asked for, with their keys."""
    for key in TRACKERS:
        if getattr(settings, key, None):
            yield key, TRACKERS.load(key)


def check_tracking(settings: TrackingSettings) -> None:
    """Raises UserError, before anything starts, where a tracker's package is missing."""
    for key, tracker in _asked(settings):
        if tracker.extra is not None and importlib.util.find_spec(tracker.package) is None:
            raise UserError(
                f"tracking.{key} is set, but the package {tracker.package!r} is not installed; install the "
                f"extra: pip install 'imitation-training[{tracker.extra}]', or set tracking.{key}=null"
            )


def make_trackers(
    settings: TrackingSettings,
    folder: str,
    name: str,
    config: Mapping[str, Any],
    warn: Callable[[str], None],
    hide_test: bool = False,
) -> Trackers:
    """The trackers of the run `name` in `folder`; `config` is its flat configuration.

    One that does not start is said to, and left out. `hide_test`: see `Trackers`.
    """
    run = Tracked(folder, name, settings.experiment, config)
    trackers: list[Tracker] = []
    for key, tracker in _asked(settings):
        try:
            trackers.append(tracker(getattr(settings, key), run))
        except Exception as error:
            warn(failed(tracker.name, error))
    return Trackers(trackers, warn, hide_test)


def end_killed(settings: TrackingSettings, folder: str, warn: Callable[[str], None]) -> None:
    """Says to the trackers of the run in `folder` that it ends early: its driver was killed outright, and
    could not."""
    for key, tracker in _asked(settings):
        try:
            tracker.end_killed(getattr(settings, key), folder)
        except Exception as error:
            warn(failed(tracker.name, error))
