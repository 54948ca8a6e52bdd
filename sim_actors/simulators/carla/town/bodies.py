"""CARLA's blueprints as bodies for categories: how large they are, and which one is the nearest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from imitation.common.settings import UserError
from imitation.common.wording import did_you_mean
from sim_actors.scene.category_words import SECOND_NAMES, canonical, spelled
from sim_actors.scene.records import Actor
from sim_actors.simulators.carla.town.actors import Actors
from sim_actors.simulators.carla.town.geometry import Body
from sim_actors.simulators.carla.versions import UNREAL_5, parts

BY_BASE_TYPE = {
    "car": "car",
    "van": "van",
    "truck": "truck",
    "bus": "bus",
    "motorcycle": "motorcycle",
    "bicycle": "cyclist",  # somebody rides it
}
"""CARLA's `base_type` of a vehicle: our category."""
WALKERS = "pedestrian"
SMALLEST, LARGEST = 0.05, 40.0
"""Sides of a box that can be true, m: those of some two-wheelers are 0."""
_ALIKE = 0.1  # of a body's distance in size: how much farther than the nearest may be chosen, for variety

Catalog = Mapping[str, Sequence[Any]]
"""Category: its blueprints (`carla.ActorBlueprint`)."""


def catalog(library: Any, chosen: Mapping[str, Sequence[str]], version: str) -> dict[str, list[Any]]:
    """The blueprints of each category: those of its base type, or what a person has `chosen`.

    Raises UserError for a choice that matches no blueprint.
    """
    found: dict[str, list[Any]] = {}
    for blueprint in library.filter("vehicle.*"):
        kind = blueprint.get_attribute("base_type").as_str() if blueprint.has_attribute("base_type") else ""
        if kind.lower() in BY_BASE_TYPE:
            found.setdefault(BY_BASE_TYPE[kind.lower()], []).append(blueprint)
    # From 0.10 on an instance camera does not show them: they would be seen and not labelled.
    walkers = [] if parts(version) >= UNREAL_5 else list(library.filter("walker.pedestrian.*"))
    if walkers:
        found[WALKERS] = walkers
    for category, patterns in chosen.items():
        found[spelled(category)] = [
            one for pattern in patterns for one in _matching(library, pattern, category)
        ]
    return {name: sorted(some, key=lambda one: str(one.id)) for name, some in sorted(found.items())}


def names(categories: Iterable[str]) -> frozenset[str]:
    """What scenes may call these categories, lower case."""
    own = frozenset(categories)
    return own | {alias for alias, target in SECOND_NAMES.items() if target in own}


def sizes(actors: Actors, found: Catalog) -> tuple[dict[str, list[Body]], dict[str, list[str]]]:
    """Each category's bodies, and the blueprints that give none: they cannot be spawned, or their box cannot
    be true. Blueprints do not tell their size, so one of each is spawned.

    Raises UserError where none can be.
    """
    blueprints = list({one.id: one for some in found.values() for one in some}.values())
    tried = actors.tried(blueprints)
    spawned = [one for one in tried if isinstance(one, int)]
    if blueprints and not spawned:
        raise UserError(f"CARLA cannot spawn {blueprints[0].id}: {tried[0]}")
    try:
        boxes = dict(zip(spawned, (actor.bounding_box for actor in actors.known(spawned))))
    finally:
        actors.remove(spawned)
    known = {
        blueprint.id: measured(boxes[one], str(blueprint.id)) if isinstance(one, int) else None
        for blueprint, one in zip(blueprints, tried)
    }
    told: dict[str, list[Body]] = {}
    boxless: dict[str, list[str]] = {}
    for category, some in found.items():
        told[category] = [body for one in some if (body := known[one.id]) is not None]
        if lacking := [str(one.id) for one in some if known[one.id] is None]:
            boxless[category] = lacking
    return told, boxless


def measured(box: Any, blueprint: str) -> Body | None:
    """A body by its actor's `bounding_box`; None where that box cannot be true."""
    sides = [2 * float(side) for side in (box.extent.x, box.extent.y, box.extent.z)]
    middle = [float(v) for v in (box.location.x, box.location.y, box.location.z)]
    turned = max(abs(float(angle)) for angle in (box.rotation.pitch, box.rotation.yaw, box.rotation.roll))
    if not all(SMALLEST <= side <= LARGEST for side in sides) or turned > 0.5:
        return None
    if not all(math.isfinite(v) and abs(v) <= LARGEST for v in middle):
        return None
    length, width, height = sides
    return Body(blueprint, length, width, height, (middle[0], middle[1], middle[2]))


def body_for(
    actor: Actor, bodies: Mapping[str, Sequence[Body]], boxless: Mapping[str, Sequence[str]], tolerance: float
) -> Body | str:
    """What stands for an actor, or why nothing does, in a sentence without its subject.

    The nearest in size is taken, or by the actor's seed one that is nearly as near. `boxless`: category to
    blueprints that give no body.
    """
    category = spelled(actor.category)
    if category not in bodies and category not in boxless:
        category = canonical(actor.category)
    known = list(bodies.get(category, ()))
    if not known:
        if lacking := boxless.get(category):
            return (
                f"category: no {actor.category} can be labelled: CARLA cannot spawn {', '.join(lacking)}, or "
                "the box that it gives is empty"
            )
        there = ", ".join(sorted(name for name in bodies if bodies[name]))
        return f"category: CARLA stages no {actor.category!r}; it stages {there}"
    if actor.model:
        named = [body for body in known if body.blueprint == actor.model]
        if not named:
            hint = did_you_mean(actor.model, [body.blueprint for body in known], "leave it empty for any")
            return f"model: no {actor.category} {actor.model!r}; {hint}"
        known = named
    asked = np.array([actor.cuboid.length, actor.cuboid.width, actor.cuboid.height])
    sides = np.array([[body.length, body.width, body.height] for body in known])
    apart = np.linalg.norm(np.log(sides / asked), axis=1)
    fits = (np.abs(sides - asked) <= tolerance * asked).all(axis=1)
    if not fits.any():
        near = known[int(np.argmin(apart))]
        return (
            f"cuboid: no {actor.category} of {_size(*asked)} m; the nearest is {near.blueprint} with "
            f"{_size(near.length, near.width, near.height)} m, more than {tolerance:.0%} off "
            "(simulate.options.size_tolerance)"
        )
    least = apart[fits].min()
    alike = [body for body, far, fit in zip(known, apart, fits) if fit and far <= least + _ALIKE]
    return alike[int(np.random.default_rng([41, actor.seed & 0xFFFFFFFF]).integers(len(alike)))]


def srgb(color: Sequence[float]) -> str:
    """A linear colour as a blueprint's attribute: "255,0,0"."""
    linear = np.clip(np.array(color, dtype=np.float64), 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return ",".join(str(round(float(255 * v))) for v in curved)


def _matching(library: Any, pattern: str, category: str) -> list[Any]:
    if found := list(library.filter(pattern)):
        return found
    hint = did_you_mean(pattern, [str(one.id) for one in library], "* stands for anything")
    raise UserError(f"simulate.options.blueprints: {category}: CARLA has no blueprint {pattern!r}; {hint}")


def _size(*sides: float) -> str:
    return " x ".join(f"{side:.2f}" for side in sides)
