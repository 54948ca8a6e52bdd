"""Frames of another run taken: which they are, and that they are a run's own afterwards."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.experiments.compare.arms import rendered, spent
from cluster.observability.callbacks import Watch
from cluster.observability.console import Reporter
from cluster.stages.context import RunContext
from cluster.stages.synthetic.taken import Taking, first_frames
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.errors import UserError
from imitation.common.names import scene_id
from imitation.data.images import encode_png
from imitation.data.records import Box, Frame, Object, Origin
from imitation.datasets.parquet.files import read_frames, write_frames
from imitation.requests import Request


def request(name: str, variations: int) -> Request:
    return Request(name, f"parent-{name}", (), (0,), (), variations, 7, "imitation")


requests = st.lists(st.integers(1, 7), min_size=1, max_size=6).map(
    lambda counts: [request(f"r{k}", count) for k, count in enumerate(counts)]
)


@given(requests, st.integers(1, 3), st.data())
def test_a_smaller_budget_is_the_beginning_of_a_larger_one(asked, variations, data) -> None:
    frames = [scene_id(r.request_id, v) for r in asked for v in range(r.variations)]
    kept = data.draw(st.lists(st.sampled_from(frames), unique=True))  # others were rejected
    whole = first_frames(asked, kept, len(kept), variations)
    assert sorted(whole) == sorted(kept)
    for budget in range(len(kept) + 1):
        assert first_frames(asked, kept[::-1], budget, variations) == whole[:budget]


def test_it_is_what_the_policy_would_have_asked_for_with_fewer() -> None:
    """Two variations of each failing frame, and of a budget beyond that further ones of each."""
    asked = [request("a", 5), request("b", 5), request("c", 4)]
    frames = [scene_id(r.request_id, v) for r in asked for v in range(r.variations)]
    names = [f"{name}-v{first + k:02d}" for first in (0, 2) for name in "abc" for k in (0, 1)]
    assert first_frames(asked, frames, 12, 2) == names
    assert first_frames(asked, frames, 4, 2) == ["a-v00", "a-v01", "b-v00", "b-v01"]


def test_what_took_a_rejected_frames_place_stands_there() -> None:
    asked = [request("a", 2), request("b", 2)]
    frames = ["a-v00", "a-v03", "b-v00", "b-v01"]  # a's second was drawn again
    assert first_frames(asked, frames, 2, 2) == ["a-v00", "a-v03"]


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Workspace, RunContext]:
    """A run that has rendered seven of eight frames of two requests, and an empty one."""
    source = Workspace(f"{tmp_path}/whole")
    folder = f"{source.uri}/cycle-001"
    asked = [request("a", 4), request("b", 4)]
    image = encode_png(np.random.default_rng(0).integers(0, 255, (24, 40, 3), dtype=np.uint8))
    frames = [
        Frame(
            scene_id(r.request_id, v), 40, 24, (Object("car", Box(1, 2, 9, 9)),), image=image,
            origin=Origin(cycle=1, parent=r.parent, failures=(), policy="imitation", simulator="toy",
                          simulator_version="1", scene="{}", seed=v),
        )
        for r in asked for v in range(r.variations) if (r.request_id, v) != ("a", 1)
    ]  # fmt: skip
    write_frames(frames[:3], f"{folder}/synthetic/part-0.parquet")
    write_frames(frames[3:], f"{folder}/synthetic/part-1.parquet")
    rows = [r.to_row() for r in asked]
    storage.write_json(f"{folder}/stage-request.json", {"budget": 8, "frames": 8, "requests": rows})
    storage.write_json(f"{folder}/stage-simulate.json", {"frames": 7, "asked": 8})
    for cycle in ("cycle-000", "cycle-001"):
        storage.write_json(f"{source.uri}/{cycle}/stage-evaluate.json", {})
    workspace = Workspace(f"{tmp_path}/part")
    watch = Watch(Reporter(io.StringIO()))
    return source, RunContext(0, workspace, None, None, watch, None)  # type: ignore[arg-type]


def test_the_first_frames_become_a_runs_own(runs) -> None:
    source, run = runs
    taking = Taking(run, source, variations=2)
    asked = taking.request(1, 3)
    assert [(r.request_id, r.variations) for r in asked] == [("a", 1), ("b", 2)]
    part = taking.take(1)
    assert (part.frames, part.cycle) == (3, 1)
    whole = {f.frame_id: f for f in read_frames(source.path("cycle-001", "synthetic"))}
    mine = {f.frame_id: f for f in read_frames(part.uri)}
    assert sorted(mine) == ["a-v00", "b-v00", "b-v01"]
    assert mine == {name: whole[name] for name in mine}, "labels, pixels and lineage"
    for cycle in (0, 1):
        storage.write_json(run.path(cycle, "stage-evaluate.json"), {})
    assert spent(run.workspace) == [3]
    assert rendered(run.workspace) == 0, "nothing was rendered for it"
    assert rendered(source) == 7
    again = Taking(run, Workspace(source.uri + "-gone"), variations=2)
    assert again.request(1, 3) == asked, "what is committed is not asked for again"
    assert again.take(1) == part


def test_a_budget_beyond_what_there_is_takes_all_and_none_takes_nothing(runs) -> None:
    source, run = runs
    assert sum(r.variations for r in Taking(run, source, 2).request(1, 50)) == 7
    assert Taking(run, source, 2).take(1).frames == 7
    assert Taking(run, source, 2).request(1, 50)
    other = RunContext(0, Workspace(run.workspace.uri + "-none"), None, None, run.watch, None)  # type: ignore[arg-type]
    assert Taking(other, source, 2).request(1, 0) == []
    assert Taking(other, source, 2).take(1).frames == 0


def test_a_run_that_has_not_rendered_them_is_refused(runs) -> None:
    _, run = runs
    with pytest.raises(
        UserError, match=r"nowhere has not rendered the frames of cycle 1; finish that run first"
    ):
        Taking(run, Workspace(run.workspace.uri + "/nowhere"), 2).request(1, 3)
