"""Why a row of labels is left out, as it is counted, and what is done about a bad one."""

from __future__ import annotations

from imitation.common.settings import DataError

COLUMNS = "rows with too many or too few columns"
NUMBERS = "rows with something else in a number's place"
CATEGORIES = "objects of a category that there is not"
BOXES = "boxes that are none"
OUTSIDE = "boxes outside of their image"
RANGES = "objects with a value out of its range"
CUBOIDS = "objects whose cuboid is none"
OTHERS = "objects with another fault"
NO_AREA = "boxes without area"
DOUBLES = "objects that stand twice in their frame"


def refuse(error: DataError) -> None:
    """What is done about a bad row of labels where nothing else is said: its frame cannot be used."""
    raise error
