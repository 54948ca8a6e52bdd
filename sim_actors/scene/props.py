"""The kinds of props, their usual sizes, and the colours that they come in."""

from __future__ import annotations

from typing import Literal, get_args

Colour = tuple[float, float, float]

PropKind = Literal[
    "building", "tree", "conifer", "poplar", "bush", "grove", "hedge", "pole", "lamp", "sign", "panel",
    "traffic_light", "rail", "fence", "wall", "bollard", "bin", "bike_rack", "debris", "distractor",
]  # fmt: skip
KINDS: tuple[PropKind, ...] = get_args(PropKind)

SIZES: dict[PropKind, Colour] = {
    "building": (12.0, 10.0, 8.0),
    "tree": (4.5, 4.5, 7.0),
    "conifer": (3.2, 3.2, 8.0),
    "poplar": (2.4, 2.4, 11.0),
    "bush": (1.6, 1.4, 1.2),
    "grove": (22.0, 8.0, 9.0),
    "hedge": (6.0, 0.8, 1.4),
    "pole": (0.18, 0.18, 6.5),
    "lamp": (1.4, 0.3, 7.0),
    "sign": (0.7, 0.1, 2.6),
    "panel": (3.2, 0.25, 3.6),
    "traffic_light": (0.32, 0.3, 3.3),
    "rail": (8.0, 0.32, 0.78),
    "fence": (6.0, 0.1, 1.2),
    "wall": (6.0, 0.3, 1.6),
    "bollard": (0.14, 0.14, 0.9),
    "bin": (0.6, 0.7, 1.1),
    "bike_rack": (2.4, 1.7, 1.05),
    "debris": (0.8, 0.7, 0.6),
    "distractor": (0.8, 0.8, 0.8),
}
"""Usual length, width and height, m."""

GREY: tuple[Colour, ...] = ((0.3, 0.3, 0.3), (0.2, 0.21, 0.22), (0.4, 0.4, 0.4))
WOODEN: tuple[Colour, ...] = ((0.2, 0.14, 0.09), (0.3, 0.22, 0.13), (0.5, 0.48, 0.44), (0.1, 0.12, 0.1))
FACADES: tuple[Colour, ...] = (
    (0.55, 0.45, 0.35),
    (0.62, 0.58, 0.5),
    (0.45, 0.2, 0.14),
    (0.7, 0.66, 0.55),
    (0.35, 0.35, 0.37),
    (0.62, 0.46, 0.26),
    (0.72, 0.71, 0.68),
    (0.5, 0.3, 0.22),
    (0.42, 0.46, 0.4),
)
LEAVES: tuple[Colour, ...] = (
    (0.07, 0.16, 0.04),
    (0.1, 0.2, 0.05),
    (0.05, 0.12, 0.05),
    (0.16, 0.2, 0.06),
    (0.2, 0.13, 0.04),
)
STONE: tuple[Colour, ...] = ((0.35, 0.34, 0.32), (0.45, 0.4, 0.33), (0.3, 0.16, 0.1), (0.6, 0.58, 0.53))
SIGNS: tuple[Colour, ...] = ((0.6, 0.05, 0.04), (0.05, 0.15, 0.5), (0.6, 0.6, 0.6), (0.7, 0.5, 0.04))
PANELS: tuple[Colour, ...] = ((0.02, 0.1, 0.38), (0.02, 0.1, 0.38), (0.02, 0.2, 0.08), (0.7, 0.5, 0.04))
BINS: tuple[Colour, ...] = (
    (0.05, 0.12, 0.05),
    (0.08, 0.08, 0.09),
    (0.35, 0.25, 0.05),
    (0.25, 0.15, 0.08),
    (0.05, 0.1, 0.25),
)

COLOURS: dict[PropKind, tuple[Colour, ...]] = {
    "building": FACADES,
    "tree": LEAVES,
    "conifer": LEAVES,
    "poplar": LEAVES,
    "bush": LEAVES,
    "grove": LEAVES,
    "hedge": LEAVES,
    "pole": GREY,
    "lamp": GREY,
    "sign": SIGNS,
    "panel": PANELS,
    "traffic_light": GREY,
    "rail": GREY,
    "fence": WOODEN,
    "wall": STONE,
    "bollard": (*GREY, (0.45, 0.05, 0.04)),
    "bin": BINS,
    "bike_rack": GREY,
    "debris": BINS,
    "distractor": ((0.5, 0.5, 0.5),),
}
"""Linear RGB that a kind is drawn from."""

FACING_TRAFFIC: frozenset[str] = frozenset({"sign", "panel", "lamp", "traffic_light"})
"""Kinds whose length lies across the road: plates that are read along it, arms that reach over it."""
