import copy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from cluster.config.parse import load_defaults
from cluster.workspace.lock import RunLock
from cluster.workspace.run_folder import Workspace, flatten
from imitation.common.settings import UserError


def test_a_committed_stage_is_not_run_again(tmp_path):
    calls = []

    def work():
        calls.append(1)
        return {"answer": 42}

    first = Workspace(str(tmp_path)).stage("cycle-000/train", work)
    again = Workspace(str(tmp_path)).stage("cycle-000/train", work)
    assert calls == [1]
    assert (first["answer"], first["reused"]) == (42, False)
    assert (again["answer"], again["reused"], again["seconds"]) == (42, True, first["seconds"])


def test_a_stages_seconds_are_those_on_the_wall(tmp_path):
    result = Workspace(str(tmp_path)).stage("a/b", lambda: {"seconds": 1e6})
    assert result["work_seconds"] == 1e6
    assert result["seconds"] != 1e6


def test_a_stage_that_fails_is_not_committed(tmp_path):
    workspace = Workspace(str(tmp_path))
    with pytest.raises(RuntimeError):
        workspace.stage("a/b", lambda: (_ for _ in ()).throw(RuntimeError("no")))
    assert workspace.stage("a/b", lambda: {"ok": True})["ok"]


def some_data(folder):
    (folder / "data" / "train").mkdir(parents=True)
    (folder / "data" / "train" / "part-00000.parquet").write_bytes(b"rendered")


def prepared_data(folder):
    some_data(folder)
    (folder / "data" / "stage-prepare.json").write_text("{}")


def test_a_run_that_failed_while_its_data_was_prepared_may_be_begun_with_other_settings(tmp_path):
    workspace = Workspace(str(tmp_path))
    workspace.open(load_defaults(["train.steps=7"]).plain())
    some_data(tmp_path)
    assert not workspace.open(load_defaults(["train.steps=8"]).plain())
    assert not (tmp_path / "data").exists(), "half of another configuration's data is no data"
    prepared_data(tmp_path)
    with pytest.raises(UserError, match=r"train\.steps was 8, now 7"):
        workspace.open(load_defaults(["train.steps=7"]).plain())


def test_another_configuration_is_refused_naming_the_keys(tmp_path):
    workspace = Workspace(str(tmp_path))
    assert not workspace.open(load_defaults().plain())
    prepared_data(tmp_path)
    assert workspace.open(load_defaults().plain())
    with pytest.raises(UserError) as error:
        workspace.open(load_defaults(["train.steps=7", "randomize.strength=0.1"]).plain())
    assert "train.steps was" in str(error.value)
    assert "randomize.strength was" in str(error.value)


def test_where_a_run_lies_and_how_many_actors_work_on_it_may_change(tmp_path):
    workspace = Workspace(str(tmp_path))
    workspace.open(load_defaults().plain())
    prepared_data(tmp_path)
    assert workspace.open(load_defaults(["run.name=moved", "simulate.actors=3", "ray.num_cpus=8"]).plain())


def test_flatten_names_keys_as_options_do():
    assert flatten({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}


@pytest.mark.parametrize(
    "later",
    ["data.options", "train.precision", "detector.trainable_layers", "policy.rarity", "loop", "world.tails"],
)
def test_a_run_of_a_version_without_a_setting_goes_on(tmp_path, later):
    then = ["detector.trainable_layers=5"]  # the one whose default was another
    config = load_defaults(["free.categories={car: 1}", *then]).plain()
    *path, leaf = later.split(".")
    written = copy.deepcopy(config)
    section = written
    for name in path:
        section = section[name]
    del section[leaf]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(written))
    prepared_data(tmp_path)
    assert Workspace(str(tmp_path)).open(config) is True
    other = load_defaults(["free.categories={car: 1, van: 2}", *then]).plain()
    with pytest.raises(UserError, match=r"free\.categories\.van was None, now 2"):
        Workspace(str(tmp_path)).open(other)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        Workspace(str(tmp_path / "file" / "run")).open({})
    with pytest.raises(UserError, match="file"), RunLock(str(tmp_path / "file" / "run")):
        pass


def test_a_second_driver_is_refused_and_a_killed_one_leaves_no_lock(tmp_path):
    code = textwrap.dedent(f"""
        import sys, time
        from cluster.workspace.lock import RunLock
        with RunLock({str(tmp_path)!r}):
            print("held", flush=True)
            time.sleep(600)
    """)
    root = Path(__file__).resolve().parents[3]
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"in use by process {holder.pid}"), RunLock(str(tmp_path)):
            pass
    finally:
        holder.kill()
        holder.wait()
    with RunLock(str(tmp_path)):
        pass


def test_the_same_settings_keep_what_a_killed_preparation_had_written(tmp_path):
    workspace = Workspace(str(tmp_path))
    workspace.open(load_defaults().plain())
    some_data(tmp_path)
    assert workspace.open(load_defaults().plain())
    assert (tmp_path / "data" / "train" / "part-00000.parquet").exists()


def test_paths_of_a_run_count_from_its_folder(tmp_path):
    workspace = Workspace(str(tmp_path))
    assert workspace.relative(workspace.path("data", "train")) == "data/train"
    with pytest.raises(ValueError, match="elsewhere"):
        workspace.relative("/elsewhere/data")


def test_what_killed_writers_left_is_cleared_when_a_run_goes_on(tmp_path):
    workspace = Workspace(str(tmp_path))
    workspace.open(load_defaults().plain())
    left = [".detections.parquet.0123abcd.tmp", "cycle-000/.stage-train.json.89abcdef.tmp", ".probe-0123abcd"]
    kept = [".lock", "cycle-000/.hidden.tmp", "data.tmp"]
    for name in (*left, *kept):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert workspace.open(load_defaults().plain())
    assert [name for name in left if (tmp_path / name).exists()] == []
    assert all((tmp_path / name).exists() for name in kept)
