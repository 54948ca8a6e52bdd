"""Frames that look alike across splits, against pictures that are known to."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from imitation.data.records import Box, Frame, Object
from imitation.data.splits import SplitSettings
from imitation.datasets.inspection.lookalikes import MOST, SIDE, Hashes, _some, picture_hash, told
from imitation.datasets.inspection.statistics import inspect_dataset, listed_frames
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.registry import open_dataset

KITTI = Path(__file__).resolve().parents[5] / "shared" / "data" / "kitti471"


def street(seed: int) -> Image.Image:
    """Smooth blots: as different from each other as places are."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 16, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((320, 96), Image.Resampling.BICUBIC)


def again(image: Image.Image, seed: int) -> Image.Image:
    """The same place a moment later: shifted, brighter, with a car on it, another JPEG."""
    moved = ImageEnhance.Brightness(image.crop((1, 1, 320, 96)).resize((320, 96))).enhance(1.1)
    moved.paste((30, 30, 90), (40 + seed, 60, 56 + seed, 70))
    sink = io.BytesIO()
    moved.save(sink, "JPEG", quality=70)
    return Image.open(sink)


def hashed(image: Image.Image) -> bytes:
    return picture_hash(np.asarray(image.convert("RGB")))


def test_the_same_place_is_found_and_other_places_are_not() -> None:
    hashes = Hashes()
    for seed in range(40):
        hashes.add("train", f"t{seed:02}", hashed(street(seed)))
    for seed in range(40, 70):
        hashes.add("val", f"v{seed}", hashed(street(seed)))
    assert hashes.lookalikes() == []
    for seed in (3, 17):
        hashes.add("test", f"x{seed}", hashed(again(street(seed), seed)))
    found = hashes.lookalikes()
    assert {(one.split, one.frame_id, one.like) for one in found} == {
        ("test", "x3", "t03"),
        ("test", "x17", "t17"),
    }
    assert [one.difference for one in found] == sorted(one.difference for one in found)
    said = told(found)
    assert said is not None
    assert said.startswith("2 frames of val and test look like frames to train on (test x")
    assert told([]) is None


def test_a_hash_is_of_so_many_bits_and_of_the_picture_alone() -> None:
    assert len(hashed(street(0))) == SIDE**2 // 8
    assert hashed(street(0)) == hashed(street(0).copy())


def test_pictures_of_one_colour_are_compared_with_none() -> None:
    hashes = Hashes()
    for split in ("train", "val"):
        hashes.add(split, split, picture_hash(np.full((20, 30, 3), 90, np.uint8)))
    assert hashes.lookalikes() == []


def test_of_very_many_frames_evenly_drawn_ones_are_compared() -> None:
    names = [str(i) for i in range(3 * MOST)]
    some = _some(names)
    assert (len(some), some[0], some[-1]) == (MOST, "0", names[-1])


def test_an_inspection_lists_them(tmp_path: Path) -> None:
    for split, images in (
        ("train", [street(1), street(2)]),
        ("val", [street(3)]),
        ("test", [again(street(2), 5)]),
    ):
        frames = []
        for number, image in enumerate(images):
            sink = io.BytesIO()
            image.save(sink, "PNG")
            objects = (Object("car", Box(1, 1, 9, 9)),)
            frames.append(Frame(f"{split}{number}", 320, 96, objects, image=sink.getvalue()))
        write_frames(frames, str(tmp_path / f"{split}.parquet"))
    dataset = open_dataset("parquet", str(tmp_path), SplitSettings())
    found = inspect_dataset(dataset, listed_frames(dataset))
    (one,) = found.to_json(None)["lookalikes"]
    assert (one["split"], one["frame"], one["like"]) == ("test", "test0", "train1")
    assert any("look like frames to train on" in note for note in found.notes)
    assert inspect_dataset(dataset, listed_frames(dataset), verify_images=False).lookalikes == []


@pytest.mark.skipif(not KITTI.is_dir(), reason="shared/data/kitti471 is not here")
def test_spots_that_real_drives_share_are_found_without_false_alarms() -> None:
    known = set((KITTI / "val_background_also_in_train.txt").read_text().split())
    listed = {name: (KITTI / f"ImageSets/{name}.txt").read_text().split() for name in ("train", "val")}
    hashes = Hashes()
    for name, frames in listed.items():
        for frame in frames:
            with Image.open(KITTI / f"training/image_2/{frame}.jpg") as image:
                hashes.add(name, frame, hashed(image))
    assert {one.frame_id for one in hashes.lookalikes()} == known & set(listed["val"])
