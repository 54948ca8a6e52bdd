"""The simulator: tried on scenes whose answer is known and on a few free ones, in a process that may hang or
die of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cluster.checks.assumed import ASSUMED, known_categories, known_size
from cluster.checks.child import in_child
from cluster.config.schema import Config
from cluster.config.simulator import each_apart, simulator_spec
from cluster.data.stageable import simulates
from cluster.stages.services import cluster_address
from imitation.common.contracts import Contract, Finding, Found, Step
from imitation.common.import_paths import is_import_path
from imitation.common.settings import UserError
from sim_actors.randomization.free_scene import free_scene
from sim_actors.scene.records import Scene
from sim_actors.scene.sizes import size_prior
from sim_actors.simulators.conformance.checks import conformance, simulator_contract
from sim_actors.staging.restage import default_camera

ABOUT = "simulator"
SCENES = 3
TRIES = 12  # free scenes, for one that a choosy simulator does not refuse


def findings(config: Config, scenes: int = SCENES, brief: bool = False) -> Iterator[Finding]:
    """Tries the simulator that the configuration names, or each of several, in a child process: the checks of
    `sim_actors.simulators.conformance.checks`, and so many free scenes; if `brief`, only these, and others in
    place of those that it refuses."""
    several = each_apart(config)
    for label, apart in several.items():
        for finding in in_child(ABOUT, apart, scenes=scenes, brief=brief):
            yield finding if len(several) == 1 else replace(finding, tried=f"{label}: {finding.tried}")


def contract(config: Config, scenes: int, brief: bool) -> Contract:
    """What the child process tries."""
    settings = config.simulate
    spec = simulator_spec(config)
    if spec.trait("settings_class") is not None:
        yield Step("its options")
        spec.settings()
        yield Found("are as its settings class wants them")
    yield Step("what it needs on this machine")
    if reason := spec.ask("preflight"):
        raise UserError(reason)
    yield Found("nothing is missing")
    waits, several = spec.trait("waits"), settings.scenes_per_actor > 1
    if waits and not several:
        yield Found("it only waits: above 1, simulate.scenes_per_actor saves processes", note=True)
    elif waits is False and several:
        yield Found("it computes: with simulate.scenes_per_actor above 1 scenes take turns", note=True)
    if not brief:
        categories, _ = known_categories(config)
        wrong = 0
        for event in conformance(spec, categories, settings.startup_timeout_s, settings.scene_timeout_s):
            wrong += isinstance(event, Found) and event.wrong
            yield event
        if wrong:  # free scenes would be refused for it, in other words
            return
    limits = settings.startup_timeout_s, settings.scene_timeout_s
    staged = toy_scenes(config, TRIES if brief else scenes)
    yield from simulator_contract(spec, staged, *limits, enough=scenes if brief else None)


def toy_scenes(config: Config, count: int) -> list[Scene]:
    """Free scenes with the detector's categories; those of unknown size stand in for others."""
    categories, _ = known_categories(config)
    usual = [name for name in categories if size_prior(name) is not None]
    strange = [name for name in categories if size_prior(name) is None]
    if simulator_spec(config).catalog() is not None:
        strange = []  # what it lacks, it says of itself (`cluster.data.stageable`)
    width, height = known_size(config)
    camera = default_camera(width, height, config.restage.hfov_deg)
    found = []
    for index in range(count):
        scene = free_scene(
            config.randomize,
            scene_id=f"check-{index:03d}",
            seed=config.run.seed + index,
            camera=camera,
            width=width,
            height=height,
            categories=usual or ASSUMED,
            convention="amodal_clipped",
            free=config.free,
        )
        if strange:  # every other actor, or all where nothing else is known
            actors = tuple(
                replace(actor, category=strange[k % len(strange)]) if k % 2 or not usual else actor
                for k, actor in enumerate(scene.actors)
            )
            scene = replace(scene, actors=actors)
        found.append(scene)
    return found


def needs_trying(config: Config) -> bool:
    """Whether a run should render a scene before anything else: with somebody's own simulator, where it will
    run on this machine. On a cluster its actors start it, maybe where alone it can be started."""
    spec = simulator_spec(config)
    return (
        (is_import_path(spec.simulator) or bool(spec.trait("tried_first")))
        and simulates(config)
        and cluster_address(config.ray) is None
    )
