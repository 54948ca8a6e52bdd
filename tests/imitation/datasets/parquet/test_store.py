"""Frames by number, from files that are not read whole."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imitation.common.settings import DataError
from imitation.data.images import load_frame_image
from imitation.data.records import Origin
from imitation.datasets.parquet import row_groups
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.parquet.store import FrameStore
from tests.imitation.datasets.kitti.kitti_folder import png
from tests.imitation.datasets.parquet.test_files import HEIGHT, WIDTH, make_frames


def test_store_gives_every_frame_of_every_file(tmp_path: Path) -> None:
    frames = make_frames(11)
    write_frames(frames[:7], str(tmp_path / "a.parquet"), rows_per_group=3)
    write_frames(frames[7:], str(tmp_path / "b.parquet"), rows_per_group=2)
    store = FrameStore([str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")])
    assert len(store) == 11
    assert store.frame_ids == [f.frame_id for f in frames]
    for index in (10, 0, 6, 7, 3):
        assert store.frame(index) == replace(frames[index], image=None)
        assert store.image_bytes(index) == frames[index].image
        np.testing.assert_array_equal(store.image(index), load_frame_image(frames[index]))
    for beyond in (11, -1):
        with pytest.raises(IndexError):
            store.frame(beyond)


def test_store_of_no_frames(tmp_path: Path) -> None:
    write_frames([], str(tmp_path / "x.parquet"))
    assert len(FrameStore(str(tmp_path / "x.parquet"))) == 0
    assert len(FrameStore([])) == 0


def test_store_leaves_out_columns(tmp_path: Path) -> None:
    origin = Origin(1, "p", (), "random", "{}", "s", "1", 0)
    write_frames(make_frames(2, origin=origin), str(tmp_path / "x.parquet"))
    assert FrameStore(str(tmp_path / "x.parquet")).frame(0).origin == origin
    slim = FrameStore(str(tmp_path / "x.parquet"), columns=["objects"])
    assert slim.frame(1).origin is None
    assert len(slim.frame(1).objects) == 1
    assert slim.image(1).shape == (HEIGHT, WIDTH, 3)


def test_cache_stays_below_its_limit_and_gives_the_right_images(tmp_path: Path) -> None:
    frames = make_frames(12)
    write_frames(frames, str(tmp_path / "x.parquet"), rows_per_group=2)
    size = len(png())
    store = FrameStore(str(tmp_path / "x.parquet"), cache_bytes=5 * size)
    labels = store.nbytes
    for index in np.random.default_rng(0).integers(0, 12, 60):
        assert store.image_bytes(int(index)) == frames[index].image
        assert store.nbytes - labels <= 5 * size
    assert store.nbytes > labels
    none_held = FrameStore(str(tmp_path / "x.parquet"), cache_bytes=0)
    assert none_held.image_bytes(3) == frames[3].image
    assert none_held.nbytes == labels


def test_threads_read_each_group_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = make_frames(12)
    write_frames(frames, str(tmp_path / "x.parquet"), rows_per_group=3)
    store = FrameStore(str(tmp_path / "x.parquet"))
    reads: Counter[int] = Counter()
    read_images = store._read_images
    together = threading.Barrier(8)

    def counted(part: int, group: int, at: int) -> pa.Table:
        reads[group] += 1
        return read_images(part, group, at)

    monkeypatch.setattr(store, "_read_images", counted)

    def work(seed: int) -> None:
        together.wait(timeout=30)
        for index in np.random.default_rng(seed).integers(0, 12, 40):
            assert store.image_bytes(int(index)) == frames[index].image
            assert store.frame(int(index)).frame_id == frames[index].frame_id

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert reads == {0: 1, 1: 1, 2: 1, 3: 1}


def test_store_names_file_and_row_of_a_bad_image(tmp_path: Path) -> None:
    frames = make_frames(3)
    frames[1] = replace(frames[1], image=png()[:3000])
    frames[2] = replace(frames[2], image=None, image_uri="gone.png")
    write_frames(frames, str(tmp_path / "x.parquet"), rows_per_group=2)
    store = FrameStore(str(tmp_path / "x.parquet"))
    with pytest.raises(DataError, match=r"x\.parquet: row 1 of row group 0 \(frame f1\): unreadable image"):
        store.image(1)
    with pytest.raises(DataError, match=r"row 0 of row group 1 \(.*gone\.png\): the image cannot be read"):
        store.image(2)


@pytest.fixture
def large_footers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every footer counts as too large to keep."""
    monkeypatch.setattr(row_groups, "LARGE", 0)
    monkeypatch.setattr(row_groups, "BLOCK", 3)


@pytest.mark.parametrize("kept", [True, False])
def test_many_frames_are_read_by_row_group_and_are_the_same(
    tmp_path: Path, kept: bool, request: pytest.FixtureRequest
) -> None:
    if not kept:
        request.getfixturevalue("large_footers")
    frames = make_frames(23)
    write_frames(frames[:16], str(tmp_path / "a.parquet"), rows_per_group=2)
    write_frames(frames[16:], str(tmp_path / "b.parquet"), rows_per_group=3)
    store = FrameStore(str(tmp_path), in_memory=22)
    assert not store.in_memory
    assert FrameStore(str(tmp_path), in_memory=23).in_memory
    assert len(store) == 23
    assert store.frame_ids == [frame.frame_id for frame in frames]
    for index in (22, 0, 15, 16, 7):
        assert store.frame(index) == replace(frames[index], image=None)
        np.testing.assert_array_equal(store.image(index), load_frame_image(frames[index]))
    few = FrameStore(str(tmp_path), ("objects",), fields=("category", "box"), in_memory=0)
    assert [(o.category, o.box, o.cuboid) for o in few.frame(5).objects] == [
        (o.category, o.box, None) for o in frames[5].objects
    ]


def test_of_many_frames_ids_alone_are_checked_when_opened(tmp_path: Path) -> None:
    write_frames(make_frames(6), str(tmp_path / "x.parquet"), rows_per_group=2)
    table = pq.read_table(tmp_path / "x.parquet")
    objects = [*table["objects"].to_pylist()[:4], [None], []]
    place = table.schema.get_field_index("objects")
    odd = table.set_column(place, "objects", pa.array(objects, table.schema.field("objects").type))
    pq.write_table(odd, tmp_path / "x.parquet", row_group_size=2)
    store = FrameStore(str(tmp_path / "x.parquet"), in_memory=0)
    assert store.frame(5).objects == ()
    with pytest.raises(DataError, match=r"row 0 of row group 2: object 0 has no category or no box"):
        store.frame(4)
    ids = pa.array([*table["frame_id"].to_pylist()[:3], None, "e", "f"])
    pq.write_table(odd.set_column(0, "frame_id", ids), tmp_path / "x.parquet", row_group_size=2)
    with pytest.raises(DataError, match=r"x\.parquet: row 3: frame_id is null"):
        FrameStore(str(tmp_path / "x.parquet"), in_memory=0)
