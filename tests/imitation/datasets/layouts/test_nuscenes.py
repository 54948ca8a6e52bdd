"""nuScenes' projection beside its development kit's formulas (shapely's hulls, scipy's rotations), and
nuImages."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPoint, Polygon
from shapely.geometry import box as rectangle

from imitation.common.settings import DataError, UserError
from imitation.data.records import Box, Camera, Frame
from imitation.data.splits import SplitSettings
from imitation.datasets.base import ALL, frames_of
from imitation.datasets.nuscenes.projection import extent
from imitation.datasets.registry import open_dataset
from tests.imitation.datasets.layouts.content import HEIGHT, WIDTH, Lists, every, two_lists
from tests.imitation.datasets.layouts.write_driving import write_nuimages, write_nuscenes

scipy = pytest.importorskip("scipy.spatial.transform", reason="scipy comes with other packages only")


def quaternion(value: list[float]) -> Any:
    w, x, y, z = value
    return scipy.Rotation.from_quat([x, y, z, w])


def devkit_boxes(root: Path, picture: str) -> list[tuple[str, tuple[float, ...], np.ndarray]]:
    """`get_2d_boxes` of export_2d_annotations_as_json.py, after its text: category, bbox_corners, and the
    box's corners in the camera's axes, for an image."""
    tables = {p.stem: json.loads(p.read_text()) for p in (root / "v1.0-mini").glob("*.json")}
    get = {name: {row["token"]: row for row in rows} for name, rows in tables.items()}
    data = next(row for row in tables["sample_data"] if row["is_key_frame"] and picture in row["filename"])
    mounted = get["calibrated_sensor"][data["calibrated_sensor_token"]]
    pose = get["ego_pose"][data["ego_pose_token"]]
    found = []
    for row in tables["sample_annotation"]:
        if row["sample_token"] != data["sample_token"]:
            continue
        width, length, height = row["size"]
        x = length / 2 * np.array([1, 1, 1, 1, -1, -1, -1, -1])
        y = width / 2 * np.array([1, -1, -1, 1, 1, -1, -1, 1])
        z = height / 2 * np.array([1, 1, -1, -1, 1, 1, -1, -1])
        corners = quaternion(row["rotation"]).apply(np.stack([x, y, z], axis=1)) + row["translation"]
        corners = quaternion(pose["rotation"]).inv().apply(corners - np.array(pose["translation"]))
        corners = quaternion(mounted["rotation"]).inv().apply(corners - np.array(mounted["translation"]))
        front = corners[corners[:, 2] > 0]
        pixels = front @ np.array(mounted["camera_intrinsic"]).T
        hull = MultiPoint((pixels[:, :2] / pixels[:, 2:]).tolist()).convex_hull
        shown = hull.intersection(rectangle(0, 0, WIDTH, HEIGHT))
        if isinstance(shown, Polygon) and not shown.is_empty:
            coords = np.array(shown.exterior.coords)
            category = get["category"][get["instance"][row["instance_token"]]["category_token"]]["name"]
            found.append((category, (*coords.min(axis=0), *coords.max(axis=0)), corners))
    return found


def read(root: Path, problems: list[DataError] | None = None, **options: Any) -> dict[str, Frame]:
    reader = open_dataset("nuscenes", str(root), SplitSettings(), options)
    reader.keep_lists()
    told = None if problems is None else problems.append
    return {frame.frame_id: frame for split in ("train", "val") for frame in reader.frames(split, told)}


def made(root: Path, seed: int = 0, count: int = 4) -> Lists:
    lists = two_lists(np.random.default_rng(seed), count)
    write_nuscenes(root, lists, seed)
    return lists


def test_boxes_and_cuboids_are_the_development_kits(tmp_path_factory: pytest.TempPathFactory) -> None:
    seen = 0
    for seed in range(4):
        root = tmp_path_factory.mktemp("set")
        lists = made(root, seed)
        frames = read(root)
        for _, picture in every(lists):
            theirs, ours = devkit_boxes(root, picture.name), frames[picture.name].objects
            assert [obj.category for obj in ours] == [category for category, _, _ in theirs]
            for obj, (_, corners, solid) in zip(ours, theirs):
                assert np.allclose(obj.box, corners, atol=1e-6)
                assert obj.cuboid is not None
                near = np.linalg.norm(obj.cuboid.corners()[:, None] - solid[None], axis=2).min(axis=1)
                assert near.max() < 1e-6, "the camera looks along the ground: no turn is lost"
                seen += 1
    assert seen > 20


def test_what_nuscenes_says_besides(tmp_path: Path) -> None:
    lists = made(tmp_path)
    frames = read(tmp_path)
    (_, first), *_ = every(lists)
    frame = frames[first.name]
    assert frame.sequence == f"scene-{first.drive}"
    assert frame.conditions == {
        "camera": "CAM_FRONT",
        "weather": "rain",
        "time_of_day": "night",
        "location": "boston-seaport",
    }
    camera = frame.camera
    assert camera is not None
    assert (camera.fx, camera.cx, camera.height) == (120, WIDTH / 2, 1.5)
    assert camera.pitch == pytest.approx(0, abs=1e-9)
    levels = {obj.occlusion_level for frame in frames.values() for obj in frame.objects}
    assert levels == {0, 2}
    ignored = sum(obj.ignore for frame in frames.values() for obj in frame.objects)
    fewer = read(tmp_path, visibilities=["4"])
    assert ignored > 0, "without a point of lidar or radar"
    assert sum(obj.ignore for frame in fewer.values() for obj in frame.objects) > ignored


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-40, 40), st.floats(-20, 20), st.floats(-5, 60)),
        min_size=8,
        max_size=8,
        unique=True,
    )
)
def test_the_extent_of_a_hull_is_shapelys(points: list[tuple[float, ...]]) -> None:
    camera, solid = Camera(120, 120, 80, 48), np.array(points)
    front = solid[solid[:, 2] > 0.01]
    if len(front) < 3:
        return
    found = extent(front, camera, WIDTH, HEIGHT)
    shown = MultiPoint(camera.project(front).tolist()).convex_hull.intersection(
        rectangle(0, 0, WIDTH, HEIGHT)
    )
    if found is None:
        assert shown.area < 1e-6
    else:
        assert np.allclose(found, shown.bounds, atol=1e-4)


def change(root: Path, table: str, number: int = 0, **values: Any) -> None:
    path = next(root.glob(f"v1.0-*/{table}.json"))
    rows = json.loads(path.read_text())
    rows[number] |= values
    path.write_text(json.dumps(rows))


@pytest.mark.parametrize(
    ("table", "values", "said"),
    [
        ("sample_annotation", {"size": [1, 2, 0]}, "its size is [1, 2, 0] m, not above 0"),
        ("sample_annotation", {"rotation": [0, 0, 0, 2]}, "is no unit quaternion"),
        ("sample_annotation", {"translation": [1, None, 2]}, "translation is None, not a finite number"),
        (
            "sample_annotation",
            {"instance_token": "gone"},
            "its instance_token 'gone' is no row of that table",
        ),
        ("sample_annotation", {"sample_token": "gone"}, "its sample_token 'gone' is no row of that table"),
        ("sample_data", {"ego_pose_token": "gone"}, "its ego_pose_token 'gone' is no row"),
        ("sample_data", {"filename": "../../x.jpg"}, "leads out of its folder"),
        ("sample_data", {"width": 1.5}, "width is 1.5, not a whole number of px"),
        ("sample", {"scene_token": "gone"}, "is of the scene 'gone', which is no row there"),
    ],
)
def test_odd_rows_are_named_and_cost_their_frames(tmp_path: Path, table: str, values: Any, said: str) -> None:
    lists = made(tmp_path)
    change(tmp_path, table, **values)
    problems: list[DataError] = []
    frames = read(tmp_path, problems)
    assert len(problems) == 1
    assert said in str(problems[0])
    stray = "sample_token" in values
    assert len(frames) == sum(1 for _ in every(lists)) - (not stray)


@pytest.mark.parametrize("table", ["sensor", "ego_pose", "sample_annotation", "category", "visibility"])
def test_a_table_that_is_missing_is_named(tmp_path: Path, table: str) -> None:
    made(tmp_path)
    next(tmp_path.glob(f"v1.0-*/{table}.json")).unlink()
    with pytest.raises(UserError, match=table):
        read(tmp_path)


def test_scenes_of_ones_own_are_val(tmp_path: Path) -> None:
    lists = made(tmp_path, count=8)
    drives = sorted({picture.drive for _, picture in every(lists)})
    (tmp_path / "val.txt").write_text(f"scene-{drives[0]}\n")
    reader = open_dataset("nuscenes", str(tmp_path), SplitSettings(), {"val_scenes": "val.txt"})
    reader.keep_lists()
    assert {frame.sequence for frame in reader.frames("val")} == {f"scene-{drives[0]}"}
    (tmp_path / "val.txt").write_text("scene-9999\n")
    with pytest.raises(UserError, match=r"val\.txt: names no scene of"):
        open_dataset("nuscenes", str(tmp_path), SplitSettings(), {"val_scenes": "val.txt"}).splits()


def test_a_camera_that_there_is_not(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(
        UserError, match=r"no camera of data\.options\.channels \(CAM_TOP\); it has CAM_FRONT"
    ):
        read(tmp_path, channels=["CAM_TOP"])


def test_nuimages_reads_the_key_images_alone(tmp_path: Path) -> None:
    lists = two_lists(np.random.default_rng(3), 8)
    write_nuimages(tmp_path, lists)
    frames = {f.frame_id: f for f in frames_of(open_dataset("nuimages", str(tmp_path)), ALL)}
    assert len(frames) == 16
    frame = frames[lists["train"][0].name]
    assert frame.conditions == {"camera": "CAM_FRONT", "location": "singapore-onenorth"}
    assert frame.sequence == lists["train"][0].drive
    assert frame.camera is not None
    assert frame.camera.height == 1.5


@pytest.mark.parametrize(
    ("values", "said", "lost"),
    [
        ({"bbox": [1, 2, 3]}, "bbox is [1, 2, 3], not 4 numbers", 1),
        ({"category_token": "gone"}, "its category_token 'gone' is no row of that table", 1),
        ({"sample_data_token": "gone"}, "its sample_data_token 'gone' is no annotated image", 0),
    ],
)
def test_odd_rows_of_nuimages(tmp_path: Path, values: Any, said: str, lost: int) -> None:
    lists = two_lists(np.random.default_rng(3), 4)
    write_nuimages(tmp_path, {"train": lists["train"]})
    change(tmp_path, "object_ann", **values)
    reader = open_dataset("nuimages", str(tmp_path))
    reader.keep_lists()
    problems: list[DataError] = []
    assert len(list(reader.frames("train", problems.append))) == 4 - lost
    assert said in str(problems[0])


def test_the_extent_of_nothing() -> None:
    camera = Camera(100, 100, 50, 50)
    behind = np.array([[x, y, -3.0] for x in (-1, 1) for y in (-1, 1)])
    assert extent(behind, camera, 100, 100) is None
    assert extent(np.array([[50.0, 0, 1], [51, 0, 1], [50, 1, 1]]), camera, 100, 100) is None
    square = np.array([[x, y, 1.0] for x in (-0.1, 0.1) for y in (-0.2, 0.2)])
    assert extent(square, camera, 100, 100) == Box(40, 30, 60, 70)
