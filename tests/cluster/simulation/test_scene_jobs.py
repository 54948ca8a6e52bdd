"""Other draws in place of rejected scenes."""

import pytest

from cluster.simulation.scene_jobs import redraws, scene_jobs
from imitation.requests import Request
from sim_actors.staging.stage import StagingSettings, Target
from tests.sim_actors.scenes import CATALOG, KITTI, SIZE, street

TARGET = Target("cuboid_clipped", ("Car", "Pedestrian"), KITTI, *SIZE, catalog=CATALOG)


def asked(name: str, variations: int, parent: str | None = "000042") -> Request:
    return Request(name, parent, (), (), (), variations, 3, "p")


REQUESTS = [asked("c01-a-v9", 3), asked("c01-b", 2), asked("c01-free", 1, None)]


def drawn(rejected: list[str], tries: int) -> list[str]:
    requests, variations = redraws(REQUESTS, rejected, tries)
    jobs = scene_jobs(requests, {"000042": street()}, 1, TARGET, StagingSettings(), variations=variations)
    return [job.scene.scene_id for job in jobs]


def test_a_rejected_variation_is_drawn_again_beyond_those_asked_for() -> None:
    assert drawn(["c01-a-v9-v01", "c01-free-v00"], 2) == ["c01-a-v9-v04", "c01-free-v01"]
    assert drawn([], 2) == []


@pytest.mark.parametrize("tries", [0, 1, 2])
def test_it_is_given_up_after_so_many_tries(tries: int) -> None:
    rejected, seen = ["c01-b-v01", "c01-b-v00"], []
    while rejected:
        rejected = drawn(rejected, tries)
        seen += rejected
    assert seen == [f"c01-b-v0{v}" for v in range(2, 2 + 2 * tries)], "each try has an id of its own"


def test_no_two_draws_are_the_same_scene() -> None:
    requests, variations = redraws(REQUESTS, ["c01-b-v01"], 1)
    (again,) = scene_jobs(requests, {"000042": street()}, 1, TARGET, StagingSettings(), variations=variations)
    first = scene_jobs([REQUESTS[1]], {"000042": street()}, 1, TARGET, StagingSettings())
    texts = {job.scene.replace(scene_id="").to_json() for job in [*first, again]}
    assert len(texts) == 3
