"""What stands around the actors: buildings, trees, fences and street furniture along the road."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from imitation.data.records import Camera
from sim_actors.randomization.prop_layout import SPACING, Layout, blocked
from sim_actors.scene.props import WOODEN, PropKind
from sim_actors.scene.records import Actor, Prop, Road
from sim_actors.scene.roads import fit_road, place, road_yaw, to_road, wrap

__all__ = ["SPACING", "blocked", "draw_surroundings", "fit_road", "place", "road_yaw", "to_road", "wrap"]

_STYLES: dict[str, dict[str, float]] = {
    "": {"urban": 0.2, "residential": 0.28, "terrace": 0.12, "rural": 0.18, "commercial": 0.08, "park": 0.14},
    "city": {"urban": 0.75, "commercial": 0.15, "park": 0.1},
    "residential": {"residential": 0.6, "terrace": 0.25, "park": 0.1, "urban": 0.05},
    "rural": {"rural": 0.5, "forest": 0.38, "residential": 0.12},
    "motorway": {"motorway": 1.0},
}
"""Kind of road -> how likely each style is, for either side on its own."""


def draw_surroundings(
    rng: np.random.Generator,
    road: Road,
    actors: Sequence[Actor],
    camera: Camera,
    image_width: int,
    *,
    density: float = 1.0,
    standing: Sequence[Prop] = (),
) -> tuple[Prop, ...]:
    """Props along both sides of the road, in a style that suits its kind, as far as 120 m.

    None of them overlaps an actor or another prop, stands on the road, or stands between the camera
    and a labelled actor. `density` in [0, 1] is the share of places that are filled; `standing` are
    props that are there already, not returned.
    """
    layout = Layout(rng, road, actors, camera, image_width, density, standing)
    styles = _STYLES.get(road.kind, _STYLES[""])
    if road.junction > 0:
        _corner(layout)
    if road.median > 0:
        _median(layout)
    for side in (-1, 1):
        chosen = list(styles)[int(rng.choice(len(styles), p=list(styles.values())))]
        _ROWS[chosen](layout, side)
    _backdrop(layout)
    return tuple(layout.props)


def _street_furniture(layout: Layout, side: int) -> None:
    walk = layout.sidewalk
    if layout.chance(0.75):
        height = layout.draw((5.0, 8.5))
        layout.row("lamp", side, (0.15, 0.3), ((0.24, 0.3), (1.0, 1.6), (height, height)), (22, 32))
    else:
        layout.row("pole", side, (0.3, 0.5), ((0.16, 0.2), (0.16, 0.2), (5.0, 8.0)), (25, 40))
    layout.row("sign", side, (0.3, 0.6), ((0.06, 0.1), (0.5, 0.8), (2.2, 2.9)), (25, 70))
    if walk > 1.5:
        layout.row("bin", side, (walk - 0.9, walk - 0.8), ((0.5, 1.1), (0.5, 0.75), (0.8, 1.25)), (14, 50))
    if layout.chance(0.15):
        layout.row("bollard", side, (0.25, 0.3), ((0.12, 0.16), (0.12, 0.16), (0.8, 1.0)), (1.6, 3.0), 45)
    if walk > 2.4 and layout.chance(0.3):
        layout.row(
            "bike_rack", side, (walk - 1.8, walk - 1.75), ((2.0, 4.0), (1.6, 1.7), (1.0, 1.1)), (25, 70)
        )


def _urban(layout: Layout, side: int) -> None:
    walk = layout.sidewalk
    tall = layout.draw((8.0, 15.0))
    layout.row(
        "building", side, (walk + 0.1, walk + 0.5), ((9, 20), (9, 13), (tall * 0.8, tall * 1.25)), (0, 1.2)
    )
    if walk > 2.0 and layout.chance(0.6):
        layout.row("tree", side, (0.3, 0.7), ((2.4, 5), (2.4, 5), (5, 9.5)), (7, 18))
    _street_furniture(layout, side)


def _boundary(layout: Layout, side: int, setback: float) -> None:
    """The hedges, walls or fences of front gardens."""
    kinds: tuple[PropKind, ...] = ("hedge", "wall", "fence")
    kind = kinds[int(layout.rng.choice(3, p=(0.45, 0.25, 0.3)))]
    height = (0.9, 1.9) if kind == "hedge" else (0.7, 1.4)
    width = {"hedge": (0.5, 1.0), "wall": (0.25, 0.35), "fence": (0.08, 0.12)}[kind]
    layout.row(kind, side, (setback, setback + 0.2), ((4, 9), width, height), (0.2, 4.5))


def _residential(layout: Layout, side: int) -> None:
    walk = layout.sidewalk
    _boundary(layout, side, walk + 0.1)
    setback = layout.draw((3.5, 8.0))
    layout.row("building", side, (walk + setback, walk + setback + 2), ((8, 14), (8, 11), (5.5, 9)), (3, 9))
    mixed: tuple[PropKind, ...] = ("tree", "tree", "conifer", "bush")
    layout.row(mixed, side, (walk + 1.3, walk + 2.2), ((2.4, 5.5), (2.4, 5.5), (4, 9)), (4, 14))
    layout.row("bush", side, (walk + 1.2, walk + 2.4), ((1, 2.4), (1, 1.8), (0.7, 1.7)), (3, 12), 70)
    _street_furniture(layout, side)


def _terrace(layout: Layout, side: int) -> None:
    walk = layout.sidewalk
    front = layout.draw((1.5, 3.0))
    _boundary(layout, side, walk + 0.05)
    tall = layout.draw((7.0, 10.0))
    layout.row("building", side, (walk + front, walk + front), ((8, 16), (9, 10), (tall, tall)), (0, 0.3))
    layout.row("bush", side, (walk + 0.5, walk + 0.6), ((0.7, 1.2), (0.7, 0.9), (0.6, 1.3)), (3, 12), 60)
    if walk > 2.0:
        layout.row("tree", side, (0.3, 0.6), ((2.2, 4.5), (2.2, 4.5), (4.5, 8.5)), (8, 24))
    _street_furniture(layout, side)


def _park(layout: Layout, side: int) -> None:
    walk = layout.sidewalk
    if layout.chance(0.6):
        layout.row("fence", side, (walk + 0.2, walk + 0.4), ((5, 8), (0.08, 0.12), (0.9, 1.5)), (0.1, 1))
    trees: tuple[PropKind, ...] = ("tree", "tree", "tree", "conifer", "poplar")
    layout.row(trees, side, (walk + 1.5, walk + 7), ((3.5, 6.5), (3.5, 6.5), (6, 11)), (3, 10))
    layout.row("bush", side, (walk + 1.2, walk + 8), ((1.2, 3), (1.2, 2.5), (0.8, 2)), (4, 14), 80)
    layout.row("grove", side, (walk + 16, walk + 30), ((14, 30), (7, 12), (7, 13)), (0, 12), 140)
    _street_furniture(layout, side)


def _rural(layout: Layout, side: int) -> None:
    walk = layout.sidewalk
    draw = layout.rng.random()
    if draw < 0.3:
        layout.row("poplar", side, (walk + 2, walk + 2.5), ((2, 3), (2, 3), (9, 14)), (6, 9))
    elif draw < 0.75:
        layout.row("tree", side, (walk + 1.5, walk + 6), ((3.5, 7), (3.5, 7), (5, 12)), (2, 14))
    if layout.chance(0.5):
        layout.row("bush", side, (walk + 0.5, walk + 3), ((1.5, 4), (1.2, 2.5), (0.8, 2.2)), (2, 18), 90)
    else:
        layout.row(
            "fence", side, (walk + 1, walk + 1.3), ((6, 9), (0.08, 0.12), (1.0, 1.3)), (0, 0.2), 90, WOODEN
        )
    layout.row("grove", side, (walk + 12, walk + 45), ((15, 35), (8, 14), (7, 14)), (0, 25), 140)
    layout.row("pole", side, (0.8, 1.6), ((0.16, 0.22), (0.16, 0.22), (6, 9)), (30, 45), palette=WOODEN[:2])
    layout.row("sign", side, (0.8, 1.2), ((0.06, 0.1), (0.5, 0.8), (2.0, 2.5)), (40, 110))
    if layout.chance(0.3):
        layout.row("rail", side, (0.5, 0.6), ((8, 8), (0.3, 0.3), (0.75, 0.75)), (0, 0), 60)


def _forest(layout: Layout, side: int) -> None:
    walk = layout.sidewalk
    edge = layout.draw((1.2, 3.5))
    trees: tuple[PropKind, ...] = ("tree", "tree", "tree", "conifer")
    layout.row("bush", side, (walk + 0.6, walk + edge), ((1.2, 3.5), (1.2, 2.2), (0.8, 2.4)), (0.5, 6), 70)
    layout.row(trees, side, (walk + edge + 0.5, walk + edge + 3), ((3.5, 7), (3.5, 6), (7, 13)), (0, 4), 80)
    layout.row("grove", side, (walk + edge + 8, walk + edge + 11), ((16, 26), (7, 10), (9, 14)), (0, 2), 140)
    layout.row("sign", side, (0.8, 1.2), ((0.06, 0.1), (0.5, 0.8), (2.0, 2.5)), (40, 110))


def _commercial(layout: Layout, side: int) -> None:
    walk = layout.sidewalk
    kind: PropKind = "wall" if layout.chance(0.5) else "fence"
    layout.row(kind, side, (walk + 0.3, walk + 0.6), ((6, 9), (0.2, 0.3), (0.8, 2.2)), (0.1, 12))
    layout.row("building", side, (walk + 7, walk + 16), ((18, 36), (14, 25), (5, 10)), (5, 20))
    layout.row("tree", side, (walk + 1, walk + 2.5), ((2.2, 3.5), (2.2, 3.5), (4, 7)), (10, 30))
    layout.row("panel", side, (walk + 1, walk + 4), ((0.25, 0.3), (1.5, 3), (2.5, 5)), (30, 90))
    _street_furniture(layout, side)


def _motorway(layout: Layout, side: int) -> None:
    layout.row("rail", side, (0.45, 0.5), ((8, 8), (0.32, 0.32), (0.78, 0.78)), (0, 0), 100)
    layout.row("panel", side, (2.0, 3.0), ((0.25, 0.3), (3.0, 5.0), (4.5, 6.5)), (50, 160), 140)
    if layout.chance(0.3):
        tall = layout.draw((2.8, 4.5))
        layout.row("wall", side, (3.0, 3.1), ((10, 10), (0.25, 0.25), (tall, tall)), (0, 0.05), 120)
    else:
        layout.row("bush", side, (3, 8), ((2, 5), (1.5, 3), (1, 3)), (1, 12), 100)
        layout.row(("tree", "tree", "conifer"), side, (6, 14), ((3.5, 6), (3.5, 6), (5, 11)), (2, 16))
    layout.row("grove", side, (14, 50), ((15, 35), (8, 14), (7, 14)), (0, 20), 160)
    if layout.chance(0.3):
        layout.row("building", side, (25, 60), ((20, 50), (15, 30), (6, 12)), (20, 60), 150)


def _median(layout: Layout) -> None:
    """The rails between a motorway's carriageways, with lamps or bushes between them now and then."""
    road = layout.road
    middle = -(road.half + road.shoulder) - road.median / 2
    reach = road.median / 2 - 0.5
    for k in range(-1, 16):
        for side in (-1, 1) if reach > 0.6 else (0,):
            layout.stand("rail", 8.0 * k + 4, middle + side * reach, (8.0, 0.32, 0.78), turned=side > 0)
    if road.median > 3 and layout.chance(0.5):
        for k in range(40):
            size = (layout.draw((1.5, 3)), 1.2, layout.draw((0.8, 1.8)))
            layout.stand("bush", 3.0 * k, middle, size)


def _corner(layout: Layout) -> None:
    """A junction: lights or signs at its corners, houses along the road that crosses."""
    road = layout.road
    gap = road.cross_width / 2
    lights = layout.chance(0.5)
    for side in (-1, 1):
        for end in (-1, 1):
            along = road.junction + end * (gap + 5.4)
            if lights:
                layout.put("traffic_light", side, along, 0.3, (0.3, 0.32, layout.draw((2.8, 3.6))))
            elif end * side < 0:
                layout.put("sign", side, along, 0.3, (0.08, 0.75, 2.6))
    rows = [(-1, side) for side in (-1, 1)] + [(1, side) for side in (-1, 1)]
    built = layout.road.kind != "rural"
    for end, side in rows:
        across = side * (layout.edges[side] + road.sidewalk + layout.draw((14.0, 20.0)))
        while abs(across) < 75:
            length = layout.draw((9.0, 18.0))
            across += side * length / 2
            size = (length, layout.draw((9.0, 12.0)), layout.draw((6.0, 13.0)))
            setback = gap + road.sidewalk + layout.draw((0.5, 4.0)) + size[1] / 2
            kind: PropKind = "building" if built and layout.chance(0.8) else "grove"
            layout.stand(kind, road.junction + end * setback, across, size, turned=end > 0, crossing=True)
            across += side * (length / 2 + layout.draw((0.0, 6.0)))


def _backdrop(layout: Layout) -> None:
    """Trees and houses far out, all around, which close the horizon."""
    for _ in range(34):
        bearing, distance = layout.draw((-0.85, 0.85)), layout.draw((75.0, 190.0))
        spot = to_road(layout.road, math.sin(bearing) * distance, math.cos(bearing) * distance)
        if layout.chance(0.75):
            size = (layout.draw((16, 40)), layout.draw((7, 12)), layout.draw((6, 14)))
            layout.stand("grove", *spot, size, crossing=layout.chance(0.6))
        else:
            size = (layout.draw((12, 30)), layout.draw((10, 16)), layout.draw((5, 12)))
            layout.stand("building", *spot, size, crossing=layout.chance(0.5))


_ROWS: dict[str, Callable[[Layout, int], None]] = {
    "urban": _urban,
    "residential": _residential,
    "terrace": _terrace,
    "park": _park,
    "rural": _rural,
    "forest": _forest,
    "commercial": _commercial,
    "motorway": _motorway,
}
