"""Which classes a configuration means, of a dataset with a map of its own and of one without."""

from typing import Any

from imitation.data.categories import CategoryMap
from imitation.data.records import Box, Frame, Object
from imitation.datasets.category_map import categories_of
from imitation.datasets.settings import DataSettings


def map_of(kind: str, **settings: Any) -> CategoryMap:
    objects = tuple(Object(name, Box(1, 2, 30, 40)) for name in ("Car", "Van", "Pedestrian"))
    return categories_of(DataSettings(kind=kind, root="x", **settings), [Frame("a", 256, 64, objects)])


def test_a_neighbour_class_that_is_asked_for_is_to_be_found() -> None:
    found = map_of("kitti", categories=["Car", "Van"])
    assert found.categories == ("Car", "Van")
    assert found.mapping["Van"] == "Van"
    assert "Van" not in found.ignore
    assert "DontCare" in found.ignore


def test_renaming_takes_the_neighbours_along_and_leaves_no_empty_class() -> None:
    found = map_of("kitti", mapping={"Car": "car", "Truck": "truck"})
    assert found.categories == ("car", "Pedestrian", "Cyclist", "truck")
    assert (found.mapping["Car"], found.mapping["Van"], found.mapping["Truck"]) == ("car", "car", "truck")
    assert "Van" in found.ignore, "still a neighbour: neither to be found nor false to find"
    merged = map_of("parquet", mapping={"Van": "Car"})
    assert merged.categories == ("Car", "Pedestrian")
    assert merged.mapping["Van"] == "Car"


def test_a_neighbour_that_is_no_longer_ignored_is_background_not_the_class() -> None:
    found = map_of("kitti", ignore=["DontCare"])
    assert "Van" not in found.mapping
    assert "Van" not in found.ignore
    assert map_of("kitti", ignore=["DontCare"], mapping={"Van": "Car"}).mapping["Van"] == "Car"
