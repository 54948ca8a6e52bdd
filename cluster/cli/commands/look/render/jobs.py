"""What `imitate render` stages beside requests and scenes by hand: frames of any dataset, free scenes,
bodies."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from cluster.config.simulator import each_apart, simulator_spec, simulators
from imitation.common.settings import UserError
from imitation.common.wording import nearest

if TYPE_CHECKING:
    from cluster.config.schema import Config
    from imitation.data.records import Frame
    from imitation.datasets.base import DatasetReader
    from imitation.requests import Request
    from sim_actors.simulators.worker import SceneJob

KITTI_FOCAL = 0.58  # of the picture's width
FREE_CATEGORIES = ("Car", "Van", "Truck", "Pedestrian", "Cyclist", "Tram")
OWN_SHARE = 0.25  # of the actors of free scenes: bodies of one's own whose categories have no weight
BODY_SIZE = (480, 360)  # px, of each of the pictures of one body
TURNS = {  # what is seen of a body, and its yaw for that
    "front": 1.571, "front and right": 0.785, "right": 0.0, "back and right": -0.785,
    "back": -1.571, "back and left": -2.356, "left": 3.142, "front and left": 2.356,
}  # fmt: skip


def like_data(config: Config, folder: str, options: Sequence[str] = ()) -> Config:
    """The configuration with the dataset that `--like` means: `data.*` where the folder is "", else this
    folder, in the layout that `data.kind` says, or KITTI's where none is set. It goes before the root of a
    configuration file; beside one among the `options` of the command line it is refused."""
    data = config.data
    if folder:
        kind = "kitti" if data.is_stand_in else data.kind
        if any(option.startswith("data.root=") for option in options) and data.root != folder:
            raise UserError(f"--like {folder} and data.root={data.root} are two datasets; name one")
        return config.model_copy(update={"data": data.model_copy(update={"root": folder, "kind": kind})})
    if data.is_stand_in:
        raise UserError(
            "--like needs a dataset: --like /data/kitti, or any kind by its settings: "
            "--like data.kind=coco data.root=/data/mine"
        )
    return config


def like_jobs(
    count: int, variations: int, config: Config, say: Callable[[str], None]
) -> tuple[int, Iterator[tuple[Frame, SceneJob]]]:
    """How many scenes the first `count` frames of the dataset (train first) become, and they.

    With backdrops only frames of train and mine serve. `say` is told of categories that cannot be staged.
    Raises UserError where there is no dataset or nothing of it can be staged, DataError for a frame that
    cannot be read, unless `data.on_error` skips it.
    """
    dataset = config.data.open().undivide()  # nothing is trained here, so there need not be enough to cut
    parts = ("train", "mine") if config.restage.backdrops else ("train", "mine", "val", "test")
    members = dataset.splits()
    there = min(count, len({name for part in parts for name in members[part]}))
    return there * variations, _like(dataset, parts, count, variations, config, say)


def _say_lacking(
    there: Counter[str], staged: Mapping[str, str], root: str, say: Callable[[str], None]
) -> None:
    lacking = [f"{name} ({count})" for name, count in there.most_common() if name not in staged]
    if not lacking:
        return
    example = next(name for name, _ in there.most_common() if name not in staged)
    what = (
        f"the simulator has no body for {', '.join(lacking)}: name a category that it has "
        f'("data.mapping={{{example}: car}}"), or give it bodies of your own (renderer.bodies)'
    )
    if len(lacking) == len(there):
        raise UserError(f"{root}: nothing of it can be staged; {what}")
    say(f"not staged: {what}")


def _like(
    dataset: DatasetReader,
    parts: tuple[str, ...],
    count: int,
    variations: int,
    config: Config,
    say: Callable[[str], None],
) -> Iterator[tuple[Frame, SceneJob]]:
    from cluster.data.stageable import catalog
    from cluster.simulation.scene_jobs import staging_settings
    from imitation.datasets.base import frames_of
    from imitation.datasets.category_map import categories_of
    from sim_actors.simulators.worker import SceneJob
    from sim_actors.staging.restage import default_camera
    from sim_actors.staging.stage import Target, asset_names, stage

    there: Counter[str] = Counter()
    skip = (lambda error: None) if config.data.on_error == "skip" else None
    kept: dict[str, Frame] = {}
    for frame in islice(frames_of(dataset, parts, skip), count):
        for obj in frame.objects:
            if not obj.ignore:
                there[obj.category] += 1
                kept.setdefault(obj.category, frame)
    mapping = categories_of(config.data, kept.values()).mapping
    known, settings = catalog(config), staging_settings(config)
    _say_lacking(there, asset_names(there, mapping, known), dataset.root, say)
    for frame in islice(frames_of(dataset, parts, skip), count):
        categories = tuple(sorted({obj.category for obj in frame.objects}))
        target = Target(
            convention=config.data.label_convention(),
            categories=categories,
            camera=frame.camera or default_camera(frame.width, frame.height, config.restage.hfov_deg),
            width=frame.width,
            height=frame.height,
            catalog=known,
            assets=asset_names(categories, mapping, known),
        )
        request = _request(frame.frame_id, frame.frame_id, variations, config)
        for variation in range(variations):
            scene = stage(request, variation, frame, target=target, settings=settings)
            yield frame, SceneJob(scene, parent=frame.frame_id, policy="render", seed=request.seed)


def free_jobs(count: int, size: tuple[int, int], config: Config) -> Iterator[tuple[None, SceneJob]]:
    """Free scenes as KITTI's camera would see them, scaled to the picture's width; bodies of one's own
    among the rest."""
    from cluster.data.stageable import catalog
    from cluster.simulation.scene_jobs import staging_settings
    from imitation.data.records import Camera
    from sim_actors.scene.ground import DEFAULT_CAMERA_HEIGHT
    from sim_actors.simulators.worker import SceneJob
    from sim_actors.staging.stage import Target, stage

    width, height = size
    focal = KITTI_FOCAL * width
    known, settings = catalog(config), staging_settings(config)
    specs = simulators(config).specs.values()
    brought = tuple(dict.fromkeys(name for spec in specs for name in spec.ask("own_categories")))
    weights = _with_own(settings.free.categories, brought)
    settings = settings.model_copy(update={"free": settings.free.model_copy(update={"categories": weights})})
    own = [c for c in brought if c not in {name.lower() for name in FREE_CATEGORIES}]
    target = Target(
        convention=config.data.convention or "amodal_clipped",
        categories=(*FREE_CATEGORIES, *own),
        camera=Camera(focal, focal, width / 2, 0.46 * height, DEFAULT_CAMERA_HEIGHT, 0.0),
        width=width,
        height=height,
        catalog=known,
    )
    for index in range(count):
        request = _request(f"free-{index:04d}", None, 1, config)
        yield None, SceneJob(stage(request, 0, None, target=target, settings=settings), policy="render")


def _with_own(weights: Mapping[str, float], own: tuple[str, ...]) -> dict[str, float]:
    """The weights of free scenes' categories, and of one's own that have none: together `OWN_SHARE`."""
    new = [name for name in own if name not in weights]
    total = sum(weights.get(name.lower(), 0.0) for name in FREE_CATEGORIES)
    return {**weights, **dict.fromkeys(new, total * OWN_SHARE / (1 - OWN_SHARE) / max(len(new), 1))}


def with_bodies(config: Config) -> Config:
    """The configuration with one simulator: of several the first that has bodies to show."""
    several = each_apart(config).values()
    return next((apart for apart in several if simulator_spec(apart).ask("bodies")), next(iter(several)))


def body_jobs(name: str, config: Config) -> tuple[int, Iterator[tuple[None, SceneJob]]]:
    """One body from all sides: `name` is its model's name, its category's (its first model), or
    category/model. Raises UserError where there is none."""
    from sim_actors.scene.one_body import body_scene
    from sim_actors.simulators.worker import SceneJob

    spec = simulator_spec(config)
    bodies = spec.ask("bodies")
    if not bodies:
        raise UserError(
            "--body shows a body of the embedded renderer, or of another simulator that says which it has "
            f"(Traits.bodies), and simulate.simulator is {spec.simulator!r}; leave that out"
        )
    category, model = _find_body(name, bodies)
    size = spec.trait("body_size")(category, model)

    def jobs() -> Iterator[tuple[None, SceneJob]]:
        for index, (side, yaw) in enumerate(TURNS.items()):
            scene = body_scene(category, model, size, yaw, *BODY_SIZE)
            named = replace(scene, scene_id=f"{category}-{model}-{index}-{side.replace(' ', '-')}")
            yield None, SceneJob(named, policy="render")

    return len(TURNS), jobs()


def _find_body(name: str, bodies: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    from sim_actors.scene.category_words import canonical

    first, slash, second = name.rpartition("/")
    if slash and second in bodies.get(canonical(first), ()):
        return canonical(first), second
    found = [category for category, models in bodies.items() if name in models]
    if len(found) == 1:
        return found[0], name
    if found:
        either = " or ".join(f"{category}/{name}" for category in found)
        raise UserError(f"--body {name!r}: several categories have a model of that name; write {either}")
    if canonical(name) in bodies:
        return canonical(name), next(iter(bodies[canonical(name)]))
    names = [*bodies, *(model for models in bodies.values() for model in models)]
    near = nearest(name, names, 3, 0.4)
    hint = f"the nearest are {', '.join(near)}" if near else f"categories are {', '.join(bodies)}"
    raise UserError(f"--body {name!r}: there is no body of that name; {hint}")


def _request(name: str, parent: str | None, variations: int, config: Config) -> Request:
    from imitation.requests import Request

    seed = zlib.crc32(f"{config.run.seed}/{name}".encode())
    return Request(name, parent, (), (), (), variations, seed, "render")
