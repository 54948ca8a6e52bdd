"""Splits as asked for: lists of one's own, frames left out, val from train, stratified by category."""

from collections.abc import Callable
from pathlib import Path

import pytest

from imitation.common.errors import UserError
from imitation.data.records import Box, Frame, Object
from imitation.data.splits import SplitSettings
from imitation.datasets.base import DatasetReader
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.settings import DataSettings

DRIVES = 8
EACH = 3
Open = Callable[..., DatasetReader]


def frame(drive: int, number: int) -> Frame:
    """Drives 0 and 1 hold a truck, in their first frame."""
    name = "truck" if drive % 4 < 2 and number == 0 else "car"
    return Frame(
        f"{drive}-{number}",
        80,
        40,
        (Object(name, Box(5, 5, 30, 30)),),
        sequence=f"d{drive}",
        image_uri="x.png",
    )


@pytest.fixture(params=["lists", "one"])
def open_it(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens sixteen drives as a dataset: eight in each of two lists, or all in one file without lists."""
    frames = [frame(d, i) for d in range(2 * DRIVES) for i in range(EACH)]
    if request.param == "lists":
        write_frames(
            (f for f in frames if int(f.frame_id.split("-")[0]) < DRIVES), f"{tmp_path}/train.parquet"
        )
        write_frames(
            (f for f in frames if int(f.frame_id.split("-")[0]) >= DRIVES), f"{tmp_path}/val.parquet"
        )
    else:
        write_frames(frames, f"{tmp_path}/all.parquet")
        lines = {"train": range(DRIVES), "val": range(DRIVES, 2 * DRIVES)}
        for name, drives in lines.items():
            text = "\n".join(f"{d}-{i}" for d in drives for i in range(EACH))
            (tmp_path / f"{name}.txt").write_text(text)

    def opened(**splits: object) -> DatasetReader:
        if request.param == "one":
            splits = {"lists": {"train": "train.txt", "val": "val.txt"}} | splits
        return DataSettings(kind="parquet", root=str(tmp_path), splits=SplitSettings(**splits)).open()

    return opened


def drives(dataset: DatasetReader, split: str) -> set[int]:
    return {int(name.split("-")[0]) for name in dataset.splits()[split]}


def test_all_of_val_is_test_and_val_is_cut_from_train(open_it: Open) -> None:
    dataset = open_it(val_from="train", train=0.75, val=0.25)
    assert drives(dataset, "test") == set(range(DRIVES, 2 * DRIVES))
    assert drives(dataset, "train") | drives(dataset, "val") == set(range(DRIVES))
    assert len(drives(dataset, "val")) == 2
    assert dataset.splits()["mine"] == dataset.splits()["train"]
    for split in ("train", "val", "test"):  # wherever a list lies, its frames are found
        read = [f.frame_id for f in dataset.frames(split)]
        assert sorted(read) == sorted(dataset.splits()[split])
    assert "with val as test, train cut into train and val by seed 0" in dataset.note()


def test_stratified_both_parts_have_trucks_whatever_the_seed(open_it: Open) -> None:
    for seed in range(6):
        dataset = open_it(val_from="train", train=0.75, val=0.25, stratify=True, seed=seed)
        trucks = {d for d in drives(dataset, "val") if d % 4 < 2}
        assert len(drives(dataset, "val")) == 2
        assert len(trucks) == 1
    assert "stratified by category and size" in dataset.note()
    assert open_it(stratify=True).splits() == open_it(stratify=True).splits()


def test_folds_are_stratified_and_cover_every_frame_once(open_it: Open) -> None:
    tested: list[str] = []
    for fold in range(4):
        dataset = open_it(folds=4, fold=fold, stratify=True)
        tested += dataset.splits()["test"]
        held = [d % 4 < 2 for d in drives(dataset, "test")]
        assert (len(held), sum(held)) == (4, 2)
        assert [f.frame_id for f in dataset.frames("test")]
    assert sorted(tested) == sorted(f"{d}-{i}" for d in range(2 * DRIVES) for i in range(EACH))


def test_what_is_left_out_is_nowhere(open_it: Open, tmp_path: Path) -> None:
    (tmp_path / "not.txt").write_text("9-0\n9-1\n\n9-2\n1-0\n77-7\n")
    dataset = open_it(val_from="train", leave_out="not.txt")
    assert drives(dataset, "test") == set(range(DRIVES, 2 * DRIVES)) - {9}
    listed = {name for names in dataset.splits().values() for name in names}
    assert len(listed) == 2 * DRIVES * EACH - 4
    assert "1-0" not in listed
    assert open_it(leave_out=str(tmp_path / "not.txt")).splits()["train"] == [
        f"{d}-{i}" for d in range(DRIVES) for i in range(EACH) if (d, i) != (1, 0)
    ]


def test_a_list_of_ones_own_takes_the_place_of_the_datasets(open_it: Open, tmp_path: Path) -> None:
    (tmp_path / "thin.txt").write_text("\n".join(f"{d}-0" for d in range(DRIVES)))
    (tmp_path / "rest.txt").write_text("\n".join(f"{d}-0" for d in range(DRIVES, 2 * DRIVES)))
    lists = {"train": "thin.txt", "val": "rest.txt"}
    dataset = open_it(lists=lists, val_from="train")
    assert len(dataset.splits()["test"]) == DRIVES
    assert len(dataset.splits()["train"]) + len(dataset.splits()["val"]) == DRIVES
    folded = open_it(lists={"train": "thin.txt"}, folds=2)
    assert len(folded.splits()["test"]) == DRIVES / 2
    for split in ("train", "val", "test"):
        assert len(list(dataset.frames(split))) == len(dataset.splits()[split])
        assert len(list(folded.frames(split))) == len(folded.splits()[split])


def test_what_cannot_be_is_said(open_it: Open, tmp_path: Path) -> None:
    (tmp_path / "wrong.txt").write_text("0-0\nnobody\n")
    (tmp_path / "twice.txt").write_text("0-0\n0-0\n")
    for lists, said in [
        ({"train": "wrong.txt", "val": "wrong.txt"}, r"wrong.txt:2: nobody is no frame of"),
        ({"train": "twice.txt"}, r"twice.txt:2: 0-0 already stands on line 1"),
        ({"train": "none.txt"}, "there is no such list"),
    ]:
        with pytest.raises(UserError, match=said):
            open_it(lists=lists).splits()
    for name, drive in (("a", 0), ("b", 1), ("c", 2)):
        (tmp_path / f"{name}.txt").write_text(f"{drive}-0")
    dataset = open_it(lists={"train": "a.txt", "val": "b.txt", "test": "c.txt"}, val_from="train")
    with pytest.raises(UserError, match=r"val_from is 'train', which is for a list val without a list test"):
        dataset.splits()
    with pytest.raises(ValueError, match="lists names 'trian'; lists are train, mine, val, test"):
        SplitSettings(lists={"trian": "x"})
