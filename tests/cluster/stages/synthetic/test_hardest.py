"""How hard a frame is to a detector, and which candidates are kept."""

import numpy as np
import pytest

from cluster.stages.synthetic.hardest import hardest, how_hard
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.requests import Request

BOXES = np.array([[10.0, 10, 50, 50], [100, 10, 150, 60], [200, 10, 240, 50]])


def row(
    scores: dict[int, float], false: tuple[float, ...] = (), ignore: tuple[int, ...] = ()
) -> FrameDetections:
    """Three cars; `scores` says which are found how surely, `false` what is found where nothing is."""
    truth = GroundTruth(BOXES, np.ones(3), ignore=np.isin(np.arange(3), ignore))
    boxes = [
        *(BOXES[i] for i in scores),
        *([300.0 + 60 * k, 10, 340 + 60 * k, 50] for k in range(len(false))),
    ]
    found = Detections(boxes, [*scores.values(), *false], np.ones(len(boxes)))
    return FrameDetections("r-v00", "synthetic", "main", 800, 200, found, truth)


@pytest.mark.parametrize(
    ("seen", "focus", "hard"),
    [
        (row({0: 0.9, 1: 0.6}), (), (0.1 + 0.4 + 1.0) / 3),
        (row({0: 0.9, 1: 0.6}), (1, 2), (0.4 + 1.0) / 2),
        (row({0: 0.9, 1: 0.6}), (2,), 1.0),
        (row({}), (0,), 1.0),
        (row({0: 0.9}, ignore=(1, 2)), (), 0.1),
        (row({}, false=(0.3, 0.7), ignore=(0, 1, 2)), (), 0.7),
        (row({}, ignore=(0, 1, 2)), (0,), 0.0),
        (row({0: 0.9}, ignore=(0, 1, 2)), (), 0.0),  # on what is ignored: not judged
    ],
)
def test_what_is_missed_is_hard(seen, focus, hard) -> None:
    assert how_hard(seen, focus) == pytest.approx(hard)


def test_the_hardest_of_each_request_are_kept_and_of_equals_the_first() -> None:
    requests = [Request(name, None, (), (), (), count, 0, "p") for name, count in (("a", 2), ("b", 1))]
    hardness = {"a-v00": 0.1, "a-v01": 0.9, "a-v02": 0.5, "a-v10": 0.5, "b-v00": 0.2, "b-v01": 0.2}
    assert hardest(requests, hardness) == ["a-v01", "a-v02", "b-v00"]
    assert hardest(requests, {"b-v01": 0.0}) == ["b-v01"], "where all others were rejected"
    assert hardest(requests, {}) == []
