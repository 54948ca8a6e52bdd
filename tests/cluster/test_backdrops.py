"""Which frames may be backdrops, and how their photos reach the scenes."""

from dataclasses import replace

import pytest

from cluster.simulation.scene_jobs import check_backdrops, scene_jobs, with_photo
from cluster.simulation.work_queue import SetAside
from imitation.common.settings import UserError
from imitation.datasets.parquet.files import read_frames, write_frames
from imitation.requests import Likeness, Request
from sim_actors.simulators.worker import SceneJob
from sim_actors.staging.restage import RestageSettings
from sim_actors.staging.stage import StagingSettings, Target
from tests.sim_actors.photos import photographed
from tests.sim_actors.scenes import CATALOG, KITTI, SIZE, street

ALWAYS = StagingSettings(restage=RestageSettings(backdrops=1.0))
TARGET = Target("cuboid_clipped", ("Car", "Pedestrian"), KITTI, *SIZE, catalog=CATALOG)


def asked(parent: str | None, **more: object) -> Request:
    values = {"failures": (), "focus": (), "clutter": (), "variations": 2, "seed": 1, "policy": "p"}
    return Request(f"c01-{parent}", parent, **{**values, **more})  # type: ignore[arg-type]


def test_frames_of_other_splits_are_refused() -> None:
    requests = [asked("a"), asked(None), asked("b")]
    check_backdrops(requests, {"a", "b"}, ALWAYS)
    check_backdrops(requests, (), StagingSettings())  # nothing is set into photos
    with pytest.raises(UserError, match="request 'c01-b': frame 'b' is of neither train nor mine"):
        check_backdrops(requests, {"a"}, ALWAYS)
    likenesses = [asked("b", variations=1, likenesses=(Likeness("Car"),))]
    with pytest.raises(UserError, match=r"restage\.backdrops and policy"):
        check_backdrops(likenesses, {"a"}, StagingSettings())


def test_only_the_photos_that_are_needed_are_read(tmp_path) -> None:
    parents = [replace(photographed(street()), frame_id=name) for name in ("a", "b")]
    uri = str(tmp_path / "train.parquet")
    write_frames(parents, uri)
    labels = {frame.frame_id: frame for frame in read_frames(uri, ("camera", "objects", "image_uri"))}
    read = []

    def photo(frame):
        read.append(frame.frame_id)
        return with_photo(frame, uri)

    half = StagingSettings(restage=RestageSettings(backdrops=0.5))
    requests = [asked("a", variations=12), asked("b", seed=2, variations=12)]
    jobs = list(scene_jobs(requests, labels, 1, TARGET, half, photo))
    assert all(isinstance(job, SceneJob) for job in jobs)
    composed = [job for job in jobs if job.scene.backdrop is not None]
    assert 4 < len(composed) <= len(read) < 20
    for job in composed:
        backdrop = job.scene.backdrop
        assert backdrop.frame_id == job.parent
        assert backdrop.photo.image == parents[0].image
        assert backdrop.photo.objects == parents[0].objects
    read.clear()
    (job,) = scene_jobs(
        [asked("b", variations=1, likenesses=(Likeness("Car"),))], labels, 1, TARGET, StagingSettings(), photo
    )
    assert read == ["b"], "a likeness is set into the photo whatever restage.backdrops says"
    assert job.scene.backdrop.frame_id == "b"
    with pytest.raises(UserError, match="frame 'c' is no longer there"):
        with_photo(replace(labels["a"], frame_id="c"), uri)


def test_a_photo_that_cannot_be_read_is_set_aside() -> None:
    broken = replace(street(), image=b"\x89PNG\r\n")
    (first, second) = scene_jobs([asked("000042")], {"000042": broken}, 1, TARGET, ALWAYS)
    assert isinstance(first, SetAside)
    assert "not a JPEG or PNG" in first.reason or "unreadable" in first.reason
    assert isinstance(second, SetAside)
