"""BDD100K's own particulars: the last pixel, neighbour classes, videos, what has no box, what is odd."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imitation.common.settings import DataError, UserError
from imitation.data.records import Box, Frame
from imitation.data.splits import SplitSettings
from imitation.datasets.base import ALL, frames_of
from imitation.datasets.bdd100k.reader import NO_BOX, Bdd100kReader
from imitation.datasets.registry import open_dataset, recognized
from tests.imitation.datasets.layouts.content import made_up, put, two_lists, write_json
from tests.imitation.datasets.layouts.write_driving import bdd100k_frame

LABEL = {
    "id": "0",
    "category": "car",
    "attributes": {"occluded": True, "truncated": False, "trafficLightColor": "NA"},
    "box2d": {"x1": 10.5, "y1": 20, "x2": 39.5, "y2": 44},
}


def single(root: Path, labels: list[Any], **frame: Any) -> Path:
    pictures = made_up(np.random.default_rng(0), 4)
    put(root, pictures)
    rows = [{"name": f"{p.name}.jpg", "attributes": {}, "labels": labels} | frame for p in pictures]
    write_json(root / "det_train.json", rows)
    return root


def frames(root: Path, problems: list[DataError] | None = None) -> list[Frame]:
    reader = open_dataset("bdd100k", str(root), SplitSettings())
    reader.keep_lists()
    told = None if problems is None else problems.append
    return [frame for split in ("train", "val", "test") for frame in reader.frames(split, told)]


def test_a_box_holds_its_last_pixel_as_in_scalabel(tmp_path: Path) -> None:
    """scalabel.label.transforms.box2d_to_xyxy: [x1, y1, x2 + 1, y2 + 1]."""
    obj = frames(single(tmp_path, [LABEL]))[0].objects[0]
    assert (obj.box, obj.occlusion_level, obj.ignore) == (Box(10.5, 20, 40.5, 45), 1, False)


def test_neighbours_are_ignored_for_their_class_and_old_names_are_known() -> None:
    """bdd100k/configs/det.toml: ignore_mapping and name_mapping."""
    classes = Bdd100kReader.categories
    assert classes is not None
    assert classes.mapping["other person"] == classes.mapping["person"] == "pedestrian"
    assert classes.ignore == {"other person", "other vehicle", "trailer"}
    assert (classes.mapping["motor"], classes.mapping["bike"]) == ("motorcycle", "bicycle")


def test_lanes_and_areas_are_passed_over_and_counted(tmp_path: Path) -> None:
    lane = {"category": "lane/road curb", "poly2d": [], "box2d": None}
    reader = open_dataset("bdd100k", str(single(tmp_path, [LABEL, lane])), SplitSettings())
    assert {len(frame.objects) for frame in frames_of(reader, ALL)} == {1}
    assert reader.left_out[NO_BOX] == 4


def test_frames_of_a_video_are_a_sequence(tmp_path: Path) -> None:
    for name, pictures in two_lists(np.random.default_rng(3), 4).items():
        for half in (0, 1):
            video = f"{name}-video-{half}"
            part = pictures[2 * half : 2 * half + 2]
            put(tmp_path / "images/track" / name / video, part)
            rows = [bdd100k_frame(p) | {"videoName": video, "frameIndex": i} for i, p in enumerate(part)]
            write_json(tmp_path / f"labels/box_track_20/{name}/{video}.json", rows)
    assert recognized(str(tmp_path)) == "bdd100k"
    found = frames(tmp_path)
    assert {frame.sequence for frame in found} == {f"{n}-video-{h}" for n in ("train", "val") for h in (0, 1)}
    assert all(frame.image_uri and Path(frame.image_uri).is_file() for frame in found)


def test_frames_may_stand_under_a_key(tmp_path: Path) -> None:
    pictures = made_up(np.random.default_rng(4), 5)
    put(tmp_path / "images", pictures)
    rows = {"frames": [bdd100k_frame(p) for p in pictures], "config": {"categories": []}}
    write_json(tmp_path / "labels/all_train.json", rows)
    assert len(frames(tmp_path)) == 5


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([LABEL | {"category": 5}], "label 0: its category is 5"),
        ([LABEL | {"box2d": {"x1": 1, "y1": 2, "x2": "x", "y2": 4}}], "box2d.x2 is 'x', not a finite number"),
        ([LABEL | {"box2d": [1, 2, 3, 4]}], "box2d is [1, 2, 3, 4], not an object"),
        ([LABEL | {"attributes": {"crowd": "maybe"}}], "crowd is 'maybe', not yes or no"),
        (["car"], "it is 'car', not an object"),
        ({"a": 1}, "labels is {'a': 1}, not a list"),
    ],
)
def test_odd_labels_are_named_with_their_image(tmp_path: Path, labels: Any, said: str) -> None:
    problems: list[DataError] = []
    assert frames(single(tmp_path, labels), problems) == []
    assert len(problems) == 4
    assert said in str(problems[0])
    assert "image 'a00000.jpg'" in problems[0].where


def test_a_frame_without_a_name_belongs_to_no_image(tmp_path: Path) -> None:
    root = single(tmp_path, [LABEL])
    write_json(root / "det_train.json", [{"name": None, "labels": []}, {"name": "a00000.jpg", "labels": []}])
    problems: list[DataError] = []
    assert len(frames(root, problems)) == 1
    assert "frame number 0: its name is None, not a name" in str(problems[0])


def test_an_image_that_stands_twice_is_named(tmp_path: Path) -> None:
    root = single(tmp_path, [LABEL])
    write_json(root / "det_train.json", [{"name": "a00000.jpg", "labels": []}] * 2)
    problems: list[DataError] = []
    assert frames(root, problems) == []
    assert "stands there twice" in str(problems[0])


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    root = single(tmp_path, [LABEL])
    (root / "det_train.json").write_text("[" * 200_000)
    with pytest.raises(UserError, match="nested more than 100 deep"):
        frames(root)


def test_a_folder_without_labels_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"labels/det_20/det_train\.json"):
        frames(tmp_path)
