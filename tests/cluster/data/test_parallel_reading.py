"""Parallel reading gives what serial reading gives."""

from pathlib import Path

import numpy as np
import pytest

from cluster.config.parse import load_defaults
from cluster.data.parallel_reading import frames_dataset, read_parallel
from imitation.common.settings import DataError, UserError
from imitation.data.images import encode_png
from imitation.data.records import SCHEMA, Box, Frame, Object
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.registry import open_dataset


def picture(seed: int) -> bytes:
    return encode_png(np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8))


@pytest.fixture
def root(tmp_path: Path) -> str:
    """41 frames to train on in three files, and two others. Frame 7 has a box upside down, frame 9 a broken
    image, frame 11 one of another size."""
    frames = []
    for i in range(41):
        box = Box(1, 9, 5, 2) if i == 7 else Box(1, 2, 5, 9)
        image = picture(i)[:-40] if i == 9 else picture(i)
        conditions = {"weather": "rain", "camera": "left"} if i % 2 else None
        objects = (Object("car", box, difficulty=2 if i % 3 else None),)
        frames.append(
            Frame(f"f{i:02}", 31 if i == 11 else 30, 20, objects, image=image, conditions=conditions)
        )
    for part in range(3):
        place = tmp_path / f"train/{part}.parquet"
        write_frames(frames[part * 14 : part * 14 + 14], str(place), rows_per_group=4)
    write_frames((Frame(name, 30, 20, image=picture(99)) for name in "ab"), str(tmp_path / "val.parquet"))
    return str(tmp_path)


def test_settings_open_their_dataset(tmp_path: Path, root: str) -> None:
    data = load_defaults([f"data.root={root}", "data.kind=parquet"]).data
    assert list(data.open().frames("val")) == list(open_dataset("parquet", root).frames("val"))
    (tmp_path / "waymo/camera_image").mkdir(parents=True)
    data = load_defaults([f"data.root={tmp_path}/waymo", "data.kind=waymo", "data.cameras=[SIDE_LEFT]"]).data
    with pytest.raises(UserError, match="no image of SIDE_LEFT could be listed"):
        data.open().splits()
    conventions = {
        kind: load_defaults([f"data.root={root}", f"data.kind={kind}"]).data.label_convention()
        for kind in ("kitti", "waymo", "coco", "yolo", "parquet")
    }
    assert conventions == {"kitti": "cuboid_clipped", "parquet": "amodal_clipped"} | dict.fromkeys(
        ("waymo", "coco", "yolo"), "visible"
    )


def test_the_same_frames_in_the_same_order(ray_session: None, root: str) -> None:
    reader = open_dataset("parquet", root)
    serial: list[DataError] = []
    parallel: list[DataError] = []
    expected = list(reader.frames("train", serial.append))
    assert len(expected) == 40
    assert list(read_parallel(reader, "train", parallel.append, chunk=5, num_cpus=1)) == expected
    assert [str(e) for e in parallel] == [str(e) for e in serial]
    assert ["row 7: " in str(e) for e in serial] == [True]


def test_images_are_decoded_where_they_are_read(ray_session: None, root: str) -> None:
    reader = open_dataset("parquet", root)
    problems: list[DataError] = []
    frames = read_parallel(reader, "train", problems.append, chunk=16, verify_images=True, num_cpus=1)
    names = [frame.frame_id for frame in frames]
    assert names == [name for name in reader.splits()["train"] if name not in ("f07", "f09", "f11")]
    assert [error.where.rpartition(": ")[2] for error in problems] == ["row 7", "row 9", "row 11"]
    with pytest.raises(DataError, match="row 7: frame f07"):
        list(read_parallel(reader, "train", verify_images=True, num_cpus=1))


def test_a_broken_file_is_told_once_and_the_rest_is_read(ray_session: None, root: str) -> None:
    reader = open_dataset("parquet", root)
    members = reader.splits()["train"]
    broken = Path(root) / "train/1.parquet"
    broken.write_bytes(broken.read_bytes()[:-100])
    problems: list[DataError] = []
    names = [f.frame_id for f in read_parallel(reader, "train", problems.append, chunk=3, num_cpus=1)]
    assert names == [name for name in members if not 14 <= int(name[1:]) < 28 and name != "f07"]
    assert sorted(error.where.rpartition("/")[2] for error in problems) == ["0.parquet: row 7", "1.parquet"]


def test_mistakes_come_back_as_sentences(ray_session: None, root: str) -> None:
    reader = open_dataset("parquet", root)
    reader.splits()
    (Path(root) / "train/0.parquet").unlink()
    with pytest.raises(UserError, match=r"^cannot read .*0\.parquet: no such file or folder$"):
        list(read_parallel(reader, "train", num_cpus=1))


def test_a_dataset_of_rows(ray_session: None, root: str) -> None:
    reader = open_dataset("parquet", root)
    rows = frames_dataset(reader, "train", chunk=8, num_cpus=1).take_all()
    assert len(rows) == len(reader.splits()["train"])
    assert set(rows[0]) == {*SCHEMA.names, "left_out", "problem"}
    assert [row["frame_id"] is None for row in rows] == [row["problem"] is not None for row in rows]
