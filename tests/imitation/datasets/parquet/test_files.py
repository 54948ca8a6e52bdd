"""Frames as Parquet: exact round trips, streaming, random access from threads, and bad files."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.storage import atomic
from imitation.data.images import decode_image, load_frame_image
from imitation.data.records import SCHEMA, Box, Camera, Cuboid, Frame, Object, Origin
from imitation.datasets.common.validation import FrameChecker
from imitation.datasets.kitti.files import read_kitti
from imitation.datasets.parquet import files
from imitation.datasets.parquet.files import read_frames, read_ids, write_frames
from imitation.datasets.parquet.store import FrameStore
from tests.imitation.datasets.kitti.kitti_folder import CAR, make_kitti, png

WIDTH, HEIGHT = 200, 80


def make_frames(count: int, **changes: object) -> list[Frame]:
    car = Object("car", Box(1, 2, 30, 40), truncation=0.25, cuboid=Cuboid(1, 2, 3, 4, 2, 1.5, 0.1))
    return [
        replace(
            Frame(f"f{i}", WIDTH, HEIGHT, (car,) * (i % 3), sequence=f"s{i // 4}", image=png(i)), **changes
        )
        for i in range(count)
    ]


_real = st.floats(-1e6, 1e6)
_share = st.none() | st.floats(0, 1)
_text = st.text(min_size=1, max_size=5)
_box = st.builds(Box, _real, _real, _real, _real)
_object = st.builds(
    Object,
    category=_text,
    box=_box,
    visible_box=st.none() | _box,
    amodal_box=st.none() | _box,
    truncation=_share,
    occlusion=_share,
    ignore=st.booleans(),
    cuboid=st.none() | st.builds(Cuboid, *[_real] * 7),
    alpha=st.none() | _real,
    occlusion_level=st.none() | st.integers(0, 3),
)
_origin = st.builds(
    Origin,
    cycle=st.integers(0, 99),
    parent=st.none() | _text,
    failures=st.lists(_text, max_size=3).map(tuple),
    policy=_text,
    scene=_text,
    simulator=_text,
    simulator_version=_text,
    seed=st.integers(0, 2**63 - 1),
)
_frame = st.builds(
    Frame,
    frame_id=_text,
    width=st.integers(1, 9999),
    height=st.integers(1, 9999),
    objects=st.lists(_object, max_size=3).map(tuple),
    sequence=st.none() | _text,
    image=st.binary(min_size=1, max_size=50),
    camera=st.none() | st.builds(Camera, *[_real] * 4, st.none() | _real, st.none() | _real),
    conditions=st.none() | st.dictionaries(st.sampled_from(["time_of_day", "weather"]), _text),
    origin=st.none() | _origin,
)


@given(frames=st.lists(_frame, max_size=5), rows=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_round_trip_is_exact(
    tmp_path_factory: pytest.TempPathFactory, frames: list[Frame], rows: int
) -> None:
    uri = str(tmp_path_factory.mktemp("p") / "x.parquet")
    assert write_frames(iter(frames), uri, rows) == len(frames)
    assert list(read_frames(uri)) == frames
    assert pq.read_schema(uri).equals(SCHEMA)
    assert pq.read_schema(uri).metadata == SCHEMA.metadata


@pytest.mark.parametrize("place", ["local", "file", "memory"])
def test_on_every_file_system(tmp_path: Path, place: str) -> None:
    root = {"local": str(tmp_path), "file": f"file://{tmp_path}", "memory": f"memory://{tmp_path.name}"}[
        place
    ]
    frames = make_frames(5)
    write_frames(frames, storage.join(root, "d", "x.parquet"), rows_per_group=2)
    assert list(read_frames(storage.join(root, "d"))) == frames
    store = FrameStore(storage.join(root, "d"))
    np.testing.assert_array_equal(store.image(4), load_frame_image(frames[4]))


def test_a_folder_of_parts_is_read_in_order(tmp_path: Path) -> None:
    frames = make_frames(6)
    for name, part in (("b", frames[4:]), ("a/x", frames[:2]), ("a/y", frames[2:4])):
        write_frames(part, str(tmp_path / f"{name}.parquet"))
    (tmp_path / "notes.txt").write_text("not data")
    (tmp_path / ".b.parquet.tmp").write_text("unfinished")
    (tmp_path / "_meta").mkdir()
    (tmp_path / "_meta/x.parquet").write_text("not data")
    assert [f.frame_id for f in read_frames(str(tmp_path))] == [f.frame_id for f in frames]
    assert read_ids(str(tmp_path)) == {f.frame_id: f.sequence for f in frames}


def test_writing_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never more than one row group of frames is alive."""
    waiting = 0
    most = 0

    def stream() -> Iterator[Frame]:
        nonlocal waiting, most
        for frame in make_frames(20):
            waiting += 1
            most = max(most, waiting)
            yield frame

    to_table = files.frames_to_table

    def counted(frames: list[Frame]) -> pa.Table:
        nonlocal waiting
        waiting -= len(frames)
        return to_table(frames)

    monkeypatch.setattr(files, "frames_to_table", counted)
    assert write_frames(stream(), str(tmp_path / "x.parquet"), rows_per_group=3) == 20
    assert most == 3
    assert pq.ParquetFile(tmp_path / "x.parquet").num_row_groups == 7


def test_a_source_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def stream() -> Iterator[Frame]:
        yield from make_frames(3)
        raise DataError("label.txt:3", "bad")

    with pytest.raises(DataError, match=r"label\.txt:3"):
        write_frames(stream(), str(tmp_path / "x.parquet"), rows_per_group=2)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    monkeypatch.setattr(atomic, "_create", lambda path: open("/dev/full", "wb"))  # noqa: SIM115
    with pytest.raises(storage.StorageError, match=r"x\.parquet: the disk is full"):
        write_frames(make_frames(3), str(tmp_path / "x.parquet"))
    assert list(tmp_path.iterdir()) == []


def test_a_frame_needs_exactly_one_image(tmp_path: Path) -> None:
    for changes in ({"image": None}, {"image_uri": "also.png"}):
        with pytest.raises(DataError, match="frame f0: needs one of image and image_uri"):
            write_frames(make_frames(1, **changes), str(tmp_path / "x.parquet"))


def test_columns_that_are_not_asked_for_are_not_read(tmp_path: Path) -> None:
    write_frames(make_frames(3), str(tmp_path / "x.parquet"))
    (_, second, _) = read_frames(str(tmp_path / "x.parquet"), columns=["sequence"])
    assert second == Frame("f1", WIDTH, HEIGHT, sequence="s0")
    with pytest.raises(ValueError, match="unknown columns"):
        list(read_frames(str(tmp_path / "x.parquet"), columns=["label"]))


def test_images_are_stored_as_they_are(tmp_path: Path) -> None:
    write_frames(make_frames(4), str(tmp_path / "x.parquet"))
    group = pq.ParquetFile(tmp_path / "x.parquet").metadata.row_group(0)
    chunks = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert chunks["image"].compression == "UNCOMPRESSED"
    assert not chunks["image"].is_stats_set
    assert "RLE_DICTIONARY" not in chunks["image"].encodings
    assert chunks["objects.list.element.box.x1"].compression == "ZSTD"


def test_relative_images_count_from_the_parquet_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data/pictures").mkdir(parents=True)
    (tmp_path / "data/pictures/0.png").write_bytes(png(7))
    frames = make_frames(1, image=None, image_uri="pictures/0.png")
    write_frames(frames, str(tmp_path / "data/x.parquet"))
    monkeypatch.chdir(tmp_path)
    (frame,) = read_frames("data/x.parquet")
    np.testing.assert_array_equal(load_frame_image(frame), decode_image(png(7), "x"))
    np.testing.assert_array_equal(FrameStore("data").image(0), decode_image(png(7), "x"))
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(load_frame_image(frame), decode_image(png(7), "x"))


# What other programs write.


def test_other_widths_and_orders_are_accepted(tmp_path: Path) -> None:
    """As pandas or DuckDB would write it: other widths, fewer columns, box fields in another order."""
    box = pa.struct([("y1", pa.float32()), ("x1", pa.float32()), ("y2", pa.int64()), ("x2", pa.float64())])
    thing = pa.struct(
        [("box", box), ("category", pa.large_string()), ("ignore", pa.bool_()), ("more", pa.int8())]
    )
    table = pa.table(
        {
            "objects": pa.array(
                [[{"box": {"x1": 1, "y1": 2, "x2": 3, "y2": 4}, "category": "car", "ignore": False}]],
                pa.large_list(thing),
            ),
            "frame_id": pa.array(["a"], pa.large_string()),
            "width": pa.array([WIDTH], pa.int64()),
            "height": pa.array([HEIGHT], pa.int16()),
            "image": pa.array([png()], pa.large_binary()),
            "something_else": [1],
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    expected = Frame("a", WIDTH, HEIGHT, (Object("car", Box(1, 2, 3, 4)),), image=png())
    assert list(read_frames(str(tmp_path / "x.parquet"))) == [expected]
    store = FrameStore(str(tmp_path / "x.parquet"))
    assert store.frame(0) == replace(expected, image=None)
    assert store.image(0).shape == (HEIGHT, WIDTH, 3)


def _rewritten(tmp_path: Path, change: object) -> str:
    write_frames(make_frames(3), str(tmp_path / "x.parquet"))
    pq.write_table(change(pq.read_table(tmp_path / "x.parquet")), tmp_path / "x.parquet")  # type: ignore[operator]
    return str(tmp_path / "x.parquet")


@pytest.mark.parametrize("open_it", [lambda u: list(read_frames(u)), FrameStore])
def test_missing_columns_and_wrong_types_are_named(tmp_path: Path, open_it: object) -> None:
    cases = {
        r"x\.parquet: has no column 'width'": lambda t: t.drop_columns("width"),
        r"x\.parquet: has neither a column 'image' nor 'image_uri'": lambda t: t.drop_columns(
            ["image", "image_uri"]
        ),
        r"x\.parquet: column 'height' is .*; expected int32": lambda t: t.set_column(
            t.schema.get_field_index("height"), "height", [["tall"] * 3]
        ),
        r"x\.parquet: column 'objects' is string; expected list": lambda t: t.set_column(
            t.schema.get_field_index("objects"), "objects", [["car"] * 3]
        ),
    }
    for message, change in cases.items():
        with pytest.raises(UserError, match=message):
            open_it(_rewritten(tmp_path, change))  # type: ignore[operator]


def test_nulls_are_named_by_row_and_can_be_skipped(tmp_path: Path) -> None:
    def without_width(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index("width")
        return table.set_column(place, "width", pa.array([WIDTH, None, WIDTH], pa.int32()))

    uri = _rewritten(tmp_path, without_width)
    with pytest.raises(DataError, match=r"x\.parquet: row 1: width is null"):
        list(read_frames(uri))
    problems: list[DataError] = []
    assert [f.frame_id for f in read_frames(uri, problems=problems.append)] == ["f0", "f2"]
    assert len(problems) == 1


def test_nulls_inside_objects_are_named(tmp_path: Path) -> None:
    row = {"frame_id": "a", "width": 9, "height": 9, "image": b"x"}
    box = {"x1": 1.0, "y1": 2.0, "x2": 3.0, "y2": 4.0}
    loose = pa.schema([f.with_nullable(True).remove_metadata() for f in SCHEMA])
    loose_object = pa.struct([f.with_nullable(True) for f in SCHEMA.field("objects").type.value_type])
    loose = loose.set(loose.get_field_index("objects"), pa.field("objects", pa.list_(loose_object)))
    cases = {
        "object 1 has no category or no box": [{"category": "a", "box": box}, {"category": "b"}],
        r"object 0: box\.y2 is null": [{"category": "a", "box": box | {"y2": None}}],
        r"object 0: cuboid\.y is null": [{"category": "a", "box": box, "cuboid": {"x": 1.0}}],
        "objects is null": None,
    }
    for message, objects in cases.items():
        pq.write_table(
            pa.Table.from_pylist([row | {"objects": objects}], schema=loose), tmp_path / "x.parquet"
        )
        with pytest.raises(DataError, match=f"row 0: {message}"):
            list(read_frames(str(tmp_path / "x.parquet")))


def test_rows_are_checked_when_asked(tmp_path: Path) -> None:
    frames = make_frames(4)
    frames[1] = replace(frames[1], objects=(Object("car", Box(5, 5, 4, 9)),))
    frames[3] = replace(frames[3], frame_id="f0")
    write_frames(frames, str(tmp_path / "x.parquet"), rows_per_group=2)
    problems: list[DataError] = []
    read = read_frames(str(tmp_path / "x.parquet"), problems=problems.append, check=FrameChecker())
    assert [f.frame_id for f in read] == ["f0", "f2"]
    assert [p.where.rpartition(" ")[2] for p in problems] == ["1", "3"]
    assert "is inverted" in problems[0].what
    assert "already used" in problems[1].what
    with pytest.raises(DataError, match="'f0' stands there twice"):
        read_ids(str(tmp_path / "x.parquet"))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_cut_short_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.parquet"
    write_frames(make_frames(4), str(path))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    for open_it in (FrameStore, lambda uri: list(read_frames(uri))):
        with pytest.raises(DataError, match=r"cut\.parquet: not a readable Parquet file"):
            open_it(str(path))


def test_a_missing_file_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.parquet: no such file"):
        list(read_frames(str(tmp_path / "none.parquet")))
    with pytest.raises(UserError, match=r"there is no \.parquet file in this folder"):
        FrameStore(str(tmp_path))


# FrameStore


def test_kitti_through_parquet_without_copying_images(tmp_path: Path) -> None:
    make_kitti(tmp_path / "kitti", {"000000": CAR, "000001": ""})
    frames = list(read_kitti(str(tmp_path / "kitti")))
    write_frames(frames, str(tmp_path / "x.parquet"))
    store = FrameStore(str(tmp_path / "x.parquet"))
    assert [store.frame(i) for i in range(2)] == frames
    np.testing.assert_array_equal(store.image(0), load_frame_image(frames[0]))
    assert pc.sum(pc.is_valid(pq.read_table(tmp_path / "x.parquet")["image"])).as_py() == 0


def test_lineage_of_an_older_file_has_no_label(tmp_path: Path) -> None:
    """Files that were written before there were several simulators."""
    origin = Origin(1, "p", ("f",), "imitation", "{}", "opengl", "2", 7, "boxes")
    frame = Frame("a", 4, 4, image=b"-", origin=origin)
    write_frames([frame], str(tmp_path / "new.parquet"))
    table = pq.read_table(tmp_path / "new.parquet")
    assert list(read_frames(str(tmp_path / "new.parquet"))) == [frame]
    place = table.schema.get_field_index("origin")
    rows = [{k: v for k, v in row.items() if k != "simulator_label"} for row in table["origin"].to_pylist()]
    kind = pa.struct(
        [field for field in table.schema.field("origin").type if field.name != "simulator_label"]
    )
    pq.write_table(table.set_column(place, "origin", pa.array(rows, kind)), tmp_path / "old.parquet")
    assert list(read_frames(str(tmp_path / "old.parquet"))) == [
        replace(frame, origin=replace(origin, simulator_label=None))
    ]
