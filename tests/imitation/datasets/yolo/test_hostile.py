"""YOLO folders with links, texts and lists that are none: nothing else is lost."""

import os
from pathlib import Path

import pytest

from imitation.common.settings import DataError, UserError
from tests.imitation.datasets.yolo.yolo_folder import DOG, ROW, frames_of, put, reader_of, say


def test_a_yaml_that_swells_is_no_trouble(folder: Path) -> None:
    bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    bomb += [f"{n}: &{n} [{','.join([f'*{m}'] * 9)}]" for m, n in zip("abcdefgh", "bcdefghi")]
    for text, message in (
        ("names: *i\ntrain: images/train", "'names' has 0"),
        ("names: [car]\ntrain: *i", "train is"),
    ):
        (folder / "data.yaml").write_text("\n".join([*bomb, text, "val: images/val"]))
        with pytest.raises(UserError, match=message):
            list(reader_of(folder).frames("train"))
    (folder / "data.yaml").write_text("names: " + "[" * 3000 + "]" * 3000)
    with pytest.raises(UserError, match=r"data\.yaml: not valid YAML: nested too deeply"):
        reader_of(folder).splits()
    (folder / "data.yaml").write_text("names: [a")
    with pytest.raises(UserError, match=r"data\.yaml: not valid YAML"):
        reader_of(folder).splits()


def test_lists_that_lead_elsewhere_are_not_followed(folder: Path) -> None:
    put(folder.parent, "secret", folder=".")
    (folder / "train.txt").write_text("../secret.png\n/etc/passwd\nimages/train/a.png\n")
    reader = reader_of(say(folder, train="train.txt", val="images/val"))
    problems: list[DataError] = []
    assert [f.frame_id for f in reader.frames("train", problems.append)] == ["train_a"]
    assert [p.where for p in problems] == [f"{folder}/train.txt:{line}" for line in (1, 2)]
    with pytest.raises(DataError, match="leads out of its folder"):
        list(reader.frames("train"))


def test_links_that_lead_elsewhere_are_not_followed(folder: Path) -> None:
    secret = put(folder.parent, "secret", folder=".")
    (folder / "images/train/b.png").unlink()
    (folder / "images/train/b.png").symlink_to(secret)
    (folder / "labels/train/c.txt").unlink()
    (folder / "labels/train/c.txt").symlink_to("/etc/passwd")
    problems: list[DataError] = []
    assert [f.frame_id for f in reader_of(folder).frames("train", problems.append)] == ["train_a"]
    assert ["symbolic link, not followed" in p.what for p in problems] == [True, True]


def test_a_folder_that_is_a_link_inside_makes_no_frames(folder: Path, tmp_path: Path) -> None:
    """A loop, the other list, and a folder outside; a link to a folder of the same list adds nothing."""
    (tmp_path / "outside").mkdir()
    put(tmp_path / "outside", "x", folder=".")
    put(folder, "train/more/f")
    for name, target in (
        ("loop", ".."),
        ("other", "../val"),
        ("out", tmp_path / "outside"),
        ("same", "more"),
    ):
        (folder / "images/train" / name).symlink_to(target)
    problems: list[DataError] = []
    frames = reader_of(folder).frames("train", problems.append)
    assert [f.frame_id for f in frames] == ["train_a", "train_b", "train_c", "train_more_f"]
    assert [p.where for p in problems] == [
        f"{folder}/images/train/{name}" for name in ("loop", "other", "out")
    ]
    assert all("is a symbolic link, not followed" in p.what for p in problems)


def test_labels_in_a_folder_that_is_a_link_outside_are_not_read(folder: Path) -> None:
    put(folder, "train/more/f")
    (folder / "labels/train/more").rename(folder.parent / "more")
    (folder / "labels/train/more").symlink_to(folder.parent / "more")
    problems: list[DataError] = []
    assert len(list(reader_of(folder).frames("train", problems.append))) == 3
    assert [p.where for p in problems] == [f"{folder}/labels/train/more/f.txt"]
    assert "is a symbolic link, not followed" in problems[0].what


def test_a_link_to_an_image_makes_no_second_frame_of_it(folder: Path) -> None:
    (folder / "images/val/d.png").unlink()
    (folder / "images/val/d.png").symlink_to("../train/a.png")
    (folder / "images/train/z.png").symlink_to("a.png")
    problems: list[DataError] = []
    assert sorted(frames_of(reader_of(folder), problems)) == ["train_a", "train_b", "train_c", "val_e"]
    assert sorted(p.where for p in problems) == [f"{folder}/images/{n}.png" for n in ("train/z", "val/d")]
    assert all(f"is the same file as {folder}/images/train/a.png; keep one" in p.what for p in problems)


def test_a_link_to_a_file_elsewhere_in_the_dataset_is_followed(folder: Path) -> None:
    (folder / "all").mkdir()
    (folder / "images/train/b.png").rename(folder / "all/b.png")
    (folder / "images/train/b.png").symlink_to("../../all/b.png")
    assert len(list(reader_of(folder).frames("train"))) == 3


@pytest.mark.parametrize("kind", ["folder", "link to nothing", "pipe"])
def test_a_label_that_is_no_file_is_no_image_without_objects(folder: Path, kind: str) -> None:
    label = folder / "labels/train/b.txt"
    label.unlink()
    if kind == "folder":
        label.mkdir()
    elif kind == "pipe":
        os.mkfifo(label)
    else:
        label.symlink_to("nowhere.txt")
    problems: list[DataError] = []
    assert [f.frame_id for f in reader_of(folder).frames("train", problems.append)] == ["train_a", "train_c"]
    assert [str(p) for p in problems] == [f"{label}: the label is no file that can be read"]


def test_byte_order_marks_are_passed_over(folder: Path) -> None:
    (folder / "train.txt").write_text("images/train/a.png\n")
    expected = frames_of(reader_of(say(folder, train="train.txt", val="images/val")))
    for path in [*folder.rglob("*.txt"), folder / "data.yaml"]:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert frames_of(reader_of(folder)) == expected
    (folder / "data.yaml").unlink()
    (folder / "classes.txt").write_bytes(b"\xef\xbb\xbfcar\r\ndog\r\n")
    assert frames_of(reader_of(folder))["train_a"] == expected["train_a"]


def test_lines_are_counted_as_an_editor_counts_them(folder: Path) -> None:
    (folder / "labels/train/b.txt").write_text(f"{ROW}\x0c\n{ROW}\u2028\n7 .5 .5 .1 .1")
    with pytest.raises(DataError, match=r"b\.txt:3: there is no class 7"):
        list(reader_of(folder).frames("train"))


@pytest.mark.parametrize("row", ["9" * 100_000 + " .5 .5 .1 .1", "0 .5 .5 .1 " + "x" * 100_000])
def test_a_value_without_end_is_cut_in_the_message(folder: Path, row: str) -> None:
    (folder / "labels/train/b.txt").write_text(row)
    with pytest.raises(DataError, match=r"b\.txt:1: ") as caught:
        list(reader_of(folder).frames("train"))
    assert len(caught.value.what) < 200


@pytest.mark.parametrize("line", ["images/{}/a.png", "images/train/{}.png", "{}", "images/train/a\0.png"])
def test_any_line_of_a_list_leaves_out_no_more_than_itself(folder: Path, line: str) -> None:
    (folder / "train.txt").write_text(line.format("x" * 5000) + "\nimages/train/a.png\n")
    reader = reader_of(say(folder, train="train.txt", val="images/val"))
    problems: list[DataError] = []
    assert [f.frame_id for f in reader.frames("train", problems.append)] == ["train_a"]
    assert len(problems) == 1
    assert len(str(problems[0])) < 700


def test_names_that_are_not_utf8_are_told(folder: Path) -> None:
    base = os.fsencode(folder / "images/train")
    os.rename(base + b"/b.png", base + b"/caf\xe9.png")
    problems: list[DataError] = []
    assert [f.frame_id for f in reader_of(folder).frames("train", problems.append)] == ["train_a", "train_c"]
    assert r"caf\xe9.png: the image cannot be read" in str(problems[1])


def test_a_folder_of_images_may_be_a_link_of_its_owner(folder: Path) -> None:
    (folder / "images/train").rename(folder.parent / "disk")
    (folder / "images/train").symlink_to(folder.parent / "disk")
    (folder / "labels/train").rename(folder.parent / "disk labels")
    (folder / "labels/train").symlink_to(folder.parent / "disk labels")
    assert [frame.objects for frame in reader_of(folder).frames("train")] == [(DOG,)] * 3
    (folder.parent / "link").symlink_to(folder)
    assert len(list(reader_of(folder.parent / "link").frames("train"))) == 3
