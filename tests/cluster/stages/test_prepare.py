"""Real data into a run: splits, problems, and what is refused."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster.config.parse import load_defaults
from cluster.config.schema import Config
from cluster.observability.callbacks import Watch
from cluster.observability.console import Reporter
from cluster.stages.prepare import RealData, prepare
from cluster.stages.services import Services
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import read_frames, write_frames

CAR = "Car 0.00 0 1.57 100.00 20.00 160.00 60.00 1.50 1.60 3.90 0.00 1.65 20.00 1.57"
CALIB = "P2: 700 0 128 0 0 700 32 0 0 0 1 0\n"


def jpeg(width: int = 256, height: int = 64) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(sink, "JPEG")
    return sink.getvalue()


@pytest.fixture
def kitti(tmp_path: Path) -> Path:
    root = tmp_path / "kitti"
    for folder in ("image_2", "label_2", "calib"):
        (root / "training" / folder).mkdir(parents=True)
    for i in range(12):
        (root / f"training/image_2/{i:06}.jpg").write_bytes(jpeg())
        (root / f"training/label_2/{i:06}.txt").write_text(CAR + "\n")
        (root / f"training/calib/{i:06}.txt").write_text(CALIB)
    (root / "ImageSets").mkdir()
    (root / "ImageSets/train.txt").write_text("".join(f"{i:06}\n" for i in range(6)))
    (root / "ImageSets/val.txt").write_text("".join(f"{i:06}\n" for i in range(6, 12)))
    return root


def prepared(tmp_path: Path, *options: str) -> tuple[RealData, Config]:
    config = load_defaults(list(options))
    with open("/dev/null", "w") as nowhere:
        return prepare(
            config, Workspace(str(tmp_path / "run")), Services(config), Watch(Reporter(nowhere))
        ), config


def ids(part) -> set[str]:
    return {frame.frame_id for frame in read_frames(part.uri, ("frame_id",))}


def test_a_kitti_folder_keeps_its_lists_and_images_stay_where_they_are(kitti, tmp_path):
    data, _ = prepared(tmp_path, "data.kind=kitti", f"data.root={kitti}")
    assert ids(data.parts["train"]) == {f"{i:06}" for i in range(6)}
    assert len(ids(data.parts["val"])) == len(ids(data.parts["test"])) == 3
    assert not ids(data.parts["val"]) & ids(data.parts["test"])
    assert {i for fold in data.folds for i in fold} == ids(data.parts["train"])
    for frame in read_frames(data.parts["train"].uri):
        assert frame.image is None
        assert frame.image_uri.startswith(str(kitti))
    assert data.camera.fx == pytest.approx(700)
    assert (data.width, data.height) == (256, 64)


def test_the_same_seed_cuts_the_same_and_another_does_not(kitti, tmp_path):
    options = ("data.kind=kitti", f"data.root={kitti}")
    first, _ = prepared(tmp_path / "a", *options)
    again, _ = prepared(tmp_path / "b", *options)
    others = [prepared(tmp_path / f"c{s}", *options, f"data.splits.seed={s}")[0] for s in range(1, 5)]
    assert ids(first.parts["val"]) == ids(again.parts["val"])
    assert first.folds == again.folds
    assert any(ids(other.parts["val"]) != ids(first.parts["val"]) for other in others)


def test_bad_frames_stop_the_run_naming_file_and_line_or_are_skipped_and_listed(kitti, tmp_path):
    label = kitti / "training/label_2/000002.txt"
    label.write_text(CAR + "\n" + CAR.replace("100.00", "nan") + "\n")
    image = kitti / "training/image_2/000004.jpg"
    image.write_bytes(image.read_bytes()[:-60])
    options = ("data.kind=kitti", f"data.root={kitti}")
    with pytest.raises(DataError, match=r"000002\.txt:2"):
        prepared(tmp_path, *options)
    data, _ = prepared(tmp_path, *options, "data.on_error=skip", "run.name=skips")
    assert ids(data.parts["train"]) == {"000000", "000001", "000002", "000003", "000005"}
    assert data.left_out == {"rows with something else in a number's place": 1}, "the rest of it is sound"
    assert len(data.problems) == 2
    assert any("000002.txt:2" in problem for problem in data.problems)
    assert any("000004.jpg" in problem for problem in data.problems)


def test_overlapping_splits_are_refused(kitti, tmp_path):
    (kitti / "ImageSets/val.txt").write_text("000005\n000006\n000007\n")
    with pytest.raises(UserError, match="000005"):
        prepared(tmp_path, "data.kind=kitti", f"data.root={kitti}")


def test_a_split_in_which_nothing_can_be_found_is_refused(kitti, tmp_path):
    for i in range(6, 12):
        (kitti / f"training/label_2/{i:06}.txt").write_text(CAR.replace("Car", "Tram") + "\n")
    with pytest.raises(UserError, match="'val' has no object of Car, Pedestrian, Cyclist"):
        prepared(tmp_path, "data.kind=kitti", f"data.root={kitti}")


def test_categories_of_ones_own(kitti, tmp_path):
    data, _ = prepared(
        tmp_path,
        "data.kind=kitti",
        f"data.root={kitti}",
        "data.categories=[vehicle]",
        "data.mapping={Car: vehicle}",
    )
    assert data.categories.categories == ("vehicle",)
    (frame, *_) = read_frames(data.parts["train"].uri)
    assert data.categories.apply(frame).labels.tolist() == [1]


def test_parquet_of_our_own_comes_back_as_it_went_in(tmp_path):
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        frames = [
            Frame(f"{split}{i}", 256, 64, (Object("robot", Box(1, 2, 30, 40)),), image=jpeg())
            for i in range(count)
        ]
        write_frames(frames, str(tmp_path / "data" / split / "frames.parquet"))
    data, _ = prepared(tmp_path, "data.kind=parquet", f"data.root={tmp_path / 'data'}")
    assert data.categories.categories == ("robot",)
    assert {split: part.frames for split, part in data.parts.items()} == {"train": 4, "val": 2, "test": 2}


def test_what_is_prepared_is_read_back_equal(kitti, tmp_path):
    data, _config = prepared(tmp_path, "data.kind=kitti", f"data.root={kitti}")
    committed = storage.read_json(str(tmp_path / "run/data/stage-prepare.json"))
    assert RealData.from_json(committed, Workspace(str(tmp_path / "run"))) == data


def test_a_run_that_was_moved_finds_its_data(kitti, tmp_path):
    before, _ = prepared(tmp_path, "data.kind=kitti", f"data.root={kitti}")
    (tmp_path / "run").rename(tmp_path / "moved")
    config = load_defaults(["data.kind=kitti", f"data.root={kitti}"])
    with open("/dev/null", "w") as nowhere:
        data = prepare(config, Workspace(str(tmp_path / "moved")), Services(config), Watch(Reporter(nowhere)))
    assert ids(data.parts["train"]) == {f"{i:06}" for i in range(6)}
    assert data.parts["train"].uri != before.parts["train"].uri


def test_folds_of_a_separate_mine_split_hold_out_train_frames_of_their_drives(tmp_path):
    def frames(split, drives):
        return [
            Frame(f"{split}{i}", 256, 64, (Object("car", Box(1, 2, 30, 40)),), sequence=drive, image=jpeg())
            for i, drive in enumerate(drives)
        ]

    for split, drives in {
        "train": ("a", "a", "b", "c"),
        "mine": ("a", "b", "d"),
        "val": ("e",),
        "test": ("f",),
    }.items():
        write_frames(frames(split, drives), str(tmp_path / "data" / split / "frames.parquet"))
    data, _ = prepared(tmp_path, "data.kind=parquet", f"data.root={tmp_path / 'data'}")
    assert sorted(i for fold in data.folds for i in fold) == ["mine0", "mine1", "mine2"]
    relatives = {"mine0": {"train0", "train1"}, "mine1": {"train2"}, "mine2": set()}
    for fold, held_out in zip(data.folds, data.held_out, strict=True):
        assert set(held_out) == set(fold).union(*(relatives[i] for i in fold))


@pytest.mark.parametrize("stratify", [True, False])
def test_folds_of_mining_are_stratified_if_the_splits_are(tmp_path, stratify):
    """Ten drives, of which two hold a truck: with both in one fold its detector has never seen any."""

    def frames(split, drives):
        for d in range(drives):
            name = "truck" if d < 2 else "car"
            for i in range(2):
                box = Object(name, Box(5, 5, 30, 30))
                yield Frame(f"{split}{d}-{i}", 256, 64, (box,), image=jpeg(), sequence=f"{split}{d}")

    for split, drives in (("train", 10), ("val", 3), ("test", 3)):
        write_frames(frames(split, drives), str(tmp_path / "data" / f"{split}.parquet"))
    apart = []
    for seed in range(8):
        options = ["data.kind=parquet", f"data.root={tmp_path / 'data'}", f"run.seed={seed}"]
        data, _ = prepared(tmp_path / str(seed), *options, f"data.splits.stratify={str(stratify).lower()}")
        trucks = [sum(name.startswith(("train0", "train1")) for name in fold) for fold in data.folds]
        assert sum(trucks) == 4
        apart.append(trucks == [2, 2])
        if not apart[-1]:  # which says enough
            break
    assert all(apart) == stratify


def test_without_cycles_no_folds_are_needed(tmp_path):
    for split in ("train", "val", "test"):
        frame = Frame(split, 256, 64, (Object("car", Box(1, 2, 30, 40)),), image=jpeg())
        write_frames([frame], str(tmp_path / "data" / split / "frames.parquet"))
    data, _ = prepared(tmp_path, "data.kind=parquet", f"data.root={tmp_path / 'data'}", "loop.cycles=0")
    assert data.folds == []
    with pytest.raises(UserError, match="folds"):
        prepared(tmp_path / "b", "data.kind=parquet", f"data.root={tmp_path / 'data'}")


def test_large_splits_are_read_by_the_cluster_to_the_same_frames(kitti, tmp_path, ray_session):
    (kitti / "training/image_2/000004.jpg").write_bytes(b"cut short")
    options = ("data.kind=kitti", f"data.root={kitti}", "data.on_error=skip")
    here, _ = prepared(tmp_path / "here", *options)
    there, _ = prepared(tmp_path / "there", *options, "data.parallel_from=1")
    for split in ("train", "val", "test"):
        assert list(read_frames(there.parts[split].uri)) == list(read_frames(here.parts[split].uri))
    assert there.problems == here.problems
    assert len(here.problems) == 1
