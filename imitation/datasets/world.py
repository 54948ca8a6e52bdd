"""The embedded stand-in world: data for who has none. `sim_actors/standin_world.py` makes its scenes."""

from __future__ import annotations

from imitation.data.categories import CategoryMap
from imitation.datasets.base import DatasetReader


class StandInWorld(DatasetReader):
    """What is to be known of frames that each run renders for itself: nothing is opened."""

    kind = "world"
    name = "stand-in world"
    title = "Embedded stand-in world"
    categories = CategoryMap.identity(("car", "truck", "pedestrian", "cyclist"))
    stand_in = True
