"""Numbers of categories: the user's own, else a run's, whatever is exported."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.data.records import Frame
from imitation.datasets.numbering import METADATA, Classes, Numbering, parquet_numbering
from imitation.datasets.parquet.files import read_frames, write_frames
from tests.imitation.data.some_frames import CAR, HEIGHT, WIDTH, picture

COCO = Numbering("coco", {"person": 1, "car": 3, "dog": 18})
YOLO = Numbering("yolo", {"zebra": 0, "ant": 1})
RUN = ("car", "truck", "pedestrian")


@pytest.mark.parametrize(
    ("classes", "kind", "seen", "expected"),
    [
        (Classes(COCO), "coco", ["car"], {"person": 1, "car": 3, "dog": 18}),
        (Classes(COCO), "yolo", ["dog"], {"person": 0, "car": 1, "dog": 2}),
        (Classes(COCO), "coco", ["van", "bus"], {"person": 1, "car": 3, "dog": 18, "bus": 19, "van": 20}),
        (Classes(YOLO), "yolo", [], {"zebra": 0, "ant": 1}),
        (Classes(YOLO, RUN), "coco", ["ant"], {"zebra": 1, "ant": 2}),
        (
            Classes(None, RUN),
            "yolo",
            ["pedestrian", "Van"],
            {"car": 0, "truck": 1, "pedestrian": 2, "Van": 3},
        ),
        (Classes(Numbering.in_order(RUN)), "coco", [], {"car": 1, "truck": 2, "pedestrian": 3}),
        (Classes(None, ("vehicle",), {"TYPE_VEHICLE": "vehicle"}), "yolo", ["TYPE_VEHICLE"], {"vehicle": 0}),
        (Classes(), "yolo", ["b", "a"], {"a": 0, "b": 1}),
        (Classes(), "yolo", ["10", "2"], {str(n): n for n in range(11)}),
        (Classes(), "coco", ["0", "1"], {"0": 1, "1": 2}),
        (Classes(), "yolo", ["10", "x"], {"10": 0, "x": 1}),
    ],
)
def test_numbers_are_the_users_or_the_runs(
    classes: Classes, kind: str, seen: list[str], expected: dict[str, int]
) -> None:
    assert classes.numbers(kind, seen) == expected


names = st.text(max_size=5)


@given(
    own=st.none()
    | st.dictionaries(names, st.integers(0, 99)).filter(lambda d: len(set(d.values())) == len(d)),
    named=st.lists(names, unique=True, max_size=5),
    seen=st.lists(names, max_size=6),
    kind=st.sampled_from(["coco", "yolo"]),
)
def test_every_name_has_one_number_and_what_was_known_keeps_its_own(own, named, seen, kind) -> None:
    classes = Classes(None if own is None else Numbering(kind, own), named)
    numbers = classes.numbers(kind, seen)
    assert len(set(numbers.values())) == len(numbers)
    assert set(numbers) >= {*seen, *(own or {})}
    assert {name: numbers[name] for name in own or {}} == (own or {})
    if own:
        assert Numbering.from_json(Numbering(kind, own).to_json()) == Numbering(kind, own)


def test_numbers_go_with_parquet_and_a_file_without_them_says_none(tmp_path: Path) -> None:
    frames = [Frame("a", WIDTH, HEIGHT, (CAR,), image=picture())]
    write_frames(frames, str(tmp_path / "x" / "with.parquet"), numbering=COCO)
    write_frames(frames, str(tmp_path / "x" / "a.parquet"))
    (tmp_path / "x" / "_broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "x" / "0.parquet").write_bytes(b"PAR1")
    assert parquet_numbering(str(tmp_path / "x")) == COCO
    assert parquet_numbering(str(tmp_path / "x" / "a.parquet")) is None
    assert parquet_numbering(str(tmp_path / "none")) is None
    assert list(read_frames(str(tmp_path / "x" / "with.parquet"))) == frames


@pytest.mark.parametrize(
    "text",
    [b"", b"[" * 100_000, b"7", b'{"kind": "coco"}', b'{"kind": "coco", "numbers": {"a": "1"}}',
     b'{"kind": "coco", "numbers": {"a": 1, "b": 1}}', b'{"kind": "x", "numbers": {"a": 1}}',
     b'{"kind": "coco", "numbers": {"a": -1}}', b'{"kind": "coco", "numbers": [1]}'],
)  # fmt: skip
def test_metadata_that_is_no_numbering_is_none(tmp_path: Path, text: bytes) -> None:
    uri = str(tmp_path / "x.parquet")
    write_frames([Frame("a", WIDTH, HEIGHT, image=picture())], uri)
    pq.write_table(pq.read_table(uri).replace_schema_metadata({METADATA: text}), uri)
    assert parquet_numbering(uri) is None
