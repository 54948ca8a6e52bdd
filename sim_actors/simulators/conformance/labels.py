"""Are a simulator's labels those of the scene? Each check is a function over scenes whose answer is known.

The order matters: a check may take for granted what those before it have shown.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from imitation.common.contracts import Found
from imitation.data.images import decode_image, load_frame_image
from imitation.data.records import Box, Camera, Cuboid, Frame
from sim_actors.scene.projection import projected_box
from sim_actors.simulators.conformance.bench import (
    AHEAD,
    HEIGHT,
    WIDTH,
    Bench,
    Check,
    Guess,
    agreement,
    fits,
    moved,
    noted,
    right,
    wrong,
)
from sim_actors.simulators.conformance.visibility import border, hiding, overhang, picture
from sim_actors.simulators.contract import EDGE_PX, SAME_PLACE_M, pixels_changed, truth_changed

LEAST_IOU, USUAL_IOU = 0.6, 0.75
"""Of a whole box and its projected cuboid: below the first something is wrong; rounded bodies reach the
second."""
_FACTOR = 1.3  # how far a box's height may lie from its cuboid's
_MARGIN = 0.03  # IoU by which a mistaken reading has to fit better than the right one
_YAWS = tuple(math.radians(degrees) for degrees in (0, 30, 60, 90, -30, -60))


def identity(bench: Bench) -> Found:
    """The frame's id and size, and a picture of that size."""
    scene = bench.pair()
    frame = bench.frame(scene)
    if frame.frame_id != scene.scene_id:
        return wrong(
            f"frame_id is {frame.frame_id!r}", repr(scene.scene_id), "it counts frames by itself, or is late"
        )
    height, width = decode_image(frame.image or b"", f"frame {frame.frame_id}").shape[:2]
    if {(width, height), (frame.width, frame.height)} != {(WIDTH, HEIGHT)}:
        return wrong(
            f"a frame of {frame.width}x{frame.height} px with a picture of {width}x{height}",
            f"{WIDTH}x{HEIGHT}",
            "the engine's window or a retina screen decides the size, or width and height are swapped",
            width=width,
            height=height,
        )
    return right(f"frame {frame.frame_id}, {width}x{height} px", width=width, height=height)


def determinism(bench: Bench) -> Found:
    """The same scene twice: the same bytes, the same truth, or neither."""
    scene = bench.pair()
    first, again = bench.frame(scene), bench.frame(scene)
    if changed := truth_changed(first, again):
        return wrong(
            f"the labels of one scene change: {changed}",
            "the same labels",
            "physics or traffic runs on between frames, or chance is not drawn from scene.seed",
            grade=0,
        )
    if changed := pixels_changed(first, again):
        return noted(
            f"the same labels, other pixels ({changed}): frames cannot be rendered again to the same bytes",
            grade=1,
        )
    return right("the same bytes and labels", grade=2)


def staleness(bench: Bench) -> Found:
    """A scene, another one, and the first again: nothing of the other may be left in it."""
    scene = bench.pair()
    first, settled = bench.frame(scene), bench.frame(scene)
    other = bench.frame(bench.scene("other", bench.actor(2.4, 8, 0.0)))
    again = bench.frame(scene)
    apart, noise = _apart(first, again), _apart(first, settled)
    changed = truth_changed(first, again)
    if other.frame_id != "check-other" or changed or apart > 3 * noise + 0.5:
        return wrong(
            f"a scene after another one is not what it was before it: {changed or 'other pixels'}",
            "the same",
            "picture or labels are those of the frame before: wait for the engine's next frame (tick), or "
            "put away what the scene before had",
            pixels=apart,
        )
    return right("a scene is the same after another one", pixels=apart)


def _apart(one: Frame, two: Frame) -> float:
    """The mean difference of two pictures, of 255."""
    a, b = (load_frame_image(frame).astype(np.float32) for frame in (one, two))
    return float(np.abs(a - b).mean())


def distance(bench: Bench) -> Found:
    """One straight ahead, and at twice the distance: its box is of the cuboid's size, and half of it."""
    factors = []
    for z in (8, 16):
        scene = bench.scene(f"at-{z}", bench.actor(0, z, 0.0))
        (found,) = bench.objects(scene)
        whole = found.amodal_box or found.box
        factors.append(whole.height / projected_box(scene.actors[0].cuboid, scene.camera).height)
    near, far = factors
    numbers = {"near": near, "far": far}
    if all(1 / _FACTOR < factor < _FACTOR for factor in factors):
        return right(f"boxes {near:.2f} and {far:.2f} times as high as their cuboids", **numbers)
    same = far > 0 and 1 / _FACTOR < near / far < _FACTOR
    return wrong(
        f"boxes are {near:.2g} and, at twice the distance, {far:.2g} times as high as their cuboids",
        "1 and 1",
        "sizes in another unit (centimetres for metres), or another focal length (fov = 2 atan(width / 2fx))"
        if same
        else "distances in another unit or from elsewhere than the camera, or boxes of something else",
        **numbers,
    )


def handedness(bench: Bench) -> Found:
    """x is to the right, y down."""
    scene = bench.pair()
    found = fits(
        bench.objects(scene),
        scene,
        {
            "right": projected_box,
            "mirrored": moved(x=lambda c: -c.x, yaw=lambda c: math.pi - c.yaw),
            "upside down": moved(y=lambda c: c.height - c.y),
        },
    )
    best = max(found, key=lambda name: found[name])
    if found[best] > found["right"] + 0.2:
        return wrong(
            f"boxes lie where a scene that is {best} would have them (IoU {found[best]:.2f}, "
            f"{found['right']:.2f} where they should be)",
            "x to the right, y down, z forward",
            "the engine is left-handed: is x to the left?" if best == "mirrored" else "is y or z up there?",
            **found,
        )
    if found["right"] < 0.2:
        return wrong(
            f"boxes lie elsewhere than their cuboids (IoU {found['right']:.2f})",
            "x to the right, y down, z forward of the camera, m",
            "axes are swapped, or boxes are fractions of the picture and not px",
            **found,
        )
    return right("left is left, and down is down", **found)


def order(bench: Bench) -> Found:
    """Three at different distances: objects come in the order of the actors."""
    scene = bench.scene("order", bench.actor(-2.8, 10), bench.actor(2.6, 7), bench.actor(0.2, 16))
    objects = bench.objects(scene)
    boxes = [projected_box(actor.cuboid, scene.camera) for actor in scene.actors]
    places = [int(np.argmax([agreement(obj, box) for box in boxes])) for obj in objects]
    if places != [0, 1, 2]:
        return wrong(
            f"objects come as actors {', '.join(map(str, places))}",
            "0, 1, 2",
            "they are sorted by distance, name or number of the engine, or a dict lost the order",
        )
    return right("as the scene's actors", objects=len(objects))


def principal_point(bench: Bench) -> Found:
    """A camera whose principal point is not the picture's middle."""
    scene = bench.scene("principal-point", bench.actor(0.3, 8), cx=WIDTH / 2 - 36, cy=HEIGHT / 2 - 20)
    middle = {"cx": WIDTH / 2, "cy": HEIGHT / 2}

    def seen(**changes: float) -> Guess:
        return lambda cuboid, camera: projected_box(cuboid, replace(camera, **changes))

    found = fits(
        bench.objects(scene),
        scene,
        {
            "right": projected_box,
            "ignored": seen(**middle),
            "taken the wrong way": seen(cx=WIDTH - scene.camera.cx, cy=HEIGHT - scene.camera.cy),
        },
    )
    best = max(found, key=lambda name: found[name])
    if found["right"] < found[best] - _MARGIN or found["right"] < 0.2:
        what = "taken otherwise" if best == "right" else best
        return wrong(
            f"the principal point is {what} (IoU {found['right']:.2f})",
            "boxes that move with camera.cx and camera.cy",
            "only the field of view is set: shift the lens, or render wider and crop",
            **found,
        )
    return right(f"boxes move with it (IoU {found['right']:.2f})", **found)


def yaw(bench: Bench) -> Found:
    """One that turns, right of the middle: its box is that of its yaw, in radians, and of no other."""
    if bench.length < 1.5 * bench.width:
        return noted(f"not judged: a {bench.category} is as wide as long")
    guesses: dict[str, Guess] = {
        "right": projected_box,
        "radians taken for degrees": moved(yaw=lambda c: math.radians(c.yaw)),
        "degrees taken for radians": moved(yaw=lambda c: math.degrees(c.yaw)),
        "the other way round": moved(yaw=lambda c: -c.yaw),
        "a quarter turn off": moved(yaw=lambda c: c.yaw + math.pi / 2),
        "the other way round and a quarter turn off": moved(yaw=lambda c: math.pi / 2 - c.yaw),
        "no yaw at all, but a capsule's or a sphere's": _upright,
    }
    total = dict.fromkeys(guesses, 0.0)
    for index, angle in enumerate(_YAWS):
        scene = bench.scene(f"yaw-{index}", bench.actor(2, 8, angle))
        for name, value in fits(bench.objects(scene), scene, guesses).items():
            total[name] += value / len(_YAWS)
    best = max(total, key=lambda name: total[name])
    if total["right"] < total[best] - _MARGIN:
        capsule = guesses[best] is _upright
        return wrong(
            f"boxes are those of {best} (IoU {total[best]:.2f}, {total['right']:.2f} as it should be)",
            "yaw in radians around y (down), 0 with the length along +x, -pi/2 driving away",
            "boxes come from the engine's collision shape: take them from the mesh, or from an image of ids"
            if capsule
            else "the engine's unit, sign or zero of yaw is another",
            **total,
        )
    return right(f"boxes turn as they should (IoU {total['right']:.2f})", **total)


def _upright(cuboid: Cuboid, camera: Camera) -> Box:
    """The box of an upright cylinder that holds the cuboid's length, whichever way it is turned."""
    angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    ring = np.stack([np.cos(angles), np.zeros_like(angles), np.sin(angles)], axis=1) * cuboid.length / 2
    place = np.array([cuboid.x, cuboid.y, cuboid.z])
    points = np.concatenate([ring, ring - [0, cuboid.height, 0]]) + place
    pixels = camera.project(points)
    return Box(*map(float, (*pixels.min(axis=0), *pixels.max(axis=0))))


def cuboids(bench: Bench) -> Found:
    """Whole boxes are around their cuboids, visible ones within them, and cuboids are the scene's."""
    guesses: dict[str, Guess] = {
        "right": projected_box,
        "the cuboid's middle is taken for its bottom": moved(y=lambda c: c.y - c.height / 2),
        "the cuboid's bottom is taken for its middle": moved(y=lambda c: c.y + c.height / 2),
        "length and width are swapped": moved(length=lambda c: c.width, width=lambda c: c.length),
    }
    scenes = [
        bench.scene(f"cuboid-{index}", bench.actor(*place))
        for index, place in enumerate(((-1.5, 8, 0.5), (1.8, 10, AHEAD), (0.0, 7, 0.0)))
    ]
    total, least = dict.fromkeys(guesses, 0.0), 1.0
    for scene in scenes:
        (obj,) = bench.objects(scene)
        found = fits([obj], scene, guesses)
        least = min(least, found["right"])
        for name in total:
            total[name] += found[name] / len(scenes)
        visible, whole = obj.visible_box, obj.amodal_box or obj.box
        if visible is not None and (beyond := overhang(visible, whole)) > EDGE_PX:
            return wrong(
                f"a visible box reaches {beyond:.1f} px beyond the whole (amodal) one",
                "the visible part to lie within the whole",
                "one comes from pixels, the other from a shape that is smaller than the mesh or late",
                beyond=beyond,
            )
        if obj.cuboid is not None and (said := _other(obj.cuboid, scene.actors[0].cuboid)):
            return wrong(
                f"the label's cuboid has {said}",
                "the actor's own, in the camera's coordinates",
                "it is in the engine's axes or unit, or of the bottom's corner and not its centre",
            )
    best = max(total, key=lambda name: total[name])
    numbers = total | {"least": least}
    if least < LEAST_IOU or total["right"] < total[best] - 0.1:
        return wrong(
            f"whole boxes meet their cuboids with an IoU of {total['right']:.2f}, at least {least:.2f}",
            f"{LEAST_IOU} and more",
            "the mesh is not scaled to the cuboid, or stands beside it" if best == "right" else best,
            **numbers,
        )
    text = f"whole boxes meet their projected cuboids with an IoU of {total['right']:.2f}"
    return right(text, **numbers) if least >= USUAL_IOU else noted(f"{text}, at least {least:.2f}", **numbers)


def _other(found: Cuboid, ours: Cuboid) -> str:
    """In what a label's cuboid is another than its actor's; empty where it is not."""
    for name in ("x", "y", "z", "length", "width", "height"):
        one, two = getattr(found, name), getattr(ours, name)
        if abs(one - two) > max(SAME_PLACE_M, 0.1 * abs(two)):
            return f"{name} {one:g} and not {two:g} m"
    turned = math.remainder(found.yaw - ours.yaw, 2 * math.pi)
    return f"yaw {found.yaw:.2f} and not {ours.yaw:.2f} rad" if abs(turned) > 0.1 else ""


LABEL_CHECKS = (
    Check("frame id and size", identity, 1, basic=True),
    Check("determinism", determinism, 2, basic=True),
    Check("another scene between", staleness, 4, basic=True),
    Check("doubled distance", distance, 2, basic=True),
    Check("handedness", handedness, 1, basic=True),
    Check("object order", order, 1, basic=True),
    Check("principal point", principal_point, 1, basic=True),
    Check("yaw", yaw, len(_YAWS), basic=True),
    Check("cuboid and boxes", cuboids, 3, basic=True),
    Check("picture and labels", picture, 2),
    Check("half hidden", hiding, 2),
    Check("cut by the border", border, 1),
)
