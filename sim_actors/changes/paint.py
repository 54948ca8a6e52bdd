"""The colour of a thing, and whether it stands out from what is behind it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim_actors.changes.factor import Factor, Subject, with_actor
from sim_actors.scene.appearance import Colour, draw_colour
from sim_actors.scene.records import Scene
from sim_actors.scene.sizes import size_prior

DRAWS = 12
OTHER = 0.25
"""Least mean difference of red, green and blue, as displayed in [0, 1], of what counts as another paint."""
STANDS_OUT = 0.3
"""Mean brightness, as displayed in [0, 1], by which a thing that differs from its surroundings stands out."""
MARGIN = 0.35  # of the box's sides, of the ring around it
WHITE: Colour = (0.78, 0.78, 0.77)
BLACK: Colour = (0.012, 0.012, 0.014)


def paint(scene: Scene, subject: Subject, rng: np.random.Generator) -> Scene | None:
    """The subject in another paint: of several that are usual for its category, the one that differs most.
    Not where none of them differs."""
    actor = scene.actors[subject.actor]
    prior = size_prior(actor.category)
    kind = "other" if prior is None else prior.kind
    drawn = [draw_colour(rng, kind, actor.category) for _ in range(DRAWS)]
    colour = max(drawn, key=lambda other: _apart(other, actor.color))
    if _apart(colour, actor.color) < OTHER:
        return None
    return with_actor(scene, subject.actor, replace(actor, color=colour))


def contrast(scene: Scene, subject: Subject, rng: np.random.Generator) -> Scene | None:
    """The subject white before what is dark, and black before what is bright. Not where it stands out."""
    inside, around = _brightness(subject)
    if abs(inside - around) >= STANDS_OUT:
        return None
    colour = WHITE if around < 0.5 else BLACK
    actor = scene.actors[subject.actor]
    if _apart(colour, actor.color) < OTHER:
        return None
    return with_actor(scene, subject.actor, replace(actor, color=colour))


def _apart(one: Colour, other: Colour) -> float:
    """How different two linear colours look, in [0, 1]."""
    return float(np.abs(np.sqrt(one) - np.sqrt(other)).mean())


def _brightness(subject: Subject) -> tuple[float, float]:
    """The mean brightness of what is seen of the subject, and of a ring around its box, in [0, 1]."""
    grey = subject.image.astype(np.float64).mean(axis=2) / 255
    high, wide = grey.shape
    box = (subject.label.visible_box or subject.label.box).clipped(wide, high)
    across, down = MARGIN * box.width + 2, MARGIN * box.height + 2
    x1, y1, x2, y2 = int(box.x1), int(box.y1), int(np.ceil(box.x2)), int(np.ceil(box.y2))
    left, top = max(int(box.x1 - across), 0), max(int(box.y1 - down), 0)
    right, bottom = min(int(box.x2 + across), wide), min(int(box.y2 + down), high)
    ring = np.zeros(grey.shape, dtype=bool)
    ring[top:bottom, left:right] = True
    ring[y1:y2, x1:x2] = False
    own = grey[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
    if not own.size or not ring.any():
        return 0.5, 0.5
    return float(own.mean()), float(grey[ring].mean())


PAINT = Factor(paint, "in another paint")
CONTRAST = Factor(contrast, "standing out from its surroundings")
