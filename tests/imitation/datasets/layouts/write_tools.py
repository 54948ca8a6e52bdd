"""Writers of what tools for labels and for looking export: CVAT, Label Studio, FiftyOne."""

from pathlib import Path
from typing import Any

from tests.imitation.datasets.layouts.content import (
    CATEGORIES,
    HEIGHT,
    WIDTH,
    Lists,
    Picture,
    Thing,
    every,
    put,
    token,
    write_json,
)

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
