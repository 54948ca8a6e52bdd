"""From finished runs to the table: which detector stands in which row, what is said, and what is not."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.compare.collect import Finished, collect, detector_name, specs
from cluster.compare.execute import State
from cluster.compare.plan import Cell, Plan, make_plan
from cluster.config import load_defaults
from imitation.datasets.parquet import write_frames
from imitation.evaluations import read_detections, write_detections
from imitation.images import encode_png
from imitation.metrics.bootstrap import BETTER, NEITHER, WORSE
from imitation.metrics.coco import average_precisions
from imitation.records import Box, Frame, Object
from imitation.report.comparison import Comparison, answer, flat_rows, read_comparison, write_comparison
from imitation.report.comparison_html import render_comparison
from imitation.report.comparison_record import as_markdown
from imitation.report.comparison_text import as_text
from imitation.settings import UserError

from ...imitation.metrics.driving import evaluated
from .toy import CATEGORIES, QUALITY, TOLD, finished, plan_of

RESAMPLES = "compare.resamples=150"


def collected(plan: Plan, states: dict[str, State], synthetic: dict[str, str] | None = None) -> Comparison:
    return collect(plan, states, TOLD, synthetic, 120.0, "imitate compare my.yaml")


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Comparison:
    plan = plan_of(tmp_path_factory.mktemp("runs"), "compare.seeds=3", RESAMPLES)
    return collected(plan, finished(plan))


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
    assert labels["random, chosen"] == "stand-in + random sim, chosen on stop"


def test_stop_chooses_and_counts_stand_beside_the_scores(told):
    rows = {row.key: row for row in told.rows}
    for measure, cell in rows["imitation, cycle 2"].test.items():
        assert rows["imitation, chosen"].test[measure].value == cell.value
    assert (
        rows["random, chosen"].test["mAP50"].value == rows["real"].test["mAP50"].value
    )  # cycle 0 is best on stop
    assert rows["random, chosen"].synthetic_frames == 0
    chosen = rows["imitation, chosen"]
    assert (chosen.real_frames, chosen.synthetic_frames, chosen.steps, chosen.candidates) == (20, 10, 10, 3)
    assert (rows["imitation, cycle 1"].candidates, rows["real"].candidates) == (1, 1)
    assert chosen.seconds == 18 + 15 + 15
    assert rows["real"].seconds == 12  # the baseline's folds are not what real needs


def test_the_values_are_those_of_the_rows_themselves(tmp_path):
    plan = plan_of(tmp_path, RESAMPLES)
    found = collected(plan, finished(plan))
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


def test_the_primary_endpoint_is_against_random_and_the_better_on_stop(told):
    assert [against.arms for against in told.primary.against] == [["random"], ["real", "oversample"]]
    assert set(told.primary.against[1].chosen.values()) == {"oversample"}
    assert [against.gain.verdict for against in told.primary.against] == [BETTER, BETTER]
    assert told.primary.answer.startswith(
        "Yes: imitation is better than random and than the better on stop of"
    )
    assert all(against.gain.seeds == 3 for against in told.primary.against)
    oversample = told.row("oversample, chosen")
    assert oversample is not None
    assert told.primary.against[1].value == oversample.test["mAP50"].value


def test_only_arms_that_mine_pay_for_the_baselines_folds_and_none_for_its_twin(tmp_path):
    plan = plan_of(tmp_path, RESAMPLES)
    states = finished(plan)
    for trial in plan.trials:
        path = Path(plan.workspace(trial).path("summary.json"))
        summary = json.loads(path.read_text())
        summary["cycles"][0] |= {"mined": {"split": "train", "failures": {}, "modes": {}, "out_of_reach": {}}}
        summary["cycles"][0]["seconds"]["train-twin"] = 100.0
        path.write_text(json.dumps(summary))
    found = collected(plan, states)
    seconds = {row.key: row.seconds for row in found.rows}
    assert seconds["imitation, cycle 1"] == seconds["oversample, cycle 1"] == 12 + 6 + 15
    assert seconds["random, cycle 1"] == 12 + 15
    training = {cost.arm: cost.seconds["training"] for cost in found.costs}
    assert training == {"imitation": 26, "oversample": 26, "random": 20}


def test_an_arm_that_found_nothing_to_add_has_an_answer_all_the_same(tmp_path):
    plan = plan_of(tmp_path, RESAMPLES)
    alone = ([0.5], [0.5])
    found = collected(plan, finished(plan, dict.fromkeys(QUALITY, alone)))
    assert found.primary.answer.startswith("Not shown: imitation cannot be distinguished from random")
    assert [against.gain.difference for against in found.primary.against] == [0, 0]


def test_of_equals_on_stop_real_counts(tmp_path):
    plan = plan_of(tmp_path, RESAMPLES)
    quality = QUALITY | {"oversample": ([0.5, 0.9, 0.9], [0.5, 0.4, 0.4])}
    found = collected(plan, finished(plan, quality))
    assert set(found.primary.against[1].chosen.values()) == {"real"}


def test_the_answers():
    assert answer("imitation", []).startswith("No answer")
    assert answer("imitation", [("random", BETTER), ("real", BETTER)]).startswith("Yes")
    assert answer("imitation", [("random", BETTER), ("real", BETTER)], 3) == (
        "Yes: imitation is better than random and than real."
    )
    assert answer("imitation", [("random", BETTER)], 1) == (
        "Yes: imitation is better than random. Of one seed: trained again it may come out otherwise."
    )
    assert answer("imitation", [("random", BETTER), ("real", NEITHER)]) == (
        "Not shown: imitation cannot be distinguished from real, though it is better than random."
    )
    assert answer("imitation", [("random", BETTER), ("real", WORSE)]) == "No: imitation is worse than real."


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


def test_a_failed_arm_leaves_the_rest_of_the_table(tmp_path):
    plan = plan_of(tmp_path, RESAMPLES, "compare.seeds=2")
    found = collected(plan, finished(plan, without=["oversample-seed0", "random-seed0", "random-seed1"]))
    rows = {row.key: row for row in found.rows}
    assert "random, cycle 1" not in rows
    assert rows["oversample, cycle 1"].seeds == [1]
    assert rows["imitation, cycle 1"].seeds == [0, 1]
    gain = rows["oversample, cycle 1"].test["mAP50"].gain
    assert gain is not None
    assert gain.seeds == 1
    assert any("3 of 8 runs are not finished (random-seed0" in w or "3 of 8" in w for w in found.warnings)
    assert [against.arms for against in found.primary.against] == [["real", "oversample"]]
    assert found.primary.answer.startswith("No answer")  # one of its two comparisons is missing
    assert {t.name: t.reason for t in found.trials if t.status == "failed"} == dict.fromkeys(
        ["oversample-seed0", "random-seed0", "random-seed1"], "it broke"
    )


def test_nothing_finished_is_said(tmp_path):
    plan = plan_of(tmp_path)
    found = collected(plan, {t.name: State("failed", "it broke") for t in plan.trials})
    assert (found.rows, found.frames) == ([], 0)
    assert "No answer" in "\n".join(as_text(found))
    assert render_comparison(found)


def test_one_seed_is_warned_of(tmp_path, told):
    plan = plan_of(tmp_path, RESAMPLES)
    found = collected(plan, finished(plan))
    assert any(w.startswith("One seed:") for w in found.warnings)
    assert not any(w.startswith("One seed:") for w in told.warnings)
    assert "bootstrap over 40 frames and 3 seeds" in "\n".join(as_text(told)).replace("\n  ", " ")
    more = plan_of(tmp_path / "more", RESAMPLES, "compare.seeds=2")
    without = [trial.name for trial in more.trials if trial.cell.seed and trial.arm.name != "real"]
    partly = collected(more, finished(more, without=without))
    assert any(w.startswith("One seed:") for w in partly.warnings), "of two planned one is there to compare"
    assert "bootstrap over 40 frames," in "\n".join(as_text(partly)).replace("\n  ", " ")
    assert "stand-in" in found.warnings[0]


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


def test_folds_are_judged_as_one(tmp_path):
    plan = fold_plan(tmp_path, "compare.seeds=1")
    found = collected(plan, finished(plan))
    assert (found.frames, found.used_folds) == (60, [0, 1])
    rows = [
        row
        for fold in (0, 1)
        for row in read_detections(
            f"{plan.folder}/trials/imitation-seed0-fold{fold}/cycle-002/evaluation/detections.parquet"
        )
    ]
    second = found.row("imitation, cycle 2")
    assert second is not None
    assert second.test["mAP50"].value.mean == pytest.approx(average_precisions(rows, CATEGORIES).map50)
    assert any("share most of their training frames" in w for w in found.warnings)


def test_a_fold_that_is_not_finished_is_left_out_for_all(tmp_path):
    plan = fold_plan(tmp_path, "compare.seeds=2")
    broken = [f"{arm}-seed{seed}-fold1" for arm in ("imitation", "random", "oversample") for seed in (0, 1)]
    found = collected(plan, finished(plan, without=broken))
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


def test_a_seed_counts_where_all_of_its_folds_are_there(tmp_path):
    plan = fold_plan(tmp_path, "compare.seeds=2")
    found = collected(plan, finished(plan, without=["imitation-seed1-fold1"]))
    rows = {row.key: row.seeds for row in found.rows}
    assert (rows["real"], rows["imitation, chosen"]) == ([0, 1], [0])
    assert found.used_folds == [0, 1]


# -- the synthetic test set


@pytest.mark.parametrize("folds", [False, True])
def test_the_synthetic_test_set_has_columns_of_its_own(tmp_path, folds):
    plan = fold_plan(tmp_path, "compare.seeds=1") if folds else plan_of(tmp_path, RESAMPLES)
    states = finished(plan)
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


def test_cells_of_a_plan_are_ordered():
    assert sorted([Cell(1, 0), Cell(0, 1), Cell(0, 0)]) == [Cell(0, 0), Cell(0, 1), Cell(1, 0)]


# -- written


def test_json_there_and_back(told, tmp_path):
    uri = str(tmp_path / "comparison.json")
    write_comparison(told, uri)
    assert read_comparison(uri) == told
    (tmp_path / "comparison.json").write_text('{"schema": 1}')
    with pytest.raises(UserError, match="is no comparison of this version: name"):
        read_comparison(uri)


def test_csv_has_a_row_a_detector_and_every_interval(told):
    head, rows = flat_rows(told)
    text = io.StringIO()
    csv.writer(text).writerows([head, *rows])
    back = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert len(back) == len(told.rows)
    second = next(row for row in back if row["row"] == "stand-in + sim, cycle 2")
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
    assert text.index("**Primary endpoint.**") < text.index("| stand-in |")
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
        assert row.label in page
    assert 'aria-label="mAP50 on real test, cycle by cycle' in page
    assert page.count("<svg") >= 2
