"""Do a simulator's labels say what can be seen: what is hidden, cut off by the border, in the picture?"""

from __future__ import annotations

import numpy as np

from imitation.common.contracts import Found
from imitation.data.images import load_frame_image
from imitation.data.records import Box, Camera, Cuboid, Object
from sim_actors.scene.projection import projected_box
from sim_actors.simulators.conformance.bench import (
    HEIGHT,
    WIDTH,
    Bench,
    Mistaken,
    noted,
    right,
    wrong,
)
from sim_actors.simulators.contract import EDGE_PX

_SHARE = 0.3  # how far occlusion and truncation may lie from those of the cuboids: bodies are rounded


def overhang(inner: Box, outer: Box) -> float:
    """How far a box reaches beyond another, px; negative inside."""
    return max(outer.x1 - inner.x1, outer.y1 - inner.y1, inner.x2 - outer.x2, inner.y2 - outer.y2)


def hiding(bench: Bench) -> Found:
    """A near one hides more than half of a far one, whichever comes first in the scene."""
    near, z = bench.actor(0, 8), 13
    camera = bench.scene("hidden").camera
    edge = (projected_box(near.cuboid, camera).x2 - camera.cx) / camera.fx  # of what the near one hides
    far = bench.actor(0.6 * edge * z, z, 0.0)  # most of it is behind the near one's body, not its roof
    scenes = [bench.scene("hidden", near, far), bench.scene("hidden-again", far, near)]
    boxes = [projected_box(actor.cuboid, camera) for actor in (near, far)]
    expected = boxes[0].common(boxes[1]) / boxes[1].area
    worst = 0.0
    for scene in scenes:
        objects = bench.objects(scene)
        before, behind = objects if scene.actors[0] is near else objects[::-1]
        if before.occlusion is None or behind.occlusion is None:
            return noted("not supported: it does not say how much of an object others hide (occlusion)")
        numbers = {"near": before.occlusion, "far": behind.occlusion, "expected": expected}
        if before.occlusion > behind.occlusion:
            return wrong(
                f"{before.occlusion:.0%} of the near one are hidden, {behind.occlusion:.0%} of the far one",
                f"0% and about {expected:.0%}",
                "depth is compared the wrong way, or actors are drawn in their order and not by depth",
                **numbers,
            )
        apart = max(before.occlusion, abs(behind.occlusion - expected))
        if apart > _SHARE:
            return wrong(
                f"{before.occlusion:.0%} of the near one are hidden, {behind.occlusion:.0%} of the far one",
                f"0% and about {expected:.0%}",
                "the share is not of the whole object's pixels, or is the visible share",
                **numbers,
            )
        worst = max(worst, apart)
    return right(f"{behind.occlusion:.0%} of the far one are hidden", expected=expected, apart=worst)


def border(bench: Bench) -> Found:
    """One is cut by the left border and one by the right: the whole box goes on beyond it."""
    camera = bench.scene("cut").camera
    x = next(x for x in np.arange(3, 9, 0.1) if _outside(bench.actor(x, 8).cuboid, camera) > 0.25)
    scene = bench.scene("cut", bench.actor(-x, 8), bench.actor(x, 8))
    apart, missing = 0.0, []
    for actor, obj in zip(scene.actors, bench.objects(scene)):
        whole = projected_box(actor.cuboid, scene.camera)
        outside = max(-whole.x1, whole.x2 - WIDTH)
        expected = _outside(actor.cuboid, camera)
        if (beyond := overhang(obj.box, Box(0, 0, WIDTH, HEIGHT))) > EDGE_PX:
            return wrong(
                f"box reaches {beyond:.0f} px beyond the picture",
                "box within it; amodal_box alone goes beyond",
                "box is the whole box",
                beyond=beyond,
            )
        if obj.amodal_box is None:
            missing.append("amodal_box")
        elif (found := max(-obj.amodal_box.x1, obj.amodal_box.x2 - WIDTH)) < outside / 3:
            return wrong(
                f"the whole (amodal) box ends {found:.0f} px beyond the border",
                f"about {outside:.0f} px beyond",
                "it is clipped to the picture: render wider, or project the mesh",
                beyond=found,
                expected=outside,
            )
        if obj.truncation is None:
            missing.append("truncation")
        elif abs(obj.truncation - expected) > _SHARE:
            return wrong(
                f"truncation is {obj.truncation:.0%}",
                f"about {expected:.0%}",
                "it is the share inside, or not of the whole object",
                truncation=obj.truncation,
                expected=expected,
            )
        else:
            apart = max(apart, abs(obj.truncation - expected))
    if missing:
        return noted(f"not supported: {' and '.join(dict.fromkeys(missing))} of what the border cuts")
    return right("whole boxes go beyond the border, truncation is the share outside", apart=apart)


def _outside(cuboid: Cuboid, camera: Camera) -> float:
    """The share of the cuboid's box that lies beyond the borders."""
    whole = projected_box(cuboid, camera)
    return 1 - whole.clipped(WIDTH, HEIGHT).area / whole.area


def picture(bench: Bench) -> Found:
    """What the actors change in the picture lies where their labels are."""
    scene = bench.pair()
    full, empty = bench.frame(scene), bench.frame(scene.replace(actors=()))
    a, b = (load_frame_image(frame).astype(np.float32) for frame in (full, empty))
    change = np.abs(a - b).mean(axis=-1)
    inside, near = (np.zeros(change.shape, bool) for _ in range(2))
    for obj in full.objects:
        _fill(inside, obj, 0.0)
        _fill(near, obj, 0.4)  # what it lies upon: its shadow
    if not inside.any() or near.all():
        raise Mistaken("no object came back with a box in the picture")
    on, off = float(change[inside].mean()), float(change[~near].mean())
    if on < 2 * off + 1:
        return wrong(
            f"actors change the picture by {on:.1f} of 255 within their boxes and {off:.1f} elsewhere",
            "a change where the labels are",
            "labels are computed and the picture shows another scene: mirrored, the frame before, or empty",
            inside=on,
            elsewhere=off,
        )
    return right("what the actors change in it lies in their boxes", inside=on, elsewhere=off)


def _fill(mask: np.ndarray, obj: Object, grown: float) -> None:
    box, dx, dy = obj.box, obj.box.width * grown, obj.box.height * grown
    x1, y1, x2, y2 = (
        round(v) for v in Box(box.x1 - dx, box.y1 - dy, box.x2 + dx, box.y2 + dy).clipped(WIDTH, HEIGHT)
    )
    mask[y1:y2, x1:x2] = True
