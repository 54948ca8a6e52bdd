"""Where objects stand in KITTI's training labels, and in free scenes: the fit of `FreeSettings`' defaults.

    python -m benchmarks.scene_statistics KITTI [--scenes 1000] [--set free.yaml]

KITTI is a folder with `training/label_2`, `training/calib` and `ImageSets/train.txt`, or a zip file of
them. Nothing is rendered: both sides are described by their cuboids, projected by the same code. An
object counts as partly hidden where more than 10% of its box lies behind the boxes of nearer ones, as
largely hidden from 50% on. Free scenes are drawn with KITTI's camera and image size.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from imitation.data.records import Camera, Cuboid
from sim_actors.randomization.free_scene import FreeSettings, free_scene
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.scene.projection import projected_box

CAMERA = Camera(721.5, 721.5, 609.6, 172.9, 1.65, 0.0)
SIZE = (1242, 375)
CATEGORIES = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc")
ABREAST = 1.05  # rad, beyond this from the view direction an object stands across
QUANTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class Thing:
    """One object."""

    category: str
    cuboid: Cuboid


Frame = list[Thing]


def kitti(root: Path) -> Iterator[Frame]:
    """The objects of every frame of the train list."""
    if root.suffix == ".zip":
        archive = zipfile.ZipFile(root)

        def read(name: str) -> str:
            return archive.read(name).decode()
    else:

        def read(name: str) -> str:
            return (root / name).read_text(encoding="utf-8")

    for index in read("ImageSets/train.txt").split():
        calib = dict(line.split(":", 1) for line in read(f"training/calib/{index}.txt").splitlines() if line)
        p2 = np.array(calib["P2"].split(), dtype=float).reshape(3, 4)
        shift = np.linalg.solve(p2[:, :3], p2[:, 3])
        frame = []
        for line in read(f"training/label_2/{index}.txt").splitlines():
            kind, *rest = line.split()
            if kind != "DontCare":
                height, width, length, x, y, z, yaw = map(float, rest[7:14])
                place = (x + shift[0], y + shift[1], z + shift[2])
                frame.append(Thing(kind, Cuboid(*place, length, width, height, yaw)))
        yield frame


def free(count: int, settings: FreeSettings) -> Iterator[Frame]:
    for seed in range(count):
        scene = free_scene(
            RandomizeSettings(),
            scene_id=str(seed),
            seed=seed,
            camera=CAMERA,
            width=SIZE[0],
            height=SIZE[1],
            categories=CATEGORIES,
            convention="cuboid_clipped",
            free=settings,
            density=0.0,
        )
        yield [Thing(actor.category, actor.cuboid) for actor in scene.actors]


def described(frame: Frame) -> Iterator[tuple[Thing, float, float, float]]:
    """Each thing with its height in px, the share of its box outside the image, the share hidden."""
    whole = [projected_box(thing.cuboid, CAMERA) for thing in frame]
    boxes = [box.clipped(*SIZE) for box in whole]
    for k, (thing, box) in enumerate(zip(frame, boxes)):
        if box.area <= 0:
            continue
        grid = np.zeros((24, 24), dtype=bool)
        xs = box.x1 + (np.arange(24) + 0.5) / 24 * box.width
        ys = box.y1 + (np.arange(24) + 0.5) / 24 * box.height
        for j, other in enumerate(boxes):
            if j != k and frame[j].cuboid.z < thing.cuboid.z:
                inside_x = (xs >= other.x1) & (xs <= other.x2)
                grid |= ((ys >= other.y1) & (ys <= other.y2))[:, None] & inside_x[None, :]
        yield thing, box.height, 1 - box.area / whole[k].area, float(grid.mean())


def statistics(frames: list[Frame]) -> dict[str, dict[str, object]]:
    rows: dict[str, list[tuple[float, ...]]] = {c: [] for c in CATEGORIES}
    for frame in frames:
        for thing, height, cut, hidden in described(frame):
            c = thing.cuboid
            turn = abs((c.yaw + math.pi) % math.pi - math.pi / 2)  # 0 along the view, pi/2 across it
            ahead = math.cos(c.yaw + math.pi / 2)
            rows[thing.category].append((c.z, c.x, height, cut, hidden, turn, ahead))
    counts = {c: np.array([sum(t.category == c for t in frame) for frame in frames]) for c in CATEGORIES}
    total = sum(counts.values())
    result: dict[str, dict[str, object]] = {
        "frames": {"number": len(frames), "objects": round(float(total.mean()), 2), "quantiles": _q(total)}
    }
    for category, values in rows.items():
        if len(values) < 5:
            continue
        z, x, height, cut, hidden, turn, ahead = np.array(values).T
        number = counts[category]

        def share(mask: np.ndarray) -> float:
            return round(float(mask.mean()), 2)

        result[category] = {
            "per_frame": round(float(number.mean()), 2),
            "frames_with": share(number > 0),
            "where_any": _q(number[number > 0]),
            "depth_m": _q(z),
            "lateral_m": _q(x),
            "height_px": _q(height),
            "away": share((turn < ABREAST) & (ahead > 0)),
            "towards": share((turn < ABREAST) & (ahead < 0)),
            "across": share(turn >= ABREAST),
            "partly_hidden": share((hidden > 0.1) & (hidden <= 0.5)),
            "largely_hidden": share(hidden > 0.5),
            "cut_5%": share(cut > 0.05),
            "cut_50%": share(cut > 0.5),
        }
    return result


def _q(values: np.ndarray) -> list[float]:
    return [round(float(v), 1) for v in np.percentile(values, QUANTILES)]


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def table(ours: dict[str, dict[str, object]], theirs: dict[str, dict[str, object]]) -> str:
    lines = [f"{'':36} {'KITTI train':>32}   {'free scenes':>32}   (lists: {QUANTILES} percentiles)"]
    for name, row in theirs.items():
        for key, value in row.items():
            other = ours.get(name, {}).get(key, "-")
            lines.append(f"{name + ' ' + key:36} {_shown(value):>32}   {_shown(other):>32}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kitti", type=Path, help="KITTI's folder, or a zip file of its labels")
    parser.add_argument("--scenes", type=int, default=1000, help="free scenes to draw")
    parser.add_argument("--set", type=Path, help="YAML file with the `free` section to try")
    arguments = parser.parse_args()
    values = yaml.safe_load(arguments.set.read_text(encoding="utf-8")) if arguments.set else {}
    settings = FreeSettings.model_validate(values.get("free", values))
    theirs = statistics(list(kitti(arguments.kitti)))
    ours = statistics(list(free(arguments.scenes, settings)))
    sys.stdout.write(table(ours, theirs) + "\n")
    sys.stdout.write(json.dumps({"benchmark": "scene_statistics", "kitti": theirs, "free": ours}) + "\n")


if __name__ == "__main__":
    main()
