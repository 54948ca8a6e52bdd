"""Free scenes: traffic drawn from a seed, along a road, with no frame behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from imitation.common.settings import UserError
from imitation.data.records import Camera, Convention
from sim_actors.randomization.distractors import draw_distractors
from sim_actors.randomization.perturb import RandomizeSettings, draw_camera, draw_environment, draw_sensor
from sim_actors.randomization.scenarios import FreeSettings, Mix, draw_road, draw_scenario, suits
from sim_actors.randomization.surroundings import draw_surroundings
from sim_actors.randomization.traffic import Traffic
from sim_actors.scene.appearance import dark
from sim_actors.scene.records import Environment, Scene
from sim_actors.scene.sizes import Kind, size_prior

__all__ = ["FreeSettings", "Mix", "free_scene"]


def free_scene(
    settings: RandomizeSettings,
    *,
    scene_id: str,
    seed: int,
    camera: Camera,
    width: int,
    height: int,
    categories: Sequence[str],
    convention: Convention,
    family: str = "simulator",
    free: FreeSettings | None = None,
    mix: Mix | None = None,
    light: Environment | None = None,
    density: float = 1.0,
) -> Scene:
    """A scene drawn from the simulator's whole range: every category, place, light and weather.

    First a place is drawn, then its road, then who is there: vehicles drive in lanes, cross at junctions
    or park along kerbs and in yards, riders keep to the edge, people walk on the pavements and cross.
    `free` says how often and how many; `mix`, where given, says what the scene is made of in its place.
    The camera is `camera`, moved within the settings' ranges; `light` fixes what is otherwise drawn;
    `density` in [0, 1] is how built-up the roadside is. `settings.strength` does not matter: a free scene
    has no neighbourhood.

    Raises UserError if none of the categories has a size prior.
    """
    free = free or FreeSettings()
    rng = np.random.default_rng(seed)
    full = settings.model_copy(update={"strength": 1.0})
    staged = [(c, prior) for c in categories if (prior := size_prior(c)) is not None]
    if not staged:
        raise UserError(
            f"free scenes: no size is known for any of the categories {list(categories)}; "
            "add one to sim_actors.scene.sizes.SIZES"
        )
    mix = mix or free.mix(rng, tuple(c for c, _ in staged))
    weights = np.array([1.0 if mix.weights is None else mix.weights.get(c, 0.0) for c, _ in staged])
    if weights.sum() <= 0:
        raise UserError(f"free scenes: every category of {list(categories)} has weight 0 in {mix.weights}")
    kinds: Counter[Kind] = Counter()
    for (_, prior), weight in zip(staged, weights):
        kinds[prior.kind] += weight
    scenario = draw_scenario(rng, free, kinds)
    fitting = weights * [suits(scenario, prior.kind) for _, prior in staged]
    weights = fitting if fitting.sum() > 0 else weights
    camera = draw_camera(camera, full, rng)
    road = draw_road(rng, free, scenario)
    light = light or draw_environment(full, rng)
    traffic = Traffic(rng, road, camera, (width, height), mix, free, scenario)
    for _ in range(int(rng.integers(mix.actors[0], mix.actors[1] + 1))):
        category, prior = staged[int(rng.choice(len(staged), p=weights / weights.sum()))]
        traffic.add(category, prior, full.size, dark(light.hour))
    actors = tuple(traffic.actors)
    props = draw_surroundings(rng, road, actors, camera, width, density=density)
    scene = Scene(
        scene_id=scene_id,
        width=width,
        height=height,
        camera=camera,
        actors=actors,
        props=props,
        road=road,
        environment=light,
        sensor=draw_sensor(full, rng),
        family=family,
        convention=convention,
        seed=int(rng.integers(2**31)),
    )
    return draw_distractors(scene, full.distractors, full.distractor_cover, rng)
