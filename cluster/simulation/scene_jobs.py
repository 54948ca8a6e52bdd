"""From requests to the pool's jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from cluster.config.schema import Config
from cluster.simulation.work_queue import SetAside
from imitation.common.names import request_of, scene_id
from imitation.common.settings import DataError, UserError
from imitation.data.categories import CategoryMap
from imitation.data.records import Camera, Convention, Frame
from imitation.datasets.parquet.files import read_frames
from imitation.requests import Request
from sim_actors.simulators.worker import SceneJob
from sim_actors.staging.restage import default_camera
from sim_actors.staging.stage import StagingSettings, Target, asset_names, on_backdrop, stage

Variations = Callable[[Request], Iterable[int]]


def staging_settings(config: Config) -> StagingSettings:
    """What a configuration says of staging."""
    return StagingSettings(restage=config.restage, randomize=config.randomize, free=config.free)


def target_of(
    convention: Convention,
    objects: Mapping[str, int],
    categories: CategoryMap,
    size: tuple[int, int],
    camera: Camera | None,
    catalog: frozenset[str] | None,
    hfov_deg: float,
) -> Target:
    """What frames must match that are to look like real ones of this size (width and height, px), whose
    labels are `objects` by source category; without a `camera` one of `hfov_deg` is assumed."""
    return Target(
        convention=convention,
        categories=tuple(objects),
        camera=camera or default_camera(*size, hfov_deg),
        width=size[0],
        height=size[1],
        catalog=catalog,
        assets=asset_names(objects, categories.mapping, catalog),
    )


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
                yield SetAside(scene_id(request.request_id, variation), "unsupported", str(error), attempts=0)
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
        request_id, variation = request_of(scene)
        following = variation + by_id[request_id].variations
        if following < (tries + 1) * by_id[request_id].variations:
            wanted[request_id].append(following)
    again = [request for request in by_id.values() if request.request_id in wanted]
    return again, lambda request: sorted(wanted[request.request_id])


def check_backdrops(requests: Iterable[Request], allowed: Collection[str], settings: StagingSettings) -> None:
    """Raises UserError where variations are to be set into the photo of a frame that is not among
    `allowed`, the frames of train and mine: a detector would be trained on pixels that it is judged by."""
    for request in requests:
        in_photo = bool(request.likenesses) or settings.restage.backdrops > 0
        if in_photo and request.parent is not None and request.parent not in allowed:
            raise UserError(
                f"request {request.request_id!r}: frame {request.parent!r} is of neither train nor mine, and "
                "no other may serve as a backdrop (its pixels would be trained on); ask for frames of those, "
                "or set restage.backdrops and policy.elsewhere to 0"
            )


def with_photo(frame: Frame, uri: str) -> Frame:
    """A frame read for its labels, with the image that its Parquet at `uri` holds or names."""
    if frame.image is not None or frame.image_uri is not None:
        return frame
    for found in read_frames(uri, ("image", "image_uri"), keep={frame.frame_id}):
        return replace(frame, image=found.image, image_uri=found.image_uri)
    raise UserError(f"{uri}: frame {frame.frame_id!r} is no longer there; its photo is needed as a backdrop")
