"""Frames out in every layout and back in: equal, up to what the export says it dropped."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.datasets.parquet import read_frames, write_frames
from imitation.datasets.registry import open_dataset
from imitation.datasets.tally import PHRASES, Tally, counted
from imitation.datasets.to_kitti import as_kitti
from imitation.exporting import (
    SYNTHETIC,
    ExportReport,
    Layout,
    Names,
    Source,
    Which,
    export,
    left_out,
    parquet_sources,
    survey_frames,
)
from imitation.images import read_image_bytes
from imitation.records import Camera, Cuboid, Frame, Object
from imitation.settings import DataError, UserError

from .some_frames import CAR, CROWD, HEIGHT, ORIGIN, WIDTH, frame_lists, picture

SPLIT_NAMES = ("train", "stop", "test")


def made(count: int, prefix: str = "f", **changes: object) -> list[Frame]:
    frames = [
        Frame(f"{prefix}{i}", WIDTH, HEIGHT, (CAR, CROWD), image=picture(i), camera=Camera(700, 700, 32, 24))
        for i in range(count)
    ]
    return [replace(frame, **changes) for frame in frames]


def exported(frames: list[Frame], folder: Path, layout: Layout, which: Which = "all") -> ExportReport:
    write_frames(frames, str(folder / "source.parquet"))
    survey = survey_frames(parquet_sources(str(folder / "source.parquet")), which)
    return export(survey, layout, str(folder / "out"))


def in_splits(folder: Path, synthetic: int = 0) -> list[Source]:
    """The sources of a run: three splits of three frames, and rendered ones."""
    sources = []
    for split in SPLIT_NAMES:
        write_frames(made(3, split), str(folder / "data" / split / "frames.parquet"))
        sources.append(Source(split, str(folder / "data" / split), synthetic=False))
    if synthetic:
        place = folder / "cycle-001" / "synthetic"
        write_frames(made(synthetic, "c01-", origin=ORIGIN), str(place / "part-00000.parquet"))
        sources.append(Source("train", str(place), synthetic=True))
    return sources


def without_image(frame: Frame) -> Frame:
    return replace(frame, image=None, image_uri=None)


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
        assert without_image(read) == without_image(frame)


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
        assert without_image(read) == without_image(expected)
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
        assert [o.category for o in read.objects] == [o.category for o in expected]
        for ours, theirs in zip(expected, read.objects, strict=True):
            assert theirs.box == pytest.approx(ours.box.clipped(WIDTH, HEIGHT), abs=1e-4)
    assert not back


@pytest.mark.parametrize("layout", ["coco", "kitti", "yolo", "parquet"])
def test_a_run_keeps_its_splits_and_synthetic_frames_are_of_train(tmp_path: Path, layout: Layout) -> None:
    report = export(survey_frames(in_splits(tmp_path, synthetic=2)), layout, str(tmp_path / "out"))
    assert report.frames == {"train": 5, "val": 3, "test": 3}
    assert report.synthetic == 2
    dataset = open_dataset(layout, str(tmp_path / "out"))
    sizes = {split: len(list(dataset.frames(split))) for split in SPLIT_NAMES}
    assert sizes == {"train": 5, "stop": 3, "test": 3}
    marked = [name for name in dataset.splits()["train"] if "syn-" in name or name.startswith("c01-")]
    assert len(marked) == 2


def test_a_coco_run_has_a_file_a_split_with_ids_that_are_never_used_twice(tmp_path: Path) -> None:
    report = export(survey_frames(in_splits(tmp_path, synthetic=2)), "coco", str(tmp_path / "out"))
    seen: dict[str, list[int]] = {"images": [], "annotations": []}
    for split, frames in report.frames.items():
        data = json.loads((tmp_path / f"out/annotations/instances_{split}.json").read_text())
        assert data["categories"] == [{"id": 1, "name": "Car"}, {"id": 2, "name": "Person"}]
        assert len(data["images"]) == frames
        for kind, ids in seen.items():
            ids += [entry["id"] for entry in data[kind]]
        files = {path.name for path in (tmp_path / "out" / split).iterdir()}
        assert files == {image["file_name"] for image in data["images"]}
        lineage = [image["imitation"]["origin"] for image in data["images"] if "syn-" in image["file_name"]]
        assert [origin["failures"] for origin in lineage] == [["a/0"]] * (2 if split == "train" else 0)
    assert all(ids == list(range(1, len(ids) + 1)) for ids in seen.values())


@pytest.mark.parametrize(("which", "frames"), [("all", 5), ("real", 3), ("synthetic", 2)])
def test_real_or_synthetic_frames_alone(tmp_path: Path, which: Which, frames: int) -> None:
    write_frames([*made(3), *made(2, "s", origin=ORIGIN)], str(tmp_path / "all.parquet"))
    survey = survey_frames(parquet_sources(str(tmp_path / "all.parquet")), which)
    report = export(survey, "parquet", str(tmp_path / "out"))
    assert report.frames == {"": frames}
    assert len(list(read_frames(str(tmp_path / "out")))) == frames


def test_only_synthetic_frames_of_a_run_leave_no_empty_splits(tmp_path: Path) -> None:
    sources = [source for source in in_splits(tmp_path, synthetic=2) if source.synthetic]
    report = export(survey_frames(sources, "synthetic"), "kitti", str(tmp_path / "out"))
    assert report.frames == {"train": 2}
    assert not (tmp_path / "out" / "ImageSets").exists()


def test_a_folder_of_splits_is_found_and_anything_else_is_one_set(tmp_path: Path) -> None:
    write_frames(made(1), str(tmp_path / "train.parquet"))
    write_frames(made(1), str(tmp_path / "val" / "x.parquet"))
    assert [source.split for source in parquet_sources(str(tmp_path))] == ["train", "val"]
    assert [source.split for source in parquet_sources(str(tmp_path / "val"))] == [""]
    with pytest.raises(UserError, match="there is nothing there"):
        parquet_sources(str(tmp_path / "none"))


@pytest.mark.parametrize("layout", ["coco", "kitti", "yolo", "parquet"])
def test_a_frame_of_train_and_mine_is_written_once(tmp_path: Path, layout: Layout) -> None:
    splits = {
        "train": made(3),
        "mine": [*made(3)[1:], *made(1, "m")],
        "stop": made(2, "s"),
        "test": made(1, "t"),
    }
    for split, frames in splits.items():
        write_frames(frames, str(tmp_path / "in" / f"{split}.parquet"))
    sources = parquet_sources(str(tmp_path / "in"))
    report = export(survey_frames(sources), layout, str(tmp_path / "out"))
    assert report.frames == {"train": 3, "mine": 1, "val": 2, "test": 1}
    assert (report.shared, report.renamed, report.objects) == (2, 0, 14)
    assert "once: 2 frames of mine that train has too, in train alone" in report.lines()
    dataset = open_dataset(layout, str(tmp_path / "out"))
    read = {split: len(names) for split, names in dataset.splits().items()}
    assert read == {"train": 3, "mine": 1, "stop": 2, "test": 1}


def test_a_list_called_validation_is_exported_and_what_is_no_list_is_told(tmp_path: Path) -> None:
    for name in ("train", "validation", "valid/x", "extra", "more/x"):
        write_frames(made(1, name[-4:].replace("/", "")), str(tmp_path / "in" / f"{name}.parquet"))
    (tmp_path / "in" / "images").mkdir()
    sources = parquet_sources(str(tmp_path / "in"))
    assert sorted((s.split, Path(s.uri).name) for s in sources) == [
        ("train", "train.parquet"), ("val", "valid"), ("val", "validation.parquet"),
    ]  # fmt: skip
    told = left_out(str(tmp_path / "in"), sources)
    assert told == ["extra.parquet", "more"]
    report = export(survey_frames(sources, left_out=told), "coco", str(tmp_path / "out"))
    assert report.frames == {"train": 1, "val": 2}
    assert any(line.startswith("not exported: extra.parquet, more (") for line in report.lines())
    assert left_out(str(tmp_path / "in/more"), parquet_sources(str(tmp_path / "in/more"))) == []
    file = str(tmp_path / "in/extra.parquet")
    assert left_out(file, parquet_sources(file)) == []


def test_many_are_told_in_the_plural() -> None:
    assert [counted(2, noun) for noun in ("box", "frame", "match")] == ["2 boxes", "2 frames", "2 matches"]
    assert counted(1, "box") == "1 box"


def test_what_is_lost_is_told_in_one_line(tmp_path: Path) -> None:
    report = exported(made(2, conditions={"weather": "fog"}), tmp_path, "yolo")
    dropped = report.lines()[-1]
    assert dropped.startswith("dropped: ")
    for part in ("2 ignore regions", "cuboids of 2 objects", "conditions of 2 frames", "cameras of 2 frames"):
        assert part in dropped
    assert report.lines()[0].endswith("out: 2 frames, 4 objects, as yolo")


def test_images_that_lie_elsewhere_are_copied_byte_for_byte(tmp_path: Path) -> None:
    place = tmp_path / "elsewhere.JPG"
    place.write_bytes(picture(5, jpeg=True))
    frames = made(1, image=None, image_uri=str(place))
    exported(frames, tmp_path, "coco")
    assert (tmp_path / "out" / "train" / "f0.jpg").read_bytes() == place.read_bytes()


def test_an_image_of_another_size_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    frames = [*made(2), *made(1, "wrong", image=picture(0, 10, 10))]
    with pytest.raises(DataError, match="frame wrong0: the image is 10x10 px, but its labels are for 64x48"):
        exported(frames, tmp_path, "kitti")
    assert list((tmp_path / "out").iterdir()) == []
    exported(made(1), tmp_path, "kitti")  # so that the same command can be given again


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".hidden").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        exported(made(1), tmp_path, "coco")
    assert (tmp_path / "out" / ".hidden").read_text() == "mine"
    with pytest.raises(UserError, match="is a file"):
        export(
            survey_frames(parquet_sources(str(tmp_path / "source.parquet"))),
            "coco",
            str(tmp_path / "source.parquet"),
        )


def test_a_folder_among_the_frames_is_refused(tmp_path: Path) -> None:
    write_frames(made(1), str(tmp_path / "frames.parquet"))
    with pytest.raises(UserError, match="lies among the frames to export"):
        export(survey_frames(parquet_sources(str(tmp_path))), "parquet", str(tmp_path / "out"))


def test_nothing_to_export_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no frames to export \(asked for: synthetic\)"):
        exported(made(2), tmp_path, "coco", "synthetic")
    assert not (tmp_path / "out").exists()


@given(ids=st.lists(st.text(max_size=300), unique=True, max_size=20))
def test_names_are_unique_and_can_name_files(ids: list[str]) -> None:
    names = Names()
    given = [names.name(frame_id) for frame_id in ids]
    assert len({name.casefold() for name in given}) == len(ids)
    for name in given:
        assert 0 < len(name.encode()) < 200
        assert "/" not in name
        assert not name.startswith(".")


def test_names_are_told_where_they_changed(tmp_path: Path) -> None:
    frames = [replace(made(1)[0], frame_id=name) for name in ("a/b", "a_b", "ok", "../../etc")]
    report = exported(frames, tmp_path, "kitti")
    assert report.renamed == 3
    assert report.renamed_first == [("a/b", "a_b"), ("a_b", "a_b-2"), ("../../etc", "_.._etc")]
    assert "renamed: 3 frame ids could not be file names" in "\n".join(report.lines())
    assert {p.stem for p in (tmp_path / "out/training/label_2").iterdir()} == {
        "a_b",
        "a_b-2",
        "ok",
        "_.._etc",
    }
