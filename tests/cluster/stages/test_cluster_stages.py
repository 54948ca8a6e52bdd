"""The stages without Ray: what each policy makes of a cycle, and that all of it is committed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cluster.stages.synthetic.hardest
import cluster.stages.synthetic.simulate
import cluster.stages.train
from cluster.config.parse import load_defaults
from cluster.config.schema import Config
from cluster.observability.callbacks import Watch
from cluster.run.main_job import check
from cluster.simulation.work_queue import PoolCounts
from cluster.stages.cluster_stages import ClusterStages
from cluster.stages.context import RunContext
from cluster.stages.cycle import Detectors, Evaluation
from cluster.stages.prepare import RealData
from cluster.training.train_loop import TrainResult, TrainSpec
from cluster.workspace.run_folder import Workspace
from imitation.aggregation import Dataset, Part
from imitation.common import storage
from imitation.common.names import cycle_folder, request_of
from imitation.data.categories import CategoryMap
from imitation.data.images import encode_png
from imitation.datasets.parquet.files import read_frames, write_frames
from imitation.evaluation.detection_files import write_detections
from imitation.evaluation.detections import Detections, FrameDetections
from imitation.evaluation.failures import write_failures
from imitation.loop import History, imitate
from imitation.policies import Feedback, build_policy
from tests.cluster.simulation.test_stream import LocalPool
from tests.imitation.policies.made_up import failure
from tests.sim_actors.scenes import KITTI, SIZE, street

TRAIN = 8


class Quiet:
    """A reporter that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    @contextmanager
    def bar(self, title: str, total: float) -> Iterator[Any]:
        class Bar:
            def update(self, done: float, note: str = "") -> None:
                pass

            def restored(self, done: float) -> None:
                pass

        yield Bar()


class Pool(LocalPool):
    @property
    def totals(self) -> PoolCounts:
        return self.counts

    def pids(self) -> list[int]:
        return []


class Local:
    """Services whose pool is the toy simulator in this process."""

    def __init__(self) -> None:
        self.pools: list[Pool] = []

    @contextmanager
    def pool(self) -> Iterator[Pool]:
        self.pools.append(Pool())
        yield self.pools[-1]

    def make_room_for_evaluation(self) -> None:
        pass

    def expect_training(self) -> None:
        pass

    def expect_rendering(self) -> None:
        pass

    def launcher(self) -> None:
        return None


class Scripted(ClusterStages):
    """Stages whose evaluations are made up: the same failures in every cycle, every other one truncated. Of
    those that were fed the truncated were fixed, it is said, and of the others none."""

    config: Config

    def evaluate(self, detector: Detectors, dataset: Dataset, cycle: int) -> Evaluation:
        folder = self.run.workspace.path(cycle_folder(cycle))
        uri = f"{folder}/failures.parquet"
        Path(folder).mkdir(exist_ok=True)
        found = [failure(f"real-{i}", category="Car", truncation=0.6 * (i % 2)) for i in range(TRAIN)]
        write_failures(found, uri)
        fed = 20 if cycle else 0
        feedback = [
            Feedback(cycle, "Car, missed, truncated", fed=fed, fed_fixed=fed).to_row(),
            Feedback(cycle, "Car, missed, plain", fed=10 * fed).to_row(),
        ]
        chance = {"Car, missed, truncated": [50, 10], "Car, missed, plain": [50, 10]}
        storage.write_json(
            f"{folder}/stage-analyse.json",
            {"suspects": [], "feedback": feedback if cycle else [], "chance": {} if cycle else chance},
        )
        return Evaluation({}, uri if detector.folds else None, 0.1 * cycle)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Scripted, list[TrainSpec]]]:
    image = encode_png(np.zeros((8, 8, 3), np.uint8))
    frames = [replace(street(), frame_id=f"real-{i}", image=image) for i in range(TRAIN)]
    uri = str(tmp_path / "run" / "data" / "train" / "frames.parquet")
    Path(uri).parent.mkdir(parents=True)
    write_frames(frames, uri)
    ids = [frame.frame_id for frame in frames]
    part = Part(uri, TRAIN)
    data = RealData(
        {"train": part, "val": part, "test": part}, CategoryMap.identity(("Car",)), [ids[:4], ids[4:]],
        [ids[:4], ids[4:]], *SIZE, KITTI, {"Car": 24, "Pedestrian": 8}, {}, [], [],
    )  # fmt: skip

    def build(*options: str) -> tuple[Scripted, list[TrainSpec]]:
        trained: list[TrainSpec] = []

        def train(spec: TrainSpec, launcher: Any, progress: Any) -> TrainResult:
            trained.append(spec)
            return TrainResult(spec.output, 1, 1, 1, 1, 1, 0.0, {}, {})

        monkeypatch.setattr(cluster.stages.train, "train_detector", train)
        config = load_defaults(["loop.twin=false", *options])
        policy = build_policy(config.policy)
        workspace = Workspace(str(tmp_path / "run"))
        run = RunContext(config.run.seed, workspace, data, Local(), Watch(Quiet()), None)
        stages = Scripted(config, run, policy)
        stages.config = config
        return stages, trained

    return build


def go(stages: Scripted) -> History[Evaluation]:
    dataset = Dataset(stages.run.data.parts["train"], stages.config.aggregation)
    return imitate(stages, dataset, partial(check, stages.config))


def names(specs: list[TrainSpec]) -> list[str]:
    return [spec.purpose for spec in specs]


def test_imitation_trains_folds_and_adds_what_is_rendered(make) -> None:
    stages, trained = make("loop.cycles=1")
    history = go(stages)
    assert names(trained) == ["cycle 0, main", "cycle 0, fold-0", "cycle 0, fold-1", "cycle 1, main"]
    assert [entry.dataset.synthetic_frames for entry in history.cycles] == [0, 2]
    assert trained[-1].synthetic == (stages.run.workspace.path("cycle-001", "synthetic"),)
    assert trained[-1].repeats == {}


def test_folds_start_from_their_own_weights_and_those_in_between_mine_again(make) -> None:
    stages, trained = make(
        "loop.cycles=4", "mining.fold_start=before", "mining.later_fold_steps=0.2", "mining.folds_every=2",
        "train.steps=100",
    )  # fmt: skip
    train = stages.training
    dataset = Dataset(stages.run.data.parts["train"], stages.config.aggregation)
    by_cycle = [train.folds(dataset, cycle) for cycle in range(4)]
    assert names(trained) == ["cycle 0, fold-0", "cycle 0, fold-1", "cycle 2, fold-0", "cycle 2, fold-1"]
    assert by_cycle[1] == by_cycle[0] != by_cycle[2] == by_cycle[3]
    assert [spec.initial for spec in trained] == [None, None, *by_cycle[0]], "none has seen its own fold"
    assert [spec.train.steps for spec in trained] == [60, 60, 20, 20]
    assert trained[0].seed == trained[1].seed != trained[2].seed, "not the same frames in the same order"
    assert all(set(spec.exclude) == set(ids) for spec, ids in zip(trained, 2 * stages.run.data.held_out))


def test_untargeted_restages_frames_whatever_failed_in_them(make) -> None:
    stages, trained = make("loop.cycles=1", "policy.name=untargeted", "aggregation.budgets=[4]")
    history = go(stages)
    assert names(trained) == ["cycle 0, main", "cycle 1, main"], "no fold looks for failures"
    assert history.cycles[-1].dataset.synthetic_frames == 4
    frames = list(read_frames(trained[-1].synthetic[0]))
    parents = {frame.origin.parent for frame in frames}
    assert len(parents) == 2
    assert parents <= {f"real-{i}" for i in range(TRAIN)}
    assert all(frame.origin.failures == () for frame in frames)
    asked = json.loads(Path(stages.run.workspace.path("cycle-001", "stage-request.json")).read_text())
    cars = {i for i, obj in enumerate(street().objects) if obj.category == "Car"}
    assert all(set(r["focus"]) <= cars and r["focus"] for r in asked["requests"]), (
        "what a detector is to find"
    )


def test_another_runs_frames_are_taken_instead_of_rendering(make, tmp_path: Path) -> None:
    storage_of = f"run.storage={tmp_path}"
    stages, trained = make("loop.cycles=1", "aggregation.budgets=[4]", storage_of)
    go(stages)
    whole = {frame.frame_id for frame in read_frames(trained[-1].synthetic[0])}
    (tmp_path / "run").rename(tmp_path / "whole")
    (tmp_path / "run" / "data").mkdir(parents=True)
    (tmp_path / "whole" / "data" / "train").rename(tmp_path / "run" / "data" / "train")
    taking, specs = make(
        "loop.cycles=1", "aggregation.budgets=[2]", "aggregation.frames_of=whole", storage_of
    )
    history = go(taking)
    assert taking.run.services.pools == [], "nothing is rendered"
    assert history.cycles[-1].dataset.synthetic_frames == 2
    taken = {frame.frame_id for frame in read_frames(specs[-1].synthetic[0])}
    assert len(taken) == 2
    assert taken < whole


def test_of_several_candidates_the_hardest_are_kept(make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A made-up detector that finds the less the higher a frame's variation is."""
    judged: list[str] = []

    def evaluate(parts, checkpoints, categories, out, *_: object) -> dict[str, Any]:
        (part,) = parts
        rows = []
        for frame in read_frames(part.uri):
            judged.append(frame.frame_id)
            score = 1.0 - request_of(frame.frame_id)[1] / 10
            truth = categories.mapped(frame)
            boxes = [obj.box for obj in truth.objects if not obj.ignore]
            found = Detections(boxes, [score] * len(boxes), [1] * len(boxes))
            rows.append(
                FrameDetections.of(truth, found, categories=("Car",), split=part.split, detector="main")
            )
        write_detections(rows, out, ("Car",))
        assert list(checkpoints) == ["main"]
        return {}

    monkeypatch.setattr(cluster.stages.synthetic.hardest, "evaluate", evaluate)
    stages, trained = make("loop.cycles=1", "aggregation.budgets=[4]", "acceptance.candidates=3")
    history = go(stages)
    assert history.cycles[-1].dataset.synthetic_frames == 4, "as many as were asked for"
    assert len(judged) == 12
    kept = [frame.frame_id for frame in read_frames(trained[-1].synthetic[0])]
    by_request: dict[str, list[int]] = {}
    for name in kept:
        by_request.setdefault(request_of(name)[0], []).append(request_of(name)[1])
    assert [sorted(numbers) for numbers in by_request.values()] == [[4, 5], [4, 5]]
    told = json.loads(Path(stages.run.workspace.path("cycle-001", "stage-simulate.json")).read_text())
    assert (told["frames"], told["asked"], told["candidates"], told["rendered"]) == (4, 4, 12, 12)
    assert told["hardness"]["kept"] > told["hardness"]["left"]
    again, _ = make("loop.cycles=1", "aggregation.budgets=[4]", "acceptance.candidates=3")
    go(again)
    assert len(judged) == 12, "committed: neither rendered nor judged again"
    assert again.run.services.pools == []


def test_random_needs_no_folds_and_spends_what_it_is_given(make) -> None:
    stages, trained = make("loop.cycles=2", "policy.name=random", "aggregation.budgets=[1, 3]")
    history = go(stages)
    assert names(trained) == ["cycle 0, main", "cycle 1, main", "cycle 2, main"]
    assert [entry.dataset.synthetic_frames for entry in history.cycles] == [0, 1, 4]


def test_oversample_repeats_failing_frames_and_renders_nothing(make) -> None:
    stages, trained = make("loop.cycles=2", "policy.name=oversample")
    history = go(stages)
    assert stages.run.services.pools == []
    assert [entry.dataset.added_frames for entry in history.cycles] == [0, 2, 4]
    assert [entry.dataset.synthetic_frames for entry in history.cycles] == [0, 0, 0]
    by_name = {spec.purpose: spec for spec in trained}
    assert [sum(by_name[f"cycle {k}, main"].repeats.values()) for k in range(3)] == [0, 2, 4]
    assert by_name["cycle 1, fold-0"].repeats == by_name["cycle 1, main"].repeats
    assert set(by_name["cycle 2, main"].repeats) <= {f"real-{i}" for i in range(TRAIN)}
    assert all(spec.synthetic == () for spec in trained)
    assert history.reason.startswith("cap")


def test_none_trains_on_from_a_warm_start(make) -> None:
    stages, trained = make("loop.cycles=2", "policy.name=none", "train.warm_start=true")
    history = go(stages)
    assert names(trained) == ["cycle 0, main", "cycle 1, main", "cycle 2, main"]
    assert [spec.initial for spec in trained] == [None, trained[0].output, trained[1].output]
    assert len({spec.seed for spec in trained}) == 3, "not the same frames in the same order again"
    assert all((spec.synthetic, spec.repeats) == ((), {}) for spec in trained)
    assert history.reason.startswith("cycles")
    assert {spec.train.steps for spec in trained} == {trained[0].train.steps}


def test_a_warm_start_may_take_steps_of_its_own(make) -> None:
    stages, trained = make("train.steps=20", "train.warm_start=true", "train.warm_steps=5")
    go(stages)
    steps = {spec.purpose: spec.train.steps for spec in trained}
    assert (steps["cycle 0, main"], steps["cycle 1, main"]) == (20, 5)
    assert steps["cycle 0, fold-0"] == steps["cycle 1, fold-0"] == 12, "folds start from scratch"


def test_sim_trains_on_as_many_free_scenes_as_there_are_real_frames(make) -> None:
    stages, trained = make("loop.cycles=0", "policy.name=none", "loop.sim_only=true")
    go(stages)
    (spec,) = trained
    assert spec.real == ()
    frames = list(read_frames(spec.synthetic[0], ("frame_id", "origin")))
    assert len(frames) == TRAIN
    assert all(frame.origin.parent is None for frame in frames)
    again, _ = make("loop.cycles=0", "policy.name=none", "loop.sim_only=true")
    go(again)
    assert again.run.services.pools == [], "committed"


def test_strength_is_annealed_and_committed(make) -> None:
    options = ("loop.cycles=2", "policy.strength={first: 0.5, last: 1.0, cycles: 2}")
    stages, _ = make(*options)
    go(stages)
    told = [stages.run.workspace.path(f"cycle-00{k}", "stage-request.json") for k in (1, 2)]
    strengths = [{r["strength"] for r in storage.read_json(uri)["requests"]} for uri in told]
    assert strengths == [{0.5}, {1.0}]


def test_adaptive_learns_from_what_is_committed_and_says_what_it_gives_up(make) -> None:
    stages, _ = make("loop.cycles=2", "policy.name=adaptive", "policy.variations=1")
    go(stages)
    told = storage.read_json(stages.run.workspace.path("cycle-002", "stage-request.json"))
    given_up = {arm["mode"]: arm["given_up"] for arm in told["arms"]}
    assert given_up == {"Car, missed, truncated": False, "Car, missed, plain": True}
    assert {int(r["parent"].removeprefix("real-")) % 2 for r in told["requests"]} == {1}, "the truncated ones"
    assert any("Car, missed, plain is given up" in text for text in stages.run.watch.reporter.said)
    Path(stages.run.workspace.path("cycle-002", "stage-request.json")).unlink()
    again, _ = make("loop.cycles=2", "policy.name=adaptive", "policy.variations=1")
    go(again)
    repeated = storage.read_json(again.run.workspace.path("cycle-002", "stage-request.json"))
    assert {k: told[k] for k in ("requests", "arms")} == {k: repeated[k] for k in ("requests", "arms")}


def test_rejected_frames_are_drawn_again_and_listed(make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every first draw is rejected, every second accepted."""

    def picky(frame: Any, settings: Any) -> str | None:
        return "no" if int(frame.frame_id[-2:]) < 2 else None

    monkeypatch.setattr(cluster.stages.synthetic.simulate, "rejection", picky)
    stages, _ = make("loop.cycles=1", "policy.variations=2")
    history = go(stages)
    assert history.cycles[-1].dataset.synthetic_frames == 2
    told = json.loads(Path(stages.run.workspace.path("cycle-001", "stage-simulate.json")).read_text())
    assert [item["kind"] for item in told["set_aside"]] == ["rejected", "rejected"]
    assert (told["asked"], told["frames"]) == (2, 2)
    aside = storage.read_json(stages.run.workspace.path("cycle-001", "synthetic", "_set_aside.json"))
    assert {row["reason"] for row in aside} == {"no"}
