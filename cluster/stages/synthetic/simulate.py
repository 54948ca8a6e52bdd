"""From the requests of a cycle to its synthetic frames, which look as if they were of the run's real data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cluster.config.schema import Config
from cluster.simulation.mixing.tally import Share
from cluster.simulation.scene_jobs import (
    Variations,
    all_variations,
    check_backdrops,
    redraws,
    scene_jobs,
    staging_settings,
    target_of,
    with_photo,
)
from cluster.simulation.stream import REJECTED, SimulationReport, simulate
from cluster.simulation.work_queue import SetAside
from cluster.stages.context import RunContext
from cluster.stages.prepare import LABELS_ONLY
from imitation.aggregation import Part
from imitation.common.settings import UserError
from imitation.common.wording import counted
from imitation.data.records import Convention, Frame
from imitation.datasets.parquet.files import read_frames
from imitation.policies.oversample import repeats_of
from imitation.requests import Request
from sim_actors.simulators.worker import SceneJob
from sim_actors.staging.acceptance import AcceptanceSettings, rejection
from sim_actors.staging.stage import StagingSettings, Target

SYNTHETIC = "synthetic"
"""The folder of a cycle's synthetic frames."""


class AllLost(UserError):
    """Scenes were asked for, and no frame came of any."""


def _refuse_nothing(report: SimulationReport, cycle: int) -> None:
    """Raises AllLost where every scene was set aside: there is nothing to train on, and often one cause."""
    if report.frames or not report.set_aside:
        return
    last = report.set_aside[-1]
    raise AllLost(
        f"cycle {cycle}: of the {len(report.set_aside)} scenes that were begun not one gave a frame "
        f"({_kinds(report.set_aside)}). The last, {last.scene_id}: {last.kind}: {last.reason}"
    )


def _kinds(items: Collection[SetAside]) -> str:
    """How many ended how."""
    return ", ".join(f"{count} {kind}" for kind, count in Counter(i.kind for i in items).most_common())


def _by_simulator(shares: Mapping[str, Share]) -> str:
    """What each of several simulators did, in a line."""
    return "; ".join(
        f"{label}: {counted(share.frames, 'frame')}"
        + (f" in {share.seconds:.0f} s" if share.rendered else "")
        + (f", {share.refused} refused" if share.refused else "")
        + (f", {share.set_aside} set aside" if share.set_aside else "")
        for label, share in shares.items()
    )


@dataclass(frozen=True)
class Rendering:
    """Renders for one run; `convention` is that of the real data's labels."""

    run: RunContext
    staging: StagingSettings
    acceptance: AcceptanceSettings
    convention: Convention

    @classmethod
    def of(cls, config: Config, run: RunContext) -> Rendering:
        """As a configuration has it."""
        world = config.data.is_stand_in
        convention = config.world.convention if world else config.data.label_convention()
        return cls(run, staging_settings(config), config.acceptance, convention)

    def render(self, requests: list[Request], cycle: int, place: str = SYNTHETIC) -> Part:
        """The requests' scenes, rendered by the pool and committed; every frame carries its lineage. They lie
        in the cycle's folder `place`; what is no part of the cycle's data yet is a stage of that name.

        Raises AllLost where scenes were asked for and none gave a frame; nothing is committed then, and
        the same command tries them again.
        """
        run, acceptance = self.run, self.acceptance
        uri = run.path(cycle, place)
        unmapped = Counter[str]()

        def accept(frame: Frame) -> str | None:
            reason = rejection(frame, acceptance)
            if reason is None:
                unmapped.update(run.data.categories.unmapped([frame]))
            return reason

        def again(rejected: Collection[str]) -> Iterator[SceneJob | SetAside]:
            return self._jobs(*redraws(requests, rejected, acceptance.tries), cycle=cycle)

        def work() -> dict[str, Any]:
            total = sum(request.variations for request in requests)
            title = f"cycle {cycle}: simulating"
            with (
                run.services.pool() as pool,
                run.watch.rendering(title, total, pool, cycle) as progress,
            ):
                report = simulate(
                    self._jobs(requests, cycle=cycle),
                    uri,
                    pool,
                    progress=progress,
                    accept=accept,
                    again=again,
                    refuse=partial(_refuse_nothing, cycle=cycle),
                )
                side_by_side = max(1, len(pool.pids()))
            if report.by_simulator:
                run.watch.reporter.say(f"cycle {cycle}: {_by_simulator(report.by_simulator)}")
            lost = [item for item in report.set_aside if item.kind != REJECTED]
            if lost:
                run.watch.reporter.say(f"cycle {cycle}: {len(lost)} scenes were lost: {_kinds(lost)}")
            for item in report.set_aside[:10]:
                run.watch.reporter.say(f"set aside: scene {item.scene_id}: {item.kind}: {item.reason}")
            if unmapped:
                listed = ", ".join(f"{name} ({count})" for name, count in sorted(unmapped.items()))
                run.watch.reporter.say(
                    f"cycle {cycle}: labels of synthetic frames that are background to the detector, by "
                    f"data.mapping: {listed}"
                )
            busy = round(report.render_seconds / side_by_side, 3)
            counts = {"asked": total, "busy_seconds": busy, "unmapped": dict(sorted(unmapped.items()))}
            return report.to_json() | counts

        result = run.commit(cycle, "simulate" if place == SYNTHETIC else place, work)
        return Part(uri, result["frames"], cycle)

    def _jobs(
        self, requests: list[Request], variations: Variations = all_variations, *, cycle: int
    ) -> Iterator[SceneJob | SetAside]:
        check_backdrops(requests, self.run.mined, self.staging)
        wanted = {request.parent for request in requests} - {None}
        train = self.run.data.parts["train"].uri
        parents = {
            frame.frame_id: frame
            for frame in (read_frames(train, (*LABELS_ONLY, "image_uri")) if wanted else ())
            if frame.frame_id in wanted
        }
        photo = partial(with_photo, uri=train)
        return scene_jobs(requests, parents, cycle, self.target(), self.staging, photo, variations)

    def target(self) -> Target:
        """What synthetic frames must match."""
        data = self.run.data
        return target_of(
            self.convention,
            data.category_counts,
            data.categories,
            (data.width, data.height),
            data.camera,
            self.run.catalog,
            self.staging.restage.hfov_deg,
        )

    def repeat(self, requests: list[Request], cycle: int) -> Part:
        """The requests' parents once more for each variation: nothing is rendered."""
        repeats = repeats_of(requests)
        repeated = {"frames": repeats.total(), "repeats": dict(sorted(repeats.items()))}
        result = self.run.commit(cycle, "repeat", lambda: repeated)
        return Part(self.run.path(cycle, "stage-repeat.json"), result["frames"], cycle, repeated=True)
