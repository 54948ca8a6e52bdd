"""What an inspection counts, against datasets made by hand."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.data.records import Box, Camera, Frame, Object
from imitation.data.splits import SplitSettings
from imitation.datasets.inspection.statistics import (
    MAX_VALUES,
    OTHERS,
    QUANTILES,
    Heights,
    Inspection,
    Limited,
    inspect_dataset,
    listed_frames,
    mapping_of,
)
from imitation.datasets.kitti.reader import KittiReader
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.parquet.reader import ParquetReader
from imitation.datasets.registry import open_dataset
from tests.imitation.data.some_frames import CAR, CROWD, HEIGHT, WIDTH, picture
from tests.imitation.datasets.kitti.kitti_folder import CAR as CAR_LINE
from tests.imitation.datasets.kitti.kitti_folder import DONT_CARE, make_kitti, make_lists

KITTI = KittiReader.categories


def inspected(kind: str, root: Path, **options: object) -> Inspection:
    dataset = open_dataset(kind, str(root))
    return inspect_dataset(dataset, listed_frames(dataset), **options)


def dataset(root: Path, **splits: list[Frame]) -> Path:
    for split, frames in splits.items():
        write_frames(frames, str(root / f"{split}.parquet"))
    return root


def frames(prefix: str, count: int, **changes: object) -> list[Frame]:
    start = {"train": 0, "val": 100, "test": 200, "mine": 300}[prefix]
    made = [
        Frame(f"{prefix}{i}", WIDTH, HEIGHT, (CAR, CROWD), image=picture(start + i)) for i in range(count)
    ]
    return [replace(frame, **changes) for frame in made]


def test_everything_is_counted_by_split(tmp_path: Path) -> None:
    camera = Camera(700, 700, 32, 24, height=1.6)
    root = dataset(
        tmp_path,
        train=frames("train", 3, sequence="a", camera=camera, conditions={"weather": "fog"}),
        val=frames("val", 2, conditions={"weather": "clear", "city": "X"}),
        test=frames("test", 1, objects=(replace(CAR, category="Bus", cuboid=None),)),
    )
    found = inspected("parquet", root, keep=2)
    said = found.to_json(CategoryMap.identity(["Car"]))
    assert (said["frames"], said["objects"], said["ignored"]) == (6, 6, 5)
    assert said["splits"]["train"] == {
        **{"listed": 3, "frames": 3, "objects": 3, "ignored": 3},
        **{"sequences": 1, "frames_with_sequence": 3},
    }
    assert said["image_sizes"] == [{"width": WIDTH, "height": HEIGHT, "frames": 6}]
    by_name = {category["name"]: category for category in said["categories"]}
    assert by_name["Car"]["objects"] == {"train": 3, "val": 2}
    assert by_name["Person"]["ignored"] == {"train": 3, "val": 2}
    assert by_name["Person"]["height_px"] is None
    assert [(name, by_name[name]["role"]) for name in ("Car", "Bus", "Person")] == [
        ("Car", "class"), ("Bus", "background"), ("Person", "ignored"),
    ]  # fmt: skip
    assert said["unmapped"] == {"Bus": 1}
    assert said["known"]["cuboid"] == 5
    assert said["known"]["occlusion_level"] == 6
    assert said["known"]["visible_box"] == 0
    assert said["cameras"]["frames"] == said["cameras"]["frames_with_height"] == 3
    assert said["cameras"]["distinct"] == [{"fx": 700, "fy": 700, "cx": 32, "cy": 24, "frames": 3}]
    assert said["conditions"] == {
        "city": {"X": {"val": 2}},
        "weather": {"clear": {"val": 2}, "fog": {"train": 3}},
    }
    assert said["problems"] == []
    assert [frame.frame_id for frame in found.first] == ["train0", "train1"]
    json.dumps(said, allow_nan=False)


def test_every_problem_is_listed_and_stops_nothing(tmp_path: Path) -> None:
    lines = {f"{i:06d}": f"{CAR_LINE}\n{DONT_CARE}\n" for i in range(8)}
    make_kitti(tmp_path, lines)
    make_lists(tmp_path, train=[f"{i:06d}" for i in range(4)], val=[f"{i:06d}" for i in range(4, 8)])
    base = tmp_path / "training"
    (base / "label_2/000001.txt").write_text(f"{CAR_LINE}\nCar 0 0\n")
    (base / "image_2/000002.png").write_bytes((base / "image_2/000002.png").read_bytes()[:4000])
    (base / "calib/000005.txt").unlink()
    found = inspected("kitti", tmp_path)
    places = {problem.where for problem in found.problems}
    assert places == {
        str(base / "label_2/000001.txt") + ":2",
        str(base / "image_2/000002.png"),
        str(base / "calib/000005.txt"),
    }
    assert found.frames == 5
    assert found.splits["train"].listed - found.splits["train"].frames == 2
    assert found.role("DontCare", KITTI) == "ignored"
    unread = inspected("kitti", tmp_path, verify_images=False)
    assert {problem.where for problem in unread.problems} == places - {str(base / "image_2/000002.png")}


def test_an_image_that_a_judging_split_shares_is_a_problem(tmp_path: Path) -> None:
    shared = picture(7)
    root = dataset(
        tmp_path,
        train=[*frames("train", 2), *frames("train", 1, frame_id="twin", image=shared)],
        val=frames("val", 2),
        test=[*frames("test", 1), *frames("test", 1, frame_id="leak", image=shared)],
    )
    (problem,) = inspected("parquet", root).problems
    assert problem.where == str(tmp_path / "test.parquet") + ": row 1"
    assert "frame twin of split 'train'" in problem.what
    assert not inspected("parquet", root, verify_images=False).problems


def test_images_that_train_holds_twice_are_no_problem(tmp_path: Path) -> None:
    twins = [*frames("train", 2, image=picture(7))]
    root = dataset(tmp_path, train=twins, val=frames("val", 1), test=frames("test", 1))
    assert not inspected("parquet", root).problems


def test_frames_of_mine_count_once(tmp_path: Path) -> None:
    train = frames("train", 2)
    root = dataset(
        tmp_path,
        train=train, mine=[train[0], *frames("mine", 2)], val=frames("val", 1), test=frames("test", 1),
    )  # fmt: skip
    found = inspected("parquet", root)
    assert {name: split.frames for name, split in found.splits.items()} == {
        **{"train": 2, "mine": 2, "val": 1, "test": 1}
    }
    assert found.examples()[0].objects[0].category == "Car"


def test_a_dataset_too_small_to_be_cut_is_looked_at_all_the_same(tmp_path: Path) -> None:
    write_frames(frames("train", 2), str(tmp_path / "two.parquet"))
    found = inspected("parquet", tmp_path)
    assert {name: split.frames for name, split in found.splits.items()} == {"train": 2}
    assert "cannot make 3 splits" in found.note


def test_a_limit_reads_less(tmp_path: Path) -> None:
    root = dataset(tmp_path, train=frames("train", 5), val=frames("val", 3), test=frames("test", 1))
    told: list[int] = []
    found = inspected("parquet", root, limit=2, progress=told.append)
    assert [split.frames for split in found.splits.values()] == [2, 2, 1]
    assert told == sorted(told)
    assert told[-1] == 9


def test_without_objects_in_train_there_is_no_map_but_a_problem(tmp_path: Path) -> None:
    bare = frames("train", 1, objects=())
    root = dataset(tmp_path, train=bare, val=frames("val", 1), test=frames("test", 1))
    found = inspected("parquet", root)
    mapping = mapping_of(
        found, lambda examples: CategoryMap.identity(o.category for o in examples[0].objects)
    )
    assert mapping is None
    assert [problem.where for problem in found.problems] == ["data.categories"]
    said = found.to_json(mapping)
    assert said["classes"] is None
    assert said["categories"][0]["role"] is None


def test_a_root_that_holds_nothing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no \\.parquet file"):
        inspected("parquet", tmp_path)


@given(st.lists(st.floats(0, 2000), min_size=1))
def test_quantiles_of_heights_agree_with_numpy(heights: list[float]) -> None:
    counted = Heights()
    for height in heights:
        counted.add(height)
    found = counted.quantiles()
    assert found is not None
    rounded = [round(height * 10) / 10 for height in heights]
    expected = np.quantile(rounded, QUANTILES, method="inverted_cdf")
    assert list(found.values()) == pytest.approx(expected)
    assert list(found) == ["p0", "p5", "p25", "p50", "p75", "p95", "p100"]


def test_no_boxes_have_no_heights() -> None:
    assert Heights().quantiles() is None


def test_conditions_of_a_value_a_frame_stay_few() -> None:
    counts = Limited()
    for number in range(3 * MAX_VALUES):
        counts.count(f"stamp {number}")
        counts.count("stamp 0")
    assert len(counts) == MAX_VALUES + 1
    assert counts[OTHERS] == 2 * MAX_VALUES
    assert counts["stamp 0"] == 3 * MAX_VALUES + 1


def test_real_frames_are_counted_as_their_readme_says(shared_data: Path) -> None:
    found = inspected("kitti", shared_data / "kitti101", verify_images=False)
    totals = Counter({name: counts.objects.total() for name, counts in found.categories.items()})
    assert +totals == {
        **{"Car": 303, "Pedestrian": 47, "Van": 34, "Cyclist": 18, "Truck": 14, "Tram": 12},
        **{"Misc": 6, "Person_sitting": 5},
    }
    assert found.categories["DontCare"].ignored.total() == 237
    assert (found.frames, found.problems) == (101, [])
    assert found.unmapped(KITTI) == {"Truck": 14, "Tram": 12, "Misc": 6}


def test_one_real_waymo_frame_is_looked_at(shared_data: Path) -> None:
    found = inspected("waymo", shared_data / "waymo_v2")
    assert (found.frames, found.objects, found.problems) == (5, 66, [])
    assert found.known["visible_box"] == 66


def test_objects_are_drawn_from_examples_of_train_alone() -> None:
    found = Inspection("kitti", "x")
    found.categories["Car"].objects["train"] = 2
    found.categories["Bus"].objects["test"] = 2
    found.categories["Dog"].ignored["train"] = 2
    assert [obj.category for obj in found.examples()[0].objects] == ["Car"]
    assert found.examples()[0].objects[0] == Object("Car", Box(0, 0, 1, 1))


def test_a_file_that_cannot_be_read_at_all_is_a_problem_and_the_rest_is_counted(tmp_path: Path) -> None:
    class Broken(ParquetReader):
        def _read(self, split, wanted, problems):
            yield from super()._read(split, wanted[:1], problems)
            if split == "val":
                raise UserError(f"{self.root}/val.parquet: has no column 'objects'")

    root = dataset(tmp_path, **{split: frames(split, 2) for split in ("train", "val", "test")})
    reader = Broken(str(root), SplitSettings())
    found = inspect_dataset(reader, listed_frames(reader))
    assert [(p.where, p.what) for p in found.problems] == [(f"{root}/val.parquet", "has no column 'objects'")]
    assert [split.frames for split in found.splits.values()] == [1, 1, 1]
