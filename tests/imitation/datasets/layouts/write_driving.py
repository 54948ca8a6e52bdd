"""Writers of datasets of driving: BDD100K, nuImages, nuScenes, Cityscapes."""

from pathlib import Path
from typing import Any

import numpy as np

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


# --- nuImages and nuScenes: tables whose rows name each other by tokens


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
