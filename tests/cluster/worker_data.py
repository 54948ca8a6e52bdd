"""Tiny frames for the tests that kill what works on them."""

import numpy as np

from imitation.data.categories import CategoryMap
from imitation.data.images import encode_png
from imitation.data.records import Box, Frame, Object

CATEGORIES = CategoryMap.identity(("car",))


def picture(number: int) -> bytes:
    colour = np.random.default_rng(number).integers(0, 250, 3, dtype=np.uint8)
    return encode_png(np.broadcast_to(colour, (32, 32, 3)).copy())


def frames(count: int) -> list[Frame]:
    car = (Object("car", Box(3, 4, 28, 28)),)
    return [Frame(f"f{number:05d}", 32, 32, car, image=picture(number)) for number in range(count)]
