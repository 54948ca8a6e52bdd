"""Clean datasets of each kind, and known ways to break them that leave what they say."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import read_frames, write_frames

WIDTH, HEIGHT, COUNT = 48, 32, 6
Break = Callable[[Path, random.Random], Any]


def picture(number: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))


# --- KITTI

P2 = "P2: 700 0 24 0 0 700 16 0 0 0 1 0\nR0_rect: 1 0 0 0 1 0 0 0 1\n"


def kitti_row(number: int) -> str:
    return f"Car 0.00 0 -1.58 {4 + number}.00 6.00 30.00 25.00 1.50 1.60 3.90 1.00 1.70 20.00 -1.55\n"


def make_kitti(root: Path) -> None:
    for folder in ("image_2", "label_2", "calib", "ImageSets"):
        (root / folder).mkdir(parents=True)
    for number in range(COUNT):
        picture(number).save(root / f"image_2/{number:06}.png")
        (root / f"label_2/{number:06}.txt").write_text(kitti_row(number) + kitti_row(number + 10))
        (root / f"calib/{number:06}.txt").write_text(P2)
    (root / "ImageSets/train.txt").write_text("".join(f"{i:06}\n" for i in range(3)))
    (root / "ImageSets/val.txt").write_text("".join(f"{i:06}\n" for i in range(3, COUNT)))


def _label(folder: str, change: Callable[[list[str], random.Random], None]) -> Break:
    """Changes the rows of one of the label files."""

    def break_it(root: Path, chance: random.Random) -> None:
        file = chance.choice(sorted((root / folder).glob("*.txt")))
        rows = file.read_text().splitlines(keepends=True)
        change(rows, chance)
        file.write_text("".join(rows))

    return break_it


def _words(change: Callable[[list[str]], list[str]]) -> Callable[[list[str], random.Random], None]:
    def break_it(rows: list[str], chance: random.Random) -> None:
        place = chance.randrange(len(rows))
        rows[place] = " ".join(change(rows[place].split())) + "\n"

    return break_it


def _more(row: str) -> Callable[[list[str], random.Random], None]:
    return lambda rows, chance: rows.insert(chance.randrange(len(rows) + 1), row)


def _text(name: str, text: str) -> Break:
    def break_it(root: Path, chance: random.Random) -> None:
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text(text)

    return break_it


def _replaced(pattern: str, old: str, new: str) -> Break:
    def break_it(root: Path, chance: random.Random) -> None:
        files = [file for file in sorted(root.glob(pattern)) if old in file.read_text()]
        if files:
            file = chance.choice(files)
            file.write_text(file.read_text().replace(old, new))

    return break_it


def _turned(pattern: str) -> Break:
    """Stores a picture's pixels turned, with an EXIF orientation that says so."""

    def break_it(root: Path, chance: random.Random) -> None:
        file = chance.choice(sorted(root.glob(pattern)))
        with Image.open(file) as image:
            if image.size != (WIDTH, HEIGHT) or len(image.getexif()):  # broken already
                return
            exif = image.getexif()
            exif[0x0112] = 6  # has to be turned by 270 degrees, counted against the clock
            exif[0x010F] = "a camera"
            image.transpose(Image.Transpose.ROTATE_90).save(file, exif=exif)

    return break_it


def _misnamed(pattern: str) -> Break:
    def break_it(root: Path, chance: random.Random) -> None:
        file = chance.choice(sorted(root.glob(pattern)))
        with Image.open(file) as image:
            if image.format == "PNG" and not len(image.getexif()) and image.size == (WIDTH, HEIGHT):
                image.copy().save(file, "WEBP", lossless=True)

    return break_it


def _corners_swapped(words: list[str]) -> list[str]:
    if len(words) < 15 or words[4] == "what" or float(words[4]) > float(words[6]):
        return words
    return [*words[:4], words[6], words[5], words[4], words[7], *words[8:]]


KITTI: list[Break] = [
    _label("label_2", _more("Car 0 0\n")),
    _label("label_2", _more(kitti_row(3).replace("Car", "Zeppelin"))),
    _label("label_2", _more(kitti_row(3).replace("-1.58", "what"))),
    _label("label_2", _more(kitti_row(3).replace("30.00", "7.00"))),  # no width
    _label("label_2", lambda rows, chance: rows.append(rows[0])),
    _label("label_2", _words(lambda words: [*words[:15], "0.87"])),
    _label("label_2", _words(lambda words: [words[0].lower(), *words[1:]])),
    _label("label_2", _words(_corners_swapped)),
    _label("label_2", _words(lambda w: ["0", "7", *w] if len(w) == 15 else w)),
    _label("calib", lambda rows, chance: rows.__setitem__(0, rows[0].replace(":", ""))),
    _text("label_2/000077.txt", kitti_row(1)),
    _text("image_2/000078.png", "this is no picture"),
    _replaced("ImageSets/train.txt", "000001\n", "000001\n000099\n000001\n"),
    _turned("image_2/00000?.png"),
    _misnamed("image_2/00000?.png"),
]  # fmt: skip

# --- YOLO


def yolo_row(number: int) -> str:
    return f"{number % 2} 0.5 0.5 0.25 {0.25 + number / 64}\n"


def make_yolo(root: Path) -> None:
    for number in range(COUNT):
        split = "train" if number < 4 else "val"
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True, exist_ok=True)
        picture(number).save(root / f"images/{split}/{number}.png")
        (root / f"labels/{split}/{number}.txt").write_text(yolo_row(number) + yolo_row(number + 5))
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames:\n  0: car\n  1: bus\n")


YOLO: list[Break] = [
    _label("labels/train", _more("0 0.5\n")),
    _label("labels/val", _more("9 0.5 0.5 0.1 0.1\n")),
    _label("labels/train", _more("0 0.5 inf 0.1 0.1\n")),
    _label("labels/train", _more("0 0.5 0.5 0 0.1\n")),
    _label("labels/train", lambda rows, chance: rows.append(rows[0])),
    _label("labels/val", _words(lambda words: [*words[:5], "0.5"])),
    _text("labels/train/77.txt", "0 0.5 0.5 0.1 0.1\n"),
    _text("images/val/78.png", "this is no picture"),
    _replaced("data.yaml", "names:\n  0: car\n  1: bus\n", "names:\n  '0': car\n  '1': bus\n"),
    _replaced("data.yaml", "names:", "nc: 3\nnames:"),
    _turned("images/*/[0-9].png"),
    _misnamed("images/*/[0-9].png"),
]

# --- COCO


def make_coco(root: Path) -> None:
    (root / "annotations").mkdir(parents=True)
    for split, numbers in (("train", range(4)), ("val", range(4, COUNT))):
        (root / split).mkdir()
        for number in numbers:
            picture(number).save(root / f"{split}/{number}.png")
        data = {
            "info": {"description": split},
            "images": [
                {"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in numbers
            ],
            "annotations": [
                {"id": 10 * i + k, "image_id": i, "category_id": k, "bbox": [20 + i, 5, 20, 8 + k],
                 "iscrowd": 0}
                for i in numbers
                for k in (1, 2)
            ],
            "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}],
        }  # fmt: skip
        (root / f"annotations/instances_{split}.json").write_text(json.dumps(data))


def _coco(change: Callable[[dict[str, Any], random.Random], Any], files: str = "*") -> Break:
    def break_it(root: Path, chance: random.Random) -> None:
        file = chance.choice(sorted((root / "annotations").glob(f"{files}.json")))
        data = json.loads(file.read_text())
        change(data, chance)
        file.write_text(json.dumps(data))

    return break_it


def _each(name: str, make: Callable[[Any], Any]) -> Break:
    def change(data: dict[str, Any], chance: random.Random) -> None:
        for row in data["annotations"]:
            row[name] = make(row.get(name))

    return _coco(change)


def _again(**values: Any) -> Break:
    return _coco(lambda data, chance: data["annotations"].append(chance.choice(data["annotations"]) | values))


def _image(**values: Any) -> Break:
    return _coco(lambda data, chance: data["images"][0].update(values))


COCO: list[Break] = [
    _each("iscrowd", lambda old: str(old) if old in (0, 1) else old),
    _each("image_id", str),
    _each("category_id", lambda old: float(old) if isinstance(old, int) else old),
    _each("id", lambda old: 1),
    _coco(lambda data, chance: [row.pop("id", None) for row in data["annotations"]]),
    _again(),
    _again(bbox=[1, 2, 0, 9]),
    _again(category_id=7),
    _again(image_id=1234),
    _again(bbox=[1, 2, float("nan"), 3]),
    _again(bbox="where?"),
    _image(width=WIDTH + 1),
    _coco(lambda data, chance: data["categories"].append({"id": None, "name": "x"})),
    _coco(lambda data, chance: data["images"].append({"id": 99, "file_name": "none.png"})),
]


def _boxes(make: Callable[[float, float, float, float], dict[str, Any]]) -> Break:
    """Writes all boxes of one file in another way."""
    return _coco(
        lambda data, chance: [row.update(make(*row["bbox"])) for row in data["annotations"]], "*_train"
    )


MASKED = _boxes(
    lambda x, y, w, h: {"bbox": [], "segmentation": [[x, y, x + w, y, x + w, y + h]]},
)
CORNERS = _boxes(lambda x, y, w, h: {"bbox": [x, y, x + w, y + h]})
SHARES = _boxes(lambda x, y, w, h: {"bbox": [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT]})

# --- Pascal VOC


def voc_object(number: int) -> str:
    box = f"<xmin>{5 + number}</xmin><ymin>6</ymin><xmax>30</xmax><ymax>{20 + number}</ymax>"
    return f"<object><name>car</name><bndbox>{box}</bndbox></object>"


def make_voc(root: Path) -> None:
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
    for number in range(COUNT):
        picture(number).save(root / f"JPEGImages/{number}.png")
        objects = voc_object(number) + voc_object(number + 1)
        text = f"<annotation><filename>{number}.png</filename>{size}{objects}</annotation>"
        (root / f"Annotations/{number}.xml").write_text(text)
    (root / "ImageSets/Main/train.txt").write_text("0\n1\n2\n")
    (root / "ImageSets/Main/val.txt").write_text("3\n4\n5\n")


def _xml(old: str, new: str) -> Break:
    return _replaced("Annotations/*.xml", old, new)


def _listed(name: str, text: str) -> Break:
    def break_it(root: Path, chance: random.Random) -> None:
        (root / f"Annotations/{name}.xml").write_text(text)
        with (root / "ImageSets/Main/train.txt").open("a") as file:
            file.write(f"{name}\n")

    return break_it


VOC: list[Break] = [
    _xml("</annotation>", "<object></object></annotation>"),
    _xml("</annotation>", "<object><name>car</name></object></annotation>"),
    _xml("</annotation>", voc_object(9).replace("<xmax>30", "<xmax>thirty") + "</annotation>"),
    _xml("</annotation>", voc_object(9).replace("<xmax>30", "<xmax>13") + "</annotation>"),
    _xml("<ymin>6</ymin><xmax>30</xmax><ymax>22", "<ymin>22</ymin><xmax>30</xmax><ymax>6"),
    _xml(f"<width>{WIDTH}<", f"<width>{WIDTH + 1}<"),
    _listed("nobody", "<annotation></annotation>"),
    _listed("broken", "<annotation>"),
    _replaced("ImageSets/Main/train.txt", "1\n", "1\n77\n1\n"),
    _turned("JPEGImages/*.png"),
]

# --- Parquet


def make_parquet(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for split, numbers in (("train", range(3)), ("val", range(3, 5)), ("test", range(5, COUNT))):
        frames = []
        for number in numbers:
            picture(number).save(root / f"{number}.png")
            objects = (Object("car", Box(1 + number, 2, 20, 30)), Object("bus", Box(3, 4, 30 + number, 20)))
            frames.append(Frame(f"f{number}", WIDTH, HEIGHT, objects, image_uri=f"{number}.png"))
        write_frames(frames, str(root / f"{split}.parquet"))


def _frames(change: Callable[[list[Frame], random.Random], list[Frame]]) -> Break:
    def break_it(root: Path, chance: random.Random) -> None:
        file = chance.choice(sorted(root.glob("*.parquet")))
        frames = [
            Frame(f.frame_id, f.width, f.height, f.objects, image_uri=str(f.image_uri).rpartition("/")[2])
            for f in read_frames(str(file))
        ]
        write_frames(change(frames, chance), str(file))

    return break_it


def _worse(obj: Object) -> Break:
    def change(frames: list[Frame], chance: random.Random) -> list[Frame]:
        first = frames[0]
        worse = Frame(first.frame_id, WIDTH, HEIGHT, (obj, *first.objects), image_uri=first.image_uri)
        return [worse, *frames[1:]]

    return _frames(change)


PARQUET: list[Break] = [
    _worse(Object("car", Box(9, 9, 2, 10))),
    _worse(Object("", Box(1, 2, 3, 4))),
    _worse(Object("car", Box(100, 100, 120, 110))),
    _worse(Object("car", Box(1, 2, 1, 4))),
    _frames(lambda frames, chance: [
        *frames, Frame("broken", WIDTH, HEIGHT, (), image_uri="nowhere.png")]),
    _frames(lambda frames, chance: [*frames, frames[0]]),
]  # fmt: skip

KINDS: dict[str, tuple[Callable[[Path], None], list[Break]]] = {
    "kitti": (make_kitti, KITTI),
    "yolo": (make_yolo, YOLO),
    "coco": (make_coco, COCO),
    "voc": (make_voc, VOC),
    "parquet": (make_parquet, PARQUET),
}
