"""From the requests of a cycle to its synthetic frames, which look as if they were of the run's real data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from cluster.config.schema import Config
from cluster.observability.callbacks import Watch
from cluster.simulation.stream import REJECTED, SimulationReport, simulate
from cluster.simulation.work_queue import SetAside
from cluster.stages.cycle import commit
from cluster.stages.prepare import LABELS_ONLY, RealData
from cluster.stages.scene_jobs import (
    Variations,
    all_variations,
    check_backdrops,
    redraws,
    scene_jobs,
    staging_settings,
    with_photo,
)
from cluster.stages.services import Services
from cluster.workspace.run_folder import Workspace
from imitation.aggregation import Part
from imitation.common.names import cycle_folder
from imitation.common.settings import UserError
from imitation.data.records import Frame
from imitation.datasets.parquet.files import read_frames
from imitation.requests import Request
from sim_actors.simulators.worker import SceneJob
from sim_actors.staging.acceptance import rejection
from sim_actors.staging.restage import default_camera
from sim_actors.staging.stage import Target, asset_names, stageable_names


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


@dataclass(frozen=True)
class Rendering:
    """Renders for one run; `catalog`: what its simulator can stage (`cluster.run.loop.catalog`)."""

    config: Config
    workspace: Workspace
    data: RealData
    services: Services
    catalog: frozenset[str] | None
    watch: Watch

    def render(self, requests: list[Request], cycle: int) -> Part:
        """The requests' scenes, rendered by the pool and committed; every frame carries its lineage.

        Raises AllLost where scenes were asked for and none gave a frame; nothing is committed then, and
        the same command tries them again.
        """
        uri = self.workspace.path(cycle_folder(cycle), "synthetic")
        acceptance = self.config.acceptance
        unmapped = Counter[str]()

        def accept(frame: Frame) -> str | None:
            reason = rejection(frame, acceptance)
            if reason is None:
                unmapped.update(self.data.categories.unmapped([frame]))
            return reason

        def again(rejected: Collection[str]) -> Iterator[SceneJob | SetAside]:
            return self._jobs(*redraws(requests, rejected, acceptance.tries), cycle=cycle)

        def work() -> dict[str, Any]:
            total = sum(request.variations for request in requests)
            title = f"cycle {cycle}: simulating"
            with (
                self.services.pool() as pool,
                self.watch.rendering(title, total, pool, cycle) as progress,
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
            lost = [item for item in report.set_aside if item.kind != REJECTED]
            if lost:
                self.watch.reporter.say(f"cycle {cycle}: {len(lost)} scenes were lost: {_kinds(lost)}")
            for item in report.set_aside[:10]:
                self.watch.reporter.say(f"set aside: scene {item.scene_id}: {item.kind}: {item.reason}")
            if unmapped:
                listed = ", ".join(f"{name} ({count})" for name, count in sorted(unmapped.items()))
                self.watch.reporter.say(
                    f"cycle {cycle}: labels of synthetic frames that are background to the detector, by "
                    f"data.mapping: {listed}"
                )
            busy = round(report.render_seconds / side_by_side, 3)
            told = {"asked": total, "busy_seconds": busy, "unmapped": dict(sorted(unmapped.items()))}
            return report.to_json() | told

        result = commit(self.workspace, self.watch, cycle, "simulate", work)
        return Part(uri, result["frames"], cycle)

    def _jobs(
        self, requests: list[Request], variations: Variations = all_variations, *, cycle: int
    ) -> Iterator[SceneJob | SetAside]:
        settings = staging_settings(self.config)
        check_backdrops(requests, {i for fold in self.data.folds for i in fold}, settings)
        wanted = {request.parent for request in requests} - {None}
        train = self.data.parts["train"].uri
        parents = {
            frame.frame_id: frame
            for frame in (read_frames(train, (*LABELS_ONLY, "image_uri")) if wanted else ())
            if frame.frame_id in wanted
        }
        photo = partial(with_photo, uri=train)
        return scene_jobs(requests, parents, cycle, self.target(), settings, photo, variations)

    def target(self) -> Target:
        """What synthetic frames must match."""
        data = self.data
        return Target(
            convention=self.config.world.convention
            if self.config.data.is_stand_in
            else self.config.data.label_convention(),
            categories=tuple(data.category_counts),
            camera=data.camera or default_camera(data.width, data.height, self.config.restage.hfov_deg),
            width=data.width,
            height=data.height,
            catalog=self.catalog,
            assets=asset_names(data.category_counts, data.categories.mapping, self.catalog),
        )

    def reach(self) -> frozenset[str] | None:
        """The real data's categories that the simulator can stage, lower case; None: it does not say."""
        return stageable_names(self.data.category_counts, self.data.categories.mapping, self.catalog)
