"""Datasets as people have them, after public bug reports: each becomes right, or is named."""

import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from imitation.common.settings import UserError
from imitation.data.images import load_frame_image
from imitation.data.records import Box
from imitation.data.splits import SplitSettings
from imitation.datasets.base import ALL, frames_of
from imitation.datasets.coco.masks import box_of_mask
from imitation.datasets.common.left_out import DOUBLES, NO_AREA
from imitation.datasets.inspection.statistics import Inspection, inspect_dataset, listed_frames
from imitation.datasets.registry import open_dataset, recognized
from imitation.datasets.yolo.labels import CUT

WIDTH, HEIGHT, COUNT = 120, 80, 6
BOX = [10, 20, 30, 25]


def picture(form: str = "JPEG", **options: Any) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 30)).save(sink, form, **options)
    return sink.getvalue()


def coco(root: Path, change: Callable[[dict[str, Any]], Any] = lambda data: None) -> Path:
    for number in range(COUNT):
        (root / f"{number}.jpg").write_bytes(picture(quality=60 + number))
    data = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in range(COUNT)
        ],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": list(BOX), "iscrowd": 0} for i in range(COUNT)
        ],
        "categories": [{"id": 1, "name": "car"}],
    }
    change(data)
    (root / "annotations.json").write_text(json.dumps(data))
    return root


def each(**values: Any) -> Callable[[dict[str, Any]], None]:
    """Sets fields of each annotation; None takes one away, a function makes it of the annotation's number."""

    def change(data: dict[str, Any]) -> None:
        for number, row in enumerate(data["annotations"]):
            for name, value in values.items():
                row[name] = value(number) if callable(value) else value
                if value is None:
                    del row[name]

    return change


def inspected(kind: str, root: Path, **options: Any) -> Inspection:
    dataset = open_dataset(kind, str(root), SplitSettings(), options)
    return inspect_dataset(dataset, listed_frames(dataset))


def boxes(kind: str, root: Path, **options: Any) -> set[Box]:
    dataset = open_dataset(kind, str(root), SplitSettings(), options)
    return {obj.box for frame in frames_of(dataset, ALL) for obj in frame.objects}


WHOLE = Box(10, 20, 40, 45)


@pytest.mark.parametrize("said", ["0", "false", 0.0, None, False])
def test_a_crowd_is_what_the_word_says(tmp_path: Path, said: Any) -> None:
    found = inspected("coco", coco(tmp_path, each(iscrowd=lambda i: said)))
    assert (found.objects, found.problems) == (COUNT, [])
    found = inspected("coco", coco(tmp_path, each(iscrowd=lambda i: "1" if i < 2 else said)))
    assert found.objects == COUNT - 2
    found = inspected("coco", coco(tmp_path, each(iscrowd=lambda i: "maybe")))
    assert "iscrowd is 'maybe', not 0 or 1" in str(found.problems[0])


@pytest.mark.parametrize("kind", [str, float, lambda i: f"img_{i}", lambda i: f"{i:012}x"])
def test_ids_may_be_text_or_floats(tmp_path: Path, kind: Callable[[int], Any]) -> None:
    def change(data: dict[str, Any]) -> None:
        for row in data["images"]:
            row["id"] = kind(row["id"])
        for row in data["annotations"]:
            row["image_id"] = kind(row["image_id"])
            row["category_id"] = "1"

    found = inspected("coco", coco(tmp_path, change))
    assert (found.objects, found.problems) == (COUNT, [])
    assert boxes("coco", tmp_path) == {WHOLE}


def _corners(names: str, four: Sequence[Any] = (10, 20, 40, 45)) -> dict[str, Any]:
    return dict(zip(names.split(), four))


@pytest.mark.parametrize(
    "bbox",
    [
        [str(side) for side in BOX],
        _corners("x1 y1 x2 y2"),
        _corners("xmin ymin xmax ymax", ["10", "20", "40", "45"]),
        _corners("x y width height", BOX),
    ],
)
def test_numbers_of_a_box_may_be_text_or_have_names(tmp_path: Path, bbox: Any) -> None:
    found = inspected("coco", coco(tmp_path, each(bbox=lambda i: bbox)))
    assert (found.objects, found.problems, boxes("coco", tmp_path)) == (COUNT, [], {WHOLE})


def test_corners_that_are_text_are_named_as_corners(tmp_path: Path) -> None:
    coco(tmp_path, each(bbox=lambda i: ["70", "50", "110", "75"]))
    with pytest.raises(UserError, match=r"two corners \(xyxy\)"):
        inspected("coco", tmp_path)
    coco(tmp_path, each(bbox=lambda i: {"x": 1, "y": 2, "to": 5} if i else ["a", "b", "c", "d"]))
    said = [str(problem) for problem in inspected("coco", tmp_path).problems]
    assert len(said) == COUNT
    assert all("what is not a finite number" in one or "not four numbers" in one for one in said)


@pytest.mark.parametrize("ids", [None, lambda i: 1, lambda i: f"a{i}"])
def test_annotations_need_no_ids(tmp_path: Path, ids: Any) -> None:
    found = inspected("coco", coco(tmp_path, each(id=ids)))
    assert (found.objects, found.problems) == (COUNT, [])


def test_what_stands_twice_is_one_and_counted(tmp_path: Path) -> None:
    root = coco(tmp_path, lambda data: data["annotations"].extend(list(data["annotations"])))
    found = inspected("coco", root)
    assert (found.objects, found.notes) == (COUNT, [f"left out: {COUNT} {DOUBLES}"])


def test_boxes_without_area_are_left_out_and_counted(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["annotations"] += [row | {"bbox": [1, 2, 0, 5]} for row in data["annotations"]]

    found = inspected("coco", coco(tmp_path, change))
    assert (found.objects, found.notes) == (COUNT, [f"left out: {COUNT} {NO_AREA}"])


@pytest.mark.parametrize(
    ("written", "four", "said"),
    [
        ("xyxy", [10, 20, 40, 45], "two corners (xyxy)"),
        ("xywh_shares", [10 / 120, 20 / 80, 30 / 120, 25 / 80], "are shares of the image"),
        ("xyxy_shares", [10 / 120, 20 / 80, 40 / 120, 45 / 80], "are shares of the image"),
    ],
)
def test_boxes_of_another_kind_are_named_and_read_where_that_is_said(
    tmp_path: Path, written: str, four: list[float], said: str
) -> None:
    far = [70, 50, 110, 75] if written == "xyxy" else four
    coco(tmp_path, each(bbox=lambda i: far if i == 0 else four, iscrowd=0))
    if written == "xyxy":  # one of six leaves its image: chance, for all that can be known
        assert inspected("coco", tmp_path).objects == COUNT
        coco(tmp_path, each(bbox=lambda i: far if i < 2 else four))
    with pytest.raises(UserError, match=r"data\.options\.boxes") as error:
        inspected("coco", tmp_path)
    assert said in str(error.value)
    assert WHOLE in {Box(*np.round(box, 9)) for box in boxes("coco", tmp_path, boxes=written)}


def test_large_boxes_in_px_are_taken_as_they_are(tmp_path: Path) -> None:
    coco(tmp_path, each(bbox=lambda i: [5, 5, 100, 70]))
    assert inspected("coco", tmp_path).objects == COUNT


RUNS = coco_mask.encode(np.asfortranarray(np.pad(np.ones((25, 30), np.uint8), ((20, 35), (10, 80)))))


@pytest.mark.parametrize(
    "mask",
    [
        [[10, 20, 40, 20, 40, 45, 10, 45]],
        [[10, 20, 20, 20, 20, 45], [30, 30, 40, 20, 40, 45]],
        {"size": [HEIGHT, WIDTH], "counts": RUNS["counts"].decode()},
    ],
)
@pytest.mark.parametrize("bbox", [None, lambda i: []])
def test_an_object_without_a_bbox_has_that_of_its_mask(tmp_path: Path, mask: Any, bbox: Any) -> None:
    coco(tmp_path, each(bbox=bbox, segmentation=lambda i: mask))
    assert boxes("coco", tmp_path) == {WHOLE}
    coco(tmp_path, each(bbox=bbox, segmentation=lambda i: {"counts": "?"}))
    assert "it has no bbox, and its segmentation" in str(inspected("coco", tmp_path).problems[0])


@given(st.data())
def test_boxes_of_masks_are_those_of_cocos_own_tools(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    rows = data.draw(st.lists(st.integers(0, 1), min_size=height * width, max_size=height * width))
    mask = np.array(rows, np.uint8).reshape(height, width)
    runs = coco_mask.encode(np.asfortranarray(mask))
    found = box_of_mask({"size": [height, width], "counts": runs["counts"].decode()})
    assert found == (coco_mask.toBbox(runs).tolist() if mask.any() else None)


@given(st.text(max_size=30) | st.lists(st.integers(-2, 2000)), st.integers(-1, 50), st.integers(-1, 50))
def test_hostile_masks_have_no_box_or_one_in_their_image(counts: Any, height: int, width: int) -> None:
    if found := box_of_mask({"size": [height, width], "counts": counts}):
        x, y, w, h = found
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height


def test_a_file_name_may_have_its_accents_in_another_form_than_the_disk(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        for row in data["images"]:
            name = f"façade-é{row['id']}.jpg"
            (tmp_path / f"{row['id']}.jpg").rename(tmp_path / unicodedata.normalize("NFD", name))
            row["file_name"] = unicodedata.normalize("NFC", name)

    found = inspected("coco", coco(tmp_path, change))
    assert (found.frames, found.problems) == (COUNT, [])


# --- KITTI


def kitti(root: Path, row: str, calib: str | None, labels: str = "label_2", images: str = "image_2") -> Path:
    folders = {labels: (row, ".txt"), images: (picture("PNG"), ".png")}
    if calib is not None:
        folders["calib"] = (calib, ".txt")
    for folder, (content, suffix) in folders.items():
        (root / folder).mkdir()
        for number in range(COUNT):
            data = picture("PNG", compress_level=number) if isinstance(content, bytes) else content.encode()
            (root / folder / f"{number:06}{suffix}").write_bytes(data)
    return root


DONT_CARE = "DontCare -1 -1 -10 50 20 60 25 -1000 -1000 -1000 -10 -1 -1 -1\n"
P2 = "P2: 700 0 60 45 0 700 40 0.2 0 0 1 0.003\n"
ROW = "Car 0.00 0 -1.58 10 20 40 45 1.5 1.6 3.9 1.0 1.7 20.0 -1.55\n"


@pytest.mark.parametrize("score", ["", " 0.9"])
def test_the_kitti_of_other_tools_is_read_without_cameras_and_with_its_own_types(
    tmp_path: Path, score: str
) -> None:
    row = f"car 0.0 0 0.0 10 20 40 45 0 0 0 0 0 0 0{score}\n"
    found = inspected("kitti", kitti(tmp_path, row, None, "labels", "images"))
    assert (found.objects, found.problems, found.cuboids.total()) == (COUNT, [], 0)
    assert found.with_camera.total() == 0
    dataset = open_dataset("kitti", str(tmp_path))
    assert type(dataset).category_map(frames_of(dataset, ALL)).categories == ("car",)


def test_types_that_kitti_has_not_are_named_or_taken_where_that_is_said(tmp_path: Path) -> None:
    kitti(tmp_path, ROW.replace("Car", "forklift"), P2)
    assert "data.options.types=any" in str(inspected("kitti", tmp_path).problems[0])
    assert inspected("kitti", tmp_path, types="any").objects == COUNT


def test_a_row_of_results_is_named_in_kittis_own_folder(tmp_path: Path) -> None:
    kitti(tmp_path, ROW.strip() + " 0.9\n", P2)
    assert "with scores?" in str(inspected("kitti", tmp_path).problems[0])


@pytest.mark.parametrize("level", [0, 1, 2])
def test_rows_of_the_tracking_benchmark_are_read(tmp_path: Path, level: int) -> None:
    kitti(tmp_path, f"0 7 {ROW}".replace("Car 0.00", f"Car {level}"), P2.replace(":", ""))
    found = inspected("kitti", tmp_path)
    assert (found.objects, found.problems) == (COUNT, [])
    assert found.known["truncation"] == (COUNT if level == 0 else 0), "a level above 0 is no share"
    assert found.cuboids.total() == COUNT


def test_the_tracking_benchmark_is_read_by_sequence(tmp_path: Path) -> None:
    base = tmp_path / "training"
    for name in ("0000", "0001", "0002"):
        (base / "image_02" / name).mkdir(parents=True)
        for number in range(COUNT):
            image = picture("JPEG", quality=10 + 10 * int(name) + number)
            (base / "image_02" / name / f"{number:06}.png").write_bytes(image)
        rows = [f"{number} 3 {ROW}".replace("Car 0.00", "Car 1") for number in range(COUNT)]
        for folder, text in (
            ("label_02", "".join(rows) + f"0 -1 {DONT_CARE}"),
            ("calib", P2.replace(":", "")),
        ):
            (base / folder).mkdir(exist_ok=True)
            (base / folder / f"{name}.txt").write_text(text)
    assert recognized(str(tmp_path)) == "kitti"
    found = inspected("kitti", tmp_path)
    assert (found.frames, found.objects, found.cuboids.total(), found.problems) == (18, 18, 18, [])
    assert [len(split.sequences) for split in found.splits.values()] == [1, 1, 1], "sequences stay whole"
    assert sum(split.ignored for split in found.splits.values()) == 3
    with (base / "label_02/0001.txt").open("a") as file:
        file.write(f"99 3 {ROW}")
    (problem,) = inspected("kitti", tmp_path).problems
    assert "label_02/0001.txt:8: frame '99' has no image in image_02/0001" in str(problem)


def test_an_identity_is_no_calibration(tmp_path: Path) -> None:
    kitti(tmp_path, ROW, "P2: 1 0 0 0 0 1 0 0 0 0 1 0\n")
    assert "a focal length of 1 px for an image 120 px wide" in str(inspected("kitti", tmp_path).problems[0])


# --- YOLO


def yolo(root: Path, row: str = "0 0.5 0.5 0.2 0.2\n", suffix: str = ".jpg", names: str = "[car]") -> Path:
    for list_name, numbers in (("train", range(4)), ("valid", range(4, COUNT))):
        for folder in ("images", "labels"):
            (root / list_name / folder).mkdir(parents=True)
        for number in numbers:
            form = {".jpg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF"}[suffix]
            image = Image.new("RGB", (WIDTH, HEIGHT), (40 * number, 0, 0))
            image.save(root / list_name / "images" / f"{number}{suffix}", form)
            (root / list_name / "labels" / f"{number}.txt").write_text(row)
    (root / "data.yaml").write_text(f"train: train/images\nval: valid/images\nnames: {names}\n")
    return root


MIDDLE = Box(48, 32, 72, 48)


@pytest.mark.parametrize("suffix", [".webp", ".bmp", ".tif"])
def test_images_of_other_formats_are_read(tmp_path: Path, suffix: str) -> None:
    found = inspected("yolo", yolo(tmp_path, suffix=suffix))
    assert (found.objects, found.problems) == (COUNT, [])


def test_an_image_is_what_its_bytes_are_whatever_it_is_called(tmp_path: Path) -> None:
    yolo(tmp_path)
    (tmp_path / "train/images/0.jpg").write_bytes(picture("WEBP"))
    assert inspected("yolo", tmp_path).problems == []


def test_numbers_of_classes_may_be_text(tmp_path: Path) -> None:
    found = inspected("yolo", yolo(tmp_path, names="{'0': car}"))
    assert (list(found.categories), found.problems) == (["car"], [])


def test_labels_beyond_the_edge_are_cut_and_counted(tmp_path: Path) -> None:
    yolo(tmp_path, "0 0.93 0.5 0.174 0.2\n")
    found = inspected("yolo", tmp_path)
    assert (found.objects, found.notes) == (COUNT, [f"left out: {COUNT} {CUT}"])
    assert {box.x2 for box in boxes("yolo", tmp_path)} == {WIDTH}
    for path in tmp_path.glob("*/labels/*.txt"):
        path.write_text("0 1.02 0.5 0.2 0.2\n")
    found = inspected("yolo", tmp_path)
    assert (found.objects, found.notes) == (COUNT, [f"left out: {COUNT} {CUT}"])
    (box,) = boxes("yolo", tmp_path)
    assert box == pytest.approx((110.4, 32, 120, 48))
    (tmp_path / "train/labels/0.txt").write_text("0 1.2 0.5 0.2 0.2\n")
    assert "not in [0, 1]" in str(inspected("yolo", tmp_path).problems[0])


def test_labels_that_nobody_finds_are_missed_and_it_is_said_where(tmp_path: Path) -> None:
    for folder in ("imgs", "anns"):
        (tmp_path / folder).mkdir()
    for number in range(COUNT):
        (tmp_path / "imgs" / f"{number}.jpg").write_bytes(picture(quality=60 + number))
        (tmp_path / "anns" / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "data.yaml").write_text("train: imgs\nnames: [car]\n")
    with pytest.raises(UserError, match=r"none of its 6 images has a label file; .* as .*imgs/0\.txt"):
        inspected("yolo", tmp_path)


def ndjson(root: Path, rows: list[Any]) -> Path:
    for number in range(COUNT):
        (root / f"{number}.jpg").write_bytes(picture(quality=60 + number))
    (root / "dataset.ndjson").write_text("\n".join(json.dumps(row) for row in rows))
    return root


def test_ultralytics_ndjson_is_read_with_the_pictures_beside_it(tmp_path: Path) -> None:
    head = {"type": "dataset", "task": "detect", "class_names": {"0": "car"}}
    rows = [
        {
            "type": "image",
            "file": f"{i}.jpg",
            "split": "train" if i < 4 else "val",
            "annotations": {"boxes": [[0, 0.5, 0.5, 0.2, 0.2]]},
        }
        for i in range(COUNT)
    ]
    found = inspected("yolo", ndjson(tmp_path, [head, *rows]))
    assert (found.objects, found.problems, boxes("yolo", tmp_path)) == (COUNT, [], {MIDDLE})
    assert found.splits["train"].frames == 4
    rows[0]["file"], rows[1]["annotations"] = "../../etc/passwd", {"boxes": "none"}
    found = inspected("yolo", ndjson(tmp_path, [head, *rows]))
    assert sorted(str(p).split(": ", 1)[1][:20] for p in found.problems) == [
        "annotations {'boxes'",
        "file '../../etc/pass",
    ]
    with pytest.raises(UserError, match="class_names"):
        inspected("yolo", ndjson(tmp_path, rows))


# --- Pascal VOC

XML = """<annotation><filename>{name}.jpg</filename><size><width>120</width><height>80</height></size>
<object><name>car</name><difficult>{difficult}</difficult>
<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40</xmax><ymax>45</ymax></bndbox></object></annotation>"""


def voc(root: Path, xml: str = XML, labels: str = "Annotations", images: str = "JPEGImages") -> Path:
    for folder in (labels, images):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(COUNT):
        text = xml.format(name=number, difficult=0)
        (root / labels / f"{number}.xml").write_text(text)
        (root / images / f"{number}.jpg").write_bytes(picture(quality=60 + number))
    return root


@pytest.mark.parametrize("places", [("Annotations", "JPEGImages"), (".", "."), ("Annotations", "images")])
def test_pascal_voc_is_read(tmp_path: Path, places: tuple[str, str]) -> None:
    """xmin 11, xmax 40 are the pixels 11 to 40, counted from 1."""
    found = inspected("voc", voc(tmp_path, XML, *places))
    assert (found.objects, found.problems, boxes("voc", tmp_path)) == (COUNT, [], {WHOLE})


def test_vocs_lists_are_the_splits_and_what_they_name_has_to_be_there(tmp_path: Path) -> None:
    root = voc(tmp_path / "VOCdevkit" / "VOC2012").parents[1]
    main = tmp_path / "VOCdevkit/VOC2012/ImageSets/Main"
    main.mkdir(parents=True)
    (main / "train.txt").write_text("0\n1\n2\n")
    (main / "val.txt").write_text("3\n4\n5\n7\n")
    (main / "car_train.txt").write_text("0 1\n1 -1\n")
    found = inspected("voc", root)
    assert found.splits["train"].frames == 3
    (problem,) = found.problems
    assert "val.txt:4: '7' has no Annotations/7.xml" in str(problem)


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>", "declares a document type"),
        ("<annotation>", "is no XML"),
        ("<html/>", "not VOC's <annotation>"),
        (XML.replace("<name>car</name>", ""), "object 1: has no name"),
        (XML.replace("<xmin>11</xmin>", "<xmin>x</xmin>"), "object 1: xmin is 'x', not a number"),
        (XML.replace("<xmax>40</xmax>", "<xmax>4</xmax>"), "is inverted"),
        (XML.replace("{name}.jpg", "../../x.jpg"), None),
    ],
)
def test_odd_annotations_of_voc_are_named(tmp_path: Path, xml: str, said: str | None) -> None:
    root = voc(tmp_path)
    (root / "Annotations/0.xml").write_text(xml.format(name=0, difficult=0) if "{" in xml else xml)
    found = inspected("voc", root)
    if said is None:
        assert found.problems == [], "the image of the annotation's own name is there"
        (root / "JPEGImages/0.jpg").unlink()
        said = "leads out of its folder"
        found = inspected("voc", root)
    assert said in str(found.problems[0])


def test_difficult_objects_are_ignored_and_images_are_of_the_said_size(tmp_path: Path) -> None:
    root = voc(tmp_path)
    (root / "Annotations/0.xml").write_text(XML.format(name=0, difficult=1))
    (root / "Annotations/1.xml").write_text(XML.format(name=1, difficult=0).replace("120", "121"))
    found = inspected("voc", root)
    assert sum(split.ignored for split in found.splits.values()) == 1
    assert "the image is 120x80 px, but its labels are for 121x80" in str(found.problems[0])


def test_a_size_of_nought_is_none(tmp_path: Path) -> None:
    xml = XML.replace("<width>120</width><height>80</height>", "<width>0</width><height>0</height>")
    root = voc(tmp_path, xml)
    frame = next(iter(frames_of(open_dataset("voc", str(root)), ALL)))
    assert load_frame_image(frame).shape == (80, 120, 3)


# --- folders of one's own names, archives, a folder around the dataset


@pytest.mark.parametrize(("images", "labels"), [("imgs", "anns"), ("pics/train", "boxes/train")])
def test_the_kind_is_found_out_under_names_of_ones_own(tmp_path: Path, images: str, labels: str) -> None:
    for row, kind in (("0 0.5 0.5 0.2 0.2\n", "yolo"), (ROW, "kitti"), ("0 0.5\n", None)):
        root = tmp_path / str(kind)
        for folder in (images, labels):
            (root / folder).mkdir(parents=True)
        for number in range(COUNT):
            (root / images / f"{number}.jpg").write_bytes(picture(quality=60 + number))
            (root / labels / f"{number}.txt").write_text(row)
        if kind is None:
            with pytest.raises(UserError, match="is no dataset of a kind that is known"):
                recognized(str(root))
            continue
        assert recognized(str(root)) == kind
        with pytest.raises(UserError) as told:
            inspected(kind, root)
        assert images in str(told.value)
        assert "labels and images" in str(told.value)


def test_an_archive_is_not_unpacked_but_what_to_do_is_said(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("annotations.xml", "<annotations/>")
    for root, kind in (
        (tmp_path, "auto"),
        (tmp_path / "export.zip", "cvat"),
        (tmp_path / "export.zip", "auto"),
    ):
        with pytest.raises(UserError, match=r"export\.zip.* read unpacked; unzip|read unpacked; unpack them"):
            recognized(str(root)) if kind == "auto" else open_dataset(kind, str(root))
    (tmp_path / "export.zip").rename(tmp_path / "export")
    with pytest.raises(UserError, match="is an archive"):
        open_dataset("labelstudio", str(tmp_path / "export"))


def test_a_folder_around_a_dataset_says_where_it_is(tmp_path: Path) -> None:
    place = tmp_path / "outer" / "mine"
    place.mkdir(parents=True)
    kitti(place, ROW, P2)
    with pytest.raises(
        UserError, match=r"is no dataset itself, but holds .*mine \(kitti\); give one of these"
    ):
        recognized(str(tmp_path / "outer"))


# --- boxes that are read and cannot be meant


@pytest.mark.parametrize("factor", [1 / 120, 1 / 100])
def test_shares_read_as_pixels_or_percent_are_named_whatever_the_layout(
    tmp_path: Path, factor: float
) -> None:
    rows = "".join(f"<{side}>{value * factor}</{side}>" for side, value in zip(
        ("xmin", "ymin", "xmax", "ymax"), (30, 20, 110, 75)))  # fmt: skip
    xml = re.sub(r"<xmin>.*</ymax>", rows, XML)
    found = inspected("voc", voc(tmp_path, xml))
    assert "all its 6 boxes lie in the upper left hundredth" in str(found.problems[0])


def test_boxes_that_leave_their_image_are_counted(tmp_path: Path) -> None:
    found = inspected("coco", coco(tmp_path, each(bbox=lambda i: [100, 50, 40, 20] if i == 2 else BOX)))
    assert found.problems == []
    assert found.notes == [
        "1 of 6 boxes reaches more than 2 px beyond their image (frame 2: (100, 50, 140, 70) in 120x80 px)"
    ]
    found = inspected("coco", coco(tmp_path, each(bbox=lambda i: [100, 50, 40, 20])))
    assert found.notes[0].endswith("a corner, or the middle, and a size)?")
    assert inspected("coco", coco(tmp_path)).notes == []


def test_endings_in_another_case_are_found(tmp_path: Path) -> None:
    root = coco(tmp_path)
    (root / "images").mkdir()
    for number in range(COUNT):
        (root / f"{number}.jpg").rename(root / f"images/{number}.JPG")
    found = inspected("coco", root)
    assert (found.objects, found.problems) == (COUNT, [])


def test_an_ending_in_another_case_leads_nowhere_else(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    coco(root)
    (tmp_path / "secret.jpg").write_bytes(picture())
    (root / "0.jpg").unlink()
    (root / "0.JPG").symlink_to(tmp_path / "secret.jpg")
    (problem,) = inspected("coco", root).problems
    assert "through a symbolic link, not followed" in str(problem)


def test_files_that_are_no_images_are_counted_where_images_are_missed(tmp_path: Path) -> None:
    yolo(tmp_path)
    for path in (tmp_path / "train/images").iterdir():
        path.rename(path.with_suffix(".HEIC"))
    with pytest.raises(UserError, match=r"train has no image .*; it has 4 \.heic, which are not read"):
        inspected("yolo", tmp_path)


def test_vocs_folders_may_be_called_otherwise(tmp_path: Path) -> None:
    found = inspected("voc", voc(tmp_path, XML, "xmls", "pics"))
    assert (found.objects, found.problems, boxes("voc", tmp_path)) == (COUNT, [], {WHOLE})


# --- other machines, other encodings, other tools' folders


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_files_of_windows_are_read(tmp_path: Path, encoding: str) -> None:
    """With marks, and lines that end as there."""
    yolo(tmp_path / "yolo")
    for path in (tmp_path / "yolo").glob("*/labels/*.txt"):
        path.write_bytes("0 0.5 0.5 0.2 0.2\r\n".encode(encoding))
    assert boxes("yolo", tmp_path / "yolo") == {MIDDLE}
    (tmp_path / "coco").mkdir()
    labels = coco(tmp_path / "coco") / "annotations.json"
    labels.write_bytes(labels.read_text().encode(encoding))
    assert recognized(str(tmp_path / "coco")) == "coco"
    assert boxes("coco", tmp_path / "coco") == {WHOLE}


def test_half_a_letter_of_utf_16_is_named(tmp_path: Path) -> None:
    labels = coco(tmp_path) / "annotations.json"
    labels.write_bytes(labels.read_text().encode("utf-16")[:-1])
    with pytest.raises(UserError, match=r"annotations\.json: not UTF-16 text, as it begins"):
        inspected("coco", tmp_path)


@pytest.mark.parametrize("encoding", ["iso-8859-1", "windows-1252", "utf-16"])
def test_annotations_are_read_in_the_encoding_that_they_declare(tmp_path: Path, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n' + XML.replace("car", "Fußgänger")
    for path in voc(tmp_path).glob("Annotations/*.xml"):
        path.write_bytes(text.format(name=path.stem, difficult=0).encode(encoding))
    found = inspected("voc", tmp_path)
    assert (list(found.categories), found.problems) == (["Fußgänger"], [])
    text = text.replace("<annotation>", "<!DOCTYPE a [<!ENTITY b 'c'>]><annotation>")
    path.write_bytes(text.format(name=path.stem, difficult=0).encode(encoding))
    (problem,) = inspected("voc", tmp_path).problems
    assert "declares a document type" in str(problem)


def test_other_encodings_are_named_with_what_to_do(tmp_path: Path) -> None:
    labels = coco(tmp_path, lambda data: data["categories"][0].update(name="Fußgänger")) / "annotations.json"
    labels.write_bytes(json.dumps(json.loads(labels.read_text()), ensure_ascii=False).encode("cp1252"))
    with pytest.raises(UserError, match=r"annotations\.json: not valid JSON; save it as UTF-8"):
        inspected("coco", tmp_path)


def test_endings_of_label_files_may_be_in_another_case(tmp_path: Path) -> None:
    for kind, make in (("yolo", yolo), ("voc", voc)):
        root = make(tmp_path / kind)
        for path in [*root.rglob("*.txt"), *root.rglob("*.xml")]:
            path.rename(path.with_suffix(path.suffix.upper()))
        found = inspected(recognized(str(root)), root)
        assert (found.objects, found.problems) == (COUNT, [])


def test_vocs_lists_may_name_files(tmp_path: Path) -> None:
    main = voc(tmp_path) / "ImageSets/Main"
    main.mkdir(parents=True)
    (main / "train.txt").write_text("0.jpg\nJPEGImages/1.jpg\n2\n3.xml\n")
    (main / "val.txt").write_text("4.JPG\n5\n")
    found = inspected("voc", tmp_path)
    assert (found.splits["train"].frames, found.frames, found.problems) == (4, COUNT, [])


OTHERS_PLACE = "/home/others/set"


@pytest.mark.parametrize("base", [OTHERS_PLACE, "C:\\Users\\others", "data"])
def test_yolos_paths_of_another_machine_lead_to_what_ends_alike_here(tmp_path: Path, base: str) -> None:
    yolo(tmp_path)
    for name, numbers in (("train", range(4)), ("valid", range(4, COUNT))):
        (tmp_path / f"{name}.txt").write_text("".join(f"{base}/{name}/images/{i}.jpg\n" for i in numbers))
    for text in (
        f"train: {OTHERS_PLACE}/train/images\nval: {OTHERS_PLACE}/valid/images\nnames: [car]\n",
        "train: train.txt\nval: valid.txt\nnames: [car]\n",
        "Validation: valid.txt\nTrain: train.txt\nnames: [car]\n",
    ):
        (tmp_path / "data.yaml").write_text(text)
        found = inspected("yolo", tmp_path)
        assert (found.splits["train"].frames, found.objects, found.problems) == (4, COUNT, [])
    (tmp_path / "train.txt").write_text(f"{OTHERS_PLACE}/elsewhere/77.jpg\n")
    with pytest.raises(
        UserError, match=r"train has no image .*train\.txt:1: the path .* is an absolute path"
    ):
        inspected("yolo", tmp_path)


def test_a_list_of_another_machine_that_is_not_here_is_no_other_one(tmp_path: Path) -> None:
    yolo(tmp_path).joinpath("images").mkdir()
    for test in (f"{OTHERS_PLACE}/test/images", "../test/images", f"{OTHERS_PLACE}/images/7"):
        text = f"train: {OTHERS_PLACE}/train/images\nval: {OTHERS_PLACE}/valid/images\ntest: {test}\n"
        (tmp_path / "data.yaml").write_text(f"{text}names: [car]\n")
        with pytest.raises(
            UserError, match=r"there is no such place .* where there is no such list, take the line"
        ):
            inspected("yolo", tmp_path)


def test_names_that_yaml_takes_for_yes_and_no_are_named(tmp_path: Path) -> None:
    yolo(tmp_path, names="[car, no]")
    (problem, *_) = inspected("yolo", tmp_path).problems
    assert "'names' has 1: false, as YAML reads yes, no, on and off" in str(problem)


def test_the_yolo_of_cvat_is_read(tmp_path: Path) -> None:
    for folder, numbers in (("obj_Train_data", range(4)), ("obj_Validation_data", range(4, COUNT))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            (tmp_path / folder / f"{number}.jpg").write_bytes(picture(quality=60 + number))
            (tmp_path / folder / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "obj.names").write_text("car\n")
    (tmp_path / "obj.data").write_text("classes = 1\n")
    assert recognized(str(tmp_path)) == "yolo"
    found = inspected("yolo", tmp_path)
    assert (found.splits["train"].frames, list(found.categories), found.problems) == (4, ["car"], [])
    assert boxes("yolo", tmp_path) == {MIDDLE}


def test_the_yolo_of_label_studio_is_no_coco(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for number in range(COUNT):
        (tmp_path / f"images/{number}.jpg").write_bytes(picture(quality=60 + number))
        (tmp_path / f"labels/{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "classes.txt").write_text("car\n")
    (tmp_path / "notes.json").write_text('{"categories": [{"id": 0, "name": "car"}], "info": {"year": 2024}}')
    assert recognized(str(tmp_path)) == "yolo"


def test_pictures_that_are_not_read_are_named(tmp_path: Path) -> None:
    yolo(tmp_path)
    (tmp_path / "train/images/6.gif").write_bytes(picture("GIF"))
    (problem,) = inspected("yolo", tmp_path).problems
    assert "6.gif: is a picture of a kind that is not read" in str(problem)


def test_what_save_to_disk_wrote_says_how_to_write_it_otherwise(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    assert recognized(str(tmp_path)) == "huggingface"
    with pytest.raises(UserError, match="write it with to_parquet"):
        inspected("huggingface", tmp_path)


# --- the cases that lie beside the project, where they are

CASES = Path(__file__).resolve().parents[4] / "shared" / "data" / "odd_inputs"


@pytest.mark.skipif(not CASES.is_dir(), reason="shared/data/odd_inputs is not here")
def test_the_cases_beside_the_project_are_read_or_named() -> None:
    for case in json.loads((CASES / "manifest.json").read_text())["cases"]:
        expected, root = case["expect"], CASES / case["path"]
        try:
            found = inspected(case["kind"], root)
        except UserError as error:
            said = str(error).removeprefix(str(root))
            assert any(word in said for word in expected["named"]), case["id"]
            continue
        said = " ".join(str(problem).replace(str(root), "") for problem in found.problems)
        if found.problems:
            assert any(word in said for word in expected.get("named", ())), (case["id"], said)
            continue
        reads = expected["reads"]
        assert (found.frames, found.objects) == (reads["frames"], reads["objects"]), case["id"]
        if "size" in reads:
            assert set(found.sizes) == {tuple(reads["size"])}, case["id"]
        assert reads.get("category", "car") in [name.lower() for name in found.categories]
