"""From finished runs to the table: which detector stands in which row, what is said, and what is not."""

import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest

from cluster.config.parse import load_defaults
from cluster.experiments.compare.execute import State
from cluster.experiments.compare.finished import Finished, detector_name
from cluster.experiments.compare.plan import Plan, make_plan
from cluster.experiments.compare.results.rows import specs
from cluster.run.summary import SUMMARY
from imitation.common.settings import UserError
from imitation.data.images import encode_png
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import write_frames
from imitation.evaluation.detection_files import read_detections, write_detections
from imitation.metrics.average_precision import average_precisions
from imitation.metrics.statistics.bootstrap import NEITHER
from imitation.report import words
from imitation.report.comparison.html import render_comparison
from imitation.report.comparison.markdown import as_markdown
from imitation.report.comparison.record import flat_rows, read_comparison, write_comparison
from imitation.report.comparison.text import as_text
from imitation.report.run.record import read_summary, write_summary
from tests.cluster.experiments.compare.toy import (
    CATEGORIES,
    QUALITY,
    RESAMPLES,
    Done,
    collected,
    finished,
    plan_of,
)
from tests.imitation.metrics.driving import evaluated


def test_the_papers_rows_in_the_papers_order(told):
    assert [row.key for row in told.rows] == [
        "real",
        "oversample, cycle 1", "oversample, cycle 2", "oversample, chosen",
        "random, cycle 1", "random, cycle 2", "random, chosen",
        "imitation, cycle 1", "imitation, cycle 2", "imitation, chosen",
    ]  # fmt: skip
    labels = {row.key: row.label for row in told.rows}
    assert labels["real"] == "stand-in"
    assert labels["imitation, cycle 2"] == "stand-in + sim, cycle 2"
    assert labels["random, chosen"] == "stand-in + random sim, chosen on val"


def test_val_chooses_and_counts_stand_beside_the_scores(told):
    rows = {row.key: row for row in told.rows}
    for measure, cell in rows["imitation, cycle 2"].test.items():
        assert rows["imitation, chosen"].test[measure].value == cell.value
    assert (
        rows["random, chosen"].test["mAP50"].value == rows["real"].test["mAP50"].value
    )  # cycle 0 is best on val
    assert rows["random, chosen"].synthetic_frames == 0
    chosen = rows["imitation, chosen"]
    assert (chosen.real_frames, chosen.synthetic_frames, chosen.steps, chosen.candidates) == (20, 10, 10, 3)
    assert (rows["imitation, cycle 1"].candidates, rows["real"].candidates) == (1, 1)
    assert chosen.seconds == 18 + 15 + 15
    assert rows["real"].seconds == 12  # the baseline's folds are not what real needs


def test_the_values_are_those_of_the_rows_themselves(one_seed):
    plan, found = one_seed.plan, one_seed.found
    for key, trial, cycle in [("real", "real-seed0", 0), ("imitation, cycle 1", "imitation-seed0", 1)]:
        uri = f"{plan.folder}/trials/{trial}/cycle-{cycle:03d}/evaluation/detections.parquet"
        aps = average_precisions(list(read_detections(uri)), CATEGORIES)
        row = found.row(key)
        assert row is not None
        got = {name: row.test[name].value.mean for name in CATEGORIES}
        assert got == pytest.approx(aps.ap50)
        assert row.test["mAP"].value.mean == pytest.approx(aps.map)
    real, second = found.row("real"), found.row("imitation, cycle 2")
    assert real is not None
    assert second is not None
    gain = second.test["mAP50"].gain
    assert gain is not None
    assert real.test["mAP50"].gain is None
    values = [row.test["mAP50"].value.mean for row in (real, second)]
    assert gain.difference == pytest.approx(values[1] - values[0])


def test_no_difference_is_called_none(tmp_path):
    plan = plan_of(tmp_path, RESAMPLES, "compare.seeds=2")
    same = {arm: ([0.6] * len(hits), stops) for arm, (hits, stops) in QUALITY.items()}
    found = collected(plan, finished(plan, same))
    verdicts = {cell.gain.verdict for row in found.rows for cell in row.test.values() if cell.gain}
    verdicts |= {row.gain.verdict for row in found.slices}
    assert verdicts == {NEITHER}
    assert found.primary.answer.startswith("Not shown")
    tested = [
        row for row in found.rows if row.key.endswith(("cycle 1", "cycle 2"))
    ]  # a chosen one is one of them
    cells = [cell.gain for row in tested for cell in row.test.values()] + [row.gain for row in found.slices]
    assert found.explored == sum(gain is not None and gain.p is not None for gain in cells) > 40


def test_a_failed_arm_leaves_the_rest_of_the_table(three_seeds):
    broken = ["oversample-seed0", "oversample-seed2", "random-seed0", "random-seed1", "random-seed2"]
    found = collected(three_seeds.plan, three_seeds.without(*broken))
    rows = {row.key: row for row in found.rows}
    assert "random, cycle 1" not in rows
    assert rows["oversample, cycle 1"].seeds == [1]
    assert rows["imitation, cycle 1"].seeds == [0, 1, 2]
    gain = rows["oversample, cycle 1"].test["mAP50"].gain
    assert gain is not None
    assert gain.seeds == 1
    assert any("5 of 12 runs are not finished" in w for w in found.warnings)
    assert [against.arms for against in found.primary.against] == [["real", "oversample"]]
    assert found.primary.answer.startswith("No answer")  # one of its two comparisons is missing
    assert {t.name: t.reason for t in found.trials if t.status == "failed"} == dict.fromkeys(
        broken, "it broke"
    )


def test_nothing_finished_is_said(tmp_path):
    plan = plan_of(tmp_path)
    found = collected(plan, {t.name: State("failed", "it broke") for t in plan.trials})
    assert (found.rows, found.frames) == ([], 0)
    assert "No answer" in "\n".join(as_text(found))
    assert render_comparison(found)


# -- folds


def fold_plan(tmp_path, *options: str) -> Plan:
    image = encode_png(np.zeros((40, 80, 3), dtype=np.uint8))
    objects = (Object("car", Box(5, 5, 30, 30)),)
    write_frames(
        (Frame(f"{i:03d}", 80, 40, objects, image=image) for i in range(60)), str(tmp_path / "d.parquet")
    )
    data = ["data.kind=parquet", f"data.root={tmp_path / 'd.parquet'}", "data.categories=[car,van,person]"]
    return make_plan(
        load_defaults([
            f"run.storage={tmp_path / 'runs'}", *data, "loop.cycles=2", "compare.folds=2", RESAMPLES,
            "compare.arms=[real,random,imitation,oversample]", *options,
        ])
    )  # fmt: skip


@pytest.fixture(scope="module")
def two_folds(tmp_path_factory) -> Done:
    return Done.of(fold_plan(tmp_path_factory.mktemp("folds"), "compare.seeds=2"))


def test_folds_are_judged_as_one(two_folds):
    found = two_folds.found
    assert (found.frames, found.used_folds) == (60, [0, 1])
    of_seeds = []
    for seed in (0, 1):
        runs = [f"{two_folds.plan.folder}/trials/imitation-seed{seed}-fold{fold}" for fold in (0, 1)]
        files = [f"{run}/cycle-002/evaluation/detections.parquet" for run in runs]
        rows = [row for file in files for row in read_detections(file)]
        of_seeds.append(average_precisions(rows, CATEGORIES).map50)
    second = found.row("imitation, cycle 2")
    assert second is not None
    assert second.test["mAP50"].value.mean == pytest.approx(np.mean(of_seeds))
    assert any("share most of their training frames" in w for w in found.warnings)


def test_a_fold_that_is_not_finished_is_left_out_for_all(two_folds):
    broken = [f"{arm}-seed{seed}-fold1" for arm in ("imitation", "random", "oversample") for seed in (0, 1)]
    found = collected(two_folds.plan, two_folds.without(*broken))
    assert (found.frames, found.used_folds) == (30, [0])
    assert all(row.seeds == [0, 1] for row in found.rows)
    assert any("Of the folds 0, 1 the figures are of 0." in w for w in found.warnings)


def test_an_arm_beside_the_primary_endpoint_does_not_take_a_fold_from_it(tmp_path):
    arms = "compare.arms=[real,sim,random,imitation,oversample]"
    plan = fold_plan(tmp_path, "compare.seeds=1", arms)
    found = collected(plan, finished(plan, QUALITY | {"sim": ([0.3], [0.3])}, without=["sim-seed0-fold1"]))
    assert (found.frames, found.used_folds) == (60, [0, 1])
    rows = {row.key: row for row in found.rows}
    assert rows["imitation, chosen"].seeds == [0]
    assert (rows["sim, cycle 0"].seeds, rows["sim, cycle 0"].test) == ([], {})
    assert "not measured" in "\n".join(as_text(found))
    assert render_comparison(found)


def test_a_seed_counts_where_all_of_its_folds_are_there_and_its_row_counts_them_alone(two_folds):
    plan, whole = two_folds.plan, two_folds.found.row("imitation, cycle 1")
    uri = plan.workspace(next(t for t in plan.trials if t.name == "imitation-seed1-fold0")).path(SUMMARY)
    summary = read_summary(uri)
    longer = [
        c.model_copy(update={"steps": 10 * c.steps, "images_seen": 10 * c.images_seen})
        for c in summary.cycles
    ]
    write_summary(summary.model_copy(update={"cycles": longer}), uri)
    try:  # of a seed that is not scored
        found = collected(plan, two_folds.without("imitation-seed1-fold1"))
    finally:
        write_summary(summary, uri)
    rows = {row.key: row.seeds for row in found.rows}
    assert (rows["real"], rows["imitation, chosen"]) == ([0, 1], [0])
    assert found.used_folds == [0, 1]
    row = found.row("imitation, cycle 1")
    assert row is not None
    assert whole is not None
    assert (row.seeds, row.steps, row.images_seen) == ([0], whole.steps, whole.images_seen)


# -- the synthetic test set


@pytest.mark.parametrize("folds", [False, True])
def test_the_synthetic_test_set_has_columns_of_its_own(tmp_path, one_seed, folds):
    plan = fold_plan(tmp_path, "compare.seeds=1") if folds else one_seed.plan
    states = finished(plan) if folds else one_seed.states
    done = Finished(plan, states)
    names: dict[str, str] = {}
    truth = list(evaluated(30 if folds else 40, 0))
    for spec in specs(done):
        for picked in spec.picks.values():
            name = detector_name(picked)
            rows = [  # the same frames for all folds
                replace(row, frame_id=f"s{i}", split="synthetic", detector=name, objects=truth[i].objects)
                for i, row in enumerate(read_detections(done.judged(picked).uri))
            ]
            names[name] = f"{tmp_path}/synthetic/{name}.parquet"
            write_detections(rows, names[name], CATEGORIES)
    found = collected(plan, states, names)
    assert found.synthetic_frames == (30 if folds else 40)
    second = found.row("imitation, cycle 2")
    assert second is not None
    assert set(second.synthetic) == {"mAP50", "0-1 loss", *CATEGORIES}
    assert second.synthetic["mAP50"].gain is not None
    if not folds:
        assert second.synthetic["mAP50"].value.mean == pytest.approx(second.test["mAP50"].value.mean)
        assert second.synthetic["mAP50"].gain.difference == pytest.approx(
            second.test["mAP50"].gain.difference if second.test["mAP50"].gain else None
        )


# -- written


def test_json_there_and_back(told, tmp_path):
    uri = str(tmp_path / "comparison.json")
    write_comparison(told, uri)
    assert read_comparison(uri) == told
    (tmp_path / "comparison.json").write_text('{"schema": 1}')
    with pytest.raises(UserError, match=r"comparison\.json: name: Field required"):
        read_comparison(uri)


def test_csv_has_a_row_a_detector_and_every_interval(told):
    head, rows = flat_rows(told)
    text = io.StringIO()
    csv.writer(text).writerows([head, *rows])
    back = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert len(back) == len(told.rows)
    second = next(row for row in back if row["row"] == "imitation, cycle 2")
    cell = told.row("imitation, cycle 2").test["car"]
    assert float(second["test car"]) == cell.value.mean
    assert float(second["test car - real low"]) == cell.gain.low
    assert second["test car verdict"] == cell.gain.verdict
    assert second["seeds"] == "0 1 2"


def test_the_text_begins_with_the_primary_endpoint(told):
    text = "\n".join(as_text(told))
    assert (
        text.index("Primary endpoint: Yes") < text.index("imitation against random") < text.index("verdict")
    )
    assert "Equal compute: every detector took 10 steps from scratch." in text
    assert "Holm" in text
    assert "the baseline" in text


def test_the_record_is_markdown_with_command_hardware_and_caveats(told):
    text = as_markdown([told, told])
    assert text.count("    imitate compare my.yaml") == 2
    assert text.index("**Primary endpoint.**") < text.index("| baseline |")
    assert "Linux, 2 CPUs; torch 2; commit abc; 2 min in all" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in tables[:10]}) == 1
    assert "- The data is an embedded stand-in world" in text


def test_the_page_stands_alone_and_says_what_the_text_says(told):
    hostile = told.model_copy(update={"title": "<script>alert(1)</script>"})
    page = render_comparison(hostile, config="a: <b>")
    assert "<script>" not in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "Yes: imitation is better than random" in page
    for row in told.rows:
        assert words.detector_name(row.key) in page
    assert "real + " not in page, "a stand-in is not real"
    assert 'aria-label="mAP50 on stand-in test, cycle by cycle' in page
    assert page.count("<svg") >= 2


def share_found(frames, categories):
    """A metric of one's own: recall at IoU 0.5 of the first category."""
    from imitation.evaluation.matching import match_correct

    found = objects = 0
    for frame in frames:
        hits, _ = match_correct(frame.detections, frame.objects)
        found += int((frame.objects.labels[hits[hits >= 0]] == 1).sum())
        objects += int(((frame.objects.labels == 1) & ~frame.objects.ignore).sum())
    return found / objects if objects else float("nan")


def test_a_metric_of_ones_own_is_an_endpoint_with_the_same_bootstrap(tmp_path):
    name = f"{__name__}:share_found"
    options = ("loop.cycles=1", "compare.arms=[real,random,imitation]", f"compare.primary.measure={name}")
    plan = plan_of(tmp_path, RESAMPLES, *options)
    quality = QUALITY | {"random": ([0.5, 0.45], [0.5, 0.45]), "imitation": ([0.5, 0.95], [0.5, 0.9])}
    found = collected(plan, finished(plan, quality, frames=20))
    uri = f"{plan.folder}/trials/imitation-seed0/cycle-001/evaluation/detections.parquet"
    rows = [row for row in read_detections(uri) if row.error is None]
    real, second = found.row("real"), found.row("imitation, cycle 1")
    assert second.test[name].value.mean == pytest.approx(share_found(rows, CATEGORIES))
    gain = second.test[name].gain
    assert gain.difference == pytest.approx(second.test[name].value.mean - real.test[name].value.mean)
    assert gain.low < gain.difference < gain.high
    assert gain.verdict == "better"  # from half of the objects to nearly all
    assert found.primary.measure == name
    assert found.primary.against[0].gain.difference is not None
    assert name in "\n".join(as_text(found))
    assert name in render_comparison(found)


def test_a_metric_that_is_none_is_told_before_anything_runs(tmp_path):
    with pytest.raises(UserError, match="'nowhere:f' cannot be imported"):
        plan_of(tmp_path, "compare.primary.measure=nowhere:f")
    with pytest.raises(UserError, match=r"or a function of your own, package\.module:function"):
        plan_of(tmp_path, "compare.primary.measure=recall")
