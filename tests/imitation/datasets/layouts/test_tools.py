"""Annotation tools' exports: CVAT's, Label Studio's and FiftyOne's own particulars, and Open Images' and
Cityscapes'."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imitation.common.settings import DataError, UserError
from imitation.data.records import Box, Frame
from imitation.data.splits import SplitSettings
from imitation.datasets.base import DatasetReader
from imitation.datasets.cityscapes.labels import STUFF
from imitation.datasets.common.values import TURNED
from imitation.datasets.fiftyone.reader import UNLABELLED as FIFTYONE_UNLABELLED
from imitation.datasets.labelstudio.reader import PASSED, SECOND, UNLABELLED
from imitation.datasets.openimages.reader import NO_ROW, NOT_HERE
from imitation.datasets.registry import open_dataset, recognized
from tests.imitation.datasets.layouts.content import (
    HEIGHT,
    WIDTH,
    Picture,
    Thing,
    made_up,
    put,
    two_lists,
    write_json,
)
from tests.imitation.datasets.layouts.write_driving import write_cityscapes
from tests.imitation.datasets.layouts.write_hubs import write_openimages
from tests.imitation.datasets.layouts.write_tools import (
    labelstudio_region,
    labelstudio_task,
    write_fiftyone,
    write_fiftyone_detections,
)

CAR = Thing("car", (10, 20, 40, 45))
PICTURE = Picture("p", (CAR,))


def opened(kind: str, root: Path, **options: Any) -> DatasetReader:
    reader = open_dataset(kind, str(root), SplitSettings(), options)
    reader.keep_lists()
    return reader


def frames(reader: DatasetReader, problems: list[DataError] | None = None) -> list[Frame]:
    told = None if problems is None else problems.append
    return [frame for split in ("train", "val") for frame in reader.frames(split, told)]


# --- CVAT


def cvat(root: Path, shapes: str, head: str = "") -> Path:
    put(root / "images", [PICTURE])
    image = f'<image id="0" name="p.jpg" width="{WIDTH}" height="{HEIGHT}">{shapes}</image>'
    (root / "annotations.xml").write_text(f"{head}<annotations><version>1.1</version>{image}</annotations>")
    return root


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ('<box label="car" xtl="10" ytl="20" xbr="40" ybr="45"/>', Box(10, 20, 40, 45)),
        ('<polygon label="car" points="10.00,20.00;40.00,20.00;25.00,45.00"/>', Box(10, 20, 40, 45)),
        ('<ellipse label="car" cx="50" cy="40" rx="20" ry="10"/>', Box(30, 30, 70, 50)),
        ('<mask label="car" rle="3,4" left="5" top="6" width="7" height="8"/>', Box(5, 6, 12, 14)),
    ],
)
def test_shapes_of_cvat_become_boxes(tmp_path: Path, shape: str, box: Box) -> None:
    assert [obj.box for obj in frames(opened("cvat", cvat(tmp_path, shape)))[0].objects] == [box]


def test_a_turned_box_of_cvat_becomes_the_upright_one_around_it_and_is_counted(tmp_path: Path) -> None:
    """A quarter turn about its centre: 30 x 10 becomes 10 x 30."""
    shape = '<box label="car" xtl="40" ytl="40" xbr="70" ybr="50" rotation="90.00"/>'
    reader = opened("cvat", cvat(tmp_path, shape))
    assert np.allclose(frames(reader)[0].objects[0].box, (50, 30, 60, 60))
    assert reader.left_out[TURNED] == 1


def test_what_is_no_box_in_cvat_is_counted(tmp_path: Path) -> None:
    shapes = '<polyline label="lane" points="1,2;3,4"/><tag label="rain"/><points label="x" points="1,2"/>'
    reader = opened("cvat", cvat(tmp_path, shapes))
    assert frames(reader)[0].objects == ()
    assert sum(reader.left_out.values()) == 3


@pytest.mark.parametrize(
    ("shapes", "head", "said"),
    [
        ("", '<!DOCTYPE a [<!ENTITY b "c">]>', "declares a document type"),
        ("<box/>", "", "box 0: its label is None"),
        ('<box label="car" xtl="a" ytl="1" xbr="2" ybr="3"/>', "", "xtl is 'a', not a finite number"),
        ('<box label="car" xtl="40" ytl="20" xbr="10" ybr="45"/>', "", "is inverted"),
        ('<polygon label="car" points="1,2"/>', "", "its points are '1,2'"),
        ("<a>" * 100 + "</a>" * 100, "", "nested more than 50 deep"),
        ("<box", "", "is no XML"),
    ],
)
def test_odd_files_of_cvat_are_named(tmp_path: Path, shapes: str, head: str, said: str) -> None:
    problems: list[DataError] = []
    try:
        frames(opened("cvat", cvat(tmp_path, shapes, head)), problems)
    except DataError as error:
        problems.append(error)
    assert said in str(problems[0])
    assert "annotations.xml" in str(problems[0])


def test_tracks_are_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text('<annotations><track id="0" label="car"/></annotations>')
    assert recognized(str(tmp_path)) == "cvat"
    with pytest.raises(UserError, match='"CVAT for images'):
        opened("cvat", tmp_path).splits()


# --- Label Studio


def labelstudio(root: Path, *tasks: dict[str, Any]) -> Path:
    put(root, [PICTURE])
    write_json(root / "export.json", list(tasks))
    return root


def region(**value: Any) -> dict[str, Any]:
    made = labelstudio_region(CAR)
    return made | {"value": made["value"] | value}


def task(*regions: dict[str, Any], **annotation: Any) -> dict[str, Any]:
    made = labelstudio_task(PICTURE, 7)
    made["annotations"][0] |= {"result": list(regions)} | annotation
    return made


def test_a_turned_region_turns_about_its_upper_left_corner_in_pixels(tmp_path: Path) -> None:
    """30 x 25 px at (100, 40), a quarter clockwise: it hangs to the left of its corner, 25 wide and 30
    high."""
    turned = region(x=100 * 100 / WIDTH, y=100 * 40 / HEIGHT, rotation=90)
    reader = opened("labelstudio", labelstudio(tmp_path, task(turned)))
    assert np.allclose(frames(reader)[0].objects[0].box, (75, 40, 100, 70))
    assert reader.left_out[TURNED] == 1


def test_the_newest_annotation_counts_but_for_one_that_is_the_truth(tmp_path: Path) -> None:
    made = task(region())
    newer = made["annotations"][0] | {"result": [], "updated_at": "2025-01-01"}
    cancelled = newer | {"was_cancelled": True, "updated_at": "2026-01-01"}
    made["annotations"] += [newer, cancelled]
    reader = opened("labelstudio", labelstudio(tmp_path, made))
    assert frames(reader)[0].objects == ()
    assert reader.left_out[SECOND] == 1
    made["annotations"][0]["ground_truth"] = True
    assert len(frames(opened("labelstudio", labelstudio(tmp_path, made)))[0].objects) == 1


def test_a_task_that_nobody_annotated_is_no_empty_frame(tmp_path: Path) -> None:
    other = labelstudio_task(PICTURE, 8) | {"annotations": []}
    put(tmp_path, [Picture("q", ())])
    other["data"] = {"image": "s3://bucket/q.jpg"}
    reader = opened("labelstudio", labelstudio(tmp_path, task(region()), other))
    assert [frame.frame_id for frame in frames(reader)] == ["p"]
    assert reader.left_out[UNLABELLED] == 1


def test_polygons_and_ellipses_become_boxes_and_brushes_are_counted(tmp_path: Path) -> None:
    polygon = region() | {"value": {"points": [[10, 10], [50, 10], [30, 50]], "polygonlabels": ["car"]}}
    ellipse = region() | {"value": {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "ellipselabels": ["car"]}}
    brush = region() | {"value": {"rle": [1, 2], "brushlabels": ["car"]}}
    reader = opened("labelstudio", labelstudio(tmp_path, task(polygon, ellipse, brush)))
    found = [obj.box for obj in frames(reader)[0].objects]
    assert np.allclose(found[0], (16, 9.6, 80, 48))
    assert np.allclose(found[1], (64, 28.8, 96, 67.2))
    assert reader.left_out[PASSED] == 1


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: task(region(x="a")), "x is 'a', not a finite number"),
        (lambda: task(region(rectanglelabels=[])), "its box has no label"),
        (lambda: task(region() | {"image_rotation": 90}), "its image was turned by 90 degrees"),
        (
            lambda: task(region()) | {"data": {"image": "/data/upload/1/none.jpg"}},
            "no picture called 'none.jpg'",
        ),
        (lambda: task(region()) | {"data": {"text": "a"}}, "names no image"),
        (lambda: task(result=5), "result is 5, not a list"),
    ],
)
def test_odd_tasks_are_named_by_their_id(tmp_path: Path, made: Callable[[], Any], said: str) -> None:
    problems: list[DataError] = []
    put(tmp_path, [Picture("q", ())])
    sound = labelstudio_task(Picture("q", ()), 9)
    assert [
        f.frame_id for f in frames(opened("labelstudio", labelstudio(tmp_path, sound, made())), problems)
    ] == ["q"]
    assert said in str(problems[0])
    assert "task 7" in str(problems[0]) or "p.jpg" in str(problems[0])


def test_the_short_form_is_read(tmp_path: Path) -> None:
    value = region()["value"] | {"original_width": WIDTH, "original_height": HEIGHT}
    short = {"image": "/data/upload/1/3f2a9b1c-p.jpg", "id": 1, "label": [value], "annotator": 1}
    root = labelstudio(tmp_path, short)
    assert recognized(str(root)) == "labelstudio"
    assert [obj.box for obj in frames(opened("labelstudio", root))[0].objects] == [Box(10, 20, 40, 45)]


# --- Open Images


def test_rows_of_absent_pictures_and_pictures_without_rows_are_counted(tmp_path: Path) -> None:
    lists = two_lists(np.random.default_rng(1))
    write_openimages(tmp_path, lists)
    reader = opened("openimages", tmp_path)
    found = frames(reader)
    empty = [picture for pictures in lists.values() for picture in pictures if not picture.things]
    assert len(found) == 12 - len(empty)
    assert reader.left_out[NOT_HERE] == 2
    assert reader.left_out[NO_ROW] == len(empty) > 0


def test_a_row_of_open_images_that_is_none_is_named_by_its_line(tmp_path: Path) -> None:
    lists = two_lists(np.random.default_rng(1))
    write_openimages(tmp_path, lists)
    table = tmp_path / "train-annotations-bbox.csv"
    lines = table.read_text().splitlines()
    table.write_text(
        "\n".join([*lines, "a,b", lines[1].replace("xclick", "xclick").replace(",1,", ",1,x", 1)])
    )
    problems: list[DataError] = []
    frames(opened("openimages", tmp_path), problems)
    said = " ".join(map(str, problems))
    assert f"train-annotations-bbox.csv:{len(lines) + 1}: is no row of 13 columns" in said
    assert f"train-annotations-bbox.csv:{len(lines) + 2}" in said


def test_labels_without_descriptions_keep_their_codes(tmp_path: Path) -> None:
    write_openimages(tmp_path, two_lists(np.random.default_rng(1)))
    (tmp_path / "class-descriptions-boxable.csv").unlink()
    assert {o.category for f in frames(opened("openimages", tmp_path)) for o in f.objects} <= {
        "/m/0",
        "/m/1",
        "/m/2",
    }


# --- Cityscapes


def test_areas_are_counted_and_may_be_asked_for(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, two_lists(np.random.default_rng(2)))
    reader = opened("cityscapes", tmp_path)
    plain = frames(reader)
    assert reader.left_out[STUFF] == len(plain) == 12
    more = frames(opened("cityscapes", tmp_path, further=["road"]))
    assert sum(len(f.objects) for f in more) == sum(len(f.objects) for f in plain) + 12


def cityscapes(root: Path, folder: str, ending: str, said: dict[str, Any]) -> Path:
    put(root / "leftImg8bit/train/ulm", [PICTURE], lambda p: f"{p.name}_leftImg8bit.png")
    write_json(
        root / folder / "train/ulm" / f"p_{ending}.json", {"imgWidth": WIDTH, "imgHeight": HEIGHT} | said
    )
    return root


def test_citypersons_have_a_whole_and_a_visible_box(tmp_path: Path) -> None:
    person = {
        "instanceId": 24000,
        "label": "pedestrian",
        "bbox": [10, 20, 30, 40],
        "bboxVis": [10, 20, 30, 10],
    }
    ignored = person | {"label": "ignore"}
    root = cityscapes(tmp_path, "gtBboxCityPersons", "gtBboxCityPersons", {"objects": [person, ignored]})
    first, second = frames(opened("cityscapes", root))[0].objects
    assert (first.box, first.amodal_box) == (Box(10, 20, 40, 30), Box(10, 20, 40, 60))
    assert (first.ignore, second.ignore) == (False, True)


def test_cityscapes_3d_has_cuboids_and_the_camera(tmp_path: Path) -> None:
    """A car of 4 x 2 x 1.5 m that stands 20 m ahead of the camera and 3 m to its left, and drives away; the
    camera is 1.7 m ahead of the vehicle's origin and 1.2 m over the ground."""
    sensor = {"fx": 100.0, "fy": 100.0, "u0": 80.0, "v0": 48.0, "baseline": 0.2}
    sensor["sensor_T_ISO_8855"] = [[1, 0, 0, -1.7], [0, 1, 0, 0], [0, 0, 1, -1.2]]  # type: ignore[assignment]
    car = {
        "2d": {"amodal": [50, 40, 20, 10], "modal": [52, 40, 18, 10]},
        "3d": {
            "center": [21.7, 3, 0.75],
            "dimensions": [4, 2, 1.5],
            "rotation": [1, 0, 0, 0],
            "type": "Small_Size_Car",
            "format": "CRS_ISO8855",
        },
        "occlusion": 0.25,
        "truncation": 0.0,
        "label": "car",
        "instanceId": 1,
    }
    region = {"2d": [0, 0, 5, 5], "label": "truck"}
    root = cityscapes(
        tmp_path, "gtBbox3d", "gtBbox3d", {"sensor": sensor, "objects": [car], "ignore": [region]}
    )
    (frame,) = frames(opened("cityscapes", root))
    assert frame.camera is not None
    assert (frame.camera.fx, frame.camera.height, frame.camera.pitch) == (100, 1.2, pytest.approx(0))
    obj, ignored = frame.objects
    assert (ignored.ignore, ignored.box) == (True, Box(0, 0, 5, 5))
    assert (obj.occlusion, obj.box, obj.amodal_box) == (0.25, Box(52, 40, 70, 50), Box(50, 40, 70, 50))
    cuboid = obj.cuboid
    assert cuboid is not None
    assert np.allclose((cuboid.x, cuboid.y, cuboid.z), (-3, 1.2, 20))
    assert cuboid.yaw == pytest.approx(-np.pi / 2)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"objects": [{"label": "car", "polygon": [[1, "a"]]}]}, "object 0: polygon is 'a'"),
        ({"objects": [{"label": "car", "polygon": []}]}, "its polygon has no points"),
        ({"objects": [{"polygon": [[1, 2]]}]}, "its label is None"),
        ({"imgWidth": 0}, "not a size in px"),
        ({"objects": 5}, "objects is 5, not a list"),
    ],
)
def test_odd_files_of_cityscapes_are_named(tmp_path: Path, said: dict[str, Any], words: str) -> None:
    problems: list[DataError] = []
    assert (
        frames(opened("cityscapes", cityscapes(tmp_path, "gtFine", "gtFine_polygons", said)), problems) == []
    )
    assert words in str(problems[0])


def test_the_withheld_labels_of_test_are_not_read(tmp_path: Path) -> None:
    lists = two_lists(np.random.default_rng(2))
    write_cityscapes(tmp_path, lists | {"test": made_up(np.random.default_rng(9), 3, prefix="t")})
    splits = open_dataset("cityscapes", str(tmp_path)).splits()
    assert not any(name.startswith("t") for names in splits.values() for name in names)


# --- FiftyOne


def test_the_field_of_the_labels_is_found_or_asked_for(tmp_path: Path) -> None:
    write_fiftyone(tmp_path, two_lists(np.random.default_rng(3)))
    said = json.loads((tmp_path / "samples.json").read_text())
    for sample in said["samples"]:
        sample["truth"] = sample.pop("ground_truth")
    write_json(tmp_path / "samples.json", said)
    assert any(frame.objects for frame in frames(opened("fiftyone", tmp_path)))
    for sample in said["samples"]:
        sample["guesses"] = {"_cls": "Detections", "detections": []}
    write_json(tmp_path / "samples.json", said)
    with pytest.raises(UserError, match=r"the fields truth, guesses do; name it as data\.options\.field"):
        opened("fiftyone", tmp_path).splits()
    assert not any(frame.objects for frame in frames(opened("fiftyone", tmp_path, field="guesses")))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bounding_box": [0.1, 0.2, 0.3]}, "bounding_box is [0.1, 0.2, 0.3], not 4 numbers"),
        ({"label": None}, "its label is None, not a name"),
        ({"iscrowd": "perhaps"}, "iscrowd is 'perhaps', not yes or no"),
    ],
)
def test_odd_detections_of_fiftyone_are_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    lists = two_lists(np.random.default_rng(3))
    write_fiftyone(tmp_path, lists)
    whole = json.loads((tmp_path / "samples.json").read_text())
    sample = next(one for one in whole["samples"] if one["ground_truth"]["detections"])
    sample["ground_truth"]["detections"][0] |= change
    write_json(tmp_path / "samples.json", whole)
    problems: list[DataError] = []
    assert len(frames(opened("fiftyone", tmp_path), problems)) == 11
    assert said in str(problems[0])


@pytest.mark.parametrize("form", ["samples", "labels"])
def test_a_sample_that_nobody_labelled_is_no_empty_frame(tmp_path: Path, form: str) -> None:
    lists = {"train": two_lists(np.random.default_rng(3))["train"]}
    if form == "samples":
        write_fiftyone(tmp_path, lists)
        whole = json.loads((tmp_path / "samples.json").read_text())
        whole["samples"][0]["ground_truth"] = None
        write_json(tmp_path / "samples.json", whole)
    else:
        write_fiftyone_detections(tmp_path, lists)
        (labels,) = tmp_path.rglob("labels.json")
        whole = json.loads(labels.read_text())
        whole["labels"][lists["train"][0].name] = None
        write_json(labels, whole)
    reader = opened("fiftyone", tmp_path)
    assert len(frames(reader)) == 5
    assert reader.left_out[FIFTYONE_UNLABELLED] == 1


def test_the_further_images_of_cityscapes_are_of_train(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, two_lists(np.random.default_rng(2)))
    more = {"train_extra": made_up(np.random.default_rng(9), 3, prefix="x")}
    write_cityscapes(tmp_path, more)
    splits = open_dataset("cityscapes", str(tmp_path)).splits()
    assert sum(name.startswith("x") for name in splits["train"]) == 3
