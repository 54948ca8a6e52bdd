"""KITTI folders with bad lines, bad files, and links that lead elsewhere: named, and nothing else is lost."""

import os
from pathlib import Path

import pytest

from imitation.common.settings import DataError, UserError
from imitation.data.images import load_frame_image
from imitation.datasets.kitti.files import kitti_sequences, kitti_splits, read_kitti
from tests.imitation.datasets.kitti.kitti_folder import CAR, make_kitti, make_lists

BAD_LINES = {
    "14 columns": (CAR.rsplit(" ", 1)[0], "14 columns instead of 15"),
    "a score": (CAR + " 0.9", r"16 columns instead of 15 \(a result file"),
    "not a number": (CAR.replace("100.00", "1OO"), "box x1 is '1OO', not a number"),
    "NaN": (CAR.replace("15.00", "nan"), "z is nan, not a finite number"),
    "infinite": (CAR.replace("60.00", "inf"), "box y2 is inf, not a finite number"),
    "inverted": (CAR.replace("150.00", "90.00"), "the box is inverted"),
    "unknown class": (CAR.replace("Car", "Unicorn"), "unknown type 'Unicorn'; known are Car"),
    "truncation": (CAR.replace("Car 0.00", "Car 1.20"), "truncation is 1.2"),
    "occlusion": (CAR.replace("Car 0.00 1", "Car 0.00 4"), "occluded is 4, not a level"),
    "outside": (CAR.replace("100.00 20.00 150.00", "300.00 20.00 350.00"), "lies outside the 200x80 image"),
    "size": (CAR.replace("3.90", "-3.90"), "the cuboid's length is -3.9 m"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_is_named(tmp_path: Path, case: str) -> None:
    line, message = BAD_LINES[case]
    make_kitti(tmp_path, {"000000": CAR, "000001": f"{CAR}\n{line}\n", "000002": CAR})
    with pytest.raises(DataError, match=message) as caught:
        list(read_kitti(str(tmp_path)))
    assert caught.value.where == str(tmp_path / "training/label_2/000001.txt") + ":2"
    problems: list[DataError] = []
    frames = list(read_kitti(str(tmp_path), problems=problems.append))
    assert [f.frame_id for f in frames] == ["000000", "000002"]
    assert [p.where for p in problems] == [caught.value.where]


BAD_FILES = {
    "no image": ("image_2/000001.png", None, "frame 000001 has no image"),
    "no label": ("label_2/000001.txt", None, "frame 000001 has no label file"),
    "no calib": ("calib/000001.txt", None, "frame 000001 has no calibration"),
    "empty image": ("image_2/000001.png", b"", "or empty, or cut short"),
    "text as image": ("image_2/000001.png", b"hello", "not a JPEG or PNG"),
    "binary label": ("label_2/000001.txt", b"\xff\xfe\x00", r"000001\.txt:1: not UTF-8 text"),
    "calib without P2": ("calib/000001.txt", b"P0: 1 0 0 0\n", "has no line P2"),
    "short P2": ("calib/000001.txt", b"\nP2: 700 0 600\n", "P2 has 3 numbers; 12 are needed"),
    "NaN in P2": ("calib/000001.txt", b"P2: nan 0 6 0 0 7 1 0 0 0 1 0", "P2 is nan"),
    "no focal length": ("calib/000001.txt", b"P2: 0 0 6 0 0 7 1 0 0 0 1 0", "not a pinhole camera"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_named(tmp_path: Path, case: str) -> None:
    name, data, message = BAD_FILES[case]
    make_kitti(tmp_path, {"000000": CAR, "000001": CAR})
    path = tmp_path / "training" / name
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        list(read_kitti(str(tmp_path)))
    stem = str(path.with_suffix(""))
    assert caught.value.where.startswith(stem)
    problems: list[DataError] = []
    assert [f.frame_id for f in read_kitti(str(tmp_path), problems=problems.append)] == ["000000"]
    assert len(problems) == 1


def test_byte_order_marks_are_passed_over(tmp_path: Path) -> None:
    make_kitti(tmp_path / "plain", {"000000": CAR, "000001": CAR})
    make_kitti(tmp_path / "marked", {"000000": CAR, "000001": CAR})
    for path in (tmp_path / "marked").rglob("*.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    plain, marked = ([f.objects for f in read_kitti(str(tmp_path / n))] for n in ("plain", "marked"))
    assert plain == marked
    make_lists(tmp_path, train=["000001"])
    (tmp_path / "ImageSets/val.txt").write_bytes(b"\xef\xbb\xbf000000\r\n")
    assert kitti_splits(str(tmp_path)) == {"train": ["000001"], "val": ["000000"]}


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    make_kitti(tmp_path, {"000000": f"{CAR}\x0c\n{CAR}\u2028\n{CAR.replace('Car', 'Bus')}"})
    with pytest.raises(DataError, match=r"000000\.txt:3: unknown type 'Bus'"):
        list(read_kitti(str(tmp_path)))
    path = tmp_path / "training/label_2/000000.txt"
    path.write_bytes(f"{CAR}\n{CAR}\nCaf".encode() + b"\xe9 0 0")
    with pytest.raises(DataError, match=r"000000\.txt:3: not UTF-8 text"):
        list(read_kitti(str(tmp_path)))


@pytest.mark.parametrize("old", ["Car", " 0.00 ", " 1 ", "100.00"])
def test_a_value_without_end_is_cut_in_the_message(tmp_path: Path, old: str) -> None:
    make_kitti(tmp_path, {"000000": CAR.replace(old, " " + "9" * 100_000 + " ")})
    with pytest.raises(DataError, match=r"000000\.txt:1: .*999") as caught:
        list(read_kitti(str(tmp_path)))
    assert len(caught.value.what) < 300


@pytest.mark.parametrize("target", ["out", "self", "long", "secret"])
@pytest.mark.parametrize("file", ["image_2/000001.png", "label_2/000001.txt", "calib/000001.txt"])
def test_links_out_of_the_dataset_are_not_followed(tmp_path: Path, file: str, target: str) -> None:
    root = make_kitti(tmp_path / "set", {"000000": CAR, "000001": CAR})
    path = root / "training" / file
    (tmp_path / "elsewhere").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(
        {"out": tmp_path / "elsewhere", "self": path, "long": "x" * 300}.get(target, "/etc/passwd")
    )
    problems: list[DataError] = []
    assert [f.frame_id for f in read_kitti(str(root), problems=problems.append)] == ["000000"]
    (problem,) = problems
    assert problem.where == str(path) or "image" in problem.what
    if target in ("out", "secret"):
        assert "is a symbolic link, not followed" in problem.what
        assert "put the file itself there (a copy or a hard link)" in problem.what


def test_folders_that_are_links_and_links_inside_the_dataset_are_followed(tmp_path: Path) -> None:
    disk = make_kitti(tmp_path / "disk", {"000000": CAR, "000001": CAR})
    root = tmp_path / "set"
    (root / "training").mkdir(parents=True)
    for name in ("image_2", "label_2"):
        (root / "training" / name).symlink_to(disk / "training" / name)
    (disk / "training/calib").rename(root / "training/calib")
    (tmp_path / "link").symlink_to(root)
    label = disk / "training/label_2/000001.txt"
    label.unlink()
    label.symlink_to("000000.txt")  # stays in the folder, which lies on the other disk
    calib = root / "training/calib/000001.txt"
    calib.rename(root / "shared.txt")
    calib.symlink_to(root / "shared.txt")  # leaves its folder, but not the root
    for place in (root, tmp_path / "link"):
        assert [len(f.objects) for f in read_kitti(str(place))] == [1, 1]


def test_lists_that_are_links_out_of_the_dataset_are_refused(tmp_path: Path) -> None:
    make_kitti(tmp_path, {"000000": CAR})
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets/train.txt").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match=r"train\.txt: is a symbolic link, not followed"):
        kitti_splits(str(tmp_path))
    (tmp_path / "mapping").mkdir()
    (tmp_path / "mapping/train_mapping.txt").symlink_to("/etc/passwd")
    (tmp_path / "mapping/train_rand.txt").write_text("1")
    with pytest.raises(UserError, match=r"train_mapping\.txt: is a symbolic link, not followed"):
        kitti_sequences(str(tmp_path))


def test_file_names_that_are_not_utf8_are_told(tmp_path: Path) -> None:
    make_kitti(tmp_path, {"000000": CAR, "x": CAR})
    for folder, suffix in (("image_2", b".png"), ("label_2", b".txt"), ("calib", b".txt")):
        base = os.fsencode(tmp_path / "training" / folder)
        os.rename(base + b"/x" + suffix, base + b"/caf\xe9" + suffix)
    problems: list[DataError] = []
    assert [f.frame_id for f in read_kitti(str(tmp_path), problems=problems.append)] == ["000000"]
    assert [r"caf\xe9.png: the image cannot be read" in str(problem) for problem in problems] == [True]


@pytest.mark.parametrize("name", ["../../x", "x" * 5000, "a\0b", "\x1b[2J", ""])
def test_any_name_of_a_list_is_no_more_than_a_frame_that_is_missing(tmp_path: Path, name: str) -> None:
    make_kitti(tmp_path, {"000000": CAR})
    problems: list[DataError] = []
    frames = read_kitti(str(tmp_path), [name, "000000"], problems=problems.append)
    assert [f.frame_id for f in frames] == ["000000"]
    assert "has no image" in problems[0].what
    assert problems[0].what.isprintable()
    assert len(problems[0].what) < 200


def test_an_image_cut_short_is_found_when_decoded(tmp_path: Path) -> None:
    make_kitti(tmp_path, {"000000": CAR})
    path = tmp_path / "training/image_2/000000.png"
    path.write_bytes(path.read_bytes()[:5000])
    (frame,) = read_kitti(str(tmp_path))
    with pytest.raises(DataError, match=r"000000\.png: unreadable image"):
        load_frame_image(frame)


def test_a_listed_frame_that_is_not_there_is_named_by_list_and_line(tmp_path: Path) -> None:
    make_kitti(tmp_path, {"000000": CAR, "000001": CAR})
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets/train.txt").write_text("000000\n000001\n../secret\n")
    problems: list[DataError] = []
    names = ["000000", "../secret"]
    assert len(list(read_kitti(str(tmp_path), names, problems.append))) == 1
    (problem,) = problems
    assert problem.where == f"{tmp_path}/ImageSets/train.txt:3"
    assert problem.what == "there is neither an image nor a label file of frame '../secret'; remove it"
