"""From requests to the pool's jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator

from cluster.backlog import SetAside
from cluster.config import Config
from imitation.records import Frame
from imitation.requests import Request
from imitation.settings import DataError
from sim_actors.actor import SceneJob
from sim_actors.staging import StagingSettings, Target, on_backdrop, scene_id, stage

Variations = Callable[[Request], Iterable[int]]


def staging_settings(config: Config) -> StagingSettings:
    """What a configuration says of staging."""
    return StagingSettings(restage=config.restage, randomize=config.randomize, free=config.free)


def all_variations(request: Request) -> range:
    """Those that a request asks for."""
    return range(request.variations)


def scene_jobs(
    requests: list[Request],
    parents: dict[str, Frame],
    cycle: int,
    target: Target,
    settings: StagingSettings,
    photo: Callable[[Frame], Frame] = lambda frame: frame,
    variations: Variations = all_variations,
) -> Iterator[SceneJob | SetAside]:
    """One job a variation, staged when the pool asks for it; set aside where its labels are no scene.
    `photo` brings the image of a parent that a variation is set into."""
    for request in requests:
        parent = None if request.parent is None else parents[request.parent]
        for variation in variations(request):
            try:
                source = parent
                if parent is not None and on_backdrop(request, variation, settings):
                    source = photo(parent)
                scene = stage(request, variation, source, target=target, settings=settings)
            except DataError as error:
                yield SetAside(scene_id(request, variation), "unsupported", str(error), attempts=0)
                continue
            yield SceneJob(
                scene,
                cycle=cycle,
                parent=request.parent,
                failures=request.failures,
                policy=request.policy,
                seed=request.seed,
            )


def redraws(
    requests: Iterable[Request], rejected: Collection[str], tries: int
) -> tuple[list[Request], Variations]:
    """Which requests are to be staged again in place of rejected scenes, and which variations of them.

    The t-th draw in place of variation v of a request for n is its variation v + t * n: an id and a seed of
    its own, the same in every run. After `tries` of them a scene is given up.
    """
    by_id = {request.request_id: request for request in requests}
    wanted: defaultdict[str, list[int]] = defaultdict(list)
    for scene in rejected:
        request_id, _, variation = scene.rpartition("-v")
        following = int(variation) + by_id[request_id].variations
        if following < (tries + 1) * by_id[request_id].variations:
            wanted[request_id].append(following)
    again = [request for request in by_id.values() if request.request_id in wanted]
    return again, lambda request: sorted(wanted[request.request_id])
