"""What holds for every layout: written to its published format it is found out and read back, frame by frame,
in parts and after pickling; what is wrong with one frame costs that frame; paths lead nowhere."""

import os
import pickle
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.common.settings import DataError, UserError
from imitation.data.images import load_frame_image
from imitation.data.records import Frame
from imitation.data.splits import SplitSettings
from imitation.datasets.base import ALL, DatasetReader, frames_of
from imitation.datasets.common.left_out import OTHERS
from imitation.datasets.registry import open_dataset, recognized
from tests.imitation.datasets.layouts.content import HEIGHT, WIDTH, Lists, Picture, every, two_lists
from tests.imitation.datasets.layouts.write_driving import cityscapes_label
from tests.imitation.datasets.layouts.writers import WRITERS

LAYOUTS = sorted(WRITERS)
FLAT = [layout for layout in LAYOUTS if layout != "nuscenes"]  # whose boxes are those that were written
HOLDS = {
    "bdd100k": {"crowd", "conditions", "occluded"},
    "cityscapes": {"crowd", "drive"},
    "cvat": {"occluded"},
    "fiftyone": {"crowd", "conditions"},
    "fiftyone-detections": {"crowd"},
    "huggingface": {"crowd", "conditions"},
    "imagefolder": {"crowd", "conditions"},
    "labelstudio": set[str](),
    "nuimages": {"drive"},
    "openimages": {"crowd", "occluded"},
}
"""What a layout says beyond boxes and categories."""
WITHOUT_LISTS = {"labelstudio"}
# Pictures stand in the file, are called as the label file, or are named without a path.
WITHOUT_PATHS = {"huggingface", "cityscapes", "openimages", "fiftyone-detections"}
PICTURES = (".jpg", ".png")


def written(layout: str, root: Path, lists: Lists) -> str:
    WRITERS[layout][1](root, lists)
    return str(root)


def opened(layout: str, root: str, **splits: object) -> DatasetReader:
    return open_dataset(WRITERS[layout][0], root, SplitSettings(**splits))


def label_file(root: Path) -> Path:
    """The largest file that is no picture."""
    files = (p for p in sorted(root.rglob("*")) if p.is_file() and p.suffix not in PICTURES)
    return max(files, key=lambda place: place.stat().st_size)


def said(layout: str, frame: Frame) -> tuple[object, ...]:
    """What a frame says, as far as its layout can hold it."""
    holds = HOLDS[layout]
    objects = sorted(
        (
            obj.category,
            tuple(round(side, 3) for side in obj.box),
            obj.ignore if "crowd" in holds else None,
            obj.occlusion_level if "occluded" in holds else None,
        )
        for obj in frame.objects
    )
    conditions = frame.conditions if "conditions" in holds else None
    return (objects, frame.width, frame.height, conditions, frame.sequence if "drive" in holds else None)


def expected(layout: str, picture: Picture) -> tuple[object, ...]:
    holds = HOLDS[layout]
    objects = sorted(
        (
            cityscapes_label(thing) if layout == "cityscapes" else thing.category,
            tuple(float(side) for side in thing.box),
            thing.crowd if "crowd" in holds else None,
            int(thing.occluded) if "occluded" in holds else None,
        )
        for thing in picture.things
    )
    conditions = picture.conditions if "conditions" in holds else None
    return (objects, WIDTH, HEIGHT, conditions, picture.drive if "drive" in holds else None)


@pytest.mark.parametrize("layout", FLAT)
def test_what_is_written_is_found_out_and_read_back(
    layout: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(max_examples=8, deadline=None)
    @given(seed=st.integers(0, 2**16))
    def round_trip(seed: int) -> None:
        lists = two_lists(np.random.default_rng(seed))
        root = written(layout, tmp_path_factory.mktemp("set"), lists)
        assert recognized(root) == WRITERS[layout][0]
        reader = opened(layout, root)
        reader.keep_lists()
        if layout in WITHOUT_LISTS:
            lists = {"train": [picture for _, picture in every(lists)]}
        for name, pictures in lists.items():
            frames = list(reader.frames(name))
            kept = [one for one in pictures if one.things or layout != "openimages"]
            assert [said(layout, frame) for frame in frames] == [expected(layout, one) for one in kept]
        assert load_frame_image(frames[0]).shape == (HEIGHT, WIDTH, 3)

    round_trip()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_parts_of_it_are_read_by_another_process(layout: str, tmp_path: Path) -> None:
    """As tasks of the cluster do: the reader is pickled, and asked for a few frames at a time."""
    lists = two_lists(np.random.default_rng(1), 9)
    reader = opened(layout, written(layout, tmp_path, lists))
    whole = {frame.frame_id: frame for frame in frames_of(reader, ALL)}
    other = pickle.loads(pickle.dumps(reader))  # noqa: S301
    found: dict[str, Frame] = {}
    for split in ("train", "val", "test"):
        for names in other.chunks(split, 4):
            assert len(names) <= 4
            found |= {frame.frame_id: frame for frame in other.frames(split, names=names)}
    assert found == whole
    empty = sum(not picture.things for _, picture in every(lists)) if layout == "openimages" else 0
    assert len(whole) == 18 - empty


@pytest.mark.parametrize("layout", [layout for layout in FLAT if layout != "cityscapes"])  # of polygons
def test_a_bad_object_costs_its_frame_and_is_named(layout: str, tmp_path: Path) -> None:
    lists = two_lists(np.random.default_rng(2))
    first = next(number for number, picture in enumerate(lists["train"]) if picture.things)
    picture = lists["train"][first]
    bad = replace(picture.things[0], box=(picture.things[0].box[2], 3, picture.things[0].box[0], 9))
    lists["train"][first] = replace(picture, things=(bad, *picture.things[1:]))
    reader = opened(layout, written(layout, tmp_path, lists))
    problems: list[DataError] = []
    reader.keep_lists()
    whole = sum(1 for _ in every(lists)) - sum(not p.things for _, p in every(lists)) * (
        layout == "openimages"
    )
    frames = [frame for split in ("train", "val") for frame in reader.frames(split, problems.append)]
    assert len(frames) == whole - 1
    (problem,) = problems
    assert str(tmp_path) in problem.where
    with pytest.raises(DataError):
        list(reader.frames("train"))


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout not in WITHOUT_PATHS])
@pytest.mark.parametrize("name", ["../../../../outside", "/etc/outside"])
def test_a_name_that_leads_out_of_the_folder_is_not_followed(layout: str, name: str, tmp_path: Path) -> None:
    lists = two_lists(np.random.default_rng(3))
    root = tmp_path / "set"
    written(layout, root, lists)
    held = lists["train"][0].name
    for place in root.rglob("*"):
        if place.is_file() and place.suffix not in PICTURES:
            place.write_text(re.sub(rf"[\w/-]*{held}\.", f"{name}.", place.read_text()))
    reader = opened(layout, str(root))
    problems: list[DataError] = []
    frames = list(frames_of(reader, ALL, problems.append))
    assert len(frames) == sum(1 for _ in every(lists)) - 1
    assert "path" in str(problems[0])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_label_file_that_is_cut_short_is_named(layout: str, tmp_path: Path) -> None:
    lists = two_lists(np.random.default_rng(4))
    root = written(layout, tmp_path, lists)
    largest = label_file(tmp_path)
    data = largest.read_bytes()
    largest.write_bytes(data[: len(data) * 2 // 3 - 40])
    problems: list[DataError] = []
    try:
        reader = opened(layout, root)
        reader.undivide()
        list(frames_of(reader, ALL, problems.append))
    except DataError as error:
        problems.append(error)
    assert any(str(largest) in str(problem) for problem in problems)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pipe_in_place_of_a_label_file_is_not_waited_for(layout: str, tmp_path: Path) -> None:
    lists = two_lists(np.random.default_rng(5))
    root = written(layout, tmp_path, lists)
    place = label_file(tmp_path)
    place.unlink()
    os.mkfifo(place)
    with suppress(UserError):  # said, and not waited for
        reader = opened(layout, root)
        reader.undivide()
        assert len(list(frames_of(reader, ALL, lambda problem: None))) < sum(1 for _ in every(lists))


def test_one_bad_row_costs_itself_where_that_is_asked_for(tmp_path: Path) -> None:
    root = written("openimages", tmp_path, two_lists(np.random.default_rng(0)))
    file = label_file(tmp_path)
    head, first, *rest = file.read_text().splitlines()
    place = head.split(",").index("XMin")
    bad = first.split(",")
    bad[place] = "what"
    file.write_text("\n".join([head, ",".join(bad), first, *rest]) + "\n")
    skip, stop = opened("openimages", root).skip_rows(), opened("openimages", root)
    frames = list(frames_of(skip.undivide(), ALL))
    assert skip.left_out[OTHERS] == 1
    assert len(list(frames_of(stop.undivide(), ALL, lambda problem: None))) == len(frames) - 1
    with pytest.raises(DataError, match="XMin is 'what'"):
        list(frames_of(opened("openimages", root).undivide(), ALL))
