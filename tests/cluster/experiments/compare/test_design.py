"""Whether a design can answer its question is said before anything runs, by sequences and not by frames."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cluster.config.parse import load_defaults
from cluster.experiments.compare.command import dry_run
from cluster.experiments.compare.design import ASSUMED, design, design_lines, no_interval
from cluster.experiments.compare.plan import Plan, make_plan
from cluster.experiments.power import answer
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import write_frames
from imitation.evaluation.detection_files import write_detections
from imitation.metrics.statistics.power import smallest_difference
from imitation.report.comparison.record import Comparison, write_comparison
from imitation.report.run.findings import Churn
from imitation.report.run.record import read_summary, write_summary
from tests.cluster.experiments.compare.toy import (
    CATEGORIES,
    RESAMPLES,
    WORLD,
    finish,
    plan_of,
)
from tests.imitation.metrics.driving import evaluated

Drives = Sequence[tuple[int, str]]
"""Frames of each drive, and what they hold besides cars."""
Planned = Callable[..., Plan]


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    def make(test: Drives, *options: str, sequences: bool = True) -> Plan:
        ignored = Object("bike", Box(60, 5, 70, 30), ignore=True)
        parts = {"train": [(3, "bike")] * 8, "val": [(2, "bike")] * 6, "test": test}
        for part, drives in parts.items():
            frames = [
                Frame(
                    f"{part}-{d}-{i}", 80, 40,
                    (Object("car", Box(5, 5, 30, 30)), ignored)
                    + ((Object(more, Box(40, 5, 50, 30)),) if more else ()),
                    sequence=f"{part}-{d}" if sequences else None, image_uri="x.png",
                )
                for d, (count, more) in enumerate(drives)
                for i in range(count)
            ]  # fmt: skip
            write_frames(frames, f"{tmp_path}/data/{part}.parquet")
        data = [f"data.root={tmp_path}/data", "data.kind=parquet", "data.categories=[car,bike]"]
        arms = "compare.arms=[real,random,imitation]"
        return make_plan(load_defaults([f"run.storage={tmp_path}/runs", *WORLD[3:], *data, arms, *options]))

    return make


def text(plan: Plan) -> str:
    return " ".join(" ".join(design_lines(plan)).split())


def test_sequences_are_counted_and_those_with_each_category(planned: Planned) -> None:
    plan = planned([(9, "bike"), (2, "bike"), (2, ""), (2, "")])
    test = design(plan)["test"]
    assert (test.frames, test.count, test.unit, test.objects) == (15, 4, "sequences", 15 + 11)
    assert {name: len(groups) for name, groups in test.holding.items()} == {"car": 4, "bike": 2}
    assert "test: 15 frames of 4 sequences (one has 9 of the frames); sequences with car 4, bike 2" in text(
        plan
    )
    assert "val, which chooses: 12 frames of 6 sequences; sequences with car 6, bike 6" in text(plan)


@pytest.mark.parametrize(
    ("test", "measure", "why"),
    [
        ([(9, "bike")] * 5, "map50", "only 5 sequences of test hold an object; it needs 6"),
        ([(9, "bike")] * 3 + [(1, "")] * 8, "map50", "only 3 sequences of test hold a bike; it needs 4"),
        ([(9, "bike")] * 4 + [(1, "")] * 8, "map50", None),
        ([(9, "bike")] * 5 + [(1, "")] * 8, "bike", "only 5 sequences of test hold a bike; it needs 6"),
        ([(9, "bike")] * 5 + [(1, "")] * 8, "car", None),
        ([(9, "")] * 8, "bike", "test holds no bike"),
        ([(9, "")] * 8, "map", None),
    ],
)
def test_a_design_without_an_interval_is_told_and_why(planned: Planned, test, measure, why) -> None:
    plan = planned(test, f"compare.primary.measure={measure}")
    assert no_interval(design(plan)["test"], measure) == why
    said = text(plan)
    assert ("No interval is possible" in said) == (why is not None)
    assert ("A true difference of about" in said) == (why is None)
    if why is not None:
        assert why in said
        assert "data.splits.stratify=true" in said


def test_few_sequences_to_choose_by_and_none_that_are_known_are_told(planned: Planned) -> None:
    plan = planned([(3, "bike")] * 8, "data.limit=6")
    assert "val has 3 sequences: what it chooses is much by chance" in text(plan)
    alone = planned([(3, "bike")] * 8, sequences=False)
    assert "No sequence of a test frame is known" in text(alone)
    assert "test: 24 frames; frames with car 24, bike 24" in text(alone)


def test_what_could_be_seen_is_the_power_of_a_t_test(planned: Planned) -> None:
    plan = planned([(3, "bike")] * 5 + [(3, "")] * 11, "compare.seeds=2")
    error = ASSUMED["sequences"] * (1 / 16 + 1 / 5) ** 0.5 / 2
    expected = 100 * smallest_difference(error, 4)
    assert f"about {expected:.1f} points in mAP50 would be called in 80% of such" in text(plan)
    assert "(2 seeds, 16 sequences, alpha 0.05)" in text(plan)
    assert "Assumed, not measured: a paired difference of one category's AP varies by 12 points" in text(plan)
    car = planned([(3, "bike")] * 5 + [(3, "")] * 11, "compare.primary.measure=car")
    expected = 100 * smallest_difference(ASSUMED["sequences"] / 4, 15)
    assert f"about {expected:.1f} points in car AP50" in text(car)


def test_an_earlier_comparison_of_the_same_data_takes_the_place_of_an_assumption(
    planned: Planned, told: Comparison, tmp_path: Path
) -> None:
    gains = [row.test["mAP50"].gain for row in told.rows if row.test["mAP50"].gain]
    reaches = sorted((g.high - g.low) / 2 for g in gains if g.low is not None and g.high > g.low)
    median = (reaches[(len(reaches) - 1) // 2] + reaches[len(reaches) // 2]) / 2
    plan = planned([(3, "bike")] * 10, "compare.seeds=3")
    like = {"data_kind": "parquet", "root": "data", "unit": "sequences", "clusters": 40, "name": "before"}
    write_comparison(told.model_copy(update=like), f"{tmp_path}/runs/before/comparison.json")
    from scipy.stats import t

    error = median / t.ppf(0.975, 39) * 2  # 40 sequences then, 10 now
    expected = 100 * smallest_difference(error, 9)
    assert f"about {expected:.1f} points in mAP50" in text(plan)
    assert f"By the {len(reaches)} intervals of comparison 'before' (40 sequences, 3 seeds)" in text(plan)
    longer = planned([(3, "bike")] * 10, "compare.seeds=3", "train.steps=21")
    assert "Assumed, not measured" in text(longer), "10 steps tell nothing of 21"
    (tmp_path / "runs/before/comparison.json").write_text("{}")
    assert "Assumed, not measured" in text(plan)


def test_else_a_run_of_the_same_data_whose_baseline_has_a_twin(planned: Planned, tmp_path: Path) -> None:
    toy = plan_of(tmp_path / "toy", RESAMPLES)
    finish(toy, toy.trials[0], [0.7], [0.5])
    told = read_summary(f"{toy.workspace(toy.trials[0]).uri}/summary.json")
    place = tmp_path / "runs" / "before"
    rows = [
        row
        for seed, name in enumerate(("main", "twin"))
        for split, first in (("val", 100), ("test", 0))
        for row in evaluated(40, seed, detector=name, split=split, frames_a_sequence=2, first=first)
    ]
    write_detections(rows, f"{place}/cycle-000/evaluation/detections.parquet", CATEGORIES)
    (place / "cycle-000" / "stage-evaluate.json").write_text("{}")
    (place / "config.yaml").write_text("data: {root: /elsewhere/data}")
    run = told.run.model_copy(update={"name": "before", "data_kind": "parquet"})
    churn = Churn(seed=1, mAP={}, followed={})
    write_summary(told.model_copy(update={"run": run, "churn": churn}), f"{place}/summary.json")
    plan = planned([(3, "bike")] * 10)
    noise = answer([str(place)], [], "map50", 0.02, resamples=300).measured.noise
    said = text(plan)
    assert f"about {100 * noise.smallest(10, 1):.1f} points in mAP50" in said
    assert f"2 points would take about {noise.clusters_to_see(0.02, 1):,} sequences like these" in said
    assert "By run 'before': 20 sequences of its test split, its baseline, twin and cycles" in said
    (place / "config.yaml").write_text("data: {root: /elsewhere/other}")
    assert "Assumed, not measured" in text(plan)


def test_the_command_says_it(planned: Planned) -> None:
    lines = dry_run(planned([(3, "bike")] * 8).config)
    assert any(line.startswith("test: 24 frames of 8 sequences") for line in lines)


def test_the_embedded_world_has_none_of_it(tmp_path: Path) -> None:
    assert list(design_lines(plan_of(tmp_path))) == []
