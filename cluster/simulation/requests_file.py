"""The requests file of `imitate mine`: written, and read again as scenes to render."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

from cluster.config.schema import Config
from cluster.data.facts import Facts
from cluster.data.stageable import catalog
from cluster.observability.console import Reporter
from cluster.simulation.scene_jobs import check_backdrops, scene_jobs, staging_settings, target_of
from cluster.simulation.work_queue import SetAside
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.data.records import Camera, Frame
from imitation.datasets.base import frames_of
from imitation.datasets.numbering import Numbering
from imitation.datasets.settings import DataSettings
from imitation.requests import Request
from sim_actors.simulators.worker import SceneJob
from sim_actors.staging.stage import StagingSettings, Target


def write_requests(
    uri: str,
    data: DataSettings,
    split: str,
    origin: Mapping[str, Any],
    categories: CategoryMap,
    numbering: Numbering | None,
    facts: Facts,
    requests: list[Request],
) -> None:
    """Writes requests, and what is needed to render them as frames of this dataset (`facts` are those of its
    frames, `numbering` that of its categories). `origin`: more of where they are from."""
    plain = {
        "data": data.model_dump(mode="json"),
        "split": split,
        **origin,
        "categories": categories.to_json(),
        "numbering": None if numbering is None else numbering.to_json(),
        "objects": dict(facts.objects),
        "width": facts.size[0],
        "height": facts.size[1],
        "camera": None if facts.camera is None else asdict(facts.camera),
        "requests": [request.to_row() for request in requests],
    }
    storage.write_json(uri, plain)


def requested_jobs(
    uri: str, config: Config, limit: int | None, reporter: Reporter
) -> tuple[int, Iterator[tuple[Frame | None, SceneJob]]]:
    """The scenes of a requests file that `mine` wrote: how many, and they, each with its parent.

    The dataset is the file's own, or the configuration's where it names a `data.root`. `limit` renders the
    first so many. A scene whose labels cannot be staged is said and left out. Raises UserError for a
    file that is no requests file, or a parent that the dataset no longer has or that may not be a backdrop.
    """
    try:
        content = json.loads(storage.read_text(uri))
        requests = [Request.from_row(row) for row in content["requests"]]
        data = config.data if config.data.root else DataSettings.model_validate(content["data"])
        categories = CategoryMap.from_json(content["categories"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{uri}: is no requests file of `imitate mine`: {error!r}") from None
    dataset = data.open().undivide()
    splits = dataset.splits()
    staging = staging_settings(config)
    check_backdrops(requests, {*splits["train"], *splits["mine"]}, staging)
    wanted = {request.parent for request in requests if request.parent is not None}
    parents = {frame.frame_id: frame for frame in frames_of(dataset, content["split"], None, wanted)}
    if missing := sorted(wanted - parents.keys()):
        raise UserError(f"{uri}: frame {missing[0]!r} is not in split {content['split']!r} of {dataset.root}")
    target = target_of(
        data.label_convention(),
        content["objects"],
        categories,
        (content["width"], content["height"]),
        Camera(**content["camera"]) if content["camera"] else None,
        catalog(config),
        staging.restage.hfov_deg,
    )
    total = sum(request.variations for request in requests)
    scenes = _staged(requests, parents, target, staging, reporter)
    return min(total, limit or total), islice(scenes, limit)


def _staged(
    requests: list[Request],
    parents: dict[str, Frame],
    target: Target,
    settings: StagingSettings,
    reporter: Reporter,
) -> Iterator[tuple[Frame | None, SceneJob]]:
    for job in scene_jobs(requests, parents, 1, target, settings):
        if isinstance(job, SetAside):
            reporter.say(f"left out: {job.reason}")
        else:
            yield None if job.parent is None else parents[job.parent], job
