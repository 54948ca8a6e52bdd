"""The same made-up frames for every layout, and a writer of each layout to its published format.

A writer follows the format's own documentation and uses nothing of what it tests. `benchmarks/reading.py`
writes with them as well.
"""

import hashlib
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


# --- nuImages and nuScenes: tables whose rows name each other by tokens


def token(*parts: object) -> str:
    return hashlib.md5("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


INTRINSIC = [[120.0, 0.0, WIDTH / 2], [0.0, 120.0, HEIGHT / 2], [0.0, 0.0, 1.0]]
# A camera that looks ahead, 1.5 m over the ground: its x is the vehicle's -y, its y the vehicle's -z.
MOUNTED = {"translation": [1.7, 0.0, 1.5], "rotation": [0.5, -0.5, 0.5, -0.5]}


def sensor_tables(camera: str = "CAM_FRONT") -> dict[str, list[dict[str, Any]]]:
    return {
        "sensor": [{"token": token("sensor"), "channel": camera, "modality": "camera"}],
        "calibrated_sensor": [
            {"token": token("mounted"), "sensor_token": token("sensor"), "camera_intrinsic": INTRINSIC}
            | MOUNTED
        ],
        "category": [{"token": token("category", name), "name": name} for name in CATEGORIES],
        "attribute": [],
    }


def write_tables(folder: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    for name, rows in tables.items():
        write_json(folder / f"{name}.json", rows)


def sample_data(picture: Picture, name: str, file: str) -> dict[str, Any]:
    return {
        "token": token("data", name, picture.name),
        "sample_token": token("sample", name, picture.name),
        "ego_pose_token": token("pose", name, picture.name),
        "calibrated_sensor_token": token("mounted"),
        "timestamp": 1532402927612460,
        "fileformat": "jpg",
        "is_key_frame": True,
        "height": HEIGHT,
        "width": WIDTH,
        "filename": file,
        "prev": "",
        "next": "",
    }


def write_nuimages(root: Path, lists: Lists) -> None:
    for name, pictures in lists.items():
        tables = sensor_tables()
        put(root, pictures, lambda p: f"samples/CAM_FRONT/{p.name}.jpg")
        drives = sorted({picture.drive for picture in pictures})
        tables["log"] = [
            {"token": token("log", drive), "logfile": drive, "location": "singapore-onenorth"}
            for drive in drives
        ]
        tables["sample"] = [
            {
                "token": token("sample", name, picture.name),
                "timestamp": 1,
                "log_token": token("log", picture.drive),
                "key_camera_token": token("data", name, picture.name),
            }
            for picture in pictures
        ]
        rows = [sample_data(p, name, f"samples/CAM_FRONT/{p.name}.jpg") for p in pictures]
        between = [
            row | {"token": token("between", row["token"]), "is_key_frame": False, "filename": "sweeps/x.jpg"}
            for row in rows
        ]
        tables["sample_data"] = [*rows, *between]
        tables["object_ann"] = [
            {
                "token": token("ann", name, picture.name, number),
                "sample_data_token": token("data", name, picture.name),
                "category_token": token("category", thing.category),
                "attribute_tokens": [],
                "bbox": list(thing.box),
                "mask": {"size": [HEIGHT, WIDTH], "counts": "abc"},
            }
            for picture in reversed(pictures)
            for number, thing in enumerate(picture.things)
        ]
        tables["ego_pose"], tables["surface_ann"] = [], []
        write_tables(root / f"v1.0-{name}", tables)


def write_nuscenes(root: Path, lists: Lists, seed: int = 0) -> None:
    """The pictures' things as 3D boxes ahead of the camera, at random: their 2D boxes are others."""
    rng = np.random.default_rng(seed)
    tables = sensor_tables()
    tables |= {name: [] for name in ("sample", "sample_data", "ego_pose", "sample_annotation", "scene")}
    tables["log"] = [{"token": token("log"), "logfile": "n1", "location": "boston-seaport"}]
    tables["instance"] = [
        {"token": token("instance", name), "category_token": token("category", name)} for name in CATEGORIES
    ]
    tables["visibility"] = [
        {"token": str(i + 1), "level": level}
        for i, level in enumerate(("v0-40", "v40-60", "v60-80", "v80-100"))
    ]
    for name, picture in every(lists):
        if not any(scene["token"] == token("scene", picture.drive) for scene in tables["scene"]):
            tables["scene"].append(
                {
                    "token": token("scene", picture.drive),
                    "log_token": token("log"),
                    "name": f"scene-{picture.drive}",
                    "description": "Rain, night, parked cars",
                }
            )
        file = f"samples/CAM_FRONT/{picture.name}.jpg"
        put(root, [picture], lambda p, file=file: file)
        tables["sample"].append(
            {"token": token("sample", name, picture.name), "scene_token": token("scene", picture.drive)}
        )
        row = sample_data(picture, name, file)
        sweep = {"token": token("sweep", picture.name), "is_key_frame": False}
        tables["sample_data"] += [row, row | sweep]
        heading = float(rng.uniform(-np.pi, np.pi))
        place = rng.uniform(-500, 500, 3)
        tables["ego_pose"].append(
            {
                "token": row["ego_pose_token"],
                "translation": place.tolist(),
                "rotation": [float(np.cos(heading / 2)), 0.0, 0.0, float(np.sin(heading / 2))],
            }
        )
        for number, thing in enumerate(picture.things):
            ahead, left = float(rng.uniform(-8, 60)), float(rng.uniform(-25, 25))
            size = rng.uniform(0.5, 5, 3)  # width, length, height
            turn = float(rng.uniform(-np.pi, np.pi))
            c, s = np.cos(heading), np.sin(heading)
            centre = place + np.array([c * ahead - s * left, s * ahead + c * left, size[2] / 2])
            tables["sample_annotation"].append(
                {
                    "token": token("ann", name, picture.name, number),
                    "sample_token": row["sample_token"],
                    "instance_token": token("instance", thing.category),
                    "visibility_token": "1" if thing.occluded else "4",
                    "translation": centre.tolist(),
                    "size": size.tolist(),
                    "rotation": [float(np.cos(turn / 2)), 0.0, 0.0, float(np.sin(turn / 2))],
                    "num_lidar_pts": 0 if thing.crowd else 12,
                    "num_radar_pts": 0,
                    "attribute_tokens": [],
                }
            )
    write_tables(root / "v1.0-mini", tables)


# --- CVAT for images 1.1


def write_cvat(root: Path, lists: Lists) -> None:
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "<version>1.1</version>"]
    lines.append("<meta><project><name>a &amp; b</name></project></meta>")
    for number, (name, picture) in enumerate(every(lists)):
        subset = {"train": "Train", "val": "Validation"}.get(name, name)
        put(root / "images" / subset, [picture])
        size = f'width="{WIDTH}" height="{HEIGHT}"'
        lines.append(f'<image id="{number}" name="{picture.name}.jpg" subset="{subset}" task_id="1" {size}>')
        for thing in picture.things:
            sides = " ".join(f'{n}="{v:.2f}"' for n, v in zip(("xtl", "ytl", "xbr", "ybr"), thing.box))
            flags = f'source="manual" occluded="{int(thing.occluded)}" z_order="0"'
            lines.append(
                f'<box label="{thing.category}" {flags} {sides}><attribute name="id">7</attribute></box>'
            )
        lines.append("</image>")
    root.mkdir(parents=True, exist_ok=True)
    (root / "annotations.xml").write_text("\n".join([*lines, "</annotations>"]))


# --- Label Studio


def labelstudio_region(thing: Thing) -> dict[str, Any]:
    x1, y1, x2, y2 = thing.box
    value = {"x": 100 * x1 / WIDTH, "y": 100 * y1 / HEIGHT}
    value |= {"width": 100 * (x2 - x1) / WIDTH, "height": 100 * (y2 - y1) / HEIGHT, "rotation": 0}
    return {
        "id": "x",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "image_rotation": 0,
        "value": value | {"rectanglelabels": [thing.category]},
    }


def labelstudio_task(picture: Picture, number: int) -> dict[str, Any]:
    return {
        "id": number,
        "data": {"image": f"/data/upload/1/3f2a9b1c-{picture.name}.jpg"},
        "annotations": [
            {
                "id": number,
                "was_cancelled": False,
                "ground_truth": False,
                "updated_at": "2024-01-01T00:00:00Z",
                "result": [labelstudio_region(thing) for thing in picture.things],
            }
        ],
        "predictions": [],
    }


def write_labelstudio(root: Path, lists: Lists) -> None:
    pictures = [picture for _, picture in every(lists)]
    put(root / "images", pictures)
    write_json(root / "project-1.json", [labelstudio_task(p, i) for i, p in enumerate(pictures)])


# --- Open Images


def write_openimages(root: Path, lists: Lists) -> None:
    flags = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")
    header = ("ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax", *flags)
    for name, pictures in lists.items():
        called = {"val": "validation"}.get(name, name)
        put(root / called, pictures)
        rows = [",".join(header)]
        for picture in pictures:
            for thing in picture.things:
                x1, y1, x2, y2 = thing.box
                shares = [x1 / WIDTH, x2 / WIDTH, y1 / HEIGHT, y2 / HEIGHT]
                said = [int(thing.occluded), 0, int(thing.crowd), 0, 0]
                label = f"/m/{CATEGORIES.index(thing.category)}"
                rows.append(",".join(map(str, [picture.name, "xclick", label, 1, *shares, *said])))
        rows.append(f"not-here,xclick,/m/0,1,0,1,0,1,{','.join('00000')}")
        (root / f"{called}-annotations-bbox.csv").write_text("\n".join(rows) + "\n")
    names = [f"/m/{number},{name}" for number, name in enumerate(CATEGORIES)]
    (root / "class-descriptions-boxable.csv").write_text("\n".join(names) + "\n")


# --- Cityscapes


CITYSCAPES = {"car": "car", "pedestrian": "person", "traffic light": "bicycle"}


def cityscapes_label(thing: Thing) -> str:
    return CITYSCAPES[thing.category] + ("group" if thing.crowd else "")


def write_cityscapes(root: Path, lists: Lists) -> None:
    for name, picture in every(lists):
        image = root / "leftImg8bit" / name / picture.drive
        put(image, [picture], lambda p: f"{p.name}_leftImg8bit.png")
        objects: list[dict[str, Any]] = [{"label": "road", "polygon": [[0, 50], [60, 50], [60, 95]]}]
        for thing in picture.things:
            x1, y1, x2, y2 = thing.box
            middle = (x1 + x2) // 2
            polygon = [[x1, y1], [middle, y1], [x2, y2], [middle, y2]]
            objects.append({"label": cityscapes_label(thing), "polygon": polygon})
        label = root / "gtFine" / name / picture.drive / f"{picture.name}_gtFine_polygons.json"
        write_json(label, {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": objects})


# --- FiftyOne


def fiftyone_box(thing: Thing) -> list[float]:
    x1, y1, x2, y2 = thing.box
    return [x1 / WIDTH, y1 / HEIGHT, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT]


def fiftyone_sample(picture: Picture, tag: str) -> dict[str, Any]:
    detections = [
        {
            "_id": {"$oid": token(picture.name, number)[:24]},
            "_cls": "Detection",
            "attributes": {},
            "tags": [],
            "label": thing.category,
            "bounding_box": fiftyone_box(thing),
            "iscrowd": int(thing.crowd),
        }
        for number, thing in enumerate(picture.things)
    ]
    said = {"weather": "weather", "time_of_day": "timeofday"}
    conditions = {
        said[name]: {"_cls": "Classification", "tags": [], "label": value}
        for name, value in picture.conditions.items()
    }
    return {
        "_id": {"$oid": token(picture.name)[:24]},
        "filepath": f"data/{picture.name}.jpg",
        "tags": [tag],
        "_media_type": "image",
        "metadata": {"_cls": "ImageMetadata", "mime_type": "image/jpeg", "width": WIDTH, "height": HEIGHT},
        "ground_truth": {"_cls": "Detections", "detections": detections},
    } | conditions


def write_fiftyone(root: Path, lists: Lists) -> None:
    tags = {"val": "validation"}
    samples = [fiftyone_sample(picture, tags.get(name, name)) for name, picture in every(lists)]
    put(root / "data", [picture for _, picture in every(lists)])
    write_json(root / "samples.json", {"samples": samples})
    write_json(root / "metadata.json", {"name": "set", "media_type": "image", "info": {}, "version": "1.0"})


def write_fiftyone_detections(root: Path, lists: Lists) -> None:
    for name, pictures in lists.items():
        place = root / {"val": "validation"}.get(name, name)
        put(place / "data", pictures)
        labels = {
            picture.name: [
                {
                    "label": CATEGORIES.index(thing.category),
                    "bounding_box": fiftyone_box(thing),
                    "attributes": {"iscrowd": thing.crowd},
                }
                for thing in picture.things
            ]
            for picture in pictures
        }
        write_json(place / "labels.json", {"classes": list(CATEGORIES), "labels": labels})


WRITERS: dict[str, tuple[str, Callable[[Path, Lists], None]]] = {
    "bdd100k": ("bdd100k", write_bdd100k),
    "cityscapes": ("cityscapes", write_cityscapes),
    "cvat": ("cvat", write_cvat),
    "fiftyone": ("fiftyone", write_fiftyone),
    "fiftyone-detections": ("fiftyone", write_fiftyone_detections),
    "huggingface": ("huggingface", write_huggingface),
    "imagefolder": ("huggingface", write_imagefolder),
    "labelstudio": ("labelstudio", write_labelstudio),
    "nuimages": ("nuimages", write_nuimages),
    "nuscenes": ("nuscenes", write_nuscenes),
    "openimages": ("openimages", write_openimages),
}
"""Layout -> its kind, and what writes it."""
