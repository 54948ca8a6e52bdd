"""Row groups by a footer of their own are those that pyarrow reads by the whole footer."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imitation.datasets.parquet import row_groups
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.parquet.row_groups import RowGroups
from tests.imitation.datasets.parquet.test_files import make_frames

WRITERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no dictionary, no statistics": {"use_dictionary": False, "write_statistics": False},
    "version 1": {"version": "1.0"},
    "pages of version 2": {"data_page_version": "2.0", "compression": "zstd"},
    "page index": {"write_page_index": True},
    "sorted": {"sorting_columns": [pq.SortingColumn(0)]},
    "uncompressed": {"compression": "none"},
}


def table(columns: int, rows: int) -> pa.Table:
    rng = np.random.default_rng(0)
    made: dict[str, Any] = {f"c{i}": rng.integers(0, 1 << 40, rows) for i in range(columns - 2)}
    made["text"] = [f"\x19\xfc{'ab' * (i % 5)}" for i in range(rows)]
    made["nested"] = [{"a": [1.5] * (i % 3)} for i in range(rows)]
    return pa.table(made)


@pytest.fixture(autouse=True)
def large_footers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, "LARGE", 0)
    monkeypatch.setattr(row_groups, "BLOCK", 7)


def read_all(groups: RowGroups) -> pa.Table:
    return pa.concat_tables(file.read_row_groups(list(numbers)) for file, numbers in groups.blocks())


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("columns", "count"), [(3, 4), (20, 23), (16, 1), (40, 130)])
def test_they_are_the_same(tmp_path: Path, writer: str, columns: int, count: int) -> None:
    whole = table(columns, count * 3 - 1)
    path = tmp_path / "x.parquet"
    pq.write_table(whole, path, row_group_size=3, **WRITERS[writer])
    groups = RowGroups(str(path))
    assert groups.is_cut
    assert len(groups) == count
    assert groups.num_rows == len(whole)
    assert read_all(groups).equals(whole)
    for first in (0, count - 1):
        with groups.open(first, first + 1) as (file, numbers):
            assert file.num_row_groups == 1
            assert file.read_row_group(numbers[0]).equals(whole.slice(first * 3, 3).combine_chunks())


@pytest.mark.parametrize("window", [40_000, 9001, 1000])
def test_a_footer_is_looked_through_in_windows(
    tmp_path: Path, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = make_frames(60)
    write_frames(frames, str(tmp_path / "x.parquet"), rows_per_group=2)
    expected = RowGroups(str(tmp_path / "x.parquet"))
    assert expected.is_cut
    monkeypatch.setattr(row_groups, "WINDOW", window)
    groups = RowGroups(str(tmp_path / "x.parquet"))
    # a window that does not reach over the schema and a group is no way to read it: then the whole is kept
    assert groups.is_cut == (window > 8000)
    assert read_all(groups).equals(pq.read_table(tmp_path / "x.parquet"))


def test_what_looks_like_a_group_but_is_none_is_read_by_the_whole_footer(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    rows = pa.table({"a": [b"\x19\x2c\x26" * 3] * 8, "b": list(range(8))})
    pq.write_table(rows, path, row_group_size=2)
    groups = RowGroups(str(path))  # its statistics hold what a group of two columns begins with
    assert not groups.is_cut
    assert len(groups) == 4
    assert read_all(groups).equals(rows)


def test_a_small_footer_is_kept_and_no_groups_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(table(3, 0), tmp_path / "none.parquet")
    assert read_all(RowGroups(str(tmp_path / "none.parquet"))).num_rows == 0
    monkeypatch.setattr(row_groups, "LARGE", 1 << 20)
    pq.write_table(table(3, 9), tmp_path / "x.parquet", row_group_size=2)
    groups = RowGroups(str(tmp_path / "x.parquet"))
    assert not groups.is_cut
    assert read_all(groups).equals(table(3, 9))
