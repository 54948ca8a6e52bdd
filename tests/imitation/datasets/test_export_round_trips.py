"""What is exported in each layout comes back, but for what is told to be lost."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings

from imitation.data.images import read_image_bytes
from imitation.data.records import Cuboid, Frame, Object
from imitation.datasets.common.tally import PHRASES, Tally
from imitation.datasets.common.validation import without_nothings
from imitation.datasets.kitti.writer import as_kitti
from imitation.datasets.parquet.files import read_frames
from imitation.datasets.registry import open_dataset
from imitation.datasets.writing import SYNTHETIC, Names
from tests.imitation.data.some_frames import CAR, HEIGHT, WIDTH, frame_lists
from tests.imitation.datasets.test_export import SPLIT_NAMES, exported, without_image


@settings(deadline=None, max_examples=25)
@given(frames=frame_lists())
def test_parquet_comes_back_exactly(tmp_path_factory: pytest.TempPathFactory, frames: list[Frame]) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    report = exported(frames, folder, "parquet")
    assert list(read_frames(str(folder / "out"))) == frames
    assert not report.tally.dropped
    assert not report.tally.changed


@settings(deadline=None, max_examples=25)
@given(frames=frame_lists())
def test_coco_comes_back_exactly(tmp_path_factory: pytest.TempPathFactory, frames: list[Frame]) -> None:
    folder = tmp_path_factory.mktemp("coco")
    frames[0] = replace(frames[0], objects=(*frames[0].objects, CAR))  # the reader wants a category
    report = exported(frames, folder, "coco")
    assert not report.tally.dropped
    assert not report.tally.changed
    dataset = open_dataset("coco", str(folder / "out"))
    dataset.undivide()
    back = {f.frame_id: f for split in SPLIT_NAMES for f in dataset.frames(split)}
    assert set(back) == {frame.frame_id for frame in frames}
    for frame in frames:
        read = back[frame.frame_id]
        assert read_image_bytes(read) == frame.image
        assert without_image(read) == without_image(without_nothings(frame, Counter()))


def rounded(obj: Object) -> Object:
    def two(record):
        return type(record)(*(round(v, 2) for v in record))

    cuboid = obj.cuboid
    if cuboid is not None:
        cuboid = Cuboid(*(round(getattr(cuboid, name), 2) for name in Cuboid.__slots__))
    return replace(
        obj,
        box=two(obj.box),
        amodal_box=None if obj.amodal_box is None else two(obj.amodal_box),
        truncation=None if obj.truncation is None else round(obj.truncation, 2),
        alpha=None if obj.alpha is None else round(obj.alpha, 2),
        cuboid=cuboid,
    )


@settings(deadline=None, max_examples=25)
@given(frames=frame_lists())
def test_kitti_passes_the_reader_and_loses_what_is_told(
    tmp_path_factory: pytest.TempPathFactory, frames: list[Frame]
) -> None:
    folder = tmp_path_factory.mktemp("kitti")
    report = exported(frames, folder, "kitti")
    names = Names()
    dataset = open_dataset("kitti", str(folder / "out"))
    dataset.undivide()
    back = {f.frame_id: f for split in SPLIT_NAMES for f in dataset.frames(split)}
    again = Tally()
    for frame in frames:
        name = names.name(frame.frame_id, SYNTHETIC if frame.origin else "")
        read = back.pop(name)
        assert read_image_bytes(read) == frame.image
        told = as_kitti(frame, again)
        expected = replace(told, objects=tuple(map(rounded, told.objects)), frame_id=name)
        assert without_image(read) == without_image(without_nothings(expected, Counter()))
    assert not back
    assert again == report.tally
    assert report.tally.dropped == expected_kitti_losses(frames)


def expected_kitti_losses(frames: list[Frame]) -> Counter[tuple[str, str]]:
    """What differs between a frame and what KITTI holds of it, counted from the outside."""
    lost: Counter[tuple[str, str]] = Counter()
    for frame in frames:
        for name in ("sequence", "conditions", "origin"):
            lost[(PHRASES[name], "frame")] += getattr(frame, name) not in (None, {})
        camera = frame.camera
        lost[("camera height and pitch of", "frame")] += camera is not None and (
            camera.height is not None or camera.pitch is not None
        )
        for obj in frame.objects:
            for name in ("visible_box", "occlusion", "difficulty"):
                lost[(PHRASES[name], "object")] += getattr(obj, name) is not None
            kept = obj.truncation is not None and round(obj.truncation, 2) == 0
            same = obj.amodal_box is not None and rounded(obj).amodal_box == rounded(obj).box
            lost[(PHRASES["amodal_box"], "object")] += obj.amodal_box is not None and not (kept and same)
    return +lost


@settings(deadline=None, max_examples=25)
@given(frames=frame_lists())
def test_yolo_comes_back_to_a_ten_thousandth_of_a_pixel(
    tmp_path_factory: pytest.TempPathFactory, frames: list[Frame]
) -> None:
    folder = tmp_path_factory.mktemp("yolo")
    report = exported(frames, folder, "yolo")
    labelled = [
        [o for o in frame.objects if not o.ignore and o.box.clipped(WIDTH, HEIGHT).area] for frame in frames
    ]
    regions = sum(obj.ignore for frame in frames for obj in frame.objects)
    kept = sum(map(len, labelled))
    assert report.tally.dropped[("", "ignore region")] == regions
    assert report.tally.dropped[("without area:", "box")] == report.objects - regions - kept
    cut = [o.box != o.box.clipped(WIDTH, HEIGHT) for row in labelled for o in row]
    assert report.tally.changed[("cut at the image's edge:", "box")] == sum(cut)
    if not any(not o.ignore for frame in frames for o in frame.objects):
        return  # a data.yaml without classes is none to the reader
    dataset = open_dataset("yolo", str(folder / "out"))
    dataset.undivide()
    back = {f.frame_id: f for split in SPLIT_NAMES for f in dataset.frames(split)}
    names = Names()
    for frame, expected in zip(frames, labelled, strict=True):
        read = back.pop(names.name(frame.frame_id, SYNTHETIC if frame.origin else ""))
        assert read_image_bytes(read) == frame.image
        rows = dict.fromkeys((o.category, o.box.clipped(WIDTH, HEIGHT)) for o in expected)  # each once
        rows = {row: None for row in rows if min(row[1].width, row[1].height) > 1e-6}  # beyond nine decimals
        objects = [o for o in read.objects if min(o.box.width, o.box.height) > 1e-6]
        assert [o.category for o in objects] == [category for category, _ in rows]
        for (_, box), theirs in zip(rows, objects, strict=True):
            assert theirs.box == pytest.approx(box, abs=1e-4)
    assert not back
