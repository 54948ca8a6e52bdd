"""A rendered frame of a run once more, from its lineage alone, and whether it is the same to the byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cluster.config.parse import parse
from cluster.config.simulator import each_apart, simulators
from cluster.inventory.entries import kind_of
from cluster.simulation.recorded_scenes import photos_of_run, places_of, with_photo
from cluster.workspace.run_folder import CONFIG_FILE, RUN_JSON, Workspace, environment, read_config
from imitation.common import storage
from imitation.common.errors import UserError
from imitation.common.wording import did_you_mean
from imitation.data.records import Frame, Origin
from imitation.datasets.parquet.files import read_frames
from sim_actors.scene.records import Scene
from sim_actors.simulators.contract import pixels_changed, truth_changed
from sim_actors.simulators.guarded import GuardedHost
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SceneJob, Started, decode_frame

if TYPE_CHECKING:
    from cluster.config.schema import Config

MATTERS = ("moderngl", "numpy")
"""Packages whose version may show in pixels."""


@dataclass(frozen=True)
class Rerendered:
    """A frame as it was and as it is now. `pixels` and `labels` say what differs, None where nothing does;
    `differs` what else is not as it was then: simulator, versions, machine, driver."""

    stored: Frame
    again: Frame
    pixels: str | None
    labels: str | None
    differs: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the picture is equal to the byte, and the labels too."""
        return self.pixels is None and self.labels is None

    def to_json(self) -> dict[str, Any]:
        origin = self.stored.origin
        assert origin is not None
        return {
            "frame": self.stored.frame_id,
            "same": self.same,
            "pixels": self.pixels,
            "labels": self.labels,
            "differs": list(self.differs),
            "lineage": {name: value for name, value in asdict(origin).items() if name != "scene"},
        }


def rerender(run: str, frame_id: str) -> Rerendered:
    """Renders a synthetic frame of a run anew: its scene, by its simulator, as the run's configuration has
    it.

    Raises UserError where there is no such frame, where its simulator is not to be had here, or refuses the
    scene now.
    """
    workspace = Workspace(run)
    if kind_of(workspace.uri) != "run":
        raise UserError(f"{run}: no run here ({CONFIG_FILE} is missing)")
    stored = find_frame(run, frame_id)
    origin = stored.origin
    assert origin is not None
    config = parse(read_config(workspace.path(CONFIG_FILE)), workspace.path(CONFIG_FILE))
    scene = Scene.from_json(origin.scene)
    wanted = {scene.backdrop.frame_id} if scene.backdrop is not None else set()
    photos = {frame.frame_id: frame for frame in photos_of_run(run, wanted)} if wanted else {}
    job = SceneJob(
        with_photo(scene, photos, run),
        origin.cycle,
        origin.parent,
        origin.failures,
        origin.policy,
        origin.seed,
    )
    spec = spec_of(config, origin)
    limits = config.simulate
    with GuardedHost(spec, limits.scene_timeout_s or 120.0, limits.startup_timeout_s or 180.0) as host:
        started = host.start()
        if started.error is not None:
            raise UserError(f"frame {frame_id}: its simulator does not start here: {_last(started.error)}")
        answer = host.render(job)
    if answer.payload is None:
        why = _last(answer.error) if answer.error else "; ".join(answer.unsupported)
        raise UserError(f"frame {frame_id}: {spec.simulator} does not render its scene any more: {why}")
    again = decode_frame(answer.payload)
    record = workspace.path(RUN_JSON)
    then = storage.read_json(record) if storage.exists(record) else {}
    return Rerendered(
        stored,
        again,
        pixels_changed(stored, again),
        truth_changed(stored, again),
        tuple(differences(origin, started, then, environment())),
    )


def find_frame(run: str, frame_id: str) -> Frame:
    """A synthetic frame of a run, image and lineage included. Raises UserError where there is none, with the
    nearest name."""
    known: list[str] = []
    for uri in places_of(run):
        for frame in read_frames(uri, keep={frame_id}):
            if frame.origin is not None:
                return frame
        known += [frame.frame_id for frame in read_frames(uri, ("frame_id",))]
    if not known:
        raise UserError(f"{run}: nothing was rendered in it yet")
    hint = did_you_mean(frame_id, known, f"the first is {known[0]!r}", said="the nearest is {!r}")
    raise UserError(f"{run}: there is no rendered frame {frame_id!r} among {len(known)}; {hint}")


def spec_of(config: Config, origin: Origin) -> SimulatorSpec:
    """The simulator of a frame as the run has it: of several the one of its label. Raises UserError where the
    configuration has none of it."""
    specs = simulators(config).specs
    if origin.simulator_label is None and len(specs) == 1:
        return next(iter(specs.values()))
    found = specs.get(origin.simulator_label or "")
    if found is None:
        raise UserError(
            f"the frame was rendered by {origin.simulator_label or origin.simulator!r}, and the run's "
            f"configuration has {', '.join(each_apart(config))}"
        )
    return found


def differences(
    origin: Origin, started: Started, then: Mapping[str, Any], now: Mapping[str, Any]
) -> list[str]:
    """What is not as it was when a frame was rendered, a few words each: `then` and `now` are what `run.json`
    says. Of what only drivers know the run's machine stands in."""
    pairs: list[tuple[str, Any, Any]] = [
        ("the simulator", origin.simulator, started.simulator),
        (f"the version of {origin.simulator}", origin.simulator_version, started.version),
        ("the code (commit)", then.get("commit"), now.get("commit")),
        ("the machine, and with it the graphics driver,", then.get("machine"), now.get("machine")),
    ]
    packages = then.get("packages", {})
    pairs += [(name, packages.get(name), now["packages"].get(name)) for name in MATTERS if name in packages]
    return [f"{what} was {old}, is {new}" for what, old, new in pairs if old != new and old is not None]


def _last(error: str) -> str:
    return error.strip().splitlines()[-1]
