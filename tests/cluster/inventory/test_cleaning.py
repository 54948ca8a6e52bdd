"""What may go: a whole run on toys that is cleaned, killed while it is, and continued."""

import json
import os
import shutil
from pathlib import Path

import pytest

from cluster.cli.main import main
from cluster.inventory import cleaning
from cluster.inventory.cleaning import bases, in_order, removable, remove
from cluster.inventory.entries import places, read_entries
from cluster.workspace.driven import DRIVER
from cluster.workspace.holder import Looker
from cluster.workspace.lock import RunLock
from imitation.common import storage
from imitation.common.settings import UserError
from tests.cluster.inventory.test_entries import make_run
from tests.cluster.light_run import run
from tests.cluster.run.test_every_commit import contents

CHECKPOINT = "checkpoint not chosen"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on toys, `runs/a`."""
    folder = tmp_path_factory.mktemp("runs")
    run(str(folder), "a")
    return folder


@pytest.fixture
def light(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "light"))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The folder of a finished run, `runs/a`, whose cycle 1 was chosen."""
    a = make_run(tmp_path / "runs" / "a", (0.2, 0.4, 0.3), how="finished")
    places = [("cycle-000", name) for name in ("main", "twin", "fold-0")]
    for cycle, name in [*places, ("cycle-001", "main"), ("cycle-001", "fold-0"), ("cycle-002", "main")]:
        checkpoint(a / cycle / "detector" / name)
        if name != "main":
            (a / cycle / f"stage-train-{name}.json").write_text("{}")
    checkpoint(a / "best")
    (a / "data").mkdir()
    (a / "data" / "stage-prepare.json").write_text("{}")
    (a / "summary.json").write_text('{"best_cycle": 1}')
    return tmp_path / "runs"


def checkpoint(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "weights.pt").write_bytes(b"w" * 100)
    (folder / "detector.json").write_text("{}")


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def named(folder: Path, unfinished: bool = False) -> dict[str, str]:
    """run/what -> why."""
    found = places(str(folder))
    items = removable(read_entries(found, Looker(), wait=True), bases(found), unfinished)
    return {f"{item.run}/{item.what}".rstrip("/"): item.why for item in items}


def clean(folder: Path, unfinished: bool = False) -> list[str]:
    found = places(str(folder))
    shared = bases(found)
    items = list(removable(read_entries(found, Looker(), wait=True), shared, unfinished))
    return [f"{item.run}/{item.what}".rstrip("/") for item in remove(items, shared, unfinished)]


def set_driver(folder: Path, **values: object) -> None:
    told = json.loads((folder / DRIVER).read_text())
    (folder / DRIVER).write_text(json.dumps(told | values))


def best_of(folder: Path) -> int:
    return int(json.loads((folder / "summary.json").read_text())["best_cycle"])


def test_of_a_finished_run_all_checkpoints_but_the_chosen_one_may_go(runs):
    best = best_of(runs / "a")
    every = {
        f"a/{p.parent.relative_to(runs / 'a')}" for p in (runs / "a").glob("cycle-*/detector/*/weights.pt")
    }
    kept = {name for name in every if name.startswith(f"a/cycle-{best:03d}/")}
    assert len(kept) == 2, "those that mined in it are what a probe asks"
    assert named(runs) == dict.fromkeys(sorted(every - kept), CHECKPOINT)
    assert {"a/cycle-000/detector/fold-0", "a/cycle-000/detector/twin"} <= every


@pytest.mark.slow
def test_a_cleaned_run_gives_the_same_table_and_report_again(light, capsys):
    runs = light
    before = contents(runs / "a")
    run(str(runs), "a")
    table = capsys.readouterr().out
    assert clean(runs)
    after = contents(runs / "a")
    gone = {name for name in before if name not in after}
    assert gone == {n for n in before if "/detector/" in n and f"cycle-{best_of(runs / 'a'):03d}/" not in n}
    run(str(runs), "a")
    assert capsys.readouterr().out == table
    assert contents(runs / "a") == after
    assert main(["report", str(runs / "a")]) == 0
    assert named(runs) == {}


def test_nothing_is_deleted_without_yes_and_json_says_the_same(runs, capsys):
    before = files_of(runs / "a")
    assert main(["runs", "clean", str(runs), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["deleted"] is False
    assert {item["why"] for item in told["items"]} == {CHECKPOINT}
    for item in told["items"]:
        sizes = [p.stat().st_size for p in (runs / "a" / item["what"]).rglob("*") if p.is_file()]
        assert item["bytes"] == sum(sizes)
    assert files_of(runs / "a") == before
    assert main(["runs", "clean", str(runs / "a"), "--yes"]) == 0
    said = capsys.readouterr()
    assert said.out.count("deleted: a/cycle-") == len(told["items"])
    assert "freed:" in said.err


def test_a_run_that_can_be_continued_loses_nothing_but_half_written_files(runs):
    set_driver(runs / "a", how=None, ended=None)
    state = runs / "a" / "cycle-001" / "detector" / "main.partial"
    state.mkdir()
    (state / "checkpoint.pt").write_bytes(b"x" * 50)
    (runs / "a" / "cycle-001" / ".stage-train-main.json.0123abcd.tmp").write_bytes(b"x")
    assert named(runs) == {
        "a/unfinished writes": "half-written",
        "a/cycle-001/detector/main.partial": "training state",
    }
    for stage in ("train-main", "evaluate"):
        (runs / "a" / "cycle-001" / f"stage-{stage}.json").unlink()
    assert named(runs) == {"a/unfinished writes": "half-written"}, "the training goes on from its state"
    assert clean(runs) == ["a/unfinished writes"]
    assert (state / "checkpoint.pt").exists()


def test_what_a_driver_holds_is_left_alone(runs):
    before = files_of(runs / "a")
    items = list(removable(read_entries(places(str(runs)), Looker()), frozenset()))
    with RunLock(str(runs / "a")):
        assert named(runs, unfinished=True) == {}
        # a second handle, as of another process: the lock is of the open file
        with pytest.raises(UserError, match="is in use by process"):
            list(remove(items, frozenset()))
    assert {k: v for k, v in files_of(runs / "a").items() if k != ".lock"} == before


def test_what_is_no_more_to_go_when_the_lock_is_taken_stays(runs):
    items = list(removable(read_entries(places(str(runs)), Looker()), frozenset()))
    set_driver(runs / "a", how=None)  # it was begun again, and killed, since somebody looked
    assert list(remove(items, frozenset())) == []


def test_a_run_whose_beginning_others_take_keeps_it(runs):
    trial = runs / "b"
    trial.mkdir()
    shutil.copy(runs / "a" / "config.yaml", trial)
    (trial / "base.json").write_text('{"base": "../a"}')
    (trial / "stage-x.json").write_text("{}")
    assert {name.split("/")[1] for name in named(runs)} == {"cycle-002"}
    set_driver(runs / "a", how="failed")
    assert named(runs, unfinished=True) == {"b": "unfinished run"}


def test_a_begun_run_that_committed_nothing_may_go_whole(runs):
    for name in ("failed", "finished"):
        (runs / name).mkdir()
        shutil.copy(runs / "a" / "config.yaml", runs / name)
        shutil.copy(runs / "a" / DRIVER, runs / name)
        set_driver(runs / name, how=name)
    (runs / "failed" / "data").mkdir()
    (runs / "failed" / "data" / "part").write_bytes(b"1")
    whole = {name: why for name, why in named(runs).items() if "/" not in name}
    assert whole == {"failed": "nothing committed"}
    assert "failed" in clean(runs)
    assert not (runs / "failed").exists()
    assert (runs / "finished").exists()
    assert (runs / "a" / "summary.json").exists()


def test_trials_go_only_with_a_comparison_that_has_ended(runs):
    home = runs / "cmp"
    (home / "trials").mkdir(parents=True)
    (runs / "a").rename(home / "trials" / "one")
    (home / "comparison.yaml").write_text("data: {kind: world}\n")
    assert named(runs) == {}
    (home / "comparison.json").write_text('{"primary": {"answer": "no"}}')
    names = named(runs)
    assert set(names.values()) == {CHECKPOINT}
    items = list(removable(read_entries(places(str(runs)), Looker()), frozenset()))
    (home / DRIVER).write_text('{"started": "x", "ended": null, "how": null, "reason": null}')  # begun again
    assert list(remove(items, frozenset())) == []
    (home / DRIVER).unlink()
    assert sorted(clean(runs)) == sorted(names)


def test_what_commits_goes_first_and_what_makes_it_a_run_last():
    files = [
        "config.yaml", "run.json", "data/stage-prepare.json", "data/train/x.parquet", ".lock",
        "cycle-001/stage-train-main.json", "cycle-001/detector/main/weights.pt",
        "cycle-000/stage-evaluate.json",
    ]  # fmt: skip
    assert in_order(files) == [
        "cycle-001/stage-train-main.json", "cycle-000/stage-evaluate.json", "data/stage-prepare.json",
        "cycle-001/detector/main/weights.pt", "data/train/x.parquet", "config.yaml", "run.json", ".lock",
    ]  # fmt: skip


class Killed(BaseException):
    pass


@pytest.mark.slow
def test_a_clean_that_is_killed_anywhere_leaves_a_run_that_continues_to_the_same(
    whole, tmp_path, monkeypatch
):
    """`--unfinished` of a whole run, killed before its n-th deletion: the same command then gives the
    same."""
    expected = contents(whole / "a")
    count = sum(1 for p in (whole / "a").rglob("*") if p.is_file()) - 1
    for kill_at in {0, 1, 2, 4, 7, count // 2, count - 3, count - 1}:
        runs = Path(shutil.copytree(whole, tmp_path / f"at-{kill_at}"))
        set_driver(runs / "a", how="failed")
        left = iter(range(kill_at))

        def delete(uri: str, left=left) -> None:
            if next(left, None) is None:
                raise Killed
            os.unlink(storage.resolve(uri)[1])

        with monkeypatch.context() as patched:
            patched.setattr(cleaning.storage, "delete", delete)
            with pytest.raises(Killed):
                clean(runs, unfinished=True)
        run(str(runs), "a")
        assert contents(runs / "a") == expected, f"killed at deletion {kill_at}"


def test_unfinished_runs_go_where_somebody_asks(runs):
    set_driver(runs / "a", how="stopped")
    assert named(runs, unfinished=True) == {"a": "unfinished run"}
    assert clean(runs, unfinished=True) == ["a"]
    assert list(runs.iterdir()) == []
