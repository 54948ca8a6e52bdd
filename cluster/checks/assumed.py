"""What a check assumes of data that has not been read yet."""

from __future__ import annotations

from cluster.config.schema import Config
from imitation.datasets.category_map import categories_of

ASSUMED = ("car", "pedestrian", "cyclist")
"""Categories of a kind that makes its map of the data."""
ASSUMED_SIZE = (640, 192)
"""px; small, so that a check takes seconds."""


def known_categories(config: Config) -> tuple[tuple[str, ...], bool]:
    """The detector's categories, and whether the settings tell them; else some that stand for them."""
    data = config.data
    if data.dataset.categories is not None:
        return categories_of(data, ()).categories, True
    return (ASSUMED, False) if data.categories is None else (tuple(data.categories), True)


def known_size(config: Config) -> tuple[int, int]:
    """The width and height of the images, px, where the settings tell them; else a small size."""
    if config.data.is_stand_in:
        return config.world.width, config.world.height
    return ASSUMED_SIZE
