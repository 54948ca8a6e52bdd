"""What is said of a cycle: modes kept, failures followed, chance beside them, suspects named."""

import json
from pathlib import Path

import numpy as np
import pytest

from cluster.stages.diagnose import MINE, Judged, analyse_cycle
from imitation.common.names import MAIN, TWIN
from imitation.data.images import encode_png
from imitation.data.records import Frame, Origin
from imitation.datasets.parquet.files import write_frames
from imitation.diagnosis.settings import MiningSettings
from imitation.evaluation.detection_files import write_detections
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth

CATEGORIES = ("car",)
LEFT, RIGHT, NOTHING = (10, 10, 60, 60), (100, 10, 150, 60), (200, 10, 250, 60)


def row(frame: str, split: str, detector: str, *boxes: tuple[int, ...]) -> FrameDetections:
    """A frame with a car left and right, and detections of these boxes."""
    truth = GroundTruth(
        np.array([LEFT, RIGHT]), np.ones(2), distance=[10, 20], category=np.array(["Car", "Car"], object)
    )
    found = Detections(np.array(boxes).reshape(-1, 4), np.full(len(boxes), 0.9), np.ones(len(boxes)))
    return FrameDetections(frame, split, detector, 300, 100, found, truth)


def judged(folder: Path, cycle: int, rows: list[FrameDetections], mined: bool, twin: bool = False) -> Judged:
    uri = str(folder / f"cycle-{cycle}.parquet")
    write_detections(rows, uri, CATEGORIES)
    names = [MAIN, *(["fold-0", "fold-1"] if mined else []), *([TWIN] if twin else [])]
    return Judged(cycle, uri, dict.fromkeys(names, 0.5), mined)


@pytest.fixture
def cycles(tmp_path: Path) -> tuple[Judged, Judged]:
    """The baseline misses the right car everywhere and sees a car in nothing; its twin finds all on val;
    cycle 1 finds the right car of the mined frame `m0`, not of `m1`, and still sees the one in nothing."""
    first = [
        *(row(f"{s}{i}", s, MAIN, LEFT) for s in ("val", "test") for i in range(3)),
        *(row(f"{s}{i}", s, TWIN, LEFT, RIGHT) for s in ("val", "test") for i in range(3)),
        *(row(f"val{i}", "val", "fold-0", LEFT) for i in range(3)),
        row("m0", MINE, "fold-0", LEFT, NOTHING),
        row("m1", MINE, "fold-1", LEFT),
    ]
    second = [
        *(row(f"{s}{i}", s, MAIN, LEFT, RIGHT) for s in ("val", "test") for i in range(3)),
        row("m0", MINE, "fold-0", LEFT, RIGHT, NOTHING),
        row("m1", MINE, "fold-1", LEFT),
    ]
    return judged(tmp_path, 0, first, True, twin=True), judged(tmp_path, 1, second, True)


def told(cycles, cycle: int, synthetic: str | None = None):
    from imitation.diagnosis.failure_modes import Modes

    mining = MiningSettings()
    first = analyse_cycle(
        None, mining, CATEGORIES, cycles[0], [], None, frozenset({"car"}), None, np.random.default_rng(0)
    )
    if cycle == 0:
        return first
    modes = Modes.from_json(first["found_modes"])
    rng = np.random.default_rng(0)
    return analyse_cycle(
        None, mining, CATEGORIES, cycles[1], [cycles[0]], modes, frozenset({"car"}), synthetic, rng
    )


def counts(followed: dict) -> dict[str, int]:
    return {k: followed[k] for k in ("fixed", "persistent", "new", "regressed") if followed[k]}


def test_the_baseline_stands_beside_its_twin(cycles):
    first = told(cycles, 0)
    assert first["followed"] is None
    assert counts(first["churn"]["val"]) == {"fixed": 3}
    assert counts(first["churn"]["test"]) == {"fixed": 3}
    assert first["suspects"] == []
    (mode,) = [m for m in first["modes"][MINE] if m["kinds"] == {"missed": 2}]
    assert mode["objects"] == 4
    # right, wrong, right of 4 objects; of 2 without the missed: the same precisions, over twice the recall
    assert mode["lost_ap"] == pytest.approx(((51 + 50 * 2 / 3) - (26 + 25 * 2 / 3)) / 101)
    assert first["errors"]["test"]["counts"]["missed"] == 3


def test_failures_are_followed_and_what_persists_says_whether_frames_were_rendered(cycles, tmp_path):
    image = encode_png(np.zeros((4, 4, 3), np.uint8))
    origin = Origin(1, "m1", ("m1#missed-o1",), "imitation", "{}", "toy", "1", 0)
    synthetic = str(tmp_path / "synthetic.parquet")
    write_frames([Frame("s0", 4, 4, image=image, origin=origin)], synthetic)
    second = told(cycles, 1, synthetic)
    assert counts(second["followed"]["test"]) == {"fixed": 3}
    assert counts(second["followed"][MINE]) == {"fixed": 1, "persistent": 2}
    assert second["followed"][MINE]["reasons"] == {
        "in reach: frames were rendered for it": 1,
        "in reach: nothing was rendered": 1,
    }
    (suspect,) = second["suspects"]
    assert (suspect["frame_id"], suspect["failure_id"]) == ("m0", "m0#background-d2")
    assert suspect["evaluations"] == ["cycle 1", "cycle 0"]
    assert second["churn"] is None
    assert [m["mode"] for m in second["found_modes"]["table"]] == [
        m["mode"] for m in told(cycles, 0)["found_modes"]["table"]
    ]


def test_policies_that_learn_are_told_what_became_of_what_they_answered(cycles, tmp_path):
    """`m0#missed-o1` is fixed without a frame, `m1#missed-o1` persists with one; the false detection that
    stays is of a mode of its own."""
    image = encode_png(np.zeros((4, 4, 3), np.uint8))
    origin = Origin(1, "m1", ("m1#missed-o1",), "adaptive", "{}", "toy", "1", 0)
    synthetic = str(tmp_path / "synthetic.parquet")
    write_frames([Frame("s0", 4, 4, image=image, origin=origin)], synthetic)
    rows = {row["mode"]: row for row in told(cycles, 1, synthetic)["feedback"]}
    assert rows["car, missed, plain"] == {
        "cycle": 1, "mode": "car, missed, plain", "fed": 1, "fed_fixed": 0, "unfed": 1, "unfed_fixed": 1
    }  # fmt: skip
    assert rows["car, background, plain"]["unfed"] == 1
    assert json.loads(json.dumps(rows)) == rows


def test_chance_is_counted_between_the_twins_on_val_alone(cycles):
    """The baseline misses three cars on val, of which its twin misses none; on test as well, but that
    decides nothing."""
    first = told(cycles, 0)
    assert first["chance"] == {"car, missed, plain": (3, 3)}
    assert first["feedback"] == []


def test_suspected_label_errors_are_no_failures_that_went_unanswered(cycles, tmp_path):
    from imitation.diagnosis.failure_modes import Modes

    modes = Modes.from_json(told(cycles, 0)["found_modes"])
    after = analyse_cycle(
        None, MiningSettings(), CATEGORIES, cycles[1], [cycles[0]], modes, None, None,
        np.random.default_rng(0),
        frozenset({"m0#background-d2", "m0#background-d1"}),
    )  # fmt: skip
    assert {row["mode"] for row in after["feedback"]} == {"car, missed, plain"}
