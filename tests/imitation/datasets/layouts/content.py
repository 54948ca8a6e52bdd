"""The same made-up frames for every layout, and a writer of each layout to its published format.

A writer follows the format's own documentation and uses nothing of what it tests. `benchmarks/reading.py`
writes with them as well.
"""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

WIDTH, HEIGHT = 160, 96
CATEGORIES = ("car", "pedestrian", "traffic light")
Lists = dict[str, list["Picture"]]


@dataclass(frozen=True)
class Thing:
    """An object: its category, its box (x1, y1, x2, y2; whole px), whether it is a crowd, and occluded."""

    category: str
    box: tuple[int, int, int, int]
    crowd: bool = False
    occluded: bool = False


@dataclass(frozen=True)
class Picture:
    name: str
    things: tuple[Thing, ...]
    drive: str = "drive-0"
    conditions: dict[str, str] = field(default_factory=lambda: {"weather": "rainy", "time_of_day": "night"})


def jpeg(number: int = 0) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (number % 256, 120, 90)).save(sink, "JPEG")
    return sink.getvalue()


def made_up(rng: np.random.Generator, count: int, objects: int = 5, prefix: str = "a") -> list[Picture]:
    pictures = []
    for number in range(count):
        things: dict[tuple[int, ...], Thing] = {}
        for _ in range(int(rng.integers(0, objects + 1))):
            x1, y1 = (int(rng.integers(0, side - 8)) for side in (WIDTH, HEIGHT))
            x2 = int(rng.integers(x1 + 2, WIDTH + 1))
            y2 = int(rng.integers(y1 + 2, HEIGHT + 1))
            crowd, occluded = bool(rng.random() < 0.2), bool(rng.random() < 0.5)
            name = CATEGORIES[int(rng.integers(len(CATEGORIES)))]
            things[(x1, y1, x2, y2)] = Thing(name, (x1, y1, x2, y2), crowd, occluded)
        pictures.append(Picture(f"{prefix}{number:05d}", tuple(things.values()), f"{prefix}-{number // 4}"))
    return pictures


def two_lists(rng: np.random.Generator, count: int = 6) -> Lists:
    return {"train": made_up(rng, count), "val": made_up(rng, count, prefix="b")}


def put(
    folder: Path, pictures: list[Picture], name: Callable[[Picture], str] = lambda p: f"{p.name}.jpg"
) -> None:
    for number, picture in enumerate(pictures):
        place = folder / name(picture)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(jpeg(number))


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def every(lists: Lists) -> Iterator[tuple[str, Picture]]:
    return ((name, picture) for name, pictures in lists.items() for picture in pictures)


# --- BDD100K (Scalabel): box2d holds its last pixel


def bdd100k_frame(picture: Picture) -> dict[str, Any]:
    labels = [
        {
            "id": str(number),
            "category": thing.category,
            "attributes": {"occluded": thing.occluded, "truncated": False, "crowd": thing.crowd},
            "box2d": {
                "x1": thing.box[0],
                "y1": thing.box[1],
                "x2": thing.box[2] - 1,
                "y2": thing.box[3] - 1,
            },
        }
        for number, thing in enumerate(picture.things)
    ]
    said = {"weather": "weather", "time_of_day": "timeofday", "scene": "scene"}
    attributes = {said[name]: value for name, value in picture.conditions.items()} | {"scene": "undefined"}
    return {"name": f"{picture.name}.jpg", "attributes": attributes, "timestamp": 10000, "labels": labels}


def write_bdd100k(root: Path, lists: Lists) -> None:
    for name, pictures in lists.items():
        put(root / "images/100k" / name, pictures)
        write_json(root / f"labels/det_20/det_{name}.json", [bdd100k_frame(picture) for picture in pictures])


# --- Hugging Face: Parquet with the features among its metadata, as `datasets` writes it, and ImageFolder


def huggingface_features() -> dict[str, Any]:
    names = {"names": list(CATEGORIES), "_type": "ClassLabel"}
    value = {"dtype": "float32", "_type": "Value"}
    box = {"feature": value, "length": 4, "_type": "Sequence"}
    crowd = {"dtype": "bool", "_type": "Value"}
    objects = {"feature": {"bbox": box, "category": names, "iscrowd": crowd}, "_type": "Sequence"}
    text = {"dtype": "string", "_type": "Value"}
    return {"image": {"_type": "Image"}, "objects": objects, "weather": text, "time_of_day": text}


def huggingface_objects(picture: Picture, number: bool = True) -> dict[str, Any]:
    return {
        "bbox": [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in (thing.box for thing in picture.things)],
        "category": [
            CATEGORIES.index(thing.category) if number else thing.category for thing in picture.things
        ],
        "iscrowd": [thing.crowd for thing in picture.things],
    }


def write_huggingface(root: Path, lists: Lists, rows_per_group: int = 3) -> None:
    (root / "data").mkdir(parents=True, exist_ok=True)
    box = pa.list_(pa.float32(), 4)
    objects = pa.struct(
        {"bbox": pa.list_(box), "category": pa.list_(pa.int64()), "iscrowd": pa.list_(pa.bool_())}.items()
    )
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()}.items())
    columns = {"image": image, "objects": objects, "weather": pa.string(), "time_of_day": pa.string()}
    told = json.dumps({"info": {"features": huggingface_features()}})
    schema = pa.schema(list(columns.items()), metadata={"huggingface": told})
    for name, pictures in lists.items():
        rows = [
            {"image": {"bytes": jpeg(number), "path": f"{picture.name}.jpg"}}
            | {"objects": huggingface_objects(picture)}
            | {"weather": picture.conditions.get("weather")}
            | {"time_of_day": picture.conditions.get("time_of_day")}
            for number, picture in enumerate(pictures)
        ]
        called = {"val": "validation"}.get(name, name)
        table = pa.Table.from_pylist(rows, schema=schema)
        pq.write_table(table, root / f"data/{called}-00000-of-00001.parquet", row_group_size=rows_per_group)


def write_imagefolder(root: Path, lists: Lists) -> None:
    for name, pictures in lists.items():
        folder = root / {"val": "validation"}.get(name, name)
        put(folder, pictures)
        rows = [
            {"file_name": f"{picture.name}.jpg", "objects": huggingface_objects(picture, number=False)}
            | picture.conditions
            for picture in pictures
        ]
        (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


WRITERS: dict[str, tuple[str, Callable[[Path, Lists], None]]] = {
    "bdd100k": ("bdd100k", write_bdd100k),
    "huggingface": ("huggingface", write_huggingface),
    "imagefolder": ("huggingface", write_imagefolder),
}
"""Layout -> its kind, and what writes it."""
