"""Frames out in every layout and back in: equal, up to what the export says it dropped."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from imitation.common.settings import DataError, UserError
from imitation.common.wording import counted
from imitation.data.records import Camera, Frame
from imitation.datasets.common.tally import Tally
from imitation.datasets.export import Which, export, survey_frames
from imitation.datasets.export_sources import Source, dataset_sources, left_out, parquet_sources
from imitation.datasets.kitti.files import read_kitti
from imitation.datasets.parquet.files import read_frames, write_frames
from imitation.datasets.registry import open_dataset
from imitation.datasets.writing import ExportReport, Names
from tests.imitation.data.some_frames import CAR, CROWD, HEIGHT, ORIGIN, WIDTH, picture
from tests.imitation.datasets.kitti.kitti_folder import CALIB, DONT_CARE, make_kitti, make_lists
from tests.imitation.datasets.kitti.kitti_folder import CAR as KITTI_CAR

SPLIT_NAMES = ("train", "val", "test")


def made(count: int, prefix: str = "f", **changes: object) -> list[Frame]:
    frames = [
        Frame(f"{prefix}{i}", WIDTH, HEIGHT, (CAR, CROWD), image=picture(i), camera=Camera(700, 700, 32, 24))
        for i in range(count)
    ]
    return [replace(frame, **changes) for frame in frames]


def exported(frames: list[Frame], folder: Path, layout: str, which: Which = "all") -> ExportReport:
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


@pytest.mark.parametrize("layout", ["coco", "kitti", "yolo", "parquet"])
def test_a_run_keeps_its_splits_and_synthetic_frames_are_of_train(tmp_path: Path, layout: str) -> None:
    report = export(survey_frames(in_splits(tmp_path, synthetic=2)), layout, str(tmp_path / "out"))
    assert report.frames == {"train": 5, "val": 3, "test": 3}
    assert report.synthetic == 2
    dataset = open_dataset(layout, str(tmp_path / "out"))
    sizes = {split: len(list(dataset.frames(split))) for split in SPLIT_NAMES}
    assert sizes == {"train": 5, "val": 3, "test": 3}
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
def test_a_frame_of_train_and_mine_is_written_once(tmp_path: Path, layout: str) -> None:
    splits = {
        "train": made(3),
        "mine": [*made(3)[1:], *made(1, "m")],
        "val": made(2, "s"),
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
    assert read == {"train": 3, "mine": 1, "val": 2, "test": 1}


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


# Numbers that do not move


def through(kind: str, root: Path, layout: str, out: Path) -> ExportReport:
    survey = survey_frames(dataset_sources(open_dataset(kind, str(root))))
    return export(survey, layout, str(out))


# KITTI's own files


def spaced(text: str) -> str:
    """As KITTI's files are not written by us, and are read all the same."""
    return text.replace(" 0.00 ", " 0.0 ").replace("\n", " \r\n")


@pytest.mark.parametrize("by", ["dataset", "run"])
def test_kitti_frames_go_out_byte_for_byte(tmp_path: Path, by: str) -> None:
    label = f"{KITTI_CAR}\n{DONT_CARE}\n"
    root = make_kitti(tmp_path / "in", {"000001": label, "000002": spaced(label), "000003": ""})
    for i, path in enumerate(sorted((root / "training/calib").iterdir())):
        path.write_text(f"P0: 7 0 6 0 0 7 1 0 0 0 1 0\n{CALIB}P3: {i}\nR0_rect: 1 0 0\nTr_velo_to_cam: 2\n\n")
    make_lists(root, train=["000001", "000002"], val=["000003"])
    sources = dataset_sources(open_dataset("kitti", str(root)))
    if by == "run":  # its Parquet says where the images lie
        for source in list(sources):
            write_frames(source.read(), str(tmp_path / "run" / source.split / "frames.parquet"))
        sources = [Source(s.split, str(tmp_path / "run" / s.split), synthetic=False) for s in sources]
    report = export(survey_frames(sources), "kitti", str(tmp_path / "out"))
    assert (report.as_they_were, report.bare, report.tally) == (3, 0, Tally())
    assert "byte for byte: labels and calibrations of 3 frames that came from KITTI" in report.lines()
    assert report.lines()[-1] == "dropped: nothing"
    files = sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file())
    assert files == sorted(
        p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*") if p.is_file()
    )
    for file in files:
        assert (tmp_path / "out" / file).read_bytes() == (root / file).read_bytes()


@pytest.mark.parametrize("change", ["label", "calibration", "gone", "elsewhere"])
def test_a_kitti_frame_that_says_something_else_now_is_written_as_it_is_known(
    tmp_path: Path, change: str
) -> None:
    root = make_kitti(tmp_path / "in", {"000001": f"{KITTI_CAR}\n"})
    write_frames(read_kitti(str(root)), str(tmp_path / "frames.parquet"))
    label, calib = root / "training/label_2/000001.txt", root / "training/calib/000001.txt"
    if change == "label":
        label.write_text(KITTI_CAR.replace("15.00", "15.01"))
    elif change == "calibration":
        calib.write_text(CALIB.replace("700.0 ", "701.0 "))
    elif change == "gone":
        label.unlink()
    else:
        (root / "training/image_2").rename(root / "training/pictures")
        frames = [
            replace(f, image_uri=f.image_uri.replace("image_2", "pictures"))
            for f in read_frames(str(tmp_path / "frames.parquet"))
        ]
        write_frames(frames, str(tmp_path / "frames.parquet"))
    report = export(
        survey_frames(parquet_sources(str(tmp_path / "frames.parquet"))), "kitti", str(tmp_path / "o")
    )
    assert (report.as_they_were, report.bare) == (0, 1)
    assert any(line.startswith("calibrations of 1 frame: P2 alone") for line in report.lines())
    (before,) = read_frames(str(tmp_path / "frames.parquet"))
    (after,) = read_kitti(str(tmp_path / "o"))
    assert after.objects[0].box == before.objects[0].box


KITTI101 = Path(__file__).parents[4] / "shared" / "data" / "kitti101"


@pytest.mark.skipif(not KITTI101.exists(), reason="the real KITTI frames are not at hand")
def test_real_kitti_goes_out_byte_for_byte(tmp_path: Path) -> None:
    report = through("kitti", KITTI101, "kitti", tmp_path / "out")
    assert report.frames == {"train": 58, "val": 43}
    assert report.as_they_were == 101
    for folder in ("label_2", "calib", "image_2"):
        for path in (KITTI101 / "training" / folder).iterdir():
            assert (tmp_path / "out/training" / folder / path.name).read_bytes() == path.read_bytes()


# Any dataset, in its own lists


def test_a_validation_list_stays_whole_and_a_dataset_without_lists_is_train(tmp_path: Path) -> None:
    labels = {f"{i:06d}": f"{KITTI_CAR}\n" for i in range(8)}
    root = make_kitti(tmp_path / "in", labels)
    assert through("kitti", root, "coco", tmp_path / "a").frames == {"train": 8}
    names = list(labels)
    make_lists(root, train=names[:3], val=names[3:6], mine=names[6:])
    assert through("kitti", root, "parquet", tmp_path / "b").frames == {"train": 3, "mine": 2, "val": 3}
    assert through("parquet", tmp_path / "b", "yolo", tmp_path / "c").frames == {
        "train": 3,
        "mine": 2,
        "val": 3,
    }
    (root / "ImageSets/mine.txt").unlink()
    make_lists(root, test=names[6:])
    assert through("kitti", root, "coco", tmp_path / "d").frames == {"train": 3, "val": 3, "test": 2}


def test_bad_frames_of_a_dataset_are_left_out_and_listed(tmp_path: Path) -> None:
    root = make_kitti(tmp_path / "in", {"000001": "Car\n", "000002": f"{KITTI_CAR}\n"})
    sources = dataset_sources(open_dataset("kitti", str(root)))
    with pytest.raises(DataError, match=r"000001\.txt:1"):
        survey_frames(sources)
    report = export(survey_frames(sources, skip=True), "coco", str(tmp_path / "out"))
    assert report.frames == {"train": 1}
    assert [line for line in report.lines() if line.startswith("skipped: ") and "000001.txt:1" in line]


def test_why_there_is_nothing_to_export_is_said(tmp_path: Path) -> None:
    told = {"images": [{"id": None, "file_name": "a.png"}], "categories": [{"id": 1, "name": "x"}]}
    (tmp_path / "labels.json").write_text(json.dumps(told | {"annotations": []}))
    with pytest.raises(DataError, match="image number 0 has no id "):
        dataset_sources(open_dataset("coco", str(tmp_path)))


def test_an_export_into_the_dataset_is_refused(tmp_path: Path) -> None:
    root = make_kitti(tmp_path / "in", {"000001": f"{KITTI_CAR}\n"})
    with pytest.raises(UserError, match="lies in the dataset's folder"):
        through("kitti", root, "coco", root / "coco")


@pytest.mark.parametrize("splits", [True, False])
def test_pycocotools_opens_what_is_where_coco_has_it(tmp_path: Path, splits: bool) -> None:
    if splits:
        export(survey_frames(in_splits(tmp_path)), "coco", str(tmp_path / "out"))
    else:
        exported(made(3), tmp_path, "coco")
    for split in ("train", "val", "test") if splits else ("train",):
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(str(tmp_path / f"out/annotations/instances_{split}.json"))
        assert len(truth.imgs) == 3
        for image in truth.imgs.values():
            assert (tmp_path / "out" / split / image["file_name"]).is_file()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(
        ["annotations", *(("train", "val", "test") if splits else ("train",))]
    )
