"""COCO files with numbers out of range, nesting without end, and extras that are none of ours."""

import codecs
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.common.settings import DataError, UserError
from imitation.data.records import frames_to_table
from imitation.data.splits import SplitSettings
from imitation.datasets.coco.reader import CocoReader
from imitation.datasets.coco.text import WithoutOddNumbers
from tests.imitation.datasets.coco.test_reader import (
    CATEGORIES,
    FOUR,
    frames_of,
    image,
    label,
    pictures,
    single,
    write,
)


def raw(root: Path, text: bytes) -> CocoReader:
    pictures(root, *(f"{key}.png" for key in (1, 2, 5, 9)))
    (root / "labels.json").write_bytes(text)
    return CocoReader(str(root), SplitSettings())


def document(**changes: Any) -> bytes:
    lists = {"images": FOUR, "annotations": [label(30, 1), label(31, 5)], "categories": CATEGORIES}
    return json.dumps(lists | changes).encode()


CAMERA = {"fx": 1.0, "fy": 1.0, "cx": 1.0, "cy": 1.0}
ORIGIN: dict[str, Any] = {
    "cycle": 1, "parent": None, "failures": [], "policy": "p", "scene": "{}", "simulator": "s",
    "simulator_version": "1", "seed": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    "extra",
    [
        {"sequence": 5},
        {"frame_id": 7},
        {"conditions": {"weather": 5}},
        {"conditions": [["weather", 5]]},
        {"conditions": [[None, "rain"]]},
        {"conditions": 3},
        {"camera": CAMERA | {"height": "x"}},
        {"camera": {"fx": 1.0}},
        {"camera": "wide"},
        {"origin": ORIGIN | {"cycle": "x"}},
        {"origin": ORIGIN | {"seed": 2**70}},
        {"origin": ORIGIN | {"cycle": 1.5}},
        {"origin": {"cycle": 1}},
    ],
)
def test_extras_of_an_image_that_cannot_be(tmp_path: Path, extra: dict[str, Any]) -> None:
    images = [image(5, imitation=extra) if row["id"] == 5 else row for row in FOUR]
    reader = single(tmp_path, images, [label(1, 9)])
    problems: list[DataError] = []
    found = frames_of(reader, problems)
    assert set(found) == {"1", "2", "9"}
    assert [problem.where for problem in problems] == [f"{tmp_path}/labels.json: image id 5"]
    assert "imitation" in problems[0].what
    frames_to_table(found.values())
    with pytest.raises(DataError, match=r"image id 5: .*imitation"):
        frames_of(reader)


@pytest.mark.parametrize(
    "extra",
    [
        {"occlusion_level": "x"},
        {"occlusion_level": 10**20},
        {"occlusion_level": 1.5},
        {"difficulty": 1.5},
        {"alpha": "x"},
        {"truncation": [0.5]},
        {"box": None},
        {"box": [1, 2, 3, 4]},
        {"visible_box": {"x1": "a", "y1": 1, "x2": 2, "y2": 3}},
        {"cuboid": {"x": None, "y": 1, "z": 1, "length": 1, "width": 1, "height": 1, "yaw": 1}},
    ],
)
def test_extras_of_an_annotation_that_cannot_be(tmp_path: Path, extra: dict[str, Any]) -> None:
    reader = single(tmp_path, FOUR, [label(1, 5, imitation=extra), label(2, 9)])
    problems: list[DataError] = []
    found = frames_of(reader, problems)
    assert set(found) == {"1", "2", "9"}
    assert [problem.where for problem in problems] == [f"{tmp_path}/labels.json: image id 5"]
    frames_to_table(found.values())


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"1" + b"0" * 30, b"9" * 5000, b"-1" + b"0" * 400])
@pytest.mark.parametrize("place", ["bbox", "width", "category_id", "image_id"])
def test_a_number_too_large_costs_one_frame(tmp_path: Path, number: bytes, place: str) -> None:
    mark = 12345
    images = [image(key, width=mark) if place == "width" and key == 5 else image(key) for key in (1, 2, 5, 9)]
    bad = {
        "bbox": label(31, 5, (mark, 20, 30, 8)),
        "category_id": label(31, 5, category=mark),
        "image_id": label(31, mark),
        "width": label(31, 5),
    }
    text = document(images=images, annotations=[label(30, 1), bad[place], label(32, 9)])
    reader = raw(tmp_path, text.replace(str(mark).encode(), number))
    problems: list[DataError] = []
    lost = set() if place == "image_id" else {"5"}
    assert set(frames_of(reader, problems)) == {"1", "2", "5", "9"} - lost
    (problem,) = problems
    assert problem.where.endswith("image id 5" if place == "width" else "annotation id 31")
    assert number[:20].decode() in problem.what
    assert len(str(problem)) < 500


def test_numbers_too_large_where_nothing_is_read_cost_nothing(tmp_path: Path) -> None:
    more = label(30, 1, area=12345, segmentation=[[12345, 1, 2]])
    frames = frames_of(raw(tmp_path, document(annotations=[more]).replace(b"12345", b"1e999")))
    assert len(frames) == 4
    assert len(frames["1"].objects) == 1


@pytest.mark.parametrize("place", [b'"iscrowd": 0', b'"width": 200', b'"supercategory": "animal"'])
@pytest.mark.parametrize("opened", [b"[", b'{"a":'])
def test_deep_nesting_ends_with_a_sentence(tmp_path: Path, place: bytes, opened: bytes) -> None:
    closed = b"]" if opened == b"[" else b"}"
    deep = b'"segmentation": ' + opened * 100_000 + b"1" + closed * 100_000
    with pytest.raises(UserError, match="nested more than 100 deep"):
        raw(tmp_path, document().replace(place, deep, 1)).splits()


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    frames = frames_of(raw(tmp_path, codecs.BOM_UTF8 + document()))
    assert [len(frames[key].objects) for key in ("1", "2", "5", "9")] == [1, 0, 1, 0]


def test_a_byte_order_mark_and_nan(tmp_path: Path) -> None:
    text = codecs.BOM_UTF8 + document(annotations=[label(30, 1), label(31, 5, (1, float("nan"), 3, 4))])
    problems: list[DataError] = []
    assert set(frames_of(raw(tmp_path, text), problems)) == {"1", "2", "9"}
    assert [problem.what for problem in problems] == [
        "its bbox [1, 'NaN', 3, 4] has what is not a finite number"
    ]


def test_a_bad_category_costs_its_frames(tmp_path: Path) -> None:
    categories = [*CATEGORIES, {"id": 8}, None, {"id": 10**30, "name": "x"}]
    labels = [label(30, 1), label(31, 5, category=8)]
    reader = raw(tmp_path, document(categories=categories, annotations=labels))
    problems: list[DataError] = []
    assert set(frames_of(reader, problems)) == {"1", "2", "9"}
    assert sorted(problem.what[:17] for problem in problems) == [
        *(f"category number {i}" for i in (2, 3, 4)),
        "its category_id 8",
    ]
    with pytest.raises(DataError, match="category number 2 has no whole-number id or no name"):
        frames_of(reader)


def test_a_file_name_too_long_for_any_disk_is_told_with_its_image(tmp_path: Path) -> None:
    rows = [{"id": 6, "file_name": "a" * 5000 + ".png"}, *FOUR]
    problems: list[DataError] = []
    assert set(frames_of(raw(tmp_path, document(images=rows)), problems)) == {"1", "2", "5", "9"}
    (problem,) = problems
    assert "the image cannot be read" in problem.what
    assert len(str(problem)) < 1000


def test_a_box_that_ends_beyond_what_is_finite_is_named_by_its_annotation(tmp_path: Path) -> None:
    reader = single(tmp_path, FOUR, [label(31, 5, (1e308, 2, 1e308, 4))])
    with pytest.raises(DataError, match=r"annotation id 31: its bbox .* ends beyond what is finite"):
        frames_of(reader)


def test_two_folders_of_one_list_are_refused(tmp_path: Path) -> None:
    for number, name in enumerate(("train", "val", "valid")):
        pictures(tmp_path / name, f"{number}.png")
        write(tmp_path / name / "_annotations.coco.json", [image(number, f"{number}.png")], [])
    with pytest.raises(UserError, match="is the list 'val' too; keep one of the two"):
        CocoReader(str(tmp_path), SplitSettings()).splits()


# Numbers become strings, and strings stay what they are

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["a, NaN, b", '"', "\\", '\\" ,1e999, ', "[Infinity]", " -Infinity ,"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def expected(value: Any) -> Any:
    if isinstance(value, list):
        return [expected(v) for v in value]
    if isinstance(value, dict):
        return {k: expected(v) for k, v in value.items()}
    if isinstance(value, float) and not abs(value) < float("inf"):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return str(value) if len(str(value)) <= 40 else str(value)[:30] + "..."
    return value


@settings(max_examples=200, deadline=None)
@given(value=json_values, block=st.integers(1, 64), escaped=st.booleans(), indent=st.sampled_from([None, 1]))
def test_odd_numbers_become_strings(value: Any, block: int, escaped: bool, indent: int | None) -> None:
    text = json.dumps([value], ensure_ascii=escaped, indent=indent).encode("utf-8", "surrogatepass")
    mended = WithoutOddNumbers(io.BytesIO(text))
    mended.BLOCK = block
    parts = []
    while part := mended.read(1):
        parts.append(part)
    found = b"".join(parts).decode("utf-8", "surrogatepass")
    assert json.loads(found) == [expected(value)]
    assert mended.changes > 0 or found.encode("utf-8", "surrogatepass") == text


@pytest.mark.parametrize("lists", [{}, {"annotations": None}, {"annotations": {"a": []}}, {"annotations": 5}])
def test_a_file_without_labels_is_a_problem(tmp_path: Path, lists: dict[str, Any]) -> None:
    """Its images would else teach that there is nothing to see in them."""
    problems: list[DataError] = []
    text = json.dumps({"images": FOUR, "categories": CATEGORIES} | lists).encode()
    assert len(frames_of(raw(tmp_path, text), problems)) == 4
    (problem,) = problems
    assert problem.where == str(tmp_path / "labels.json")
    assert "has no list of 'annotations'" in problem.what
    assert len(frames_of(raw(tmp_path, document(annotations=[])))) == 4


@pytest.mark.parametrize("value", ["1" + "0" * 30, "1.5", '"a"', "null", "[]"])
def test_an_annotation_is_read_whatever_its_id_is(tmp_path: Path, value: str) -> None:
    text = document().replace(b'"id": 31', b'"id": ' + value.encode())
    assert text != document()
    problems: list[DataError] = []
    assert set(frames_of(raw(tmp_path, text), problems)) == {"1", "2", "5", "9"}
    assert problems == []
