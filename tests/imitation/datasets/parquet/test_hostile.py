"""Parquet with values, types and bytes that are none of the contract's: named by row, and little is lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imitation.common.settings import DataError, UserError
from imitation.data.records import Box, Frame, Object, frames_to_table
from imitation.datasets.common.validation import FrameChecker
from imitation.datasets.inspection.statistics import inspect_dataset, listed_frames
from imitation.datasets.parquet.files import read_frames, read_ids, write_frames
from imitation.datasets.parquet.store import FrameStore
from imitation.datasets.registry import open_dataset
from tests.imitation.datasets.kitti.kitti_folder import HEIGHT, WIDTH, png

CAR = Object("car", Box(1, 2, 30, 40))
nan, inf = float("nan"), float("inf")


def frames(part: int, count: int = 5) -> list[Frame]:
    return [
        Frame(f"p{part}f{i}", WIDTH, HEIGHT, (CAR,), image=png(i), sequence=f"s{part}{i}")
        for i in range(count)
    ]


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for part in range(3):
        write_frames(frames(part), str(tmp_path / f"{part}.parquet"), rows_per_group=2)
    return tmp_path


def replaced(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)


def rewrite(file: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(file)), file, row_group_size=2)


def text(*values: bytes) -> pa.Array:
    """A column of text that is not UTF-8 where the bytes are not."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


def read_all(root: Path, problems: list[DataError] | None) -> set[str]:
    handed = None if problems is None else problems.append
    reader = open_dataset("parquet", str(root))
    return {f.frame_id for split in ("train", "val", "test") for f in reader.frames(split, handed)}


def objects_with(category: bytes) -> pa.Array:
    """Row 3's object is of that category."""
    plain = frames_to_table(frames(1)).column("objects").combine_chunks()
    named = text(b"car", b"car", b"car", category, b"car")
    fields = plain.values.type
    children = [named if f.name == "category" else plain.values.field(f.name) for f in fields]
    things = pa.StructArray.from_arrays(children, fields=[f.with_nullable(True) for f in fields])
    return pa.ListArray.from_arrays(plain.offsets, things)


IDS = text(b"p1f0", b"p1f1", b"p1f2", b"\xff\xfe", b"p1f4")
BAD_ROWS: dict[str, tuple[str, Any, str]] = {
    "a width of more than 32 bits": ("width", pa.array([9, 9, 9, 2**40, 9]), "is int64; expected int32"),
    "a width with a fraction": ("width", pa.array([9, 9, 9, 256.5, 9]), "256.5"),
    "a width that is not a number": ("width", pa.array([9, 9, 9, nan, 9]), "(Float value nan"),
    "an infinite height": ("height", pa.array([9, 9, 9, inf, 9]), "(Float value inf"),
    "a frame_id that is no text": ("frame_id", IDS, "not UTF-8"),
    "a sequence that is no text": ("sequence", text(b"a", b"b", b"c", b"\xff\xfe", b"d"), "not UTF-8"),
    "a category that is no text": ("objects", objects_with(b"c\xffr"), "not UTF-8"),
    "a broken image": ("image", pa.array([png(), png(), png(), b"no", png()]), "not a JPEG or PNG"),
    "a condition without a name": (
        "conditions",
        pa.array([None, None, None, [{"key": None, "value": "x"}], None]),
        "'conditions'",
    ),
    "a condition without a name, as we write them": (
        "conditions",
        pa.array([None, None, None, [{"name": None, "value": "x"}], None]),
        "a condition has no name",
    ),
    "a condition that is null": (
        "conditions",
        pa.array([None, None, [{"name": "a", "value": "b"}], [None], None]),
        "a condition has no name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_value_costs_its_row(parts: Path, case: str) -> None:
    name, column, message = BAD_ROWS[case]
    rewrite(parts / "1.parquet", lambda table: replaced(table, name, column))
    problems: list[DataError] = []
    everything = {f.frame_id for part in range(3) for f in frames(part)}
    assert read_all(parts, problems) == everything - {"p1f3"}
    (problem,) = problems
    assert problem.where.startswith(f"{parts}/1.parquet: row 3")
    assert message in problem.what
    with pytest.raises(DataError, match=r"1\.parquet: row 3"):
        read_all(parts, None)


def test_broken_image_bytes_are_named_by_file_row_and_frame(parts: Path) -> None:
    column = BAD_ROWS["a broken image"][1]
    rewrite(parts / "1.parquet", lambda table: replaced(table, "image", column))
    with pytest.raises(DataError, match=r"1\.parquet: row 3 \(frame p1f3\): not a JPEG or PNG"):
        list(read_frames(str(parts), check=FrameChecker()))


@pytest.mark.parametrize("case", ["a width of more than 32 bits", "a category that is no text"])
def test_a_store_and_a_list_of_ids_name_the_row(parts: Path, case: str) -> None:
    name, column, _ = BAD_ROWS[case]
    rewrite(parts / "1.parquet", lambda table: replaced(table, name, column))
    with pytest.raises(DataError, match=r"1\.parquet: row 3: column"):
        FrameStore(str(parts))
    assert len(read_ids(str(parts))) == 15
    rewrite(
        parts / "2.parquet", lambda table: replaced(table, "sequence", text(b"a", b"\xff", b"c", b"d", b"e"))
    )
    with pytest.raises(DataError, match=r"2\.parquet: row 1: column 'sequence'"):
        read_ids(str(parts))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["objects"]), "has no column 'objects'"),
        (lambda t: t.drop_columns(["image", "image_uri"]), "has neither a column 'image' nor 'image_uri'"),
        (lambda t: replaced(t, "width", pa.array(["wide"] * 5)), "column 'width' is string; expected int32"),
        (lambda t: replaced(t, "objects", pa.array(["car"] * 5)), "'objects' is string; expected list"),
        (lambda t: replaced(t, "camera", pa.array([7] * 5)), "column 'camera' is int64; expected struct"),
        (lambda t: replaced(t, "image", pa.array([7] * 5)), "column 'image' is int64; expected binary"),
        (lambda t: t.append_column("width", pa.array([9] * 5)), "exists 2 times"),
    ],
)  # fmt: skip
def test_a_file_of_other_columns_is_one_problem(
    parts: Path, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    rewrite(parts / "1.parquet", change)
    problems: list[DataError] = []
    assert {name[:2] for name in read_all(parts, problems)} == {"p0", "p2"}
    (problem,) = problems
    assert problem.where == f"{parts}/1.parquet"
    assert message in problem.what
    with pytest.raises(DataError, match=r"1\.parquet: "):
        read_all(parts, None)


def test_why_there_is_nothing_to_read_is_said(tmp_path: Path) -> None:
    pq.write_table(frames_to_table(frames(0)).drop_columns(["objects"]), tmp_path / "x.parquet")
    for divide in (True, False):
        reader = open_dataset("parquet", str(tmp_path))
        if not divide:
            reader.undivide()  # type: ignore[attr-defined]
        with pytest.raises(DataError, match=r"x\.parquet: has no column 'objects'"):
            reader.splits()


@pytest.mark.parametrize(
    ("first", "second"),
    [("val", "valid"), ("valid.parquet", "validation"), ("train", "train.parquet"), ("val", "validation")],
)
def test_two_folders_of_one_list_are_refused(tmp_path: Path, first: str, second: str) -> None:
    for number, name in enumerate(("train", "val", first, second)):
        file = name if name.endswith(".parquet") else f"{name}/x.parquet"
        write_frames(frames(number), str(tmp_path / file))
    with pytest.raises(UserError, match=r"is the list '(train|val)' too; keep one of the two"):
        open_dataset("parquet", str(tmp_path)).splits()


def test_huge_values_are_cut_in_messages(tmp_path: Path) -> None:
    name = "a" * 100_000
    table = frames_to_table([frames(0)[0], *frames(1)])
    ids = pa.array([name, name, *(f"f{i}" for i in range(4))])
    pq.write_table(replaced(table, "frame_id", ids), tmp_path / "x.parquet")
    problems: list[DataError] = []
    read_all(tmp_path, problems)
    assert len(problems) == 1
    assert all(len(str(problem)) < 1000 for problem in problems)


values = st.sampled_from(
    [None, nan, inf, -1, 0, 2**31, 2**40, 256.5, "x", "", b"\xff\xfe", True, "12", [1], {"a": 1}, "a\0b"]
)
types = st.sampled_from(
    [pa.string(), pa.float64(), pa.int64(), pa.int8(), pa.binary(), pa.null(), pa.bool_(), pa.timestamp("us"),
     pa.dictionary(pa.int32(), pa.string()), pa.decimal128(20, 2), pa.list_(pa.int8()), pa.large_binary()]
)  # fmt: skip


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(frames_to_table([]).column_names))
def test_no_column_stops_the_others(parts: Path, data: st.DataObject, name: str) -> None:
    """Whatever one column of one file holds, the other files are read and the rest are problems."""
    table = frames_to_table(frames(1))
    column = table.column(name).to_pylist()
    column[data.draw(st.integers(0, 4))] = data.draw(values)
    kind = data.draw(st.none() | types)
    try:
        table = replaced(table, name, pa.array(column, kind))
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        table = replaced(table, name, pa.array([data.draw(values)] * 5))
    pq.write_table(table, parts / "1.parquet", row_group_size=2)
    problems: list[DataError] = []
    found = read_all(parts, problems)
    assert len({i for i in found if i[:2] in ("p0", "p2") and i[2] == "f"}) == 10
    assert all(problem.where.startswith(f"{parts}/1.parquet") for problem in problems)
    assert len(found) == 15 or problems


def test_folders_that_are_links_multiply_nothing(
    parts: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A link to the folder itself or to one of its parents would hold the same files for ever."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_frames(frames(7), str(elsewhere / "7.parquet"))
    for name, target in (("self", parts), ("up", parts.parent), ("out", elsewhere)):
        (parts / name).symlink_to(target)
    problems: list[DataError] = []
    assert len(read_all(parts, problems)) == 15
    assert {problem.where for problem in problems} == {f"{parts}/up", f"{parts}/out"}
    assert all("is a symbolic link, not followed" in problem.what for problem in problems)
    with pytest.raises(DataError, match="not followed"):
        list(read_frames(str(parts)))


def test_a_broken_image_is_named_by_file_and_row(parts: Path) -> None:
    images = [png(0), None, png(1)[:70], png(2, WIDTH + 2, HEIGHT), png(3)]
    rewrite(parts / "1.parquet", lambda table: replaced(table, "image", pa.array(images)))
    dataset = open_dataset("parquet", str(parts))
    problems = inspect_dataset(dataset, listed_frames(dataset)).problems
    places = [problem.where for problem in problems if "byte for byte" not in problem.what]
    assert sorted(places) == [f"{parts}/1.parquet: row {i}" for i in (1, 2, 3)]
