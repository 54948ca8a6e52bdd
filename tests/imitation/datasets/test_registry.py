"""Datasets by kind: splits, their frames, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from imitation.common.settings import DataError, UserError
from imitation.data.images import encode_png
from imitation.data.records import Box, Frame, Object
from imitation.data.splits import SPLITS, SplitSettings
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.roles import assign_roles
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.registry import open_dataset
from tests.imitation.datasets.kitti.kitti_folder import CAR, make_kitti, make_lists, png


def _names(count: int) -> list[str]:
    return [f"{i:06d}" for i in range(count)]


def _ids(dataset: DatasetReader, split: str) -> list[str]:
    return [frame.frame_id for frame in dataset.frames(split)]


def test_kitti_lists_become_roles(tmp_path: Path) -> None:
    names = _names(10)
    make_kitti(tmp_path, dict.fromkeys(names, CAR))
    make_lists(tmp_path, train=names[:4], val=names[4:], trainval=names)
    dataset = open_dataset("kitti", str(tmp_path))
    splits = dataset.splits()
    assert tuple(splits) == SPLITS
    assert splits["train"] == splits["mine"] == names[:4]
    assert len(splits["val"]) == len(splits["test"]) == 3
    assert sorted(splits["val"] + splits["test"]) == names[4:]
    for split, ids in splits.items():
        assert _ids(dataset, split) == ids
    assert "val cut in two by seed 0" in dataset.note()
    assert "none of the 10 frames is known" in dataset.note()
    assert [f.frame_id for f in dataset.frames("train", names=names[2:6])] == names[2:4]
    other = open_dataset("kitti", str(tmp_path), SplitSettings(seed=1))
    assert other.splits()["val"] != splits["val"]


def test_kitti_without_lists_is_cut_by_seed_and_sequence(tmp_path: Path) -> None:
    names = _names(20)
    make_kitti(tmp_path, dict.fromkeys(names, ""))
    dataset = open_dataset("kitti", str(tmp_path), SplitSettings(train=0.5, val=0.25, test=0.25))
    assert {k: len(v) for k, v in dataset.splits().items()} == {"train": 10, "mine": 10, "val": 5, "test": 5}
    (tmp_path / "mapping").mkdir()
    lines = [f"d drive_{i // 5} {i}" for i in range(20)]
    (tmp_path / "mapping/train_mapping.txt").write_text("\n".join(lines))
    (tmp_path / "mapping/train_rand.txt").write_text(",".join(str(i + 1) for i in range(20)))
    dataset = open_dataset("kitti", str(tmp_path), SplitSettings(train=0.5, val=0.25, test=0.25))
    drives = {split: {int(i) // 5 for i in ids} for split, ids in dataset.splits().items()}
    assert {k: len(v) for k, v in drives.items()} == {"train": 2, "mine": 2, "val": 1, "test": 1}
    assert "none of the 4 sequences of 20 frames is divided" in dataset.note()


def test_bad_kitti_frames_are_reported_or_raised(tmp_path: Path) -> None:
    names = _names(6)
    make_kitti(tmp_path, {**dict.fromkeys(names, CAR), names[1]: "Car 1 2 3"})
    make_lists(tmp_path, train=names[:3], val=names[3:])
    dataset = open_dataset("kitti", str(tmp_path))
    with pytest.raises(DataError, match=r"000001\.txt:1: 4 columns"):
        list(dataset.frames("train"))
    problems: list[DataError] = []
    assert [f.frame_id for f in dataset.frames("train", problems.append)] == [names[0], names[2]]
    assert len(problems) == 1


def _lists(**lists: str) -> dict[str, list[str]]:
    return {name: list(members) for name, members in lists.items()}


def test_roles_of_lists() -> None:
    def roles(**lists: str) -> dict[str, list[str]]:
        return assign_roles(_lists(**lists), {}, SplitSettings(), "here")[0]

    whole = roles(train="ab", mine="cd", stop="ef", test="gh", val="xyz")
    assert whole == _lists(train="ab", mine="cd", val="ef", test="gh")
    assert roles(train="ab", val="cd", test="ef")["val"] == ["c", "d"]
    assert roles(train="ab", val="cd", stop="ef") == _lists(train="ab", mine="ab", val="ef", test="cd")
    assert roles(train="ab", val="cd", test="ef") == _lists(train="ab", mine="ab", val="cd", test="ef")
    for lists in ({"train": "ab"}, {"train": "ab", "test": "cd"}, {"val": "ab"}, {"train": "", "val": "cd"}):
        with pytest.raises(UserError, match=r"here: the list '(val|train)' is missing or empty"):
            roles(**lists)
    with pytest.raises(UserError, match="here: the splits 'train' and 'test' share 1 frames"):
        roles(train="abc", val="de", test="cf")
    with pytest.raises(UserError, match="here: the split 'mine' is empty"):
        roles(train="abc", mine="", val="de", test="f")
    with pytest.raises(UserError, match="share 1 sequences"):
        assign_roles(_lists(train="a", val="b", test="c"), {"a": "s", "c": "s"}, SplitSettings(), "here")


def _frames(*ids: str, sequence: str | None = None) -> list[Frame]:
    return [Frame(i, 200, 80, sequence=sequence, image=png()) for i in ids]


def test_parquet_with_a_file_or_folder_a_split(tmp_path: Path) -> None:
    write_frames(_frames(*"abc"), str(tmp_path / "train.parquet"))
    write_frames(_frames(*"de"), str(tmp_path / "val/part-0.parquet"))
    write_frames(_frames(*"fg"), str(tmp_path / "val/part-1.parquet"))
    dataset = open_dataset("parquet", str(tmp_path))
    splits = dataset.splits()
    assert splits["train"] == splits["mine"] == ["a", "b", "c"]
    assert sorted(splits["val"] + splits["test"]) == ["d", "e", "f", "g"]
    for split, ids in splits.items():
        assert _ids(dataset, split) == ids
    assert [f.frame_id for f in dataset.frames("mine", names=["c", "a", "d"])] == ["a", "c"]


@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_parquet_as_one_dataset_is_cut_by_sequence(tmp_path: Path, scheme: str) -> None:
    root = f"memory://{tmp_path.name}" if scheme else str(tmp_path)
    for number in range(6):
        write_frames(_frames(f"{number}a", f"{number}b", sequence=f"s{number}"), f"{root}/{number}.parquet")
    dataset = open_dataset("parquet", root)
    splits = dataset.splits()
    assert sorted({i for ids in splits.values() for i in ids}) == sorted(
        f"{n}{x}" for n in range(6) for x in "ab"
    )
    for split, ids in splits.items():
        assert _ids(dataset, split) == ids
        assert len(ids) == 2 * len({i[0] for i in ids})
    assert "cut by seed 0" in dataset.note()


def test_a_frame_in_train_and_test_is_refused(tmp_path: Path) -> None:
    for split, ids in (("train", "abc"), ("val", "de"), ("test", "cf")):
        write_frames(_frames(*ids), str(tmp_path / f"{split}.parquet"))
    with pytest.raises(UserError, match=r"'train' and 'test' share 1 frames \(c\)") as caught:
        open_dataset("parquet", str(tmp_path)).splits()
    assert str(tmp_path) in str(caught.value)


def test_bad_parquet_rows_are_reported_or_raised(tmp_path: Path) -> None:
    frames = _frames("a", "b", "c")
    frames[1] = Frame("b", 0, 80, image=png())
    write_frames(frames, str(tmp_path / "train.parquet"))
    write_frames(_frames("d", "e"), str(tmp_path / "val.parquet"))
    dataset = open_dataset("parquet", str(tmp_path))
    with pytest.raises(DataError, match=r"train\.parquet: row 1: the image size is 0x80"):
        list(dataset.frames("train"))
    problems: list[DataError] = []
    assert [f.frame_id for f in dataset.frames("train", problems.append)] == ["a", "c"]
    assert len(problems) == 1


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(
        UserError,
        match=r"data\.kind: there is no dataset 'kiti'; did you mean 'kitti'\?",
    ):
        open_dataset("kiti", str(tmp_path))
    with pytest.raises(UserError, match="there is nothing there"):
        open_dataset("kitti", str(tmp_path / "none"))
    make_kitti(tmp_path, dict.fromkeys(_names(4), ""))
    with pytest.raises(UserError, match="no split 'valid'; known are train, mine, val, test"):
        open_dataset("kitti", str(tmp_path)).frames("valid")


def test_real_frames(shared_data: Path) -> None:
    dataset = open_dataset("kitti", str(shared_data / "kitti101"))
    assert {k: len(v) for k, v in dataset.splits().items()} == {
        "train": 58,
        "mine": 58,
        "val": 22,
        "test": 21,
    }
    assert len(list(dataset.frames("test"))) == 21


def test_a_frame_with_two_images_is_a_problem_of_that_frame(tmp_path: Path) -> None:
    names = _names(6)
    make_kitti(tmp_path, dict.fromkeys(names, CAR))
    (tmp_path / f"training/image_2/{names[2]}.jpg").write_bytes(png())
    dataset = open_dataset("kitti", str(tmp_path))
    problems: list[DataError] = []
    found = [f.frame_id for split in ("train", "val", "test") for f in dataset.frames(split, problems.append)]
    assert sorted(found) == [name for name in names if name != names[2]]
    assert [problem.where.rpartition("/")[2] for problem in problems] == [f"{names[2]}.png"]


def test_options_of_a_kind(tmp_path: Path) -> None:
    make_kitti(tmp_path, dict.fromkeys(_names(4), CAR))
    with pytest.raises(UserError, match=r"data\.options\.cameras\.0 is 'BACK': Input should be 'FRONT'"):
        open_dataset("waymo", str(tmp_path), options={"cameras": ["BACK"]})


@pytest.mark.parametrize("kind", ["kitti", "parquet"])
def test_chunks_cover_a_split_in_order(tmp_path: Path, kind: str) -> None:
    names = _names(14)
    make_kitti(tmp_path / "kitti", dict.fromkeys(names, CAR))
    for part in range(2):
        write_frames(_frames(*names[part::2]), str(tmp_path / f"parquet/{part}.parquet"))
    dataset = open_dataset(kind, str(tmp_path / kind))
    for split, members in dataset.splits().items():
        chunks = list(dataset.chunks(split, 3))
        assert [name for chunk in chunks for name in chunk] == members
        assert max(map(len, chunks)) <= 3
        frames = [frame for chunk in chunks for frame in dataset.frames(split, names=chunk)]
        assert frames == list(dataset.frames(split))


def test_a_validation_folder_is_val(tmp_path):
    picture = encode_png(np.zeros((8, 8, 3), np.uint8))
    for name, count in (("train", 3), ("validation", 4)):
        frames = [
            Frame(f"{name}{i}", 8, 8, (Object("car", Box(1, 1, 5, 5)),), image=picture) for i in range(count)
        ]
        write_frames(frames, str(tmp_path / name / "frames.parquet"))
    splits = open_dataset("parquet", str(tmp_path)).splits()
    assert len(splits["train"]) == 3
    assert len(splits["val"]) + len(splits["test"]) == 4


def _coco(folder: Path, names: list[str]) -> None:
    """A Roboflow folder of one car an image."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / f"{name}.png").write_bytes(png(int(name)))
    images = [{"id": int(n), "file_name": f"{n}.png", "width": 200, "height": 80} for n in names]
    boxes = [{"id": int(n), "image_id": int(n), "category_id": 1, "bbox": [1, 1, 9, 9]} for n in names]
    told = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "Car"}]}
    (folder / "_annotations.coco.json").write_text(json.dumps(told))


def test_lists_of_the_old_name_are_val(tmp_path: Path) -> None:
    for split, ids in (("train", "123"), ("stop", "45"), ("test", "6")):
        write_frames(_frames(*ids), str(tmp_path / "parquet" / f"{split}.parquet"))
        _coco(tmp_path / "coco" / split, list(ids))
    for kind in ("parquet", "coco"):
        dataset = open_dataset(kind, str(tmp_path / kind))
        sizes = {split: len(ids) for split, ids in dataset.splits().items()}
        assert sizes == {"train": 3, "mine": 3, "val": 2, "test": 1}
        assert _ids(dataset, "val") == dataset.splits()["val"]


@pytest.mark.parametrize("kind", ["kitti", "parquet", "coco"])
def test_folds_pool_all_lists_and_every_frame_is_test_once(tmp_path: Path, kind: str) -> None:
    names = _names(12)
    frames = [
        Frame(i, 200, 80, (Object("Car", Box(10, 10, 60, 50)),), sequence=f"drive-{n // 2}", image=png())
        for n, i in enumerate(names)
    ]
    root = tmp_path / kind
    if kind == "kitti":
        make_kitti(root, dict.fromkeys(names, CAR))
        make_lists(root, train=names[:7], val=names[7:])
    elif kind == "parquet":
        write_frames(frames[:7], str(root / "train.parquet"))
        write_frames(frames[7:], str(root / "val.parquet"))
    else:
        _coco(root / "train", names[:7])
        _coco(root / "valid", names[7:])
    tested: list[str] = []
    for fold in range(3):
        dataset = open_dataset(kind, str(root), SplitSettings(folds=3, fold=fold, seed=4))
        splits = dataset.splits()
        assert splits["train"] == splits["mine"]
        parts = [set(splits[name]) for name in ("train", "val", "test")]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 12
        for split, ids in splits.items():
            assert sorted(_ids(dataset, split)) == sorted(ids)
            assert sorted(i for chunk in dataset.chunks(split, 2) for i in chunk) == sorted(ids)
        if kind == "parquet":  # its sequences are known: none may lie in two splits
            drives = [{int(i) // 2 for i in part} for part in parts]
            assert sum(map(len, drives)) == 6
        assert "pooled from the lists train, val" in dataset.note()
        assert f"fold {fold} of 3" in dataset.note()
        tested += splits["test"]
    assert len(tested) == len(set(tested)) == 12


def test_folds_that_cannot_be_are_refused(tmp_path: Path) -> None:
    write_frames(_frames(*"abcd"), str(tmp_path / "one/train.parquet"))
    with pytest.raises(UserError, match=r"4 frames in 4 independent groups .* cannot make 5 folds"):
        open_dataset("parquet", str(tmp_path / "one/train.parquet"), SplitSettings(folds=5)).splits()
    write_frames(_frames(*"dx"), str(tmp_path / "one/val.parquet"))
    with pytest.raises(UserError, match="frame 'd' is in two lists"):
        open_dataset("parquet", str(tmp_path / "one"), SplitSettings(folds=2)).splits()
    with pytest.raises(ValueError, match=r"there is no fold 3: splits\.folds is 3"):
        SplitSettings(folds=3, fold=3)
    with pytest.raises(ValueError, match=r"there is no fold 1: splits\.folds is None"):
        SplitSettings(fold=1)
