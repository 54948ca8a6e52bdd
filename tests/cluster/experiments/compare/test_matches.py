"""What a comparison keeps, and the table again from it: of one folder, of several machines, of folds."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cluster.cli.main import main
from cluster.config.parse import load_defaults
from cluster.experiments.compare.command import compare_from_matches
from cluster.experiments.compare.execute import State
from cluster.experiments.compare.finished import Finished
from cluster.experiments.compare.matches import FOLDER, from_matches, keep_matches
from cluster.experiments.compare.plan import Plan, make_plan
from imitation.common.errors import UserError
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import write_frames
from imitation.report.comparison.record import Comparison, read_comparison
from tests.cluster.experiments.compare.toy import (
    QUALITY,
    RESAMPLES,
    TOLD,
    WORLD,
    collected,
    finished,
    plan_of,
)

ROOT = Path(__file__).resolve().parents[4]
COMMAND = "imitate compare my.yaml"


# Few: what matters is that a table comes again, not what it says.
FRAMES = 12
FEW = (RESAMPLES, "compare.arms=[real,random,imitation]")


def matches_of(plan: Plan, **told: Any) -> str:
    """A finished comparison's matches."""
    keep_matches(Finished(plan, finished(plan, QUALITY, frames=FRAMES)), TOLD | told, None, 120.0, COMMAND)
    return f"{plan.folder}/{FOLDER}"


def kept(plan: Plan) -> tuple[str, Comparison]:
    """A finished comparison's matches, and its table."""
    folder = matches_of(plan)
    return folder, collected(plan, dict.fromkeys((trial.name for trial in plan.trials), State("finished")))


def same(ours: Comparison, theirs: Comparison, **but: Any) -> None:
    assert ours.to_dict() == theirs.to_dict() | but


def test_the_table_is_the_same_number_for_number(tmp_path):
    folder, table = kept(plan_of(tmp_path / "runs", "compare.seeds=2", *FEW))
    moved = str(shutil.move(folder, tmp_path / "elsewhere"))
    shutil.rmtree(tmp_path / "runs")  # the machine is lost
    out = tmp_path / "again"
    same(compare_from_matches([moved], str(out)), table)
    same(read_comparison(str(out / "comparison.json")), table)
    assert (out / "comparison.html").stat().st_size > 10_000
    assert (out / "table.csv").exists()


def test_a_folder_of_matches_tells_no_place_and_holds_no_box(tmp_path):
    folder = matches_of(plan_of(tmp_path / "runs", *FEW))
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".npz", ".json", ".yaml"}
    for path in files:
        assert str(tmp_path).encode() not in path.read_bytes(), path
    assert sum(path.stat().st_size for path in files) < 400_000
    assert f"{folder}/test/baseline-seed0.npz" in map(str, files), "a shared baseline once"


def test_parts_of_several_machines_are_one_comparison(tmp_path):
    """A seed a part, each in a folder of its own."""
    whole = plan_of(tmp_path / "whole", "compare.seeds=3", *FEW)
    table = collected(whole, finished(whole, frames=FRAMES))
    folders = []
    for seed in range(3):
        plan = plan_of(
            tmp_path / f"machine{seed}", f"compare.seeds=[{seed}]", f"compare.name=part-{seed}", *FEW
        )
        folders.append(matches_of(plan, commit="abc" if seed else "def", machine=f"machine {seed}"))
    merged = compare_from_matches(folders, None)
    machines = "machine 0; machine 1; machine 2"
    but = {"name": "part-0", "seconds_total": 360.0, "machine": machines, "commit": "def"}
    same(
        merged.model_copy(update={"warnings": merged.warnings[:-1]}),
        table,
        **but,
    )
    assert merged.warnings[-1] == "Begun at commit def, continued at abc: rows may be of either."
    two = compare_from_matches(folders[:2], None)
    assert two.seeds == [0, 1]
    with pytest.raises(UserError, match=r"seed0 stands in .*part-0/matches and in .*part-0/matches"):
        from_matches([folders[0], folders[0]])


def test_folds_are_put_together_as_they_were(tmp_path):
    objects = (Object("car", Box(5, 5, 30, 30)),)
    frames = (Frame(f"{i:03d}", 80, 40, objects, image_uri="x.png") for i in range(60))
    data = str(tmp_path / "all.parquet")
    write_frames(frames, data)
    options = [f"data.root={data}", "data.kind=parquet", "data.categories=[car,van,person]"]
    options += [f"run.storage={tmp_path}/runs", *WORLD[3:], "compare.folds=2", *FEW]
    plan = make_plan(load_defaults(options))
    folder, table = kept(plan)
    Path(data).unlink()
    same(compare_from_matches([folder], None), table)


def test_comparisons_of_other_settings_are_not_put_together(tmp_path):
    folders = [
        matches_of(plan_of(tmp_path / name, f"compare.seeds=[{seed}]", f"train.steps={steps}", *FEW))
        for name, seed, steps in (("a", 0, 10), ("b", 1, 11))
    ]
    with pytest.raises(UserError, match=r"is of another comparison than .*train.steps was 10, now 11"):
        from_matches(folders)
    with pytest.raises(UserError, match="no matches of a comparison lie there"):
        from_matches([str(tmp_path)])
    own = plan_of(
        tmp_path / "own", "compare.primary.measure=tests.cluster.experiments.compare.test_matches:nothing"
    )
    keep_matches(Finished(own, finished(own, frames=FRAMES)), TOLD, None, 1.0, COMMAND)
    with pytest.raises(UserError, match="is computed from detections, boxes and all"):
        from_matches([own.folder])


def nothing(frames, categories):
    return 0.5


def test_what_is_kept_already_is_not_matched_again(tmp_path):
    plan = plan_of(tmp_path, *FEW)
    folder = matches_of(plan)
    file = Path(folder) / "test" / "baseline-seed0.npz"
    before = file.stat().st_mtime_ns
    keep_matches(Finished(plan, finished(plan, frames=FRAMES)), TOLD, None, 121.0, COMMAND)
    assert file.stat().st_mtime_ns == before


def test_the_command_prints_it_and_writes_its_files(tmp_path, capsys):
    folder, table = kept(plan_of(tmp_path / "runs", *FEW))
    words = ["compare", "--from-matches", folder]
    capsys.readouterr()
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == table.title
    same(read_comparison(str(tmp_path / "out" / "comparison.json")), table)
    assert main([*words, "--json"]) == 0
    same(Comparison.from_dict(json.loads(capsys.readouterr().out)), table)
