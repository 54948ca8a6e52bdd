"""Source categories become classes, ignored objects or background."""

import json
import math
from collections import Counter

import numpy as np
import pytest

from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap, present_categories
from imitation.data.records import Box, Frame, Object
from imitation.datasets.registry import dataset_of

KITTI = dataset_of("kitti").category_map()


def _frame(*names: str, **changes: object) -> Frame:
    objects = tuple(Object(name, Box(i, 0, i + 2, 3), **changes) for i, name in enumerate(names))
    return Frame("f", 100, 50, objects)


def test_kitti_map_follows_the_benchmark() -> None:
    """Van is ignored for Car, Person_sitting for Pedestrian, DontCare for all; the rest is background."""
    frame = _frame(
        "Truck", "Car", "Van", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc", "DontCare"
    )
    targets = KITTI.apply(frame)
    assert targets.indices.tolist() == [1, 2, 3, 4, 5, 8]
    assert targets.labels.tolist() == [1, 1, 2, 2, 3, 0]
    assert targets.ignore.tolist() == [False, True, False, True, False, True]
    np.testing.assert_array_equal(targets.boxes[:, 0], [1, 2, 3, 4, 5, 8])
    assert KITTI.unmapped([frame, frame]) == Counter({"Truck": 2, "Tram": 2, "Misc": 2})


def test_arrays_have_their_types_even_when_empty() -> None:
    for frame, count in ((_frame(), 0), (_frame("Tram"), 0), (_frame("Car"), 1)):
        targets = KITTI.apply(frame)
        assert targets.boxes.shape == (count, 4)
        assert [a.dtype for a in targets] == [np.float32, np.int64, bool, np.float32, np.int64]
        assert all(len(a) == count for a in targets)


def test_occlusion_is_nan_where_unknown() -> None:
    assert math.isnan(KITTI.apply(_frame("Car")).occlusion[0])
    assert KITTI.apply(_frame("Car", occlusion=0.25)).occlusion[0] == 0.25


def test_an_ignored_object_of_a_class_keeps_its_label() -> None:
    """COCO's crowd: ignored for its own class."""
    targets = KITTI.apply(_frame("Car", ignore=True))
    assert (targets.labels[0], targets.ignore[0]) == (1, True)
    assert KITTI.unmapped([_frame("Bus", ignore=True)]) == Counter()
    assert KITTI.apply(_frame("Bus", ignore=True)).labels.tolist() == [0]


def test_a_box_without_area_is_ignored() -> None:
    frame = Frame("f", 100, 50, (Object("Car", Box(5, 5, 5, 9)),))
    assert KITTI.apply(frame).ignore.tolist() == [True]


def test_merging_categories() -> None:
    merged = CategoryMap(("vehicle",), {"car": "vehicle", "bus": "vehicle"})
    assert merged.apply(_frame("bus", "dog", "car")).labels.tolist() == [1, 1]


def test_default_maps() -> None:
    assert dataset_of("world").category_map().categories == ("car", "truck", "pedestrian", "cyclist")
    frames = [_frame("dog", "cat"), _frame("cat"), _frame("crowd", ignore=True)]
    assert present_categories(frames) == ("cat", "dog")
    assert dataset_of("parquet").category_map(frames) == CategoryMap.identity(["cat", "dog"])
    with pytest.raises(UserError, match="there is none"):
        dataset_of("parquet").category_map([])


def test_impossible_maps_are_refused() -> None:
    with pytest.raises(UserError, match="'Bus' is mapped to 'Truck', which is not among Car"):
        CategoryMap(("Car",), {"Bus": "Truck"})
    with pytest.raises(UserError, match="stands twice"):
        CategoryMap(("Car", "Car"), {})


def test_json_round_trip() -> None:
    assert CategoryMap.from_json(json.loads(json.dumps(KITTI.to_json()))) == KITTI
