"""The labels of a composite: a photo's own, with what newly hides them, before those of the actors."""

from __future__ import annotations

from dataclasses import replace

from imitation.data.records import Box, Convention, Object
from sim_actors.simulators.opengl.passes.composite import Composite, Extent

LEVEL_SHARES = (0.0, 0.3, 0.65)
"""What KITTI's occlusion levels 0 to 2 are taken to hide, a share of the object."""

_NOTICED = 0.01
"""Share newly hidden from which a label changes."""


def occlusion_level(share: float) -> int:
    """KITTI's level of a hidden share: 0 fully visible, 1 partly, 2 largely occluded."""
    return 0 if share < 0.1 else 1 if share < 0.5 else 2


def relabelled(
    objects: tuple[Object, ...],
    drawn: Composite,
    convention: Convention,
    ignore_above: float,
    ignore_below: int,
) -> list[Object]:
    """A photo's objects after actors were set into it: unchanged but where an actor newly hides them.

    `ignore_above` is the hidden share, `ignore_below` the number of visible pixels at which an object
    is ignored from now on. Objects whose place is not known are left as they are: nothing was set
    before them.
    """
    found = []
    for index, obj in enumerate(objects):
        before = drawn.before.get(index)
        after = drawn.after.get(index)
        found.append(
            obj if before is None else _hidden(obj, before, after, convention, ignore_above, ignore_below)
        )
    return found


def _hidden(
    obj: Object,
    before: Extent,
    after: Extent | None,
    convention: Convention,
    ignore_above: float,
    ignore_below: int,
) -> Object:
    left = 0.0 if after is None else after[0] / before[0]
    if left > 1 - _NOTICED:
        return obj
    old = obj.occlusion
    if old is None:
        old = LEVEL_SHARES[obj.occlusion_level] if obj.occlusion_level in (0, 1, 2) else 0.0
    hidden = 1 - (1 - old) * left
    level = obj.occlusion_level
    if level is not None and level != 3:  # 3: unknown, and it stays so
        level = max(level, occlusion_level(hidden))
    whole = obj.visible_box or (obj.box if convention == "visible" or old == 0 else None)
    seen = None if whole is None or after is None else _shrunk(whole, before[1], after[1])
    gone = after is None or after[0] < min(ignore_below, before[0])
    return replace(
        obj,
        occlusion=hidden,
        occlusion_level=level,
        visible_box=seen if seen is not None else obj.visible_box,
        box=seen if convention == "visible" and seen is not None else obj.box,
        ignore=obj.ignore or gone or hidden > ignore_above,
    )


def _shrunk(box: Box, before: Box, after: Box) -> Box | None:
    """A box whose sides move in by as much as those of what is seen have."""
    x1, y1 = box.x1 + after.x1 - before.x1, box.y1 + after.y1 - before.y1
    x2, y2 = box.x2 + after.x2 - before.x2, box.y2 + after.y2 - before.y2
    return Box(x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None
