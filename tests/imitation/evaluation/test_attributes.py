"""The words of slices and modes, at their bounds."""

import numpy as np
import pytest

from imitation.evaluation import attributes
from imitation.evaluation.attributes import UNKNOWN, WORDS, words
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.evaluation.failures import find_failures

NAN = float("nan")


@pytest.mark.parametrize(
    ("attribute", "codes", "values", "expected"),
    [
        (
            "size",
            attributes.size_codes,
            [0, 24.9, 25, 39.9, 40, 80, 159.9, 160, 900],
            ["under 25 px"] * 2
            + ["25-40 px"] * 2
            + ["40-80 px", "80-160 px", "80-160 px"]
            + ["160 px and more"] * 2,
        ),
        (
            "distance",
            attributes.distance_codes,
            [2, 15, 29, 30, 50, 300, NAN],
            ["under 15 m", "15-30 m", "15-30 m", "30-50 m", "50 m and more", "50 m and more", UNKNOWN],
        ),
        (
            "truncation",
            attributes.truncation_codes,
            [0, np.float32(0.15), 0.16, 0.5, 0.51, 1, NAN],
            ["truncated up to 0.15"] * 2 + ["truncated 0.15-0.5"] * 2 + ["truncated > 0.5"] * 2 + [UNKNOWN],
        ),
    ],
)
def test_bounds(attribute: str, codes, values: list[float], expected: list[str]) -> None:
    assert words(attribute, codes(np.array(values))).tolist() == expected


def test_occlusion_is_the_share_or_else_kittis_level() -> None:
    share = np.array([0.0, 0.1, 0.11, 0.5, 0.9, NAN, NAN, NAN, NAN, NAN, 0.9], dtype=np.float32)
    level = np.array([-1, -1, -1, -1, -1, 0, 1, 2, 3, -1, 0])  # 3 is KITTI's "unknown"
    assert words("occlusion", attributes.occlusion_codes(share, level)).tolist() == [
        *["visible", "visible", "partly occluded", "partly occluded", "largely occluded"],
        *["visible", "partly occluded", "largely occluded", UNKNOWN, UNKNOWN, "largely occluded"],
    ]


def test_edges_of_images_of_different_widths() -> None:
    boxes = np.array([[0, 0, 50, 9], [10, 0, 990, 9], [950, 0, 990, 9], [11, 0, 989, 9], [95, 0, 99, 9.0]])
    assert words("edge", attributes.edge_codes(boxes, np.array([1000, 1000, 1000, 1000, 100]))).tolist() == [
        *["left edge", "both edges", "right edge", "inside", "right edge"]
    ]
    assert words("edge", attributes.edge_codes(boxes[:1], 1000.0)).tolist() == ["left edge"]


def test_every_code_has_a_word_and_the_last_is_unknown() -> None:
    for attribute, names in WORDS.items():
        assert names[-1] == UNKNOWN
        assert len(set(names)) == len(names), attribute


def frame() -> FrameDetections:
    true = np.array([[0, 100, 60, 130], [300, 100, 380, 300], [500, 0, 600, 90.0]])
    found = np.array([[300, 100, 382, 300], [900, 0, 999, 20.0]])
    return FrameDetections(
        "f",
        "val",
        "d",
        1000,
        400,
        Detections(found, [0.9, 0.8], [2, 1]),
        GroundTruth(
            true,
            [1, 2, 0],
            ignore=[False, False, True],
            occlusion=[NAN, 0.3, NAN],
            occlusion_level=[2, -1, -1],
            truncation=[0.7, NAN, NAN],
            distance=[12.0, 40.0, NAN],
        ),
        conditions={"weather": "rain", "size": "huge"},
    )


def test_objects_detections_and_failures_speak_the_same_words() -> None:
    row, categories = frame(), ("car", "person")
    objects = {name: values.tolist() for name, values in attributes.of_objects(row, categories).items()}
    assert objects == {
        "category": ["car", "person", UNKNOWN],
        "size": ["25-40 px", "160 px and more", "80-160 px"],
        "occlusion": ["largely occluded", "partly occluded", UNKNOWN],
        "truncation": ["truncated > 0.5", UNKNOWN, UNKNOWN],
        "distance": ["under 15 m", "30-50 m", UNKNOWN],
        "edge": ["left edge", "inside", "inside"],
        "condition: size": ["huge"] * 3,
        "condition: weather": ["rain"] * 3,
    }
    detections = attributes.of_detections(row, categories)
    assert detections["edge"].tolist() == ["inside", "right edge"]
    assert detections["size"].tolist() == ["160 px and more", "under 25 px"]
    missed, background = find_failures([row], 0.5, categories)
    assert attributes.of_failure(missed) == {name: values[0] for name, values in objects.items()}
    assert attributes.of_failure(background) == {name: values[1] for name, values in detections.items()}


def test_a_failure_without_the_image_width_has_no_known_edge() -> None:
    from dataclasses import replace

    missed, _ = find_failures([frame()], 0.5, ("car", "person"))
    assert attributes.of_failure(replace(missed, image_width=None))["edge"] == UNKNOWN
