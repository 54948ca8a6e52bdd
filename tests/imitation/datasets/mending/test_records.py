"""Layouts of records of many pictures: broken in known ways and mended, they are read as they were before."""

import copy
import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from imitation.common.settings import UserError
from imitation.datasets.base import ALL, frames_of
from imitation.datasets.common.left_out import DOUBLES, NO_AREA
from imitation.datasets.mending.mender import LEAK, SWAPPED, mend, write_mended
from imitation.datasets.mending.sizes import SIZED
from imitation.datasets.registry import open_dataset
from tests.imitation.datasets.layouts.content import HEIGHT, WIDTH, Picture, Thing
from tests.imitation.datasets.layouts.writers import WRITERS
from tests.imitation.datasets.mending.test_mending import mended, read, tree

LISTS = {
    name: [
        Picture(
            f"{name}{i}",
            (*(Thing("car", (4 + i, top, 40, 50)) for top in (6, 7)), Thing("pedestrian", (8, 8, 70, 80))),
            f"{name}-{i // 2}",
        )
        for i in range(4)
    ]
    for name in ("train", "val")
}
FIRST = "train0"
LAYOUTS = ("bdd100k", "cityscapes", "cvat", "fiftyone", "fiftyone-detections", "labelstudio", "nuimages",
           "openimages")  # fmt: skip
Box4 = tuple[Any, Any, Any, Any]


def write(layout: str, root: Path) -> None:
    """The layout's files, each picture with pixels of its own."""
    WRITERS[layout][1](root, LISTS)
    for number, path in enumerate(p for p in sorted(root.rglob("*")) if p.suffix in (".jpg", ".png")):
        pixels = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


@contextmanager
def json_file(path: Path) -> Iterator[Any]:
    data = json.loads(path.read_text())
    yield data
    path.write_text(json.dumps(data))


class Sheet:
    """The rows of the first picture's objects, and how to set one's box and category."""

    def __init__(self, rows: list[Any], box: Callable[[Any, Box4], Any], name: Callable[[Any, Any], Any]):
        self.rows, self.box, self.name = rows, box, name


@contextmanager
def opened(layout: str, root: Path) -> Iterator[Sheet]:
    def of(key: str) -> Callable[[Any, Any], Any]:
        return lambda row, value: row.update({key: value})

    def shares(box: Box4) -> list[Any]:
        x1, y1, x2, y2 = box
        if isinstance(x1, str):
            return [x1, 0, 0.1, 0.1]
        return [x1 / WIDTH, y1 / HEIGHT, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT]

    if layout == "bdd100k":
        with json_file(root / "labels/det_20/det_train.json") as data:

            def set_box(row: Any, box: Box4) -> None:
                x1, y1, x2, y2 = box
                row["box2d"] = {"x1": x1, "y1": y1, "x2": x2 - 1, "y2": y2 - 1}

            yield Sheet(data[0]["labels"], set_box, of("category"))
    elif layout == "cityscapes":
        (path,) = root.rglob(f"{FIRST}_gtFine_polygons.json")
        with json_file(path) as data:

            def set_polygon(row: Any, box: Box4) -> None:
                x1, y1, x2, y2 = box
                row["polygon"] = [[x1, y1], [x2, y2]]

            yield Sheet(data["objects"], set_polygon, of("label"))
    elif layout == "cvat":
        place = root / "annotations.xml"
        tree_ = ElementTree.fromstring(place.read_text())
        (image,) = (node for node in tree_.iter("image") if node.get("name") == f"{FIRST}.jpg")
        rows = list(image)
        yield Sheet(
            rows,
            lambda row, box: [row.set(key, str(v)) for key, v in zip(("xtl", "ytl", "xbr", "ybr"), box)],
            lambda row, value: row.set("label", str(value or "")),
        )
        image[:] = rows
        place.write_text(ElementTree.tostring(tree_, encoding="unicode"))
    elif layout.startswith("fiftyone"):
        plain = layout.endswith("detections")
        with json_file(root / ("train/labels.json" if plain else "samples.json")) as data:
            rows = data["labels"][FIRST] if plain else data["samples"][0]["ground_truth"]["detections"]
            yield Sheet(rows, lambda row, box: row.update(bounding_box=shares(box)), of("label"))
    elif layout == "labelstudio":
        with json_file(root / "project-1.json") as data:
            names = ("x", "y", "width", "height")

            def set_value(row: Any, box: Box4) -> None:
                row["value"] |= {k: v if isinstance(v, str) else v * 100 for k, v in zip(names, shares(box))}

            yield Sheet(
                data[0]["annotations"][0]["result"],
                set_value,
                lambda row, value: row["value"].update(rectanglelabels=[value]),
            )
    elif layout == "nuimages":
        with json_file(root / "v1.0-train/object_ann.json") as data:
            rows = [row for row in data if row["sample_data_token"] == data[-1]["sample_data_token"]]
            others = [row for row in data if row not in rows]
            yield Sheet(rows, lambda row, box: row.update(bbox=list(box)), of("category_token"))
            data[:] = others + rows
    else:
        place = root / "train-annotations-bbox.csv"
        table = list(csv.reader(io.StringIO(place.read_text())))
        rows = [row for row in table if row[0] == FIRST]
        others = [row for row in table[1:] if row[0] != FIRST]

        def set_columns(row: Any, box: Box4) -> None:
            x1, y1, x2, y2 = box
            text = isinstance(x1, str)
            row[4:8] = [x1 if text else x1 / WIDTH, x2 / WIDTH, y1 / HEIGHT, y2 / HEIGHT]

        yield Sheet(rows, set_columns, lambda row, value: row.__setitem__(2, value or ""))
        place.write_text("".join(",".join(map(str, row)) + "\n" for row in [table[0], *rows, *others]))


def worse(layout: str, root: Path, how: str) -> None:
    """Adds rows that are bad to the first picture's."""
    with opened(layout, root) as sheet:
        rows = [copy.deepcopy(sheet.rows[-1]) for _ in range(2 if how == "there twice" else 1)]
        if how == "without area":
            sheet.box(rows[0], (20, 20, 20, 20))
        elif how == "outside":
            sheet.box(rows[0], (WIDTH + 90, 5, WIDTH + 120, 30))
        elif how == "no numbers":
            sheet.box(rows[0], ("x", 5, 20, 30))
        elif how == "no category":
            sheet.name(rows[0], None)
        sheet.rows += rows


HOW = ("there twice", "without area", "outside", "no numbers", "no category")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bad_rows_go_and_the_rest_stays(layout: str, tmp_path: Path) -> None:
    kind = WRITERS[layout][0]
    write(layout, tmp_path / "clean")
    write(layout, tmp_path / "in")
    assert mended(kind, tmp_path / "in", tmp_path / "same") == [], "of what is right nothing is changed"
    assert tree(tmp_path / "in") == tree(tmp_path / "same")
    ways = [how for how in HOW if layout != "cityscapes" or how != "outside"]  # whose polygons are cut
    for how in ways:
        worse(layout, tmp_path / "in", how)
    before = tree(tmp_path / "in")
    said = mended(kind, tmp_path / "in", tmp_path / "out")
    assert said.count(f"left out: {DOUBLES}") == 2
    assert f"left out: {NO_AREA}" in said
    assert len(said) == len(ways) + 1
    assert tree(tmp_path / "in") == before, "the source is only read"
    assert read(kind, tmp_path / "out") == read(kind, tmp_path / "clean")
    assert mended(kind, tmp_path / "out", tmp_path / "again") == [], "a second run finds nothing to do"
    assert tree(tmp_path / "again") == tree(tmp_path / "out")
    differ = [name for name, content in before.items() if tree(tmp_path / "out").get(name) != content]
    assert len(differ) == 1, "all but the one file comes out byte for byte"


@pytest.mark.parametrize("layout", ["bdd100k", "cvat", "nuimages", "openimages"])
def test_corners_are_put_in_order_unless_most_are_swapped(layout: str, tmp_path: Path) -> None:
    kind = WRITERS[layout][0]
    write(layout, tmp_path / "clean")
    write(layout, tmp_path / "in")
    number = {"cvat": 0}.get(layout, -1)
    with opened(layout, tmp_path / "clean") as sheet:
        sheet.box(sheet.rows[number], (10, 20, 50, 60))
    with opened(layout, tmp_path / "in") as sheet:
        one = 1 if layout == "bdd100k" else 0  # which holds its last pixel
        sheet.box(sheet.rows[number], (50 - one, 20, 10 + one, 60))
    assert mended(kind, tmp_path / "in", tmp_path / "out") == [SWAPPED]
    assert sorted(map(repr, read(kind, tmp_path / "out").values())) == sorted(
        map(repr, read(kind, tmp_path / "clean").values())
    )
    assert mended(kind, tmp_path / "out", tmp_path / "again") == []


def test_boxes_that_are_no_corners_at_all_are_not_turned_around(tmp_path: Path) -> None:
    write("nuimages", tmp_path)
    for name in ("train", "val"):
        with json_file(tmp_path / f"v1.0-{name}/object_ann.json") as rows:
            for row in rows:
                row["bbox"] = [100, 50, 20, 10]  # a corner and a size
    mender = mend(open_dataset("nuimages", str(tmp_path)))
    assert SWAPPED not in {change.what for change in mender.changes}
    with pytest.raises(UserError, match="24 of 24 boxes have their corners in the wrong order"):
        write_mended(mender, str(tmp_path.with_name("out")))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pictures_that_cannot_be_used_go_with_their_labels(layout: str, tmp_path: Path) -> None:
    kind = WRITERS[layout][0]
    write(layout, tmp_path / "in")
    sound = read(kind, tmp_path / "in")
    pictures = {p.stem.partition("_")[0]: p for p in tmp_path.rglob("*") if p.suffix in (".jpg", ".png")}
    pictures["train1"].write_bytes(b"cut short")
    if layout != "labelstudio":  # which has no lists
        pictures["train2"].write_bytes(pictures["val2"].read_bytes())
    said = mended(kind, tmp_path / "in", tmp_path / "out")
    assert len(said) == (1 if layout == "labelstudio" else 2)
    assert (LEAK in said) == (layout != "labelstudio")
    assert mended(kind, tmp_path / "out", tmp_path / "again") == []
    found = read(kind, tmp_path / "out")
    gone = {"train1"} if layout == "labelstudio" else {"train1", "train2"}
    names = {name.split(" ")[1].rpartition("_")[2]: value for name, value in found.items()}
    clean = {name.split(" ")[1].rpartition("_")[2]: value for name, value in sound.items()}
    assert clean.keys() - names.keys() == gone
    assert all(clean[name] == value for name, value in names.items())


@pytest.mark.parametrize("layout", ["cityscapes", "cvat", "fiftyone", "labelstudio", "nuimages"])
def test_sizes_are_those_of_the_pictures(layout: str, tmp_path: Path) -> None:
    kind = WRITERS[layout][0]
    write(layout, tmp_path / "in")
    clean = read(kind, tmp_path / "in")
    files = [p for p in (tmp_path / "in").rglob("*") if p.suffix in (".json", ".xml")]
    for path in files:
        text = path.read_text()
        for name in ("width", "imgWidth", "original_width"):
            for old, new in (
                (f'"{name}": {WIDTH}', f'"{name}": {WIDTH + 1}'),
                (f'{name}="{WIDTH}"', f'{name}="161"'),
            ):
                text = text.replace(old, new)
        path.write_text(text)
    said = mended(kind, tmp_path / "in", tmp_path / "out")
    assert set(said) == {SIZED}
    assert len(said) == 8, "all pictures"
    found = read(kind, tmp_path / "out")
    assert found.keys() == clean.keys()
    for name, (width, height, objects, pixels) in found.items():
        assert (width, height, pixels) == (*clean[name][:2], clean[name][3])
        boxes = np.array([obj.box for obj in clean[name][2]])
        assert np.array([obj.box for obj in objects]) == pytest.approx(boxes, abs=1.01)
    assert mended(kind, tmp_path / "out", tmp_path / "again") == []


def test_a_picture_of_two_records_keeps_one_where_they_say_the_same(tmp_path: Path) -> None:
    write("bdd100k", tmp_path / "in")
    with json_file(tmp_path / "in/labels/det_20/det_train.json") as data:
        data.append(copy.deepcopy(data[0]))
        data.append(copy.deepcopy(data[1]))
        data[-1]["labels"].pop()
    mended("bdd100k", tmp_path / "in", tmp_path / "out")
    frames = [frame.frame_id for frame in frames_of(open_dataset("bdd100k", str(tmp_path / "out")), ALL)]
    assert sorted(frames) == [f"{n}{i}" for n in ("train", "val") for i in range(4) if f"{n}{i}" != "train1"]
