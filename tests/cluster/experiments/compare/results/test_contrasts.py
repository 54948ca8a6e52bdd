"""What a step from one arm to the next brings, where it is known."""

import re

import pytest

from imitation.common.errors import UserError
from imitation.report.comparison.html import render_comparison
from imitation.report.comparison.markdown import as_markdown
from imitation.report.comparison.record import Comparison, contrast_sentence
from imitation.report.comparison.text import as_text
from tests.cluster.experiments.compare.toy import RESAMPLES, Quality, collected, finished, plan_of

ARMS = "compare.arms=[real,oversample,random,untargeted,imitation]"
ALIKE = ([0.5, 0.55], [0.5, 0.6])
TARGETED: Quality = {
    "real": ([0.5], [0.5]),
    "oversample": ALIKE,
    "random": ALIKE,
    "untargeted": ([0.5, 0.6], [0.5, 0.4]),  # val would take the baseline
    "imitation": ([0.5, 0.97], [0.5, 0.9]),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Comparison:
    plan = plan_of(tmp_path_factory.mktemp("runs"), "compare.seeds=3", "loop.cycles=1", ARMS, RESAMPLES)
    return collected(plan, finished(plan, TARGETED))


def test_each_step_is_between_the_two_arms_that_differ_in_one_thing(told):
    assert [(c.brings, c.arm, c.over, c.cycle) for c in told.contrasts] == [
        ("targeting", "imitation", "untargeted", 1),
        ("a simulator", "random", "oversample", 1),
        ("re-staging", "untargeted", "random", 1),
    ]  # fmt: skip
    rows = {row.key: row.test["mAP50"].value.mean for row in told.rows}
    for contrast in told.contrasts:
        way, base = (rows[f"{name}, cycle 1"] for name in (contrast.arm, contrast.over))
        assert contrast.gain.difference == pytest.approx(way - base)
        assert contrast.gain.seeds == 3


def test_what_is_there_is_seen_and_what_is_not_is_not(told):
    by_name = {contrast.brings: contrast.gain for contrast in told.contrasts}
    assert by_name["targeting"].verdict == "better"
    assert by_name["targeting"].low > 0.1
    assert by_name["a simulator"].verdict == "not distinguishable"


def test_it_stands_in_the_text_the_page_and_the_record(told):
    sentences = [contrast_sentence(contrast) for contrast in told.contrasts]
    assert sentences[0].startswith("targeting (imitation minus untargeted, cycle 1): +")
    shown = " ".join(" ".join(as_text(told)).split())
    page = " ".join(re.sub(r"<[^>]*>", " ", render_comparison(told)).split())
    for text in (shown, page, as_markdown([told])):
        for sentence in sentences:
            assert sentence in text
    assert Comparison.from_dict(told.to_dict()) == told
    before = {name: value for name, value in told.to_dict().items() if name != "contrasts"}
    assert Comparison.from_dict(before).contrasts == [], "a record of an earlier version"


def test_an_arm_without_the_one_below_it_has_no_contrast(tmp_path):
    plan = plan_of(tmp_path, "loop.cycles=1", "compare.arms=[real,random,imitation]", RESAMPLES)
    assert collected(plan, finished(plan, TARGETED)).contrasts == []
    with pytest.raises(UserError, match="gets the frames that 'imitation' spends"):
        plan_of(tmp_path, "compare.arms=[real,untargeted]", "compare.primary.arm=untargeted")
