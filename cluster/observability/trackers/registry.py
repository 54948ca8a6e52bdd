"""The trackers that a configuration asks for: ours, an installed package's, or anybody's by import path."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from cluster.config.tracking import TrackingSettings
from cluster.observability.trackers.base import Tracked, Tracker, Trackers, failed
from imitation.common.formats.validation import sentence
from imitation.common.import_paths import signature_problem
from imitation.common.registry import Registry
from imitation.common.settings import Settings, UserError
from sim_actors.simulators.registry import from_environment

TRACKERS: Registry[type[Tracker]] = Registry(
    "tracker",
    "tracking.trackers",
    {
        "tensorboard": "cluster.observability.trackers.tensorboard:TensorBoard",
        "mlflow": "cluster.observability.trackers.mlflow:MlflowTracker",
        "wandb": "cluster.observability.trackers.wandb:WandbTracker",
    },
)

_PARTS = ("name", "point", "cycle", "sync", "finish", "close")


class Asked(NamedTuple):
    """A tracker that is asked for, by the key `where`, and its settings."""

    where: str
    tracker: type[Tracker]
    settings: Settings | dict[str, Any]


def asked_trackers(settings: TrackingSettings) -> Iterator[Asked]:
    """Those that a configuration asks for.

    A key of the section that has a tracker's name is short for an entry of `trackers`: true asks for its
    defaults, any other value is that of its first setting. Raises UserError for a name that leads nowhere,
    for what is no tracker, and for wrong settings.
    """
    short = {name: getattr(settings, name) for name in TRACKERS if not TRACKERS.is_own(name)}
    for name, value in (short | settings.trackers).items():
        if value is None or value is False:
            continue
        where = f"tracking.trackers.{name}" if name in settings.trackers else f"tracking.{name}"
        tracker = TRACKERS.load(name)
        if missing := [part for part in _PARTS if not hasattr(tracker, part)]:
            raise UserError(
                f"{where} is no tracker: it lacks {', '.join(missing)} of "
                "cluster.observability.trackers.base.Tracker; give a subclass of it"
            )
        yield Asked(where, tracker, _settings(where, tracker, value))


def _settings(where: str, tracker: type[Tracker], value: Any) -> Settings | dict[str, Any]:
    kind: type[Settings] | None = getattr(tracker, "settings_class", None)
    if value is True:
        value = {}
    elif not isinstance(value, Mapping) and kind is not None and kind.model_fields:
        value = {next(iter(kind.model_fields)): value}
    if not isinstance(value, Mapping):
        raise UserError(f"{where} is {value!r}: write its settings, such as {{key: value}}, or {{}} for none")
    found = {key: from_environment(f"{where}.{key}", each) for key, each in value.items()}
    if kind is None:
        return found
    try:
        return kind.model_validate(found)
    except ValidationError as error:  # the values as they were given: those of the environment may be secrets
        raise UserError(f"{where}: {sentence(error, kind, value)}") from None


def check_tracking(settings: TrackingSettings) -> None:
    """Raises UserError, before anything starts, where a tracker is none, or its settings are wrong, or its
    package is missing."""
    names: dict[str, str] = {}
    for where, tracker, _ in asked_trackers(settings):
        package, extra = getattr(tracker, "package", None), getattr(tracker, "extra", None)
        if package is not None and importlib.util.find_spec(package) is None:
            how = f"install the extra: pip install 'imitation-training[{extra}]'" if extra else "install it"
            raise UserError(
                f"{where} is set, but the package {package!r} is not installed; {how}, or set {where}=null"
            )
        if wrong := signature_problem(tracker, (None, None), {}):
            raise UserError(f"{where} is called with (settings, run), but: {wrong}")
        if (other := names.setdefault(tracker.name, where)) != where:
            raise UserError(f"{other} and {where} are both called {tracker.name!r}; one of them needs a name")


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
    for _, tracker, its_settings in asked_trackers(settings):
        try:
            trackers.append(tracker(its_settings, run))
        except Exception as error:
            warn(failed(tracker.name, error))
    return Trackers(trackers, warn, hide_test)


def end_killed(settings: TrackingSettings, folder: str, warn: Callable[[str], None]) -> None:
    """Says to the trackers of the run in `folder` that it ends early: its driver was killed outright, and
    could not."""
    for _, tracker, its_settings in asked_trackers(settings):
        try:
            if hasattr(tracker, "end_killed"):
                tracker.end_killed(its_settings, folder)
        except Exception as error:
            warn(failed(tracker.name, error))
