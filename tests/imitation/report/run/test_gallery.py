from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.data.records import Box
from imitation.datasets.parquet.files import read_frames, write_frames
from imitation.datasets.parquet.store import FrameStore
from imitation.diagnosis.label_errors import Suspect
from imitation.evaluation.failures import Failure, failures_from_table, write_failures
from imitation.report.run.gallery import GalleryItem, collect_gallery, collect_suspects, drawn_apart, verdict
from tests.imitation.report.conftest import missed

BOX = Box(30, 30, 70, 50)


def collect(folder: Path, count: int, seed: int = 0, later: str | None = None) -> list[GalleryItem]:
    return collect_gallery(
        str(folder / "failures.parquet"),
        str(folder / "real.parquet"),
        [str(folder / "synthetic")],
        count,
        np.random.default_rng(seed),
        later_failures_uri=later,
    )


def test_pairs_each_failure_with_its_frame_and_what_was_rendered_for_it(rendered_run: Path) -> None:
    items = collect(rendered_run, 10)
    assert [item.failure.failure_id for item in items] == [f"f{i}#missed-o0" for i in (0, 2, 4)]
    images = {
        frame.frame_id: frame.image
        for uri in ("real.parquet", "synthetic")
        for frame in read_frames(str(rendered_run / uri))
    }
    for item in items:
        name = item.failure.frame_id
        assert item.parent.frame_id == name
        assert [frame.frame_id for frame in item.synthetic] == [f"c01-{name}-v00", f"c01-{name}-v01"]
        assert item.drawn_from == 3
        assert item.verdict is None
        for frame in (item.parent, *item.synthetic):
            assert frame.image == images[frame.frame_id]
            assert frame.objects


def test_the_draw_follows_the_seed_and_not_the_order_of_rows(rendered_run: Path) -> None:
    draws = {seed: [item.failure.failure_id for item in collect(rendered_run, 1, seed)] for seed in range(20)}
    assert len({tuple(draw) for draw in draws.values()}) == 3  # every failure can be drawn
    table = pq.read_table(rendered_run / "failures.parquet")
    pq.write_table(table.take(pa.array([5, 4, 3, 2, 1, 0])), rendered_run / "failures.parquet")
    frames = list(read_frames(str(rendered_run / "synthetic")))
    write_frames(reversed(frames), str(rendered_run / "synthetic" / "part-00000.parquet"))
    (rendered_run / "synthetic" / "part-00001.parquet").unlink()
    again = {seed: [item.failure.failure_id for item in collect(rendered_run, 1, seed)] for seed in range(20)}
    assert again == draws


def test_nothing_rendered_or_nothing_asked_is_an_empty_gallery(rendered_run: Path) -> None:
    assert collect(rendered_run, 0) == []
    free = [f for f in read_frames(str(rendered_run / "synthetic")) if f.frame_id == "free"]
    write_frames(free, str(rendered_run / "free.parquet"))
    paths = [str(rendered_run / name) for name in ("failures.parquet", "real.parquet", "free.parquet")]
    assert collect_gallery(*paths[:2], paths[2:], 5, np.random.default_rng(0)) == []
    assert collect_gallery(*paths[:2], [], 5, np.random.default_rng(0)) == []


def test_reads_the_pixels_of_chosen_frames_alone(rendered_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[tuple[str, int]] = []
    read = FrameStore._read_images

    def spy(self: FrameStore, part: int, group: int, at: int) -> pa.Table:
        groups.append((storage.name_of(self._parts[part].uri), group))
        return read(self, part, group, at)

    monkeypatch.setattr(FrameStore, "_read_images", spy)
    (item,) = collect(rendered_run, 1)
    chosen = int(item.failure.frame_id[1:])
    assert [group for name, group in groups if name == "real.parquet"] == [chosen // 2]


def test_images_by_uri(rendered_run: Path) -> None:
    frames = []
    for frame in read_frames(str(rendered_run / "real.parquet")):
        assert frame.image is not None
        (rendered_run / f"{frame.frame_id}.png").write_bytes(frame.image)
        frames.append(replace(frame, image=None, image_uri=f"{frame.frame_id}.png"))
    write_frames(frames, str(rendered_run / "real.parquet"))
    (item,) = collect(rendered_run, 1)
    assert item.parent.image_uri == str(rendered_run / f"{item.parent.frame_id}.png")


def test_a_frame_that_is_not_there_is_named(rendered_run: Path) -> None:
    others = [f for f in read_frames(str(rendered_run / "real.parquet")) if f.frame_id != "f2"]
    write_frames(others, str(rendered_run / "real.parquet"))
    with pytest.raises(DataError, match=r"real\.parquet.* no frame 'f2'"):
        collect(rendered_run, 3)


def test_a_file_that_is_no_failures_file_is_named(rendered_run: Path) -> None:
    (rendered_run / "failures.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match=r"failures\.parquet"):
        collect(rendered_run, 3)


def test_verdicts_come_from_the_later_evaluation(rendered_run: Path) -> None:
    failures = failures_from_table(pq.read_table(rendered_run / "failures.parquet"))
    path = rendered_run / "later.parquet"
    write_failures([failures[0], replace(failures[4], kind="localization")], str(path))
    items = collect(rendered_run, 3, later=str(path))
    assert [item.verdict for item in items] == [
        "still wrong: missed",
        "now found",
        "still wrong: badly placed",
    ]


def background(box: Box) -> Failure:
    return Failure(
        "f#background-d0", "f", "mine", "m", "background", None, "car", None, None, box, 0.7, 0.0, 9.0
    )


def test_verdict_of_a_false_detection_goes_by_its_place() -> None:
    before = background(BOX)
    moved = Box(BOX.x1 + 4, BOX.y1, BOX.x2 + 4, BOX.y2)
    assert verdict(before, [background(moved)]) == "still detected"
    assert verdict(before, [background(Box(0, 0, 20, 20))]) == "no longer detected"
    assert verdict(before, []) == "no longer detected"


def test_verdict_keeps_duplicates_apart() -> None:
    def of(kind: str) -> Failure:
        return Failure(f"f#{kind}", "f", "mine", "m", kind, "car", "car", 1, BOX, BOX, 0.7, 0.6, 20.0)

    assert verdict(of("duplicate"), [of("duplicate")]) == "still found twice"
    assert verdict(of("duplicate"), []) == "no longer found twice"
    assert verdict(of("localization"), [of("duplicate")]) == "now found"  # found, and once too often


def suspect(number: int) -> Suspect:
    return Suspect(
        frame_id=f"f{number}",
        predicted="car",
        score=0.9 - 0.1 * number,
        box=list(BOX),
        evaluations=["cycle 1", "cycle 0"],
        failure_id=f"f{number}#background-d0",
    )


def test_suspects_come_with_their_frames_most_confident_first(rendered_run: Path) -> None:
    uri = str(rendered_run / "real.parquet")
    suspects = [suspect(i) for i in range(6)]
    items = collect_suspects(suspects, uri, 10, np.random.default_rng(0))
    assert [item.failure.frame_id for item in items] == [f"f{i}" for i in range(6)]
    for item in items:
        assert item.parent.frame_id == item.failure.frame_id
        assert item.parent.image is not None
        assert item.failure.detection_box == BOX
        assert (item.verdict, item.drawn_from, item.synthetic) == ("made by cycle 1, cycle 0", 6, ())
    draws = {
        tuple(i.failure.frame_id for i in collect_suspects(suspects, uri, 2, np.random.default_rng(seed)))
        for seed in range(30)
    }
    assert len(draws) > 5  # by seed, not by rank
    assert all(list(draw) == sorted(draw) for draw in draws)
    assert collect_suspects([], uri, 3, np.random.default_rng(0)) == []


def test_a_suspect_of_a_frame_that_is_not_there_is_named(rendered_run: Path) -> None:
    with pytest.raises(DataError, match=r"real\.parquet.* no frame 'f9'"):
        collect_suspects([suspect(9)], str(rendered_run / "real.parquet"), 1, np.random.default_rng(0))


def test_different_frames_come_first_and_each_seed_draws_its_own() -> None:
    """Nine failures of one frame and one each of two others: not one frame five times."""
    many = [missed("crowded", i, Box(i, 0, i + 9, 9)) for i in range(9)]
    things = [*many, missed("second", 0, Box(0, 0, 9, 9)), missed("third", 0, Box(0, 0, 9, 9))]
    drawn = [drawn_apart(things, 3, np.random.default_rng(seed), set()) for seed in range(20)]
    assert all({f.frame_id for f in found} == {"crowded", "second", "third"} for found in drawn)
    assert len({found[0].failure_id for found in drawn}) > 3, "of the crowded frame any one"
    assert len(drawn_apart(things, 5, np.random.default_rng(0), set())) == 5, "then the rest"
    assert drawn_apart(things, 99, np.random.default_rng(0), set()) == things


def test_frames_that_are_shown_already_come_last() -> None:
    things = [missed(name, 0, Box(0, 0, 9, 9)) for name in "abc"]
    shown = {"a", "b"}
    assert [f.frame_id for f in drawn_apart(things, 1, np.random.default_rng(0), shown)] == ["c"]
    assert shown == {"a", "b", "c"}
    few: set[str] = set()
    (one,) = drawn_apart(things, 1, np.random.default_rng(0), few)
    assert few == {one.frame_id}, "what was not drawn is not shown"
