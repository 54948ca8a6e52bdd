"""COCO exports as the tools that read them see them."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from imitation.data.records import Box, Frame, Object
from imitation.datasets.coco.writer import CocoFiles, annotation_entry
from tests.imitation.data.some_frames import CAR, CROWD, HEIGHT, ORIGIN, WIDTH, picture

CATEGORIES = {"Car": 1, "Person": 2}

LABELS = "annotations/instances_train.json"


def written(folder: Path, objects: tuple[Object, ...] = (CAR, CROWD), count: int = 3) -> list[Frame]:
    frames = [Frame(f"f{i}", WIDTH, HEIGHT, objects, image=picture(i, jpeg=i == 0)) for i in range(count)]
    named = ((frame.frame_id, frame) for frame in frames)
    assert CocoFiles(CATEGORIES).write(named, str(folder), "train", "test") == count
    return frames


def test_pycocotools_opens_it_and_finds_perfect_detections_perfect(tmp_path: Path) -> None:
    frames = written(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(tmp_path / LABELS))
        results = [
            {
                "image_id": number,
                "category_id": 1,
                "bbox": [CAR.box.x1, CAR.box.y1, CAR.box.width, CAR.box.height],
                "score": 0.9,
            }
            for number in range(1, len(frames) + 1)
        ]
        # a detection in the crowd is neither right nor wrong
        results.append({"image_id": 1, "category_id": 2, "bbox": [45, 5, 10, 10], "score": 0.8})
        scored = COCOeval(truth, truth.loadRes(results), "bbox")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    assert scored.stats[0] == pytest.approx(1.0)
    assert [truth.cats[i]["name"] for i in truth.getCatIds()] == list(CATEGORIES)
    assert len(truth.getAnnIds(iscrowd=True)) == len(frames)


def test_fiftyone_finds_its_layout(tmp_path: Path) -> None:
    """What its COCODetectionDataset importer asks for: file names that count from the folder of images,
    info, images with sizes and annotations with four numbers, a category and iscrowd."""
    written(tmp_path)
    data = json.loads((tmp_path / LABELS).read_text())
    assert {"info", "licenses", "categories", "images", "annotations"} == set(data)
    assert isinstance(data["info"], dict)
    for image in data["images"]:
        assert (tmp_path / "train" / image["file_name"]).is_file()
        assert (image["width"], image["height"]) == (WIDTH, HEIGHT)
    assert [image["file_name"] for image in data["images"]] == ["f0.jpg", "f1.png", "f2.png"]
    for entry in data["annotations"]:
        assert len(entry["bbox"]) == 4
        assert entry["category_id"] in (1, 2)
        assert entry["iscrowd"] in (0, 1)
        assert entry["area"] == pytest.approx(entry["bbox"][2] * entry["bbox"][3])


def test_sets_without_objects_or_frames_are_valid(tmp_path: Path) -> None:
    written(tmp_path / "a", objects=())
    written(tmp_path / "b", count=0)
    for name, images in (("a", 3), ("b", 0)):
        data = json.loads((tmp_path / name / LABELS).read_text())
        assert (len(data["images"]), data["annotations"]) == (images, [])


def test_one_writer_numbers_on_from_set_to_set(tmp_path: Path) -> None:
    writer = CocoFiles(CATEGORIES)
    frame = Frame("a", WIDTH, HEIGHT, (CAR, CAR), image=picture())
    for name in ("a", "b"):
        writer.write([("x", frame)], str(tmp_path), name, name)
    second = json.loads((tmp_path / "annotations" / "instances_b.json").read_text())
    assert [image["id"] for image in second["images"]] == [2]
    assert [(entry["id"], entry["image_id"]) for entry in second["annotations"]] == [(3, 2), (4, 2)]


def test_what_coco_cannot_say_stands_under_a_key_of_its_own(tmp_path: Path) -> None:
    frame = replace(Frame("a/b", WIDTH, HEIGHT, (CAR,), image=picture()), origin=ORIGIN, sequence="s")
    frame = replace(frame, conditions={"weather": "fog"})
    CocoFiles(CATEGORIES).write([("a_b", frame)], str(tmp_path), "train", "test")
    data = json.loads((tmp_path / LABELS).read_text())
    (image,), (entry,) = data["images"], data["annotations"]
    assert image["imitation"]["conditions"] == {"weather": "fog"}
    assert image["imitation"]["origin"]["failures"] == ["a/0"]
    assert entry["imitation"]["cuboid"]["length"] == 3.9
    assert "difficulty" not in entry["imitation"]


@pytest.mark.parametrize(("x2", "kept"), [(0.9, True), (0.5, False)])
def test_a_box_whose_last_bit_the_subtraction_loses_is_kept_beside(x2: float, kept: bool) -> None:
    box = Box(0.2, 0.0, x2, 1.0)
    assert (box.x1 + (box.x2 - box.x1) != box.x2) == kept
    entry = annotation_entry(Object("Car", box), 1, 1, 1, (HEIGHT, WIDTH))
    assert entry["imitation"] == ({"box": box._asdict()} if kept else {})
    assert entry["bbox"] == [0.2, 0.0, x2 - 0.2, 1.0]


def test_an_error_on_the_way_leaves_no_labels(tmp_path: Path) -> None:
    frame = Frame("a", WIDTH, HEIGHT, (replace(CAR, category="Tractor"),), image=picture())
    with pytest.raises(KeyError):
        CocoFiles(CATEGORIES).write([("a", frame)], str(tmp_path), "train", "test")
    assert not (tmp_path / LABELS).exists()


@pytest.mark.parametrize(
    "box",
    [
        *[Box(40, 2, 60, 30), Box(0, 0, 5, 7), Box(3.4, 4.6, 9.6, 8.4), Box(59, 40, WIDTH, HEIGHT)],
        *[Box(10, 0, 20, HEIGHT), Box(0, 0, WIDTH, HEIGHT), Box(-5, -5, 10, 10), Box(50, 30, 80, 70)],
        Box(7, 7, 7, 20),
    ],
)
@pytest.mark.parametrize("ignore", [False, True])
def test_pycocotools_makes_masks_of_the_boxes(tmp_path: Path, box: Box, ignore: bool) -> None:
    written(tmp_path, (Object("Car", box, ignore=ignore),), count=1)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(tmp_path / LABELS))
    (entry,) = truth.anns.values()
    mask = truth.annToMask(entry)
    assert mask.shape == (HEIGHT, WIDTH)
    clipped = box.clipped(WIDTH, HEIGHT)
    y, x = (np.arange(n) + 0.5 for n in (HEIGHT, WIDTH))
    down, across = (y > clipped.y1) & (y < clipped.y2), (x > clipped.x1) & (x < clipped.x2)
    expected = np.outer(down, across)
    if ignore:
        assert np.array_equal(mask, expected)
    else:  # it rounds a polygon's corners in its own way
        assert abs(int(mask.sum()) - int(expected.sum())) <= HEIGHT + WIDTH
    assert isinstance(entry["segmentation"], dict) == bool(entry["iscrowd"]) == ignore
