"""Proposals -> detections."""

import numpy as np
import pytest
import torch

from imitation.detectors.grid.clustering import cluster
from imitation.detectors.settings import DetectorSettings

SIZE = (100, 80)


def run(proposals: list[tuple[list[float], list[float]]], **changes: object) -> dict[str, np.ndarray]:
    boxes = torch.tensor([box for box, _ in proposals])
    scores = torch.tensor([score for _, score in proposals])
    occlusion = torch.linspace(0, 1, len(proposals))
    found = cluster(boxes, scores, occlusion, SIZE, DetectorSettings(**changes))
    return {name: value.numpy() for name, value in found.items()}


PROPOSALS = [
    ([10.0, 10, 30, 30], [0.9, 0.0]),
    ([11.0, 10, 31, 30], [0.6, 0.0]),
    ([60.0, 20, 90, 60], [0.0, 0.8]),
    ([10.0, 10, 30, 30], [0.0, 0.3]),
    ([50.0, 50, 70, 70], [0.01, 0.02]),
]


@pytest.mark.parametrize("clustering", ["nms", "dbscan"])
def test_overlapping_proposals_of_a_category_become_one(clustering: str) -> None:
    found = run(PROPOSALS, clustering=clustering)
    assert found["labels"].tolist() == [1, 2, 2]
    np.testing.assert_allclose(found["scores"], [0.9, 0.8, 0.3])
    np.testing.assert_allclose(found["boxes"][1], [60, 20, 90, 60])


def test_nms_keeps_the_best_box_and_dbscan_the_weighted_mean() -> None:
    np.testing.assert_allclose(run(PROPOSALS, clustering="nms")["boxes"][0], [10, 10, 30, 30])
    mean = run(PROPOSALS, clustering="dbscan")
    np.testing.assert_allclose(mean["boxes"][0], [10.4, 10, 30.4, 30], rtol=1e-5)
    np.testing.assert_allclose(mean["occlusion"][0], 0.25 * 0.4, rtol=1e-5)


def test_dbscan_drops_proposals_of_too_little_weight() -> None:
    for weight, labels in ((0.1, [1]), (0.5, [])):
        found = run([([10.0, 10, 30, 30], [0.2])], clustering="dbscan", dbscan_weight=weight)
        assert found["labels"].tolist() == labels


@pytest.mark.parametrize("clustering", ["nms", "dbscan"])
def test_boxes_are_clipped_to_the_image_and_empty_ones_dropped(clustering: str) -> None:
    found = run([([-10.0, -5, 20, 200], [0.9]), ([120.0, 10, 140, 20], [0.8])], clustering=clustering)
    assert found["boxes"].tolist() == [[0, 0, 20, 80]]


@pytest.mark.parametrize("clustering", ["nms", "dbscan"])
def test_nothing_found_and_the_limit(clustering: str) -> None:
    assert run([([0.0, 0, 9, 9], [0.01])], clustering=clustering)["boxes"].shape == (0, 4)
    far = [([float(x), 0, x + 8.0, 8], [0.2 + x / 200]) for x in range(0, 90, 10)]
    found = run(far, clustering=clustering, max_detections=3)
    np.testing.assert_allclose(found["boxes"][:, 0], [80, 70, 60])
