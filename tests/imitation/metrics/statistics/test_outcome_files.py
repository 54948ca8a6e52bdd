"""Outcomes in a file: every number computed from it is the evaluation's own, and no box is in it."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from imitation.common.errors import UserError
from imitation.evaluation.detection_files import write_detections
from imitation.evaluation.detections import FrameDetections
from imitation.metrics.statistics.outcome_files import read_outcome_file, together, write_outcomes
from imitation.metrics.statistics.outcomes import BOX, OutcomeBuilder, Outcomes
from imitation.metrics.statistics.seed_comparison import Bench, Judged, read_outcomes, slice_gains
from tests.imitation.metrics.driving import CATEGORIES, evaluated

IOUS = (0.5, 0.75)


def outcomes_of(rows: Sequence[FrameDetections]) -> Outcomes:
    builder = OutcomeBuilder(CATEGORIES, IOUS)
    for row in rows:
        builder.add(row, 0.4)
    return builder.result()


def numbers(way: Outcomes, base: Outcomes) -> tuple[np.ndarray, np.ndarray, list[object]]:
    """Everything that a comparison computes of them."""
    frames = sorted(way.frames)
    way, base = way.only(frames), base.only(frames)
    bench = Bench(way, 60, np.random.default_rng(0))
    measured = bench.measure({0: way})
    gains = slice_gains(bench, {0: base}, {0: way}, np.random.default_rng(1))
    return measured.estimates, measured.samples, list(gains)


@pytest.mark.parametrize("frames_a_sequence", [None, 4])
def test_every_number_is_the_same(tmp_path: Path, frames_a_sequence: int | None) -> None:
    ways = [
        outcomes_of(list(evaluated(60, seed, hit=hit, frames_a_sequence=frames_a_sequence)))
        for seed, hit in ((1, 0.6), (2, 0.7))
    ]
    kept = []
    for k, way in enumerate(ways):
        write_outcomes(way, f"{tmp_path}/{k}.npz", whole=True)
        kept.append(read_outcome_file(f"{tmp_path}/{k}.npz"))
    for ours, theirs in zip(numbers(*kept), numbers(*ways)):
        np.testing.assert_equal(ours, theirs)
    assert kept[0].sequences == ways[0].sequences
    assert len(kept[0].of_detection["score"]) < len(ways[0].of_detection["score"]), "what counts for nothing"


def test_no_box_is_in_it_and_the_same_outcomes_are_the_same_bytes(tmp_path: Path) -> None:
    outcomes = outcomes_of(list(evaluated(30, 1)))
    for name in ("a", "b"):
        write_outcomes(outcomes, f"{tmp_path}/{name}.npz", whole=True)
    data = (tmp_path / "a.npz").read_bytes()
    assert data == (tmp_path / "b.npz").read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as packed:
        names = packed.files
        assert not [name for name in names if name.split()[-1] in BOX]
        corners = {np.float32(x) for column in BOX for x in outcomes.of_object[column]}
        floats = [packed[name] for name in names if packed[name].dtype.kind == "f"]
        assert not corners & {np.float32(x) for values in floats for x in values.ravel()}
    assert len(data) < 12_000, "a few hundred bytes a frame"


def test_folds_put_together_are_ranked_together(tmp_path: Path) -> None:
    """As if one detector had judged all frames; what a fold alone could spare is needed here."""
    folds = [list(evaluated(30, 1, hit=0.9)), list(evaluated(25, 2, hit=0.3, first=30))]
    sources = []
    for k, rows in enumerate(folds):
        write_detections(rows, f"{tmp_path}/{k}.parquet", CATEGORIES)
        write_outcomes(outcomes_of(rows), f"{tmp_path}/{k}.npz", whole=False)
        sources.append([Judged(f"{tmp_path}/{k}.{end}", "test", "main", 0.4) for end in ("parquet", "npz")])
    whole = read_outcomes(tuple(source[0] for source in sources), CATEGORIES, IOUS)
    kept = read_outcomes(tuple(source[1] for source in sources), CATEGORIES)
    for ours, theirs in zip(numbers(kept, kept), numbers(whole, whole)):
        np.testing.assert_equal(ours, theirs)
    with pytest.raises(UserError, match="frame '000000' is in the test part of two folds"):
        read_outcomes((sources[0][1], sources[0][1]), CATEGORIES)


def test_conditions_that_one_fold_lacks_are_unknown_there() -> None:
    one, other = (outcomes_of(list(evaluated(4, 1, first=first))) for first in (0, 4))
    bare = list(evaluated(4, 1, first=8))
    for row in bare:
        object.__setattr__(row, "conditions", None)
    whole = together([one, other, outcomes_of(bare)])
    words, codes = whole.conditions["weather"]
    assert [words[code] for code in codes] == [
        *(("clear", "rain", "fog")[i % 3] for i in range(8)), *["unknown"] * 4
    ]  # fmt: skip


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"not at all")
    np.savez(tmp_path / "b.npz", texts=np.zeros(3, dtype=np.uint8))
    for name in ("a", "b"):
        with pytest.raises(UserError, match=f"{name}.npz: is no file of outcomes"):
            read_outcome_file(f"{tmp_path}/{name}.npz")
    other = OutcomeBuilder(("car",), IOUS).result()
    with pytest.raises(ValueError, match="other categories"):
        together([other, outcomes_of([])])
