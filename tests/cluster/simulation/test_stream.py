"""The simulate stage's files: complete, continued, never doubled. The pool here needs no Ray."""

import errno
import os
from collections.abc import Iterable
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.config.simulate import SimulateSettings
from cluster.simulation.stream import DONE, SET_ASIDE, committed_ids, part_files, simulate
from cluster.simulation.work_queue import PoolCounts, Rendered, SetAside
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.data.records import SCHEMA, frames_from_table
from sim_actors.simulators.mixture import Mixture
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SceneJob, SimulatorHost
from tests.sim_actors.simulators.toy_simulators import PATH, make_jobs


class LocalPool:
    """Renders in this process, one after the other; scenes in `bad` are set aside. `die_after`
    outcomes it raises UserError, as a pool does that gives up."""

    def __init__(self, bad: tuple[str, ...] = (), die_after: int | None = None, frames_per_file: int = 4):
        self.settings = SimulateSettings(frames_per_file=frames_per_file)
        self.mixture = Mixture.one(SimulatorSpec(PATH))
        self.bad, self.die_after = bad, die_after
        self.counts = PoolCounts()
        self.rendered: list[str] = []
        self.killed = False
        self.host = SimulatorHost(SimulatorSpec(PATH))
        self.host.start()

    def render(self, jobs: Iterable[SceneJob]):
        self.counts = PoolCounts()
        for number, job in enumerate(jobs):
            if number == self.die_after:
                raise UserError("no simulator is left")
            scene_id = job.scene.scene_id
            if scene_id in self.bad:
                yield SetAside(scene_id, "crashed", "signal 11", 2)
                continue
            self.rendered.append(scene_id)
            answer = self.host.render(job)
            yield Rendered(scene_id, answer.payload, 1, answer.seconds, answer.cpu_seconds)

    def kill(self):
        self.killed = True


def ids(count: int) -> list[str]:
    return [job.scene.scene_id for job in make_jobs(count)]


def frames_in(folder: str):
    return [frame for uri in part_files(folder) for frame in frames_from_table(pq.read_table(uri))]


def test_frames_lie_in_parts_of_the_asked_size_with_their_origin(tmp_path):
    folder = str(tmp_path / "synthetic")
    jobs = make_jobs(10, cycle=2, parent="000007", failures=("f",), policy="imitation")
    seen = []
    report = simulate(jobs, folder, LocalPool(), seen.append)
    assert [pq.read_metadata(uri).num_rows for uri in part_files(folder)] == [4, 4, 2]
    assert all(pq.read_schema(uri).equals(SCHEMA) for uri in part_files(folder))
    frames = frames_in(folder)
    assert [frame.frame_id for frame in frames] == ids(10)
    assert {(f.origin.cycle, f.origin.parent, f.origin.policy) for f in frames} == {
        (2, "000007", "imitation")
    }
    assert [frame.origin.scene for frame in frames] == [job.scene.to_json() for job in jobs]
    assert (report.frames, report.rendered, report.reused, report.set_aside) == (10, 10, 0, ())
    assert seen == list(range(11)), "first what there is already"


def test_a_finished_stage_pulls_no_job_and_renders_nothing(tmp_path):
    folder = str(tmp_path)
    simulate(make_jobs(6), folder, LocalPool(bad=("s002",)))

    def jobs():
        raise AssertionError("pulled a job of a finished stage")
        yield

    seen = []
    report = simulate(jobs(), folder, LocalPool(), seen.append)
    assert (report.frames, report.rendered, report.reused) == (5, 0, 5)
    assert report.set_aside == (SetAside("s002", "crashed", "signal 11", 2),)
    assert seen == [6]


@settings(max_examples=20)
@given(
    st.integers(0, 25),
    st.integers(1, 7),
    st.lists(st.integers(0, 25), max_size=4),
    st.sets(st.integers(0, 24)),
)
def test_however_often_it_is_cut_the_frames_are_those_of_the_undisturbed_run(
    tmp_path_factory, count, frames_per_file, cuts, bad
):
    folder = str(tmp_path_factory.mktemp("stage"))
    bad_ids = tuple(f"s{i:03d}" for i in bad)
    rendered = []
    for cut in cuts:
        pool = LocalPool(bad_ids, cut, frames_per_file)
        if cut < count - len(committed_ids(folder)) - len(known_set_aside(folder)):
            with pytest.raises(UserError, match="no simulator is left"):
                simulate(make_jobs(count), folder, pool)
            assert not storage.exists(storage.join(folder, DONE))
            rendered += pool.rendered
    pool = LocalPool(bad_ids, None, frames_per_file)
    report = simulate(make_jobs(count), folder, pool)
    rendered += pool.rendered
    good = [scene_id for scene_id in ids(count) if scene_id not in bad_ids]
    assert sorted(frame.frame_id for frame in frames_in(folder)) == good
    assert sorted(rendered) == good  # an orderly end commits what is finished: nothing renders twice
    assert {item.scene_id for item in report.set_aside} == set(bad_ids) & set(ids(count))


def known_set_aside(folder: str) -> list[dict]:
    uri = storage.join(folder, SET_ASIDE)
    return storage.read_json(uri) if storage.exists(uri) else []


def test_scenes_set_aside_are_recorded_and_not_tried_again(tmp_path):
    folder = str(tmp_path)
    with pytest.raises(UserError):
        simulate(make_jobs(9), folder, LocalPool(bad=("s001",), die_after=6))
    assert [row["scene_id"] for row in known_set_aside(folder)] == ["s001"]
    pool = LocalPool()  # would render s001 now
    report = simulate(make_jobs(9), folder, pool)
    assert "s001" not in pool.rendered
    assert [item.scene_id for item in report.set_aside] == ["s001"]


def test_where_nothing_ever_worked_no_scene_is_blamed(tmp_path):
    with pytest.raises(UserError):
        simulate(make_jobs(5), str(tmp_path), LocalPool(bad=tuple(ids(5)), die_after=4))
    assert known_set_aside(str(tmp_path)) == []


def test_ctrl_c_kills_the_actors_and_keeps_what_is_finished(tmp_path):
    folder = str(tmp_path)
    pool = LocalPool()

    def interrupt(done: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(make_jobs(12), folder, pool, interrupt)
    assert pool.killed
    assert sorted(committed_ids(folder)) == ids(7)
    again = LocalPool()
    report = simulate(make_jobs(12), folder, again)
    assert again.rendered == ids(12)[7:]
    assert (report.rendered, report.reused, report.frames) == (5, 7, 12)


def test_a_full_disk_is_an_error_and_committed_files_stay(tmp_path, monkeypatch):
    folder = str(tmp_path)
    real = os.replace

    def full(source, target):
        if target.endswith("part-00001.parquet"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"part-00001\.parquet.*disk is full"):
        simulate(make_jobs(10), folder, LocalPool())
    assert sorted(committed_ids(folder)) == ids(4)
    monkeypatch.undo()
    simulate(make_jobs(10), folder, LocalPool())
    assert sorted(committed_ids(folder)) == ids(10)


def test_an_unfinished_file_of_a_killed_run_is_cleared_away(tmp_path):
    leftover = tmp_path / ".part-00000.parquet.0123abcd.tmp"
    leftover.write_bytes(b"half a file")
    simulate(make_jobs(3), str(tmp_path), LocalPool())
    assert not leftover.exists()
    assert sorted(committed_ids(str(tmp_path))) == ids(3)


def test_an_object_store_does_as_well():
    folder = "memory://bucket/run/cycle-001"
    with pytest.raises(UserError, match="no simulator is left"):
        simulate(make_jobs(9), folder, LocalPool(die_after=6))
    pool = LocalPool()
    report = simulate(make_jobs(9), folder, pool)
    assert pool.rendered == ids(9)[6:]
    assert report.frames == 9
    assert sorted(committed_ids(folder)) == ids(9)


def test_no_jobs_make_a_complete_and_empty_stage(tmp_path):
    report = simulate([], str(tmp_path / "new"), LocalPool())
    assert (report.frames, report.frames_per_second >= 0) == (0, True)
    assert storage.exists(str(tmp_path / "new" / DONE))


def test_the_report_is_plain_json(tmp_path):
    report = simulate(make_jobs(5), str(tmp_path), LocalPool(bad=("s001",)))
    path = str(tmp_path / "report.json")
    storage.write_json(path, report.to_json())
    row = storage.read_json(path)
    assert (row["frames"], row["rendered"], row["set_aside"][0]["reason"]) == (4, 4, "signal 11")


def test_a_scene_that_cannot_be_staged_is_set_aside_once(tmp_path):
    folder = str(tmp_path / "synthetic")
    bad = SetAside("bad-v00", "unsupported", "frame 7, object 0: the cuboid has no size", 0)
    jobs = make_jobs(3)
    report = simulate([jobs[0], bad, *jobs[1:]], folder, LocalPool())
    assert report.frames == 3
    assert report.set_aside == (bad,)
    os.unlink(tmp_path / "synthetic" / DONE)
    again = simulate([jobs[0], bad, *jobs[1:]], folder, LocalPool())
    assert (again.rendered, again.set_aside) == (0, (bad,))


def even(frame):
    return f"{frame.frame_id} is odd" if int(frame.frame_id[1:4]) % 2 else None


def once_more(rejected):
    """Each scene again under a name of its own, once."""
    return [renamed(job) for job in make_jobs(6) if job.scene.scene_id in rejected]


def renamed(job: SceneJob) -> SceneJob:
    return replace(job, scene=job.scene.replace(scene_id=f"{job.scene.scene_id}-again"))


def test_rejected_frames_are_set_aside_and_not_kept(tmp_path):
    report = simulate(make_jobs(6), str(tmp_path), LocalPool(), accept=even)
    assert [frame.frame_id for frame in frames_in(str(tmp_path))] == ["s000", "s002", "s004"]
    assert (report.frames, report.rendered, report.rejected) == (3, 3, 3)
    assert report.set_aside[0] == SetAside("s001", "rejected", "s001 is odd", 1)
    again = simulate(make_jobs(6), str(tmp_path), LocalPool(), accept=even)
    assert (again.rejected, again.rendered) == (3, 0)


def test_other_draws_take_the_place_of_rejected_frames_until_there_are_no_more(tmp_path):
    """The second draw of s003 is accepted, those of s001 and s005 are not."""
    seen = []

    def accept(frame):
        return None if frame.frame_id == "s003-again" else even(frame)

    pool = LocalPool()
    report = simulate(make_jobs(6), str(tmp_path), pool, seen.append, accept=accept, again=once_more)
    names = sorted(frame.frame_id for frame in frames_in(str(tmp_path)))
    assert names == ["s000", "s002", "s003-again", "s004"]
    assert (report.frames, report.rejected) == (4, 5)
    assert len(pool.rendered) == 9
    assert max(seen) == 6, "never more than were asked for"
    assert report.rendered == 4


@pytest.mark.parametrize("died", range(1, 9))
def test_cut_anywhere_rejection_is_final_and_the_frames_are_the_same(tmp_path, died):
    class Dying(LocalPool):
        left = died

        def render(self, jobs):
            for outcome in super().render(jobs):
                if not self.left:
                    raise UserError("no simulator is left")
                self.left -= 1
                yield outcome

    whole, cut = str(tmp_path / "whole"), str(tmp_path / "cut")
    simulate(make_jobs(6), whole, LocalPool(frames_per_file=1), accept=even, again=once_more)
    first, second = Dying(frames_per_file=1), LocalPool(frames_per_file=1)
    with pytest.raises(UserError, match="no simulator is left"):
        simulate(make_jobs(6), cut, first, accept=even, again=once_more)
    report = simulate(make_jobs(6), cut, second, accept=even, again=once_more)
    assert sorted(f.frame_id for f in frames_in(cut)) == sorted(f.frame_id for f in frames_in(whole))
    assert {item.scene_id for item in report.set_aside} == {
        f"s{i:03d}{more}" for i in (1, 3, 5) for more in ("", "-again")
    }
    assert not set(first.rendered[: died - 1]) & set(second.rendered), "what was decided is rendered again"
