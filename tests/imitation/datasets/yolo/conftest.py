"""A folder for the tests of this room."""

from pathlib import Path

import pytest

from tests.imitation.datasets.yolo.yolo_folder import put, say


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images to train on and two to validate, with a data.yaml as Ultralytics writes it."""
    root = tmp_path / "set"
    for name in ("train/a", "train/b", "train/c", "val/d", "val/e"):
        put(root, name)
    return say(root, path="../datasets/set", train="images/train", val="images/val", test=None)
