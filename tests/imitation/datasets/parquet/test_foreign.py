"""Parquet that other programs and older versions wrote: open conditions, fewer fields, files cut short."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imitation.common.settings import DataError, UserError
from imitation.data.records import SCHEMA, Box, Camera, Cuboid, Frame, Object, frame_from_row, frame_to_row
from imitation.datasets.common.validation import FrameChecker
from imitation.datasets.parquet.files import read_frames, read_ids, write_frames
from imitation.datasets.parquet.store import FrameStore
from imitation.datasets.registry import open_dataset
from imitation.evaluation.detection_files import read_detections, write_detections
from imitation.evaluation.detections import DETECTIONS_SCHEMA, Detections, FrameDetections
from imitation.evaluation.failures import FAILURES_SCHEMA, find_failures, read_failures, write_failures
from tests.imitation.datasets.kitti.kitti_folder import HEIGHT, WIDTH, png

CAR = Object("car", Box(1, 2, 30, 40), difficulty=2, cuboid=Cuboid(1, 2, 9, 4, 2, 1.5, 0.1))


def frame(name: str, **more: Any) -> Frame:
    return replace(Frame(name, WIDTH, HEIGHT, (CAR,), image=png()), **more)


def written(path: Path, table: pa.Table) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return str(path)


def with_conditions(path: Path, column: pa.Array) -> list[dict[str, str] | None]:
    """What is read of a column of conditions, by both ways of reading."""
    names = [f"f{i}" for i in range(len(column))]
    write_frames((frame(name) for name in names), str(path))
    table = pq.read_table(path)
    uri = written(path, table.set_column(table.schema.get_field_index("conditions"), "conditions", column))
    streamed = [None if f.conditions is None else dict(f.conditions) for f in read_frames(uri)]
    store = FrameStore(uri)
    assert [store.frame(i).conditions for i in range(len(store))] == streamed
    return streamed


def test_conditions_of_any_names_as_a_struct(tmp_path: Path) -> None:
    rows = [
        {"time_of_day": "night", "speed kmh": 31.5, "wet": True, "n": 7},
        {"time_of_day": None, "speed kmh": None, "wet": None, "n": None},
        None,
    ]
    found = with_conditions(tmp_path / "x.parquet", pa.array(rows))
    assert found == [{"time_of_day": "night", "speed kmh": "31.5", "wet": "True", "n": "7"}, {}, None]


@pytest.mark.parametrize(
    "kind",
    [
        pa.map_(pa.string(), pa.string()),
        pa.map_(pa.large_string(), pa.large_string()),
        pa.map_(pa.string(), pa.dictionary(pa.int32(), pa.string())),
        pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())])),
    ],
)
def test_conditions_as_a_map(tmp_path: Path, kind: pa.DataType) -> None:
    rows: list = [[("weather", "rain"), ("road", None)], None, []]
    if pa.types.is_list(kind):
        rows = [None if row is None else [{"key": k, "value": v} for k, v in row] for row in rows]
    column = pa.array(rows, kind)
    assert with_conditions(tmp_path / "x.parquet", column) == [{"weather": "rain"}, None, {}]


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.none() | st.dictionaries(words, words, max_size=4), min_size=1, max_size=4))
def test_any_conditions_come_back(tmp_path: Path, rows: list[dict[str, str] | None]) -> None:
    frames = [frame(f"f{i}", conditions=row) for i, row in enumerate(rows)]
    write_frames(frames, str(tmp_path / "x.parquet"))
    assert list(read_frames(str(tmp_path / "x.parquet"))) == frames


def _without(kind: pa.DataType, *names: str) -> pa.DataType:
    return pa.struct([field for field in kind if field.name not in names])


def test_structs_of_fewer_fields_are_read(tmp_path: Path) -> None:
    """As version 1 wrote it (no difficulty), and as a person might: only what has to be there."""
    full = frame("a", camera=Camera(700, 700, 100, 40, 1.6, 0.0))
    row = pa.Table.from_pylist([frame_to_row(full)], schema=SCHEMA)
    thing = SCHEMA.field("objects").type.value_type
    for names, expected in (
        (("difficulty",), replace(CAR, difficulty=None)),
        (
            ("visible_box", "amodal_box", "truncation", "occlusion", "ignore", "alpha", "occlusion_level",
             "difficulty", "cuboid"),
            Object("car", CAR.box),
        ),
    ):  # fmt: skip
        objects = [[{k: v for k, v in row["objects"][0].as_py()[0].items() if k not in names}]]
        camera = pa.array([{"fx": 700.0, "fy": 700.0, "cx": 100.0, "cy": 40.0}])
        table = row.set_column(
            row.schema.get_field_index("objects"),
            "objects",
            pa.array(objects, pa.list_(_without(thing, *names))),
        ).set_column(row.schema.get_field_index("camera"), "camera", camera)
        uri = written(tmp_path / "x.parquet", table)
        (found,) = read_frames(uri, check=FrameChecker())
        assert found == replace(full, objects=(expected,), camera=Camera(700, 700, 100, 40))
        assert FrameStore(uri).frame(0).objects == (expected,)


# Parts of a dataset, and what cannot be read


def test_only_wanted_rows_are_read_and_checked(tmp_path: Path) -> None:
    frames = [frame(f"f{i}", width=0 if i == 2 else WIDTH) for i in range(9)]
    uri = str(tmp_path / "x.parquet")
    write_frames(frames, uri, rows_per_group=3)
    problems: list[DataError] = []
    found = read_frames(uri, problems=problems.append, check=FrameChecker(), keep={"f1", "f7", "f8", "none"})
    assert [f.frame_id for f in found] == ["f1", "f7", "f8"]
    assert problems == []
    list(read_frames(uri, problems=problems.append, check=FrameChecker(), keep={"f2"}))
    assert [problem.where for problem in problems] == [f"{uri}: row 2"]
    data = bytearray(Path(uri).read_bytes())
    start = pq.ParquetFile(uri).metadata.row_group(1).column(0).data_page_offset
    data[start : start + 40] = bytes(40)
    Path(uri).write_bytes(bytes(data))
    problems.clear()
    assert len(list(read_frames(uri, problems=problems.append))) == 6
    assert [problem.where for problem in problems] == [f"{uri} (row group 1)"]


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for part in range(4):
        frames = [frame(f"p{part}f{i}", sequence=f"s{part}{i}") for i in range(5)]
        write_frames(frames, str(tmp_path / f"{part}.parquet"), rows_per_group=2)
    return tmp_path


def _all(reader: Any, problems: list[DataError] | None) -> set[str]:
    handed = None if problems is None else problems.append
    return {f.frame_id for split in ("train", "val", "test") for f in reader.frames(split, handed)}


@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_file_cut_short_is_named_once_and_skipped(parts: Path, share: float) -> None:
    file = parts / "2.parquet"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    reader = open_dataset("parquet", str(parts))
    assert len({i for ids in reader.splits().values() for i in ids}) == 15
    problems: list[DataError] = []
    assert {name[:2] for name in _all(reader, problems)} == {"p0", "p1", "p3"}
    assert [problem.where for problem in problems] == [str(file)]
    assert "not a readable Parquet file" in problems[0].what
    for split in reader.splits():  # which frames a split has hangs on the file
        with pytest.raises(DataError, match=r"2\.parquet: not a readable"):
            list(reader.frames(split))
    with pytest.raises(DataError, match=r"2\.parquet: not a readable"):
        read_ids(str(parts))


def test_rows_without_id_and_ids_used_twice_are_told_once(parts: Path) -> None:
    table = pq.read_table(parts / "1.parquet")
    place = table.schema.get_field_index("frame_id")
    ids = ["p1f0", None, "p0f3", "p1f3", "p1f3"]
    table = table.set_column(place, pa.field("frame_id", pa.string()), pa.array(ids))
    pq.write_table(table, parts / "1.parquet")
    reader = open_dataset("parquet", str(parts))
    problems: list[DataError] = []
    assert len(_all(reader, problems)) == 17
    told = sorted((p.where.rpartition("/")[2], p.what.partition("parquet")[0]) for p in problems)
    assert told == [
        ("1.parquet", f"the frame_id 'p0f3' was already used in {parts}/0."),
        ("1.parquet: row 1", "frame_id is null"),
        ("1.parquet: row 4", f"the frame_id 'p1f3' was already used in {parts}/1."),
    ]


def test_a_part_of_a_split_tells_its_own_problems(parts: Path) -> None:
    (parts / "3.parquet").write_bytes(b"no")
    reader = open_dataset("parquet", str(parts))
    names = reader.splits()["train"]
    for wanted, told in ((names[:2], 1), (names[1:], 0), (names[::-1], 1), ([], 0), (["none"], 0)):
        problems: list[DataError] = []
        found = [f.frame_id for f in reader.frames("train", problems.append, wanted)]
        assert found == [name for name in names if name in wanted]
        assert len(problems) == told


def test_what_is_too_little_to_be_cut_can_be_looked_at(tmp_path: Path) -> None:
    write_frames([frame("a", sequence="s"), frame("b", sequence="s")], str(tmp_path / "one/x.parquet"))
    reader = open_dataset("parquet", str(tmp_path / "one"))
    with pytest.raises(UserError, match="cannot make 3 splits"):
        reader.splits()
    reader.undivide()  # type: ignore[attr-defined]
    assert reader.splits() == {"train": ["a", "b"], "mine": ["a", "b"], "val": [], "test": []}
    assert "2 frames were taken as train (2 frames in 1 independent groups" in reader.note()
    assert _all(reader, None) == {"a", "b"}
    for name, ids in (("train", "cd"), ("val", "e")):
        write_frames([frame(i) for i in ids], str(tmp_path / f"two/{name}.parquet"))
    reader = open_dataset("parquet", str(tmp_path / "two"))
    reader.undivide()  # type: ignore[attr-defined]
    assert reader.splits() == {"train": ["c", "d"], "mine": ["c", "d"], "val": ["e"], "test": []}
    assert _all(reader, None) == set("cde")
    (tmp_path / "two/train.parquet").unlink()
    reader = open_dataset("parquet", str(tmp_path / "two"))
    reader.undivide()  # type: ignore[attr-defined]
    assert _all(reader, None) == {"e"}
    write_frames([frame("e")], str(tmp_path / "two/test.parquet"))
    reader = open_dataset("parquet", str(tmp_path / "two"))
    reader.undivide()  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"share 1 frames \(e\)"):
        reader.splits()


# Conditions are pairs, not an Arrow map


def _maps(kind: pa.DataType) -> list[pa.DataType]:
    if pa.types.is_map(kind):
        return [kind]
    return [found for i in range(kind.num_fields) for found in _maps(kind.field(i).type)]


@pytest.mark.parametrize("schema", [SCHEMA, DETECTIONS_SCHEMA, FAILURES_SCHEMA])
def test_no_file_of_ours_has_a_map(schema: pa.Schema) -> None:
    """Hugging Face's `datasets` (5.2 at the time) cannot open a Parquet file with one."""
    assert [field.name for field in schema if _maps(field.type)] == []


OLD = pa.map_(pa.string(), pa.string())


def with_old_map(uri: str) -> str:
    """The file as versions before wrote it: conditions as a map."""
    table = pq.read_table(uri)
    rows = [None if row is None else [(p["name"], p["value"]) for p in row]
            for row in table.column("conditions").to_pylist()]  # fmt: skip
    place = table.schema.get_field_index("conditions")
    pq.write_table(table.set_column(place, "conditions", pa.array(rows, OLD)), uri)
    assert pa.types.is_map(pq.read_schema(uri).field("conditions").type)
    return uri


def test_files_of_before_are_read(tmp_path: Path) -> None:
    said = {"weather": "rain", "time_of_day": "night"}
    frames = [frame("a", conditions=said), frame("b"), frame("c", conditions={})]
    write_frames(frames, str(tmp_path / "frames.parquet"))
    uri = with_old_map(str(tmp_path / "frames.parquet"))
    assert list(read_frames(uri, check=FrameChecker())) == frames
    assert [frame_from_row(row).conditions for row in pq.read_table(uri).to_pylist()] == [said, None, {}]
    assert [dict(f.conditions or {}) for f in (FrameStore(uri).frame(i) for i in range(3))] == [said, {}, {}]

    found = Detections([[1, 2, 30, 40]], [0.9], [1])
    rows = [FrameDetections("a", "test", "main", WIDTH, HEIGHT, found, conditions=said)]
    write_detections(rows, str(tmp_path / "detections.parquet"), ["car"])
    (row,) = read_detections(with_old_map(str(tmp_path / "detections.parquet")))
    assert row.conditions == said
    failures = list(find_failures(rows, 0.5, ["car"]))
    write_failures(failures, str(tmp_path / "failures.parquet"))
    assert list(read_failures(with_old_map(str(tmp_path / "failures.parquet")))) == failures
    assert failures[0].conditions == said


def test_pandas_reads_conditions_by_name(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    write_frames([frame("a", conditions={"weather": "rain"})], str(tmp_path / "x.parquet"))
    (row,) = pandas.read_parquet(tmp_path / "x.parquet").conditions
    assert {pair["name"]: pair["value"] for pair in row} == {"weather": "rain"}
