"""The KITTI reader and writer: constructed folders, every bad input, and the real frames at hand."""

import math
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.common.settings import DataError, UserError
from imitation.data.images import load_frame_image
from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from imitation.datasets.kitti.files import kitti_sequences, kitti_splits, open_kitti, read_kitti
from imitation.datasets.kitti.labels import CATEGORIES, camera_of, format_label, parse_labels, read_projection
from imitation.datasets.kitti.writer import make_folders, put_frame, texts_of
from tests.imitation.datasets.kitti.kitti_folder import CAR, DONT_CARE, make_kitti, make_lists, png


@pytest.mark.parametrize("nested", [True, False])
def test_fields_of_a_frame(tmp_path: Path, nested: bool) -> None:
    make_kitti(tmp_path, {"000003": f"{CAR}\n{DONT_CARE}\n"}, nested)
    (frame,) = read_kitti(str(tmp_path))
    assert (frame.frame_id, frame.width, frame.height) == ("000003", 200, 80)
    assert frame.sequence is None
    assert frame.camera == Camera(700.0, 700.0, 600.0, 180.0)
    car, dont_care = frame.objects
    assert (car.category, car.truncation, car.occlusion, car.occlusion_level) == ("Car", 0.0, None, 1)
    assert car.box == car.amodal_box == Box(100, 20, 150, 60)
    assert (car.alpha, car.ignore) == (-1.5, False)
    assert car.cuboid is not None
    assert (car.cuboid.length, car.cuboid.width, car.cuboid.height, car.cuboid.yaw) == (3.9, 1.6, 1.5, -1.6)
    # inv(K) @ (45, -0.3, 0.005) by hand: z = 0.005, x = (45 - 600 z) / 700, y = (-0.3 - 180 z) / 700
    assert (car.cuboid.x, car.cuboid.y, car.cuboid.z) == pytest.approx((-2 + 0.06, 1.7 - 1.2 / 700, 15.005))
    assert dont_care.ignore
    assert (dont_care.truncation, dont_care.alpha, dont_care.occlusion_level) == (None, None, None)
    assert dont_care.cuboid is None
    assert dont_care.amodal_box is None
    assert load_frame_image(frame).shape == (80, 200, 3)


def test_full_projection_equals_shifted_pinhole() -> None:
    """Independent way: homogeneous P2 @ (X, 1) against the camera on shifted points."""
    projection = np.array([[720.0, 0, 610, 44.9], [0, 715.0, 173, 0.2], [0, 0, 1, 0.0027]])
    camera, shift = camera_of(projection, "calib")
    points = np.random.default_rng(0).uniform([-10, -2, 3], [10, 3, 60], (100, 3))
    full = np.c_[points, np.ones(100)] @ projection.T
    np.testing.assert_allclose(camera.project(points + shift), full[:, :2] / full[:, 2:], atol=1e-9)


def test_truncated_objects_have_no_amodal_box() -> None:
    ((_, obj),) = parse_labels(CAR.replace("Car 0.00", "Car 0.25"), "x")
    assert obj.truncation == 0.25
    assert obj.amodal_box is None


def test_names_choose_frames_and_their_order(tmp_path: Path) -> None:
    make_kitti(tmp_path, dict.fromkeys(("000002", "000000", "000001"), ""))
    assert [f.frame_id for f in read_kitti(str(tmp_path))] == ["000000", "000001", "000002"]
    assert [f.frame_id for f in read_kitti(str(tmp_path), ["000002", "000000"])] == ["000002", "000000"]


def test_jpeg_images_are_found_too(tmp_path: Path) -> None:
    make_kitti(tmp_path, {"a": CAR})
    image = tmp_path / "training/image_2/a.png"
    image.rename(image.with_suffix(".JPG"))  # what lies in it counts, not the name
    (frame,) = read_kitti(str(tmp_path))
    assert frame.image_uri == str(image.with_suffix(".JPG"))
    image.write_bytes(png())
    with pytest.raises(UserError, match="is the same frame; keep one"):
        list(read_kitti(str(tmp_path)))


def test_image_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_kitti(tmp_path / "k", {"a": ""})
    monkeypatch.chdir(tmp_path)
    (frame,) = read_kitti("k")
    assert frame.image_uri == str(tmp_path / "k/training/image_2/a.png")


def test_a_name_listed_twice_or_absent(tmp_path: Path) -> None:
    make_kitti(tmp_path, {"000000": CAR})
    with pytest.raises(DataError, match="was already used"):
        list(read_kitti(str(tmp_path), ["000000", "000000"]))
    with pytest.raises(DataError, match="frame 000007 has no image"):
        list(read_kitti(str(tmp_path), ["000007"]))


def test_no_kitti_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no label_2 folder"):
        list(read_kitti(str(tmp_path)))
    with pytest.raises(UserError, match="does not exist"):
        list(read_kitti(str(tmp_path / "none")))
    (tmp_path / "label_2").mkdir()
    with pytest.raises(UserError, match=r"image_2: there is no such folder"):
        list(read_kitti(str(tmp_path)))


def test_scores_and_other_classes_when_asked(tmp_path: Path) -> None:
    make_kitti(tmp_path, {"a": CAR.replace("Car", "Tractor") + " 0.9"})
    (frame,) = read_kitti(str(tmp_path), known=["Tractor"], scores=True)
    assert [o.category for o in frame.objects] == ["Tractor"]


def test_splits_come_from_the_lists(tmp_path: Path) -> None:
    assert kitti_splits(str(tmp_path)) is None
    make_lists(tmp_path, train=["000001", "000002"], val=["000003"])
    assert kitti_splits(str(tmp_path)) == {"train": ["000001", "000002"], "val": ["000003"]}
    make_lists(tmp_path, test=["000009"])
    assert kitti_splits(str(tmp_path)) == {
        "train": ["000001", "000002"],
        "val": ["000003"],
        "test": ["000009"],
    }
    make_lists(tmp_path, test=["000000", "000001"])  # KITTI's own: frames of testing/, same names
    assert "test" not in (kitti_splits(str(tmp_path)) or {})
    make_lists(tmp_path, val=["000003", "000004", "000003"])
    with pytest.raises(UserError, match=r"val\.txt:3: 000003 already stands on line 1"):
        kitti_splits(str(tmp_path))


def test_sequences_come_from_the_mapping(tmp_path: Path) -> None:
    assert kitti_sequences(str(tmp_path)) == {}
    make_kitti(tmp_path, {"000000": "", "000002": ""})
    mapping = tmp_path / "mapping"
    mapping.mkdir()
    (mapping / "train_mapping.txt").write_text("d drive_1 0\nd drive_2 5\nd drive_2 6\n")
    (mapping / "train_rand.txt").write_text("2,1,3")
    assert kitti_sequences(str(tmp_path)) == {"000000": "drive_2", "000001": "drive_1", "000002": "drive_2"}
    assert [f.sequence for f in read_kitti(str(tmp_path))] == ["drive_2", "drive_2"]
    (mapping / "train_rand.txt").write_text("2,1,4")
    with pytest.raises(UserError, match="number 3 is '4'"):
        kitti_sequences(str(tmp_path))
    (mapping / "train_rand.txt").write_text("2,1," + "9" * 5000)
    with pytest.raises(UserError, match=r"number 3 is '999.*not a line of"):
        kitti_sequences(str(tmp_path))
    (mapping / "train_mapping.txt").write_text("d drive_1\n")
    with pytest.raises(UserError, match=r"train_mapping\.txt:1: 2 columns"):
        kitti_sequences(str(tmp_path))


def _two_decimals(low: float, high: float) -> st.SearchStrategy[float]:
    return st.integers(round(low * 100), round(high * 100)).map(lambda v: v / 100)


def _box() -> st.SearchStrategy[Box]:
    x, y = _two_decimals(0, 200), _two_decimals(0, 80)
    return st.builds(lambda a, b, c, d: Box(min(a, c), min(b, d), max(a, c), max(b, d)), x, y, x, y)


@st.composite
def _objects(draw: st.DrawFn) -> Object:
    category = draw(st.sampled_from(CATEGORIES))
    box = draw(_box())
    if category == "DontCare":
        return Object(category, box, ignore=True)
    truncation = draw(st.none() | _two_decimals(0, 1))
    position = _two_decimals(-80, 80)
    size = _two_decimals(0.1, 30)
    angle = _two_decimals(-math.pi, math.pi)
    cuboid = st.builds(Cuboid, position, position, position, size, size, size, angle)
    return Object(
        category,
        box,
        amodal_box=box if truncation == 0 else None,
        truncation=truncation,
        cuboid=draw(st.none() | cuboid),
        alpha=draw(st.none() | angle),
        occlusion_level=draw(st.none() | st.integers(0, 3)),
    )


_number = st.floats(20.0, 3000.0, allow_nan=False)


@settings(deadline=None, max_examples=50)
@given(
    objects=st.lists(_objects(), max_size=5),
    camera=st.builds(Camera, _number, _number, _number, _number),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, objects: list[Object], camera: Camera
) -> None:
    root = str(tmp_path_factory.mktemp("kitti"))
    frame = Frame("a-1", 200, 80, tuple(objects), image=png(), camera=camera)
    put_frame(make_folders(root), frame.frame_id, texts_of(frame), frame.image)
    (back,) = read_kitti(root)
    assert (back.objects, back.camera, back.frame_id) == (frame.objects, camera, "a-1")
    np.testing.assert_array_equal(load_frame_image(back), load_frame_image(frame))


def test_the_writer_refuses_what_kitti_cannot_hold() -> None:
    camera = Camera(700, 700, 100, 40)
    car = Object("traffic light", Box(0, 0, 1, 1))
    with pytest.raises(UserError, match="has no camera"):
        texts_of(Frame("a", 200, 80))
    with pytest.raises(UserError, match="'traffic light': a KITTI label needs one word"):
        texts_of(Frame("a", 200, 80, (car,), camera=camera))


def test_ignored_objects_are_written_as_dont_care() -> None:
    line = format_label(Object("crowd", Box(10, 20, 30, 40), ignore=True))
    assert line == DONT_CARE


# Real frames, where they are at hand.


def test_real_frames_counts(shared_data: Path) -> None:
    """Counts as in the data's README."""
    frames = list(read_kitti(str(shared_data / "kitti101")))
    assert len(frames) == 101
    assert Counter(o.category for f in frames for o in f.objects) == {
        **{"Car": 303, "Pedestrian": 47, "Van": 34, "Cyclist": 18, "Truck": 14, "Tram": 12},
        **{"Misc": 6, "Person_sitting": 5, "DontCare": 237},
    }
    for frame in frames:
        for obj in frame.objects:
            assert obj.ignore == (obj.category == "DontCare") == (obj.cuboid is None)


def test_real_cuboids_project_onto_their_boxes(shared_data: Path) -> None:
    """Median IoU 0.975 on the 267 untruncated cars, as the data's README measured with the whole P2."""
    overlaps = []
    for frame in read_kitti(str(shared_data / "kitti101")):
        for obj in frame.objects:
            if obj.category == "Car" and obj.truncation == 0:
                assert frame.camera is not None
                assert obj.cuboid is not None
                points = frame.camera.project(obj.cuboid.corners())
                box = Box(*points.min(0), *points.max(0)).clipped(frame.width - 1, frame.height - 1)
                overlaps.append(_iou(box, obj.box))
    assert len(overlaps) == 267
    assert np.median(overlaps) == pytest.approx(0.975, abs=0.002)


def _iou(a: Box, b: Box) -> float:
    inner = Box(max(a.x1, b.x1), max(a.y1, b.y1), min(a.x2, b.x2), min(a.y2, b.y2)).area
    return inner / (a.area + b.area - inner) if b.width > 0 else 0.0


def test_real_labels_are_written_back_line_for_line(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "kitti101" / "training"
    names = open_kitti(str(source)).names()
    projections = {name: read_projection(str(source / "calib" / f"{name}.txt")) for name in names}
    base = make_folders(str(tmp_path))
    for frame in read_kitti(str(source)):
        put_frame(base, frame.frame_id, texts_of(frame, projections[frame.frame_id]), frame.image)
    for name in names:
        written = tmp_path / "training/label_2" / f"{name}.txt"
        assert (
            written.read_text().splitlines() == (source / "label_2" / f"{name}.txt").read_text().splitlines()
        )
        back = read_projection(str(tmp_path / "training/calib" / f"{name}.txt"))
        np.testing.assert_array_equal(back, projections[name])


def test_real_png_frames_have_their_pixels(shared_data: Path) -> None:
    frames = list(read_kitti(str(shared_data / "kitti3_png")))
    assert [f.frame_id for f in frames] == ["000008", "000010", "000047"]
    for frame in frames:
        assert load_frame_image(frame).shape == (frame.height, frame.width, 3)


def test_all_7481_label_files_round_trip(shared_data: Path) -> None:
    """Text equal on all 51,865 lines but the few whose location has a "-0.00", which come back as 0.00."""
    different = lines = 0
    with zipfile.ZipFile(shared_data / "kitti_labels.zip") as archive:
        names = [n for n in archive.namelist() if n.startswith("training/label_2/") and n.endswith(".txt")]
        for name in names:
            text = archive.read(name).decode()
            shift = np.array([0.06, -0.0003, 0.0027])
            for (number, obj), line in zip(parse_labels(text, name, shift), text.splitlines(), strict=True):
                lines += 1
                back = format_label(obj, shift)
                if back != line:
                    different += 1
                    assert back.split()[0] == line.split()[0], (name, number)
                    assert list(map(float, back.split()[1:])) == list(map(float, line.split()[1:]))
    assert (len(names), lines) == (7481, 51865)
    assert different <= 10


def test_real_lists(shared_data: Path) -> None:
    lists = kitti_splits(str(shared_data / "kitti101"))
    assert lists is not None
    assert {n: len(members) for n, members in lists.items()} == {
        "train": 58,
        "val": 43,
        "trainval": 101,
    }
