"""A sweep's results: records that agree with themselves, a table, plots and a page."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from pydantic import ValidationError

from imitation.common.text_table import format_table
from imitation.report.sweep.html import render_sweep
from imitation.report.sweep.plots import build_sweep_plots
from imitation.report.sweep.record import (
    Baseline,
    SweepResults,
    Trial,
    TrialCycle,
    build_table,
    read_sweep,
    settings_text,
    short_names,
)

KEYS = ["aggregation.max_synthetic_ratio", "policy.name"]


def trial(
    name: str, scores: list[float], ratio: float = 0.5, policy: str = "imitation", **more: Any
) -> Trial:
    best = max(scores, default=None)
    values: dict[str, Any] = {
        "id": name,
        "settings": {KEYS[0]: ratio, KEYS[1]: policy},
        "status": "finished",
        "reason": None,
        "baseline": "b1",
        "cycles": [
            TrialCycle(
                cycle=i, val=s, synthetic_frames=20 * i, synthetic_ratio=0.25 * i, steps=100, seconds=9.0
            )
            for i, s in enumerate(scores)
        ],
        "best_val": best,
        "best_cycle": None if best is None else scores.index(best),
        "seconds": 9.0 * max(0, len(scores) - 1),
    }
    return Trial(**values | more)


def results(*trials: Trial, **more: Any) -> SweepResults:
    chosen = [t for t in trials if t.best_val is not None and t.status != "failed"]
    values: dict[str, Any] = {
        "schema": 1,
        "name": "ratio",
        "stand_in": False,
        "data_kind": "kitti",
        "metric": "map50",
        "seed": 0,
        "settings": KEYS,
        "search": "random",
        "scheduler": "asha",
        "grace": 2,
        "cycles": 4,
        "trials": list(trials),
        "best": max(chosen, key=lambda t: t.best_val or 0).id if chosen else None,
        "baselines": [Baseline(key="b1", trials=len(trials), val=0.4, twin_val=0.38, seconds=60.0)],
    }
    return SweepResults(**values | more)


@pytest.fixture
def found() -> SweepResults:
    return results(
        trial("aaaa", [0.40, 0.38, 0.45], 0.5),
        trial("bbbb", [0.40, 0.41, 0.44, 0.47, 0.46], 1.0),
        trial("cccc", [0.40, 0.35, 0.36], 1.0, "random", status="ended early"),
        trial("dddd", [0.40, 0.99], 0.5, "random", status="failed", reason="no engine <at> 10.0.0.3"),
        trial("eeee", [], 0.25, "random", status="failed", reason="the data is no good"),
    )


def test_the_table_ranks_trials_by_their_best_val_score(found):
    table = build_table(found)
    assert [row[0] for row in table.rows] == ["bbbb", "dddd", "aaaa", "cccc", "eeee"]
    assert table.best == 0, "a failed trial is not chosen, whatever its score"
    assert table.rows[0] == ("bbbb", "47.0", "3 of 4", "60", "1", "imitation", "36", "finished")
    assert table.rows[-1] == ("eeee", "–", "–", "–", "0.25", "random", "0", "failed")
    text = format_table(table)
    assert "▸ bbbb" in text
    assert "dddd failed: no engine <at> 10.0.0.3" in text
    assert "lie up to 2.0 points" in " ".join(text.split()), "what another seed does to the baseline"
    assert "b1 for 5 trials (60 s)" in " ".join(text.split())


def test_without_a_trial_to_choose_there_is_still_a_table_and_a_page():
    none = results(trial("eeee", [], status="failed", reason="the data is no good"), baselines=[])
    assert build_table(none).best == -1
    assert "▸" not in format_table(build_table(none))
    assert "no trial can be chosen" in render_sweep(none)
    assert build_sweep_plots(none) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"best_val": 0.9}, "best_val is 0.9, but its cycles say 0.45"),
        ({"status": "failed"}, "its reason is None"),
        ({"reason": "because"}, "its reason is 'because'"),
        ({"settings": {KEYS[0]: 1.0}}, "settings are not those that vary"),
    ],
)
def test_results_that_contradict_themselves_are_refused(change, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        results(trial("aaaa", [0.4, 0.45], **change))


def test_trials_that_stand_there_twice_and_a_best_one_that_is_none_are_refused():
    one = trial("aaaa", [0.4])
    with pytest.raises(ValidationError, match="stands there twice"):
        results(one, one)
    with pytest.raises(ValidationError, match="no trial"):
        results(one, best="bbbb")


def test_results_are_read_back_as_they_were_written(found, tmp_path):
    file = tmp_path / "results.json"
    file.write_text(found.model_dump_json(by_alias=True))
    assert read_sweep(str(file)) == found


def test_settings_are_named_as_shortly_as_tells_them_apart():
    assert short_names(["train.steps", "policy.name"]) == {
        "train.steps": "steps",
        "policy.name": "policy.name",
    }
    both = ["detector.weights", "world.weights"]
    assert short_names(both) == dict(zip(both, both, strict=True))
    assert settings_text({"train.learning_rate": 0.00123456, "train.warm_start": True}) == (
        "learning_rate 0.001235, warm_start true"
    )


def test_the_plots_show_every_trial_over_cycles_and_over_synthetic_data(found):
    plots = {plot.name: plot for plot in build_sweep_plots(found)}
    assert list(plots) == ["over-cycles", "over-ratio", "setting-0", "setting-1"]
    assert "cycle 0 40.0, cycle 1 41.0, cycle 2 44.0, cycle 3 47.0, cycle 4 46.0" in plots["over-cycles"].alt
    assert "ratio 0.00 40.0, ratio 0.25 41.0" in plots["over-ratio"].alt
    assert "the paper's cap" in plots["over-ratio"].svg, "trials went beyond 0.5"
    assert "baseline, another seed" in plots["over-cycles"].svg
    assert "1: 47.0" in plots["setting-0"].alt
    assert "random: 36.0" not in plots["setting-1"].alt, "the best of a trial is its baseline's here"
    assert "random: 40.0" in plots["setting-1"].alt
    below = results(trial("aaaa", [0.4, 0.5]))
    assert "the paper's cap" not in build_sweep_plots(below)[1].svg


def test_a_setting_over_orders_of_magnitude_has_a_logarithmic_axis_in_plain_numbers():
    keys = ["train.learning_rate"]
    trials = [trial(f"t{i}", [0.4, 0.4 + i / 100], settings={keys[0]: 10.0 ** (i - 5)}) for i in range(4)]
    svg = build_sweep_plots(results(*trials, settings=keys))[2].svg
    assert "mathdefault" not in svg
    assert ">0.001<" in svg


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_loads_nothing_runs_nothing_and_escapes_what_it_shows(found):
    html = render_sweep(found, best="run: {name: <b>}\n", config="a: <script>\n")
    page = _Page(html)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "img", "b")]
    for _, attrs in page.tags:
        assert not {"src", "srcset", "onclick"} & attrs.keys()
        assert (attrs.get("href") or "#").startswith("#")
        assert (attrs.get("xlink:href") or "#").startswith("#")
    assert "no engine &lt;at&gt; 10.0.0.3" in html
    assert "name: &lt;b&gt;" in html
    assert "3 finished" not in html
    assert "2 finished, 1 ended early, 2 failed" in html
    assert "+7.0" in html, "against its own baseline"
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_a_stand_in_is_never_called_real():
    assert "stand-in world, not on real data" in render_sweep(results(trial("aaaa", [0.4]), stand_in=True))
    assert "stand-in" not in render_sweep(results(trial("aaaa", [0.4])))
