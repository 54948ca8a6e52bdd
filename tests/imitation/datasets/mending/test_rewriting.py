"""Kinds whose files are not edited: the copy is Parquet, and holds what is right of them."""

from pathlib import Path

import numpy as np
import pytest

from imitation.datasets.base import ALL, frames_of
from imitation.datasets.common.left_out import BOXES, DOUBLES, NO_AREA
from imitation.datasets.mending.mender import GONE, LEAK, mend, told, write_mended
from imitation.datasets.registry import open_dataset, recognized
from tests.imitation.datasets.layouts.content import two_lists
from tests.imitation.datasets.layouts.write_driving import write_nuscenes
from tests.imitation.datasets.mending.test_mending import mended, read, tree
from tests.imitation.datasets.mending.test_records import json_file, write
from tests.imitation.datasets.waymo.waymo_folder import box, write_boxes, write_images


def test_waymo_without_its_bad_rows(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    for segment in ("a", "b"):
        write_images(root, segment, [(1, 1), (2, 1)])
        good = [box(1, 1, (30, 30, 10, 10)), box(2, 1, (9, 9, 4, 4))]
        bad = [box(1, 1, (30, 30, -3, 10)), box(2, 1, (9, 9, 0, 4)), box(1, 1, (30, 30, 10, 10))]
        write_boxes(root, segment, good + (bad if segment == "a" else []))
    before = tree(root)
    said = mended("waymo", root, out)
    assert sorted(said) == sorted(f"left out: {what}" for what in (BOXES, NO_AREA, DOUBLES))
    assert tree(root) == before
    assert recognized(str(out)) == "parquet"
    frames = {frame.frame_id: frame for frame in frames_of(open_dataset("parquet", str(out)).undivide(), ALL)}
    assert sorted(len(frame.objects) for frame in frames.values()) == [1, 1, 1, 1]
    assert {frame.sequence for frame in frames.values()} == {"a", "b"}
    assert mended("parquet", out, tmp_path / "again") == []


def test_nuscenes_without_what_is_bad(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    write_nuscenes(root, two_lists(np.random.default_rng(0)))
    sound = {frame.frame_id: frame for frame in frames_of(open_dataset("nuscenes", str(root)), ALL)}
    with json_file(root / "v1.0-mini/sample_annotation.json") as rows:
        rows.append({**rows[0], "size": [1, 0, 1]})
    next(iter(sorted((root / "samples").rglob("*.jpg")))).write_bytes(b"cut")
    mender = mend(open_dataset("nuscenes", str(root)))
    assert [change.file for change in mender.changes if change.what != GONE] == [
        "v1.0-mini/sample_annotation.json"
    ]
    write_mended(mender, str(out))
    assert (
        "nuscenes files are not edited: the copy holds what is read of them as parquet"
        in told(mender, "x")[-1]
    )
    found = {frame.frame_id: frame for frame in frames_of(open_dataset("parquet", str(out)), ALL)}
    assert len(sound.keys() - found.keys()) == 1
    for name, frame in found.items():
        assert (frame.objects, frame.camera) == (sound[name].objects, sound[name].camera)
        assert (frame.sequence, frame.conditions) == (sound[name].sequence, sound[name].conditions)


@pytest.mark.parametrize("layout", ["huggingface", "imagefolder"])
def test_lists_stay_lists_without_what_leaks(layout: str, tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    write(layout, root)  # Parquet holds pictures that train and val share
    said = mended("huggingface", root, out)
    assert set(said) == ({LEAK} if layout == "huggingface" else set())
    assert sorted(p.name for p in out.iterdir()) == (["val"] if said else ["train", "val"])
    clean, found = read("huggingface", root), read("parquet", out)
    kept = {value for name, value in clean.items() if not (said and name.startswith("train"))}
    assert {value[:3] for value in found.values()} <= {value[:3] for value in kept}
