"""The real stages of the loop: each one commits its result in the run's folder."""

from __future__ import annotations

import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from cluster.config.schema import Config
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from cluster.observability.callbacks import Watch
from cluster.simulation.stream import part_files
from cluster.stages.cycle import Detectors, Evaluation, commit, twin_seed
from cluster.stages.diagnose import MINE, analyse_cycle, modes_of
from cluster.stages.evaluate import judge, own_value, read_judged
from cluster.stages.prepare import RealData
from cluster.stages.services import Services
from cluster.stages.simulate import AllLost, Rendering
from cluster.training.train_loop import TrainSpec, train_detector
from cluster.workspace.run_folder import Workspace
from imitation.aggregation import Dataset, Part
from imitation.common import old_names, storage
from imitation.common.names import MAIN, TWIN, cycle_folder, fold_name, train_stage
from imitation.common.reservoir import reservoir
from imitation.datasets.parquet.files import read_frames
from imitation.diagnosis.fates import CYCLE_FILE, RUN_FILE, write_run_fates
from imitation.metrics.own import check_metric, is_own, load_metric
from imitation.metrics.summary import Metrics
from imitation.policies import (
    Learning,
    Mined,
    Policy,
    looks_at_failures,
    what_it_adds,
)
from imitation.policies.baselines import free_requests
from imitation.policies.feedback import Feedback, tallies_from_rows
from imitation.policies.oversample import repeats_of
from imitation.requests import Request, annealed, check_requests


class ClusterStages:
    """The stages on Ray. Every method may be called again: what is committed is not done twice."""

    def __init__(
        self,
        config: Config,
        workspace: Workspace,
        data: RealData,
        services: Services,
        policy: Policy,
        catalog: frozenset[str] | None,
        watch: Watch,
    ) -> None:
        self.config = config
        self.workspace = workspace
        self.data = data
        self.services = services
        self.policy = policy
        self.watch = watch
        self.metric = load_metric(config.loop.metric) if is_own(config.loop.metric) else None
        if self.metric is not None:
            check_metric(self.metric, data.categories.categories)
        self.rendering = Rendering(config, workspace, data, services, catalog, watch)
        self.lost: str | None = None  # why a cycle's every scene was lost
        watch.begin()

    def _stage(self, cycle: int, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return commit(self.workspace, self.watch, cycle, name, work)

    # -- train

    def train(self, dataset: Dataset, cycle: int) -> Detectors:
        """The cycle's detector and, if another cycle may follow, one for each fold of mining: a frame
        is mined only by a detector that saw neither it nor what was re-staged from it."""
        main = self._train(dataset, cycle, MAIN, ())
        twin = self._train(dataset, 0, TWIN, ()) if cycle == 0 and self.config.loop.twin else None
        mining = (
            looks_at_failures(self.policy)
            and cycle < self.config.loop.cycles
            and dataset.room_for_synthetic() > 0
        )
        folds = (
            [self._train(dataset, cycle, fold_name(k), ids) for k, ids in enumerate(self.data.held_out)]
            if mining
            else []
        )
        return Detectors(main, tuple(folds), twin)

    def _train(self, dataset: Dataset, cycle: int, name: str, held_out: Sequence[str]) -> str:
        config = self.config
        sim = self._sim_part(dataset.real.frames) if config.loop.sim_only else None
        folder = f"{cycle_folder(cycle)}/detector/{name}"
        output = self.workspace.path(folder)
        settings = config.train
        if held_out:
            steps = max(1, round(settings.steps * config.mining.fold_steps))
            settings = settings.model_copy(update={"steps": steps})
        before = self.workspace.path(f"{cycle_folder(cycle - 1)}/detector/{name}")
        spec = TrainSpec(
            output=output,
            categories=self.data.categories,
            detector=config.detector.sized(self.data.width, self.data.height),
            train=settings,
            real=(dataset.real.uri,) if sim is None else (),
            synthetic=tuple(part.uri for part in (dataset.synthetic if sim is None else (sim,))),
            repeats=self._repeats(dataset),
            seed=self._train_seed(cycle, name),
            exclude=self._unseen(dataset, held_out),
            initial=before if settings.warm_start and cycle > 0 else None,
            purpose=f"cycle {cycle}, {name}",
            skip_bad=config.data.on_error == "skip",
        )

        def work() -> dict[str, Any]:
            what = {MAIN: "", TWIN: " its twin of another seed"}.get(name, f" {name} for mining")
            title = f"cycle {cycle}: training{what}"
            with self.watch.training(title, cycle, name, settings) as progress:
                result = train_detector(spec, self.services.launcher(), progress)
            return {k: v for k, v in asdict(result).items() if k != "folder"}

        self._stage(cycle, train_stage(name), work)
        return output

    def _train_seed(self, cycle: int, name: str) -> int:
        """From scratch every cycle starts from the same weights, so that data alone differs; a warm start
        goes on, and must not see the same frames in the same order again."""
        if name == TWIN:
            return twin_seed(self.config.run.seed)
        if cycle == 0 or not self.config.train.warm_start:
            return self.config.run.seed
        return int(self.rng("train", cycle).integers(2**31))

    def _unseen(self, dataset: Dataset, held_out: Sequence[str]) -> frozenset[str]:
        """What a fold's detector must not train on: its frames, and synthetic ones re-staged from them."""
        if not held_out:
            return frozenset()
        parents = set(held_out)
        children = {
            frame.frame_id
            for part in dataset.synthetic
            for frame in read_frames(part.uri, ("frame_id", "origin"))
            if frame.origin is not None and frame.origin.parent in parents
        }
        return frozenset(parents | children)

    def _sim_part(self, frames: int) -> Part:
        """Free scenes in place of the real frames, as many (the paper's "sim")."""
        return self.rendering.render(free_requests(frames, 0, "random", self.rng("sim", 0)), 0)

    @staticmethod
    def _repeats(dataset: Dataset) -> dict[str, int]:
        """How many more times each real frame is trained on, of all cycles so far."""
        repeats = Counter[str]()
        for part in dataset.repeated:
            repeats.update(storage.read_json(part.uri)["repeats"])
        return dict(sorted(repeats.items()))

    # -- evaluate

    def evaluate(self, detector: Detectors, dataset: Dataset, cycle: int) -> Evaluation:
        """One streaming pass over val, test and (out of fold) the mined frames; then the operating
        threshold of each detector on val, metrics, and failures."""
        folder = f"{cycle_folder(cycle)}/evaluation"
        names = tuple(detector.named())
        parts = [
            EvaluationPart(self.data.parts["val"].uri, "val", names),
            EvaluationPart(self.data.parts["test"].uri, "test", tuple(detector.reported())),
        ]
        if detector.folds:
            fold_of = {i: fold_name(k) for k, ids in enumerate(self.data.folds) for i in ids}
            parts.append(EvaluationPart(self.data.parts["train"].uri, MINE, only=fold_of))
        detections = self.workspace.path(folder, "detections.parquet")
        failures = self.workspace.path(folder, "failures.parquet")

        def work() -> dict[str, Any]:
            self.services.make_room_for_evaluation()
            total = len(detector.named()) * self.data.parts["val"].frames
            total += len(detector.reported()) * self.data.parts["test"].frames
            total += sum(len(ids) for ids in self.data.folds) if detector.folds else 0
            with self.watch.evaluating(f"cycle {cycle}: evaluating", total, cycle) as progress:
                done = evaluate(
                    parts,
                    detector.named(),
                    self.data.categories,
                    detections,
                    self.config.evaluate,
                    self.config.data.on_error,
                    progress,
                    self.config.ray.placement_timeout_s,
                )
            start = time.monotonic()
            categories = self.data.categories.categories
            judged = judge(
                detections,
                failures,
                detector,
                categories,
                self.rendering.reach(),
                self.config.evaluate.min_objects,
                self.metric,
            )
            done["busy_seconds"] = round(done["busy_seconds"] + time.monotonic() - start, 3)
            return done | judged

        result = self._stage(cycle, "evaluate", work)
        self._analyse(cycle)
        metrics = {split: Metrics.from_dict(value) for split, value in result["metrics"].items()}
        mined = failures if detector.folds else None
        if self.metric is not None and self.metric.name not in metrics["val"].own:
            # a baseline of runs that are judged by another metric
            categories = self.data.categories.categories
            for split, found in metrics.items():
                found.own[self.metric.name] = own_value(self.metric, detections, split, MAIN, categories)
        return Evaluation(metrics, mined, metrics["val"].score(self.config.loop.metric))

    def _analyse(self, cycle: int) -> None:
        """What is said of the cycle beyond its metrics; committed as a stage of its own."""
        baseline = self.workspace.path(cycle_folder(0), "stage-analyse.json")
        judged = [read_judged(self.workspace, earlier) for earlier in range(cycle + 1)]
        synthetic = self.workspace.path(cycle_folder(cycle), "synthetic")

        files = [self.workspace.path(cycle_folder(k), CYCLE_FILE) for k in range(cycle + 1)]

        def work() -> dict[str, Any]:
            told = analyse_cycle(
                self.config,
                self.data.categories.categories,
                judged[-1],
                judged[:-1],
                modes_of(baseline) if cycle else None,
                self.rendering.reach(),
                synthetic if part_files(synthetic) else None,
                self.rng("analyse", cycle),
                self._suspected(cycle - 1) if cycle else frozenset(),
                (files[-1], files[-2] if cycle else None),
            )
            write_run_fates(files, self.workspace.path(RUN_FILE))
            return told

        self._stage(cycle, "analyse", work)

    # -- request

    def request(self, evaluation: Evaluation, cycle: int, budget: int) -> list[Request]:
        """What the policy asks for; committed, so that a run that continues asks for the same."""
        if what_it_adds(self.policy) == "nothing":
            return []

        def work() -> dict[str, Any]:
            rng = self.rng("request", cycle)
            suspected = self._suspected(cycle - 1)
            failures = reservoir(
                (failure for failure in evaluation.failures if failure.failure_id not in suspected),
                self.config.mining.max_failures,
                rng,
            )
            mined = Mined(failures, self.data.category_counts, self.rendering.reach(), *self._learnt(cycle))
            requests = self.policy.request(mined, cycle=cycle, budget=budget, rng=rng)
            parents = {i for fold in self.data.folds for i in fold}
            asked = check_requests(requests, budget, parents, self.policy.name)
            requests = annealed(requests, self.config.policy.strength.at(cycle))
            told = {"budget": budget, "frames": asked, "requests": [request.to_row() for request in requests]}
            if isinstance(self.policy, Learning):
                told["arms"] = [known.to_row() for known in self.policy.learned(mined, cycle=cycle)]
            return told

        result = self._stage(cycle, "request", work)
        for known in result.get("arms", ()):
            if known["given_up"]:
                self.watch.reporter.say(
                    f"cycle {cycle}: {known['mode']} is given up: of {known['fed']:g} failures answered "
                    f"{known['fixed']:g} were fixed, worth it with a probability of {known['hope']:.2f}"
                )
        return [Request.from_row(row) for row in result["requests"]]

    def _analysis(self, cycle: int) -> dict[str, Any]:
        return old_names.read_json(self.workspace.path(cycle_folder(cycle), "stage-analyse.json"))

    def _suspected(self, cycle: int) -> frozenset[str]:
        """Ids of a cycle's failures that may be label errors."""
        return frozenset(suspect["failure_id"] for suspect in self._analysis(cycle)["suspects"])

    def _learnt(self, cycle: int) -> tuple[list[Feedback], dict[str, Any]]:
        """What became of the failures answered before synthetic cycle `cycle`, and what chance mends."""
        rows = [row for k in range(1, cycle) for row in self._analysis(k)["feedback"]]
        return [Feedback.from_row(row) for row in rows], tallies_from_rows(self._analysis(0)["chance"])

    # -- simulate

    def simulate(self, requests: list[Request], cycle: int) -> Part | None:
        """What the policy's requests become: rendered frames, repeated ones, or none at all."""
        adds = what_it_adds(self.policy)
        if adds == "nothing":
            return None
        if adds == "repeated":
            return self._repeat(requests, cycle)
        try:
            return self.rendering.render(requests, cycle)
        except AllLost as error:  # what was finished is reported before this ends the run
            self.lost = str(error)
            return Part(self.workspace.path(cycle_folder(cycle), "synthetic"), 0, cycle)

    def _repeat(self, requests: list[Request], cycle: int) -> Part:
        """The requests' parents once more for each variation."""
        repeats = repeats_of(requests)
        told = {"frames": repeats.total(), "repeats": dict(sorted(repeats.items()))}
        result = self._stage(cycle, "repeat", lambda: told)
        uri = self.workspace.path(cycle_folder(cycle), "stage-repeat.json")
        return Part(uri, result["frames"], cycle, repeated=True)

    def rng(self, what: str, cycle: int) -> np.random.Generator:
        """A generator of its own for every random decision, from the run's seed."""
        return np.random.default_rng([self.config.run.seed, zlib.crc32(what.encode()), cycle])
