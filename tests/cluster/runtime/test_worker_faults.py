"""Workers of training and evaluation killed with SIGKILL, and what is the same afterwards."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cluster.config.evaluate import EvaluateSettings
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from cluster.training.launchers import LocalLauncher, Restarts
from cluster.training.train_loop import TrainSpec, train_detector
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.data.images import decode_image, encode_png
from imitation.data.records import Frame
from imitation.datasets.parquet.files import write_frames
from imitation.detectors.checkpoint import load_checkpoint, load_weights, save_checkpoint
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings
from imitation.evaluation.detection_files import read_detections
from imitation.training.settings import TrainSettings
from tests.cluster.killing import Killer
from tests.cluster.toy_detector import SLOW
from tests.cluster.worker_data import CATEGORIES, frames

pytestmark = pytest.mark.usefixtures("ray_session")

FRAMES = 500

# --- training

TRAIN = TrainSettings(
    steps=60, batch_size=4, warmup=2, threads=1, report_every=1, checkpoint_every=10, max_restarts=1
)


def spec(tmp_path: Path, **changes: object) -> TrainSpec:
    data = str(tmp_path / "real.parquet")
    write_frames(frames(12), data)
    detector = DetectorSettings(backbone="resnet10", weights=None, features=16)
    return replace(TrainSpec(str(tmp_path / "out"), CATEGORIES, detector, TRAIN, real=(data,)), **changes)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_trainer_killed_twice_ends_with_the_same_weights_and_does_few_steps_again(tmp_path: Path) -> None:
    launcher = LocalLauncher()
    whole = spec(tmp_path, output=str(tmp_path / "whole"))
    train_detector(whole, launcher)
    killer = Killer("_LocalTrainer.run", [14, 37])  # one restart would be allowed without a new checkpoint
    disturbed = spec(tmp_path)
    result = train_detector(disturbed, launcher, killer)
    launcher.close()
    assert len(set(killer.killed)) == 2, "two processes"
    assert set(killer.seen) >= set(range(1, 14)) | {60}
    assert killer.done_again <= 2 * TRAIN.checkpoint_every
    assert (result.steps, result.images_seen) == (60, 240)
    expected, found = load_weights(whole.output), load_weights(disturbed.output)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert not Path(disturbed.output + ".partial").exists()


def test_a_training_starts_again_while_its_checkpoint_advances_and_ends_with_a_sentence_where_it_does_not(
    tmp_path: Path,
) -> None:
    restarts = Restarts({"spec": spec(tmp_path, train=TRAIN.model_copy(update={"max_restarts": 2}))})
    told: list[dict] = []
    hear = restarts.listen(told.append)
    died = RuntimeError("the worker died")
    for start in (0, 10, 20, 20, 30, 30, 30):
        hear({"start": start})
        hear({"step": start + 1})
        if start == 30 and restarts.stuck == 2:
            break
        restarts.after(died)
    with pytest.raises(UserError, match=r"workers died 3 times since the checkpoint of step 30: the worker"):
        restarts.after(died)
    assert len(told) == 7, "what is the launcher's own is not handed on"
    fresh = Restarts({"spec": spec(tmp_path)})
    fresh.after(died)  # it died before it began
    with pytest.raises(UserError, match=r"died 2 times before a checkpoint.*train\.max_restarts"):
        fresh.after(died)


# --- evaluation


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("checkpoint") / "main")
    settings = DetectorSettings(name=SLOW, width=32, height=32)
    save_checkpoint(folder, build_detector(settings, 1).state_dict(), settings, CATEGORIES.categories, {})
    return folder


def judge(
    data: str,
    checkpoint: str,
    out: Path,
    progress=lambda done: None,
    on_error: str = "stop",
    **settings: object,
) -> dict:
    return evaluate(
        [EvaluationPart(data, "test", ("main",))],
        {"main": checkpoint},
        CATEGORIES,
        str(out),
        EvaluateSettings(batch_size=8, threads=1, cpus_per_actor=0.5, **settings),
        on_error=on_error,
        progress=progress,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_evaluation_actors_killed_mid_pass_lose_and_double_no_row(checkpoint: str, tmp_path: Path) -> None:
    data = str(tmp_path / "data.parquet")
    write_frames(frames(FRAMES), data)
    killer = Killer("DetectorWorker", [40, 200, 350])
    done = judge(
        data, checkpoint, tmp_path / "disturbed.parquet", lambda rows: killer({"step": rows}), actors=2
    )
    assert len(set(killer.killed)) == 3, "three processes"
    assert (done["rows"], done["errors"]) == (FRAMES, [])
    rows = list(read_detections(str(tmp_path / "disturbed.parquet")))
    assert [row.frame_id for row in rows] == [frame.frame_id for frame in frames(FRAMES)]
    predictor, _ = load_checkpoint(checkpoint)
    predictor.model.delay_s = 0
    expected = predictor.predict([decode_image(frame.image, "x") for frame in frames(FRAMES)])
    for row, found in zip(rows, expected, strict=True):
        np.testing.assert_array_equal(row.detections.boxes, found.boxes)
        np.testing.assert_array_equal(row.detections.scores, found.scores)
    assert len({row.detections.scores[0] for row in rows}) > 100, "frames differ in what is found"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_frame_that_kills_its_actor_each_time_is_an_error_of_its_own_and_costs_no_other(
    checkpoint: str, tmp_path: Path
) -> None:
    data = str(tmp_path / "data.parquet")
    white = Frame("white", 32, 32, image=encode_png(np.full((32, 32, 3), 255, dtype=np.uint8)))
    write_frames([*frames(20)[:11], white, *frames(20)[11:]], data)
    done = judge(data, checkpoint, tmp_path / "out.parquet", max_attempts=2, on_error="skip")
    assert done["rows"] == 21
    (why,) = done["errors"]
    assert why == "frame white: the detector's process died 2 times when it judged it"
    rows = list(read_detections(str(tmp_path / "out.parquet")))
    assert [row.frame_id for row in rows if row.error] == ["white"]
    assert [row.frame_id for row in rows if not row.error] == [frame.frame_id for frame in frames(20)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_mount_that_vanishes_mid_pass_is_waited_for_by_driver_and_workers(
    checkpoint: str, tmp_path: Path
) -> None:
    share = tmp_path / "share"
    files = []
    for frame in frames(200):
        path = share / "images" / f"{frame.frame_id}.png"
        storage.write_bytes_atomic(str(path), frame.image)
        files.append(replace(frame, image=None, image_uri=str(path)))
    data = str(share / "data.parquet")
    write_frames(files, data)
    vanished: list[threading.Timer] = []

    def progress(done: int) -> None:
        if done >= 16 and not vanished:
            share.rename(tmp_path / "elsewhere")
            vanished.append(threading.Timer(3.0, (tmp_path / "elsewhere").rename, [share]))
            vanished[0].start()

    done = judge(data, checkpoint, share / "out.parquet", progress)
    vanished[0].join()
    assert (done["rows"], done["errors"]) == (200, [])
    rows = list(read_detections(str(share / "out.parquet")))
    assert [row.frame_id for row in rows] == [frame.frame_id for frame in frames(200)]
    assert [row.error for row in rows] == [None] * 200
