"""Data as a person has it, and a run's folder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imitation.data.images import encode_jpeg
from imitation.data.records import Box, Camera, Cuboid, Frame, Object, Origin
from imitation.datasets.parquet.files import write_frames

LINE = "Car 0.00 0 1.57 100.00 20.00 160.00 60.00 1.50 1.60 3.90 0.00 1.65 20.00 1.57"
VAN = LINE.replace("Car", "Van")
BUS = LINE.replace("Car", "Misc")
CALIB = "P2: 700 0 128 0 0 700 32 0 0 0 1 0\n"
ORIGIN = Origin(1, "train0", ("train0/0",), "imitation", "{}", "opengl", "1", 7)


def jpeg(seed: int) -> bytes:
    return encode_jpeg(np.random.default_rng(seed).integers(0, 256, (64, 256, 3), dtype=np.uint8))


@pytest.fixture
def kitti(tmp_path: Path) -> Path:
    root = tmp_path / "kitti"
    for folder in ("image_2", "label_2", "calib"):
        (root / "training" / folder).mkdir(parents=True)
    for i in range(9):
        (root / f"training/image_2/{i:06}.jpg").write_bytes(jpeg(i))
        (root / f"training/label_2/{i:06}.txt").write_text(f"{LINE}\n{VAN}\n{BUS}\n")
        (root / f"training/calib/{i:06}.txt").write_text(CALIB)
    (root / "ImageSets").mkdir()
    (root / "ImageSets/train.txt").write_text("".join(f"{i:06}\n" for i in range(5)))
    (root / "ImageSets/val.txt").write_text("".join(f"{i:06}\n" for i in range(5, 9)))
    return root


def frames(name: str, count: int, seed: int) -> list[Frame]:
    car = Object("car", Box(100, 20, 160, 60), truncation=0.0, cuboid=Cuboid(0, 1.6, 20, 3.9, 1.6, 1.5, 1.57))
    crowd = Object("DontCare", Box(10, 10, 40, 40), ignore=True)
    camera = Camera(700, 700, 128, 32)
    return [
        Frame(f"{name}{i}", 256, 64, (car, crowd), image=jpeg(seed + i), camera=camera,
              conditions={"weather": "fog" if i else "clear"})
        for i in range(count)
    ]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder as its stages leave it, as far as an export looks."""
    root = tmp_path / "runs" / "mine"
    for place, split in enumerate(("train", "val", "test")):
        write_frames(frames(split, 3, 100 * place), str(root / "data" / split / "frames.parquet"))
    (root / "config.yaml").write_text("data: {kind: kitti}\n")
    (root / "data" / "stage-prepare.json").write_text("{}")
    for cycle in (1, 2):
        rendered = [replace(frame, origin=ORIGIN) for frame in frames(f"c0{cycle}-", cycle, 1000 * cycle)]
        write_frames(rendered, str(root / f"cycle-00{cycle}" / "synthetic" / "part-00000.parquet"))
    (root / "cycle-003" / "synthetic").mkdir(parents=True)  # begun, nothing rendered yet
    return root
