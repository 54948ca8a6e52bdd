"""What other datasets call the things that the simulator has: proposals for `data.mapping`.

Words of COCO, Open Images, BDD100K, Cityscapes, nuScenes, Argoverse, VisDrone and PASCAL VOC that mean one of
its bodies. They are proposed and never taken for granted: to map a word is to make it one class with another.
"""

from __future__ import annotations

from collections.abc import Collection

MEANT: dict[str, tuple[str, ...]] = {
    "car": (
        *("automobile", "auto", "sedan", "saloon", "hatchback", "estate", "station_wagon", "suv", "taxi"),
        *("cab", "pickup", "pickup_truck", "jeep", "limousine", "coupe", "convertible", "passenger_car"),
        *("police_car", "regular_vehicle", "light_vehicle", "other_vehicle"),
    ),
    "van": ("minibus", "camper", "caravan", "motorhome", "delivery_van", "ambulance"),
    "truck": (
        *("box_truck", "truck_cab", "large_vehicle", "heavy_vehicle", "construction_vehicle", "tanker"),
        *("articulated_truck", "semi", "semi_truck", "dump_truck", "fire_truck", "garbage_truck", "hgv"),
    ),
    "bus": ("coach", "school_bus", "double_decker", "articulated_bus", "city_bus"),
    "tram": ("on_rails", "streetcar", "trolley", "light_rail", "railed_vehicle"),
    "pedestrian": (
        *("human", "man", "woman", "adult", "child", "boy", "girl", "walker", "worker", "passer_by"),
        *("police_officer", "construction_worker", "official_signaler"),
    ),
    "person_sitting": ("sitting", "sitting_person"),
    "cyclist": ("bicyclist", "bicycle_rider", "wheeled_rider"),
    "bicycle": ("cycle", "pushbike"),
    "motorcycle": ("motor", "moped", "scooter", "motor_scooter", "motor_bike", "motorcycle_rider"),
}
SECOND_NAMES = {
    "vehicle": "car",
    "person": "pedestrian",
    "people": "pedestrian",
    "rider": "cyclist",
    "lorry": "truck",
    "minivan": "van",
    "train": "tram",
    "bike": "bicycle",
    "motorbike": "motorcycle",
    "motorcyclist": "motorcycle",
}
"""Other names of the simulator's own categories, which it understands without any mapping."""
_BY_WORD = {word: name for name, words in MEANT.items() for word in words}
_GENERAL = ("vehicle", "human", "movable_object", "object")  # first parts of nuScenes' names


def spelled(category: str) -> str:
    """A category as the simulator spells its own: lower case, "_" for spaces and hyphens."""
    return category.strip().lower().replace(" ", "_").replace("-", "_")


def canonical(category: str) -> str:
    """The simulator's own name of a category, or the name in its spelling if it has none."""
    name = spelled(category)
    return SECOND_NAMES.get(name, name)


def meaning(category: str) -> str:
    """The simulator's word for a thing that others call so, or the word itself: "Person" and "adult" are both
    "pedestrian"."""
    name = spelled(category).removeprefix("type_")
    return SECOND_NAMES.get(name) or _BY_WORD.get(name) or name


def meant_by(category: str, known: Collection[str]) -> str | None:
    """Which of the `known` categories (lower case) a dataset's word means, None if none that we know of:
    "taxi" means "car", "vehicle.bus.rigid" means "bus"."""
    name = spelled(category).removeprefix("type_")
    parts = [name, *(part for part in name.split(".") if "." in name and part not in _GENERAL)]
    for part in parts:
        for word in (part, part.removesuffix("s")):
            found = word if word in known else _BY_WORD.get(word)
            if found is not None and found in known and found != category:
                return found
    return None
