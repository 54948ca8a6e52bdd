"""A run whose folder was written when the split `val` was called `stop`: read, reported, continued."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from cluster.cli.main import main
from cluster.config.parse import load
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.evaluation.detection_files import read_detections
from imitation.report.run.record import read_summary
from tests.cluster.light_run import run
from tests.cluster.run.test_every_commit import TIMES


def as_before(folder: Path) -> None:
    """Rewrites a run in the old names."""
    (folder / "data" / "val").rename(folder / "data" / "stop")
    for path in folder.rglob("*.json"):
        path.write_text(path.read_text().replace('"val"', '"stop"').replace("data/val", "data/stop"))
    for path in folder.rglob("*.parquet"):
        table = pq.read_table(path)
        if "split" in table.column_names:
            place = table.column_names.index("split")
            names = ["stop" if name == "val" else name for name in table.column("split").to_pylist()]
            field = table.schema.field(place)
            pq.write_table(table.set_column(place, field, pa.array(names, field.type)), path)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    for section in (config["world"], config["data"]["splits"]):
        section["stop"] = section.pop("val")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, `now`, and the same as an earlier version left it, `before`."""
    folder = tmp_path_factory.mktemp("runs")
    run(str(folder), "now")
    shutil.copytree(folder / "now", folder / "before")
    as_before(folder / "before")
    return folder


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in TIMES and k not in ("name", "seconds")}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def mentions_stop(folder: Path) -> list[str]:
    """The files that call a split by its old name."""
    found = [str(p) for p in folder.rglob("*.json") if '"stop"' in p.read_text()]
    found += [
        str(path)
        for path in folder.rglob("*.parquet")
        if "split" in (table := pq.read_table(path)).column_names and "stop" in table["split"].to_pylist()
    ]
    config = yaml.safe_load((folder / "config.yaml").read_text())
    return found + [key for key in ("world",) if "stop" in config[key]]


def test_a_new_run_says_val_everywhere(runs: Path) -> None:
    assert mentions_stop(runs / "now") == []
    assert (runs / "now" / "data" / "val").is_dir()
    assert len(mentions_stop(runs / "before")) > 5, "the fixture is in old names"


def test_an_old_run_is_read_and_reported(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now, before = (read_summary(str(runs / name / "summary.json")) for name in ("now", "before"))
    assert before == now
    place = "cycle-001/evaluation/detections.parquet"
    rows = [list(read_detections(str(runs / name / place), split="val")) for name in ("now", "before")]
    assert len(rows[0]) == len(rows[1]) > 0
    assert [row.frame_id for row in rows[0]] == [row.frame_id for row in rows[1]]
    assert main(["report", str(runs / "before")]) == 0
    assert (runs / "before" / "report.html").stat().st_size > 10_000
    capsys.readouterr()
    places = [str(runs / name / "cycle-001") for name in ("before", "now")]
    old_names._say.cache_clear()
    assert main(["compare", *places, "--split", "stop", "--resamples", "20", "--json"]) == 0
    told = capsys.readouterr()
    assert "note: the split stop is called val now" in told.err
    assert json.loads(told.out)["split"] == "val"
    assert all(row["difference"] in (0, None) for row in json.loads(told.out)["rows"])


def test_an_old_run_is_exported(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "yolo"
    assert main(["export", str(runs / "before"), "--to", "yolo", "--out", str(out)]) == 0
    assert yaml.safe_load((out / "data.yaml").read_text())["val"] == "images/val"
    assert len(list((out / "images" / "val").iterdir())) == 6


def test_an_old_run_that_was_cut_short_is_continued(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = runs / "cut"
    shutil.copytree(runs / "before", cut)
    shutil.rmtree(cut / "cycle-001")
    (cut / "summary.json").unlink()
    run(str(runs), "cut")
    assert "continuing run" in capsys.readouterr().err
    now, after = (timeless(storage.read_json(str(runs / name / "summary.json"))) for name in ("now", "cut"))
    assert after == now
    assert (runs / "cut" / "fates.csv").read_text() == (runs / "now" / "fates.csv").read_text()
    assert {p for p in mentions_stop(cut) if "cycle-001" in p} == set(), "what is written anew says val"


def test_old_settings_and_options_say_the_new_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old_names._say.cache_clear()
    file = tmp_path / "mine.yaml"
    file.write_text("world: {stop: 9}\ndata: {splits: {stop: 0.25}}\n")
    config = load(file, ["world.stop=7"])
    assert (config.world.val, config.data.splits.val) == (7, 0.25)
    assert capsys.readouterr().err.splitlines() == [
        "note: data.splits.stop is called data.splits.val now; the old name still works",
        "note: world.stop is called world.val now; the old name still works",
    ]
