"""Small KITTI folders made on the spot (no content of the dataset)."""

from pathlib import Path

import numpy as np

from imitation.data.images import encode_png

CALIB = "P2: 700.0 0.0 600.0 45.0 0.0 700.0 180.0 -0.3 0.0 0.0 1.0 0.005\n"
CAR = "Car 0.00 1 -1.50 100.00 20.00 150.00 60.00 1.50 1.60 3.90 -2.00 1.70 15.00 -1.60"
DONT_CARE = "DontCare -1 -1 -10 10.00 20.00 30.00 40.00 -1 -1 -1 -1000 -1000 -1000 -10"
WIDTH, HEIGHT = 200, 80


def png(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    return encode_png(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def make_kitti(root: Path, labels: dict[str, str], nested: bool = True) -> Path:
    """A KITTI folder of those label files; images are noise of 200x80 px."""
    base = root / "training" if nested else root
    for index, (name, text) in enumerate(labels.items()):
        for folder, suffix, data in (
            ("label_2", ".txt", text.encode()),
            ("calib", ".txt", CALIB.encode()),
            ("image_2", ".png", png(index)),
        ):
            path = base / folder / (name + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return root


def make_lists(root: Path, **lists: list[str]) -> None:
    (root / "ImageSets").mkdir(exist_ok=True)
    for name, members in lists.items():
        (root / "ImageSets" / f"{name}.txt").write_text("\n".join(members) + "\n")
