"""A dataset that was broken in known ways, mended, is read as it was before."""

import hashlib
import json
import os
import random
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imitation.common.settings import UserError
from imitation.data.images import load_frame_image
from imitation.datasets.base import ALL, frames_of
from imitation.datasets.mending.mender import UNFINISHED, mend, told, write_mended
from imitation.datasets.registry import open_dataset
from imitation.datasets.yolo.mender import CUT
from tests.imitation.datasets.mending.breaks import (
    CORNERS,
    KINDS,
    MASKED,
    SHARES,
    make_coco,
    make_kitti,
    make_voc,
    make_yolo,
)


def tree(root: Path) -> dict[str, str]:
    """The content of every file, and where links lead."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def read(kind: str, root: Path) -> dict[str, object]:
    """All that a dataset says: each frame's split, size, objects and pixels."""
    dataset = open_dataset(kind, str(root)).undivide()
    found: dict[str, object] = {}
    for split, names in dataset.splits().items():
        for frame in dataset.frames(split, names=names):
            pixels = hashlib.sha256(load_frame_image(frame).tobytes()).hexdigest()
            found[f"{split} {frame.frame_id}"] = (frame.width, frame.height, frame.objects, pixels)
    return found


def mended(kind: str, root: Path, out: Path) -> list[str]:
    mender = mend(open_dataset(kind, str(root)))
    write_mended(mender, str(out))
    return [change.what for change in mender.changes]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_of_what_is_right_nothing_is_changed(kind: str, tmp_path: Path) -> None:
    KINDS[kind][0](tmp_path / "in")
    (tmp_path / "in" / "README.md").write_text("mine")
    assert mended(kind, tmp_path / "in", tmp_path / "out") == []
    assert tree(tmp_path / "in") == tree(tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "number"),
    [(kind, number) for kind, (_, breaks) in KINDS.items() for number in range(len(breaks))],
)
def test_each_way_to_break_a_dataset_is_undone(kind: str, number: int, tmp_path: Path) -> None:
    undone(kind, [number], tmp_path)


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_what_was_broken_in_several_ways_is_read_as_it_was(kind: str, data: st.DataObject) -> None:
    numbers = st.integers(0, len(KINDS[kind][1]) - 1)
    with tempfile.TemporaryDirectory() as place:
        undone(kind, data.draw(st.lists(numbers, min_size=2, max_size=5)), Path(place))


def undone(kind: str, numbers: list[int], place: Path) -> None:
    make, breaks = KINDS[kind]
    make(place / "clean")
    make(place / "in")
    chance = random.Random(str(numbers))
    for number in numbers:
        breaks[number](place / "in", chance)
    before = tree(place / "in")
    assert mended(kind, place / "in", place / "out"), "something was done, and told"
    assert tree(place / "in") == before, "the source is only read"
    assert read(kind, place / "out") == read(kind, place / "clean")
    assert mended(kind, place / "out", place / "again") == [], "a second run finds nothing to do"
    assert tree(place / "again") == tree(place / "out")
    clean, out = tree(place / "clean"), tree(place / "out")
    for name, content in before.items():
        if clean.get(name) == content:
            assert out[name] == content, "what was right comes out byte for byte"


@pytest.mark.parametrize("broken", [MASKED, CORNERS, SHARES])
def test_boxes_of_another_kind_become_cocos(tmp_path: Path, broken) -> None:
    for name in ("clean", "in"):
        make_coco(tmp_path / name)
    broken(tmp_path / "in", random.Random(0))
    mended("coco", tmp_path / "in", tmp_path / "out")
    found, clean = (
        {frame.frame_id: [obj.box for obj in frame.objects] for frame in frames_of(dataset.undivide(), ALL)}
        for dataset in (open_dataset("coco", str(tmp_path / name)) for name in ("out", "clean"))
    )
    assert found.keys() == clean.keys()
    for name, boxes in clean.items():
        for left, right in zip(found[name], boxes, strict=True):
            assert left == pytest.approx(right)
    assert mended("coco", tmp_path / "out", tmp_path / "again") == []


def test_labels_in_a_folder_of_ones_own_are_found(tmp_path: Path) -> None:
    make_yolo(tmp_path / "clean")
    for folder in ("imgs", "anns"):
        (tmp_path / "in" / folder).mkdir(parents=True)
    for image in (tmp_path / "clean").rglob("*.png"):
        (tmp_path / "in/imgs" / image.name).write_bytes(image.read_bytes())
        label = Path(str(image).replace("/images/", "/labels/")).with_suffix(".txt")
        (tmp_path / "in/anns" / label.name).write_bytes(label.read_bytes())
    (tmp_path / "in/data.yaml").write_text("train: imgs\nnames: [car, bus]\n")
    with pytest.raises(UserError):
        open_dataset("yolo", str(tmp_path / "in")).splits()
    mended("yolo", tmp_path / "in", tmp_path / "out")
    frames = list(frames_of(open_dataset("yolo", str(tmp_path / "out")).undivide(), ALL))
    assert sum(len(frame.objects) for frame in frames) == 12
    assert mended("yolo", tmp_path / "out", tmp_path / "again") == []


@pytest.mark.parametrize("places", ["imgs/{} anns/{}", "imgs/a/{} anns/a/{}", "a/pics/{} a/boxes/{}"])
def test_folders_of_ones_own_become_yolos(tmp_path: Path, places: str) -> None:
    make_yolo(tmp_path / "clean")
    for image in (tmp_path / "clean").rglob("*.png"):
        label = Path(str(image).replace("/images/", "/labels/")).with_suffix(".txt")
        for file, place in zip((image, label), places.split()):
            to = tmp_path / "in" / place.format(file.name)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(file.read_bytes())
    (first, *_) = sorted((tmp_path / "in").rglob("*.txt"))
    (first.parent / "nobody.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with first.open("a") as file:
        file.write("0 0.5\n")
    mended("yolo", tmp_path / "in", tmp_path / "out")
    mender = mend(open_dataset("yolo", str(tmp_path / "out"))) if not places.startswith("a/") else None
    assert {path.parent.name for path in (tmp_path / "out").rglob("*.txt")} <= {"labels", "a"}
    assert not list((tmp_path / "out").rglob("nobody.txt"))
    if mender is not None:
        assert len(mender.changes) == 0
        frames = list(frames_of(open_dataset("yolo", str(tmp_path / "out")).undivide(), ALL))
        assert sum(len(frame.objects) for frame in frames) == 12


def test_what_judges_is_taken_out_of_what_is_learnt(tmp_path: Path) -> None:
    make_yolo(tmp_path / "in")
    picture = (tmp_path / "in/images/val/5.png").read_bytes()
    (tmp_path / "in/images/train/copy.png").write_bytes(picture)
    (tmp_path / "in/labels/train/copy.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    mended("yolo", tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out/images/train/copy.png").exists()
    assert not (tmp_path / "out/labels/train/copy.txt").exists()
    assert (tmp_path / "out/images/val/5.png").read_bytes() == picture


def test_overlapping_lists_of_kitti_are_taken_apart(tmp_path: Path) -> None:
    KINDS["kitti"][0](tmp_path / "in")
    (tmp_path / "in/ImageSets/train.txt").write_text("000000\n000001\n000002\n000004\n")
    mended("kitti", tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out/ImageSets/train.txt").read_text() == "000000\n000001\n000002\n"


def test_pictures_are_links_and_labels_are_not(tmp_path: Path) -> None:
    make_yolo(tmp_path / "in")
    mended("yolo", tmp_path / "in", tmp_path / "out")
    for name, same in (("images/val/5.png", True), ("labels/val/5.txt", False)):
        assert os.path.samefile(tmp_path / "in" / name, tmp_path / "out" / name) == same


def test_a_turned_picture_keeps_what_else_its_exif_says(tmp_path: Path) -> None:
    make_yolo(tmp_path / "in")
    place = tmp_path / "in/images/val/5.png"
    with Image.open(place) as image:
        exif = image.getexif()
        exif[0x0112], exif[0x010F] = 6, "a camera"
        image.transpose(Image.Transpose.ROTATE_90).save(place, exif=exif)
    assert mended("yolo", tmp_path / "in", tmp_path / "out") == [
        "pictures turned upright, as their EXIF orientation says"
    ]
    with Image.open(tmp_path / "out/images/val/5.png") as image:
        assert dict(image.getexif()) == {0x010F: "a camera"}


def test_labels_of_another_layout_are_not_thrown_away(tmp_path: Path) -> None:
    make_yolo(tmp_path / "in")
    for label in (tmp_path / "in/labels").rglob("*.txt"):
        label.write_text("0 100 200 30 40\n" * 2)
    mender = mend(open_dataset("yolo", str(tmp_path / "in")))
    assert "not damaged but written in another way" in str(mender.hopeless())
    with pytest.raises(UserError, match="12 of 12 rows of labels would be left out"):
        write_mended(mender, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", ["in/out", "."])
def test_a_copy_in_the_source_or_around_it_is_refused(tmp_path: Path, where: str) -> None:
    make_yolo(tmp_path / "in")
    mender = mend(open_dataset("yolo", str(tmp_path / "in")))
    with pytest.raises(UserError, match="in the dataset's folder or around it"):
        write_mended(mender, str(tmp_path / where))


def test_a_copy_that_was_broken_off_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    make_yolo(tmp_path / "in")
    mender = mend(open_dataset("yolo", str(tmp_path / "in")))

    def fail(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_mended(mender, str(tmp_path / "out"), fail)
    assert not (tmp_path / "out").exists()
    write_mended(mender, str(tmp_path / "out"))
    assert not (tmp_path / f"out{UNFINISHED}").exists()
    assert tree(tmp_path / "in") == tree(tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("bbox", lambda row: dict(zip(("xmin", "ymin", "xmax", "ymax"), _corners(row["bbox"])))),
        ("bbox", lambda row: dict(zip(("x", "y", "width", "height"), row["bbox"]))),
        ("bbox", lambda row: [str(value) for value in row["bbox"]]),
        ("file_name", lambda row: f"/home/me/sets/{row['file_name']}"),
        ("file_name", lambda row: f"..\\..\\sets\\{row['file_name']}"),
    ],
)
def test_cocos_boxes_and_paths_of_other_tools_become_its_own(tmp_path: Path, name: str, make) -> None:
    for place in ("clean", "in"):
        make_coco(tmp_path / place)
    for path in (tmp_path / "in").rglob("*.json"):
        data = json.loads(path.read_text())
        for row in data["annotations" if name == "bbox" else "images"]:
            row[name] = make(row)
        path.write_text(json.dumps(data))
    assert mended("coco", tmp_path / "in", tmp_path / "out")
    assert read("coco", tmp_path / "out") == read("coco", tmp_path / "clean")
    assert mended("coco", tmp_path / "out", tmp_path / "again") == []


def test_a_path_that_leads_elsewhere_is_nobodys_where_two_end_alike(tmp_path: Path) -> None:
    make_coco(tmp_path / "in")
    (path,) = (tmp_path / "in").rglob("*train*.json")
    data = json.loads(path.read_text())
    first, second = data["images"][:2]
    second["file_name"] = f"/home/b/{first['file_name']}"
    first["file_name"] = f"/home/a/{first['file_name']}"
    path.write_text(json.dumps(data))
    mended("coco", tmp_path / "in", tmp_path / "out")
    (path,) = (tmp_path / "out").rglob("*train*.json")
    kept = {row["file_name"] for row in json.loads(path.read_text())["images"]}
    assert kept == {row["file_name"] for row in data["images"][2:]}


def _names_in_place_of_ids(data: dict[str, Any]) -> None:
    names = {row["id"]: row["file_name"] for row in data["images"]}
    called = {row["id"]: row["name"] for row in data["categories"]}
    for row in data["annotations"]:
        row["image_id"] = names[row["image_id"]]
        row["category_id"] = called[row["category_id"]]


def _drawn_from_below(data: dict[str, Any]) -> None:
    for row in data["annotations"]:
        x, y, width, height = row["bbox"]
        row["bbox"] = [x + width, y + height, -width, -height]


@pytest.mark.parametrize("change", [_names_in_place_of_ids, _drawn_from_below])
def test_cocos_names_and_boxes_drawn_backwards_become_its_own(tmp_path: Path, change) -> None:
    for place in ("clean", "in"):
        make_coco(tmp_path / place)
    for path in (tmp_path / "in").rglob("*.json"):
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))
    assert mended("coco", tmp_path / "in", tmp_path / "out")
    assert read("coco", tmp_path / "out") == read("coco", tmp_path / "clean")
    assert mended("coco", tmp_path / "out", tmp_path / "again") == []


def test_boxes_that_are_no_corners_are_not_turned_around(tmp_path: Path) -> None:
    """KITTI's rows with a corner and a size, VOC's too."""
    make_kitti(tmp_path / "kitti")
    for path in (tmp_path / "kitti/label_2").glob("*.txt"):
        path.write_text(path.read_text().replace("30.00 25.00", "3.00 5.00"))
    make_voc(tmp_path / "voc")
    for path in (tmp_path / "voc/Annotations").glob("*.xml"):
        text = re.sub(r"<xmax>\d+</xmax>", "<xmax>2</xmax>", path.read_text())
        path.write_text(re.sub(r"<ymax>\d+</ymax>", "<ymax>3</ymax>", text))
    for kind in ("kitti", "voc"):
        with pytest.raises(UserError, match=r"12 of 12 boxes have their corners in the wrong order"):
            mended(kind, tmp_path / kind, tmp_path / "out")


def test_the_commas_of_kittis_rows_become_spaces(tmp_path: Path) -> None:
    for place in ("clean", "in"):
        make_kitti(tmp_path / place)
    for number, path in enumerate((tmp_path / "in/label_2").glob("*.txt")):
        path.write_text(path.read_text().replace(*((" ", ",") if number % 2 else (".", ","))))
    assert mended("kitti", tmp_path / "in", tmp_path / "out")
    assert read("kitti", tmp_path / "out") == read("kitti", tmp_path / "clean")
    assert mended("kitti", tmp_path / "out", tmp_path / "again") == []


def test_a_number_behind_the_class_is_no_reason_to_take_the_last_one_away(tmp_path: Path) -> None:
    make_yolo(tmp_path / "in")
    for path in (tmp_path / "in/labels").rglob("*.txt"):
        path.write_text("".join("0 7 " + row[2:] for row in path.read_text().splitlines(keepends=True)))
    with pytest.raises(UserError, match=r"12 of 12 rows of labels would be left out"):
        mended("yolo", tmp_path / "in", tmp_path / "out")


def test_where_data_yaml_names_a_folder_that_is_not_there_nothing_is_moved(tmp_path: Path) -> None:
    make_yolo(tmp_path / "in")
    with (tmp_path / "in/data.yaml").open("a") as file:
        file.write("test: ../test/images\n")
    with pytest.raises(UserError, match="take the line out"):
        mended("yolo", tmp_path / "in", tmp_path / "out")


def test_no_copy_is_written_whose_labels_or_lists_would_be_empty(tmp_path: Path) -> None:
    make_coco(tmp_path / "in")
    for path in (tmp_path / "in").rglob("*train*.json"):
        data = json.loads(path.read_text())
        for row in data["annotations"]:
            row["image_id"] = "nobody"
        path.write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"none of the 8 annotations of annotations/instances_train\.json"):
        mended("coco", tmp_path / "in", tmp_path / "out")
    make_kitti(tmp_path / "kitti")
    (tmp_path / "kitti/ImageSets/train.txt").write_text("a\nb\nc\n")
    with pytest.raises(
        UserError, match=r"none of the 3 names in ImageSets/train\.txt is one of a frame \(a,"
    ):
        mended("kitti", tmp_path / "kitti", tmp_path / "out")


def _corners(bbox: list[float]) -> list[float]:
    return [bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]]


@pytest.mark.parametrize("change", [lambda row: row.replace(" ", ","), lambda row: row.replace(".", ","),
    lambda row: row.replace(" ", ";"),
    lambda row: ["car", "bus"][int(row[0])] + row[1:], lambda row: row.replace(" ", ", ")])  # fmt: skip
def test_yolos_rows_of_other_tools_become_its_own(tmp_path: Path, change) -> None:
    for place in ("clean", "in"):
        make_yolo(tmp_path / place)
    for path in (tmp_path / "in/labels").rglob("*.txt"):
        path.write_text("".join(change(row) for row in path.read_text().splitlines(keepends=True)))
    assert mended("yolo", tmp_path / "in", tmp_path / "out")
    assert read("yolo", tmp_path / "out") == read("yolo", tmp_path / "clean")
    assert mended("yolo", tmp_path / "out", tmp_path / "again") == []


def test_boxes_that_reach_a_little_over_the_edge_end_there(tmp_path: Path) -> None:
    make_yolo(tmp_path / "in")
    (tmp_path / "in/labels/train/0.txt").write_text("0 0.93 0.5 0.174 0.2\n1 0.50001 0.5 1.0 0.2\n")
    assert mended("yolo", tmp_path / "in", tmp_path / "out") == [CUT]
    assert (tmp_path / "out/labels/train/0.txt").read_text().endswith("\n1 0.50001 0.5 1.0 0.2\n")
    assert mended("yolo", tmp_path / "out", tmp_path / "again") == []


def test_a_class_of_several_words_becomes_its_number(tmp_path: Path) -> None:
    make_yolo(tmp_path / "in")
    (tmp_path / "in/data.yaml").write_text("train: images/train\nnames: [car, traffic light]\n")
    (tmp_path / "in/labels/train/0.txt").write_text("traffic light 0.5 0.5 0.25 0.25\n")
    mended("yolo", tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out/labels/train/0.txt").read_text() == "1 0.5 0.5 0.25 0.25\n"


def test_nothing_is_written_where_most_pictures_would_be_left_out(tmp_path: Path) -> None:
    make_coco(tmp_path / "in")
    for path in (tmp_path / "in").rglob("*.json"):
        data = json.loads(path.read_text())
        for row in data["images"]:
            row["width"], row["height"] = row["height"], row["width"]
        path.write_text(json.dumps(data))
    with pytest.raises(UserError, match="pictures would be left out"):
        mended("coco", tmp_path / "in", tmp_path / "out")


def test_links_out_of_the_dataset_are_not_followed(tmp_path: Path) -> None:
    make_yolo(tmp_path / "in")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "in/notes.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "in/labels/val/5.txt").unlink()
    (tmp_path / "in/labels/val/5.txt").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(tmp_path / "in/pipe")
    mended("yolo", tmp_path / "in", tmp_path / "out")
    contents = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert b"secret" not in contents
    assert not (tmp_path / "out/pipe").exists()


def test_what_was_done_is_said_by_kind(tmp_path: Path) -> None:
    make_yolo(tmp_path / "in")
    for number in range(3):
        with (tmp_path / f"in/labels/train/{number}.txt").open("a") as file:
            file.write("0 0.5\n")
    said = told(mend(open_dataset("yolo", str(tmp_path / "in"))), None)
    assert said == [
        "fix: 3 changes in 3 files would be made (--fix OUT writes the copy)",
        "  left out: rows with too many or too few columns: 3 in 3 files (labels/train/0.txt, ...)",
    ]
