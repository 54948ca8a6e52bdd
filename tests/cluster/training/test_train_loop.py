"""Training on Ray: both launchers run the same function, and what they leave behind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cluster.training import train_loop
from cluster.training.launchers import LocalLauncher, TorchLauncher
from cluster.training.train_loop import TrainSpec, train_detector
from imitation.common.settings import DataError, UserError
from imitation.data.categories import CategoryMap
from imitation.data.images import encode_png
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import write_frames
from imitation.detectors.checkpoint import load_checkpoint, load_weights, read_info
from imitation.detectors.settings import DetectorSettings
from imitation.training.settings import AugmentSettings, TrainSettings
from tests.cluster.killing import Killer

WIDTH, HEIGHT = 96, 64
CATEGORIES = CategoryMap.identity(("red", "blue"))
DETECTOR = DetectorSettings(backbone="resnet10", weights=None, features=16)
TRAIN = TrainSettings(
    steps=6, batch_size=4, warmup=2, threads=1, report_every=1, checkpoint_every=3, precision="fp32"
)


def frame(number: int, name: str = "frame") -> Frame:
    """A grey image with a red and a blue rectangle."""
    rng = np.random.default_rng(number)
    image = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
    objects = []
    for category, colour, left in (("red", (220, 30, 30), 4), ("blue", (30, 30, 220), 52)):
        x, y = left + int(rng.integers(0, 16)), int(rng.integers(4, 36))
        image[y : y + 20, x : x + 24] = colour
        objects.append(Object(category, Box(x, y, x + 24, y + 20), occlusion=0.0))
    return Frame(f"{name}-{number}", WIDTH, HEIGHT, tuple(objects), image=encode_png(image))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("data") / "real.parquet")
    write_frames([frame(number) for number in range(10)], path)
    return path


@pytest.fixture(scope="module")
def launcher(ray_session: None):
    launcher = LocalLauncher()
    yield launcher
    launcher.close()


def make_spec(data: str, output: Path, **changes: object) -> TrainSpec:
    spec = TrainSpec(str(output), CATEGORIES, DETECTOR, TRAIN, real=(data,))
    return replace(spec, **changes)


def test_a_training_leaves_a_checkpoint_and_tells_its_progress(
    data: str, launcher: LocalLauncher, tmp_path: Path
) -> None:
    events: list[dict] = []
    result = train_detector(make_spec(data, tmp_path / "out"), launcher, events.append)
    assert [event["step"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "coverage", "images_per_second", "steps"} <= events[-1].keys()
    assert (result.steps, result.images_seen, result.real_frames, result.synthetic_frames) == (6, 24, 10, 0)
    predictor, info = load_checkpoint(result.folder)
    assert (info.preprocessing.width, info.preprocessing.height) == (WIDTH, HEIGHT)
    assert info.categories == ("red", "blue")
    assert len(predictor.predict([np.zeros((50, 70, 3), dtype=np.uint8)])) == 1
    assert not (tmp_path / "out.partial").exists()

    # the same command again finds the checkpoint and does not train
    again: list[dict] = []
    assert train_detector(make_spec(data, tmp_path / "out"), launcher, again.append) == result
    assert again == []
    # another seed does
    train_detector(make_spec(data, tmp_path / "out", seed=1), launcher, again.append)
    assert len(again) == 6


def test_frames_are_selected_by_id_and_synthetic_ones_counted(
    data: str, launcher: LocalLauncher, tmp_path: Path
) -> None:
    synthetic = str(tmp_path / "synthetic.parquet")
    write_frames([frame(number, "synthetic") for number in range(3)], synthetic)
    spec = make_spec(
        data,
        tmp_path / "out",
        synthetic=(synthetic,),
        exclude=frozenset({"frame-0", "frame-1"}),
        train=TRAIN.model_copy(update={"synthetic_share": 0.5}),
    )
    result = train_detector(spec, launcher)
    assert (result.real_frames, result.synthetic_frames) == (8, 3)
    with pytest.raises(UserError, match="'nobody'"):
        train_detector(make_spec(data, tmp_path / "x", exclude=frozenset({"nobody"})), launcher)


def test_repeated_frames_are_trained_on_and_counted_apart(
    data: str, launcher: LocalLauncher, tmp_path: Path
) -> None:
    spec = make_spec(data, tmp_path / "out", repeats={"frame-1": 2, "frame-4": 1})
    result = train_detector(spec, launcher)
    assert (result.real_frames, result.synthetic_frames, result.repeated_frames) == (10, 0, 3)
    plain = train_detector(make_spec(data, tmp_path / "plain"), launcher)
    assert plain.losses != result.losses


def test_the_weight_of_synthetic_frames_reaches_the_losses_or_is_refused(
    data: str, launcher: LocalLauncher, tmp_path: Path
) -> None:
    synthetic = str(tmp_path / "synthetic.parquet")
    write_frames([frame(number, "synthetic") for number in range(6)], synthetic)
    light = TRAIN.model_copy(update={"synthetic_weight": 0.1})
    losses = [
        train_detector(make_spec(data, tmp_path / name, synthetic=(synthetic,), train=train), launcher).losses
        for name, train in (("even", TRAIN), ("light", light))
    ]
    assert losses[0] != losses[1]
    other = DETECTOR.model_copy(update={"name": "tests.cluster.training.test_train_loop:plain_detector"})
    with pytest.raises(UserError, match="gives one loss for a whole batch; one that heeds `weight`"):
        train_detector(make_spec(data, tmp_path / "other", detector=other, train=light), launcher)


def plain_detector(settings: DetectorSettings, num_categories: int) -> torch.nn.Module:
    """A user's detector that knows nothing of weights."""
    return torch.nn.Linear(1, 1)


def test_a_warm_start_begins_with_the_weights_given_and_adds_up_the_steps(
    data: str, launcher: LocalLauncher, tmp_path: Path
) -> None:
    first = train_detector(make_spec(data, tmp_path / "first"), launcher)
    still = TRAIN.model_copy(update={"learning_rate": 1e-12, "freeze_batch_norm": True})
    second = train_detector(make_spec(data, tmp_path / "second", initial=first.folder, train=still), launcher)
    assert (second.steps, second.images_seen) == (12, 48)
    before, after = load_weights(first.folder), load_weights(second.folder)
    assert all(torch.allclose(before[name], after[name], atol=1e-7) for name in before)
    wider = DETECTOR.model_copy(update={"features": 32})
    with pytest.raises(UserError, match=r"detector\.features"):
        train_detector(make_spec(data, tmp_path / "third", initial=first.folder, detector=wider), launcher)


def test_an_unreadable_image_stops_the_training_or_is_skipped_and_listed(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    path = str(tmp_path / "bad.parquet")
    frames = [frame(number) for number in range(4)]
    whole = frames[2].image
    assert whole is not None
    write_frames([*frames[:2], replace(frames[2], image=whole[: len(whole) // 2]), frames[3]], path)
    with pytest.raises(DataError, match="frame-2"):
        train_detector(make_spec(path, tmp_path / "out"), launcher)
    result = train_detector(make_spec(path, tmp_path / "out", skip_bad=True), launcher)
    assert list(result.skipped) == ["frame-2"]
    assert read_info(result.folder).trained_on["skipped"] == result.skipped


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_workers_train_like_one_also_when_one_of_them_is_killed(
    data: str, launcher: LocalLauncher, tmp_path: Path
) -> None:
    # A gentle SGD: a high rate, or Adam's division by tiny second moments, magnifies rounding (a change of
    # 2e-7 in the first weights moves the 20th loss by 1e-4 with Adam at 1e-3, by 2e-7 here)
    settings = TRAIN.model_copy(
        update={
            "steps": 40,
            "optimizer": "sgd",
            "learning_rate": 0.0005,
            "warmup": 5,
            "freeze_batch_norm": True,
            "augment": AugmentSettings(enabled=False),
            "checkpoint_every": 4,
        }
    )
    one: list[dict] = []
    train_detector(make_spec(data, tmp_path / "one", train=settings), launcher, one.append)
    by_step: dict[int, dict] = {}
    killer = Killer("RayTrainWorker", [5])

    def progress(event: dict) -> None:
        by_step[event["step"]] = event
        killer(event)

    both = settings.model_copy(update={"num_workers": 2})
    train_detector(make_spec(data, tmp_path / "two", train=both), TorchLauncher(2), progress)
    assert len(killer.killed) == 1
    assert killer.done_again <= both.checkpoint_every + 1, "it started from the beginning"
    # of what the killed workers had done, the last words may not have been heard
    two = [by_step[step] for step in sorted(by_step)]
    one = [event for event in one if event["step"] in by_step]
    assert len(two) >= 30
    for name in ("loss", "coverage", "box", "overlap", "category", "occlusion"):
        np.testing.assert_allclose([e[name] for e in two], [e[name] for e in one], rtol=1e-3, atol=1e-3)
    assert one[-1]["loss"] < one[0]["loss"], "it learnt nothing: equal losses would say nothing"
    info = read_info(str(tmp_path / "two"))
    assert info.trained_on["workers"] == 2
    assert not list(tmp_path.glob("*.ray")), "Train's own files go with the training"
    assert info.trained_on["rank_disagreement"] == 0.0
    ours, theirs = load_weights(str(tmp_path / "two")), load_weights(str(tmp_path / "one"))
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-3) for name in ours)


def test_a_training_of_an_older_version_continues() -> None:
    """Settings that came later, at what they were then, and the precision tell no trainings apart."""
    whole = DetectorSettings(trainable_layers=5)
    spec = TrainSpec("out", CategoryMap.identity(["car"]), whole, TrainSettings())
    # as the version before `detector.trainable_layers` and `train.precision` computed it
    old = "c1312fa5e1f6a1c221ca5911cd8ce9948af9b148bf4baa04cc6539d6d2682ee8"
    assert train_loop._fingerprint(spec) == old
    other = replace(spec, train=TrainSettings(precision="bf16"))
    assert train_loop._fingerprint(other) == old
    for layers in (None, 2):
        frozen = replace(spec, detector=DetectorSettings(trainable_layers=layers))
        assert train_loop._fingerprint(frozen) != old
