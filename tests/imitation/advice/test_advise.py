"""Runs made up so that the right advice is known: what rendering mends, photographs mend, and neither can."""

import numpy as np
import pytest

from imitation.advice.advise import Modes, Photographed, Rendered, advise, with_costs
from imitation.advice.record import Advice, Costs
from imitation.metrics.statistics.bootstrap import Resampling
from imitation.policies.feedback import Feedback, Tally
from imitation.policies.settings import AdaptiveSettings
from imitation.report.advice.words import advice_section, sentences

RENDERED = "car, missed, occluded"
PHOTOS = "car, missed, small"
BEYOND = "tram, missed, plain"
LABEL = "car, background, plain"
NEITHER = "van, missed, plain"
NEVER = "van, missed, night"
MODES = (RENDERED, PHOTOS, BEYOND, LABEL, NEITHER, NEVER)


def told(costs: Costs | None = None, frames: int = 400) -> Advice:
    """Rendering fixes 60 of 100 occluded cars where chance fixes 10, and of others as many as chance; twice
    the real frames mend 40 % of the small cars, and nothing else."""
    rng = np.random.default_rng(7)
    hard = rng.gamma(3.0, 1 / 3, frames)
    counts = {}
    for mode in (RENDERED, PHOTOS, NEITHER, LABEL):
        rates = [0.5 - (0.2 if mode == PHOTOS else 0.0) * np.log2(size / 100) for size in (25, 50, 100)]
        folds = [np.arange(frames) % 2 == fold for fold in (0, 1)]
        counts[mode] = np.array([rng.poisson(rate * hard) * mine for mine in folds for rate in rates])
    resampling = Resampling(np.arange(frames), 300, rng)
    sizes, groups = np.array([25, 50, 100] * 2), np.repeat([0, 1], 3)
    photographed = Photographed(sizes, groups, counts, resampling, 100, 4.0, "curves")
    history = [
        Feedback(1, RENDERED, fed=100, fed_fixed=60, unfed=10, unfed_fixed=1),
        Feedback(1, PHOTOS, fed=100, fed_fixed=11),
        Feedback(1, NEITHER, fed=100, fed_fixed=9),
        Feedback(1, LABEL, fed=20, fed_fixed=2),
    ]
    chance = {mode: Tally(200, 20) for mode in MODES}
    rendered = Rendered(history, chance, 640, 50.0, AdaptiveSettings())
    modes = Modes(dict.fromkeys(MODES, 100), {BEYOND: 100}, {LABEL: 60})
    return advise(
        1,
        modes,
        rendered,
        photographed,
        100,
        rng,
        training_seconds=3600.0,
        out_of_reach={"the simulator has no asset for category 'tram'": 100},
        set_aside={"hung": 3},
        costs=costs,
    )


def test_each_mode_gets_what_mends_it() -> None:
    by_mode = {row.mode: row for row in told().rows}
    assert {mode: row.advice for mode, row in by_mode.items()} == {
        RENDERED: "render",
        PHOTOS: "photograph",
        BEYOND: "not known",
        LABEL: "look at the labels",
        NEITHER: "nothing shows yet",
        NEVER: "not known",
    }
    rendered = by_mode[RENDERED].synthetic
    assert rendered.mended == pytest.approx(50, abs=6)  # 60 less the 10 that chance fixes
    assert rendered.low is not None
    assert rendered.high is not None
    assert rendered.low < 50 < rendered.high
    assert by_mode[RENDERED].synthetic_frames == 200  # 2 for each failure, as so far
    photos = by_mode[PHOTOS].real
    assert photos.mended == pytest.approx(40, abs=10)
    for mode in (PHOTOS, NEITHER):
        assert not by_mode[mode].synthetic.shows
    for mode in (RENDERED, NEITHER):
        assert not by_mode[mode].real.shows
    assert by_mode[BEYOND].synthetic.reason == "all of it is out of the simulator's reach"
    assert "a cycle that renders for it would tell" in str(by_mode[NEVER].synthetic.reason)
    assert "imitate advise --curves" in str(by_mode[NEVER].real.reason)


def test_what_shows_comes_first_and_all_together_stand_below() -> None:
    advice = told()
    assert [row.mode for row in advice.rows[:2]] == [RENDERED, PHOTOS]
    assert (advice.total.failures, advice.total.out_of_reach) == (600, 100)
    assert advice.total.synthetic.shows
    assert Advice.from_dict(advice.to_dict()) == advice
    text = " ".join(sentences(advice))
    assert "100 × the simulator has no asset for category 'tram'" in text
    assert "Scenes set aside when it rendered last: 3 hung." in text
    section = advice_section(advice)
    assert section is not None
    assert section.rows[0][:3] == ("car, missed, occluded", 100, "render")


def test_costs_rank_by_failures_mended_for_the_money() -> None:
    dear = told(Costs(label=0.1, frame=1.0, gpu_hour=2000.0))  # a GPU of gold: photographs are cheaper
    assert [row.mode for row in dear.rows[:2]] == [PHOTOS, RENDERED]
    photos, rendered = dear.rows[:2]
    assert photos.real_cost == pytest.approx(100 * (1.0 + 4 * 0.1) + 2000)
    assert rendered.synthetic_cost == pytest.approx((200 * 50 + 3600) / 3600 * 2000)
    cheap = with_costs(dear, Costs(label=100.0, gpu_hour=1.0))
    assert [row.mode for row in cheap.rows[:2]] == [RENDERED, PHOTOS]
    assert cheap.rows[0].synthetic == rendered.synthetic
    free = with_costs(dear, Costs())
    assert free.costs is None
    assert free.rows[0].synthetic_cost is None


def test_without_cycles_or_a_curve_it_says_that_nothing_is_known() -> None:
    resampling = Resampling(np.arange(10), 50, np.random.default_rng(0))
    nothing = Photographed(np.array([10]), np.array([0]), {}, resampling, 10, 1.0, "folds")
    rendered = Rendered([], {}, 0, None, AdaptiveSettings())
    advice = advise(0, Modes({NEVER: 5}, {}, {}), rendered, nothing, 5, np.random.default_rng(0))
    (row,) = advice.rows
    assert (row.advice, row.synthetic.mended, row.real.mended) == ("not known", None, None)
    assert advice.notes == [
        "No cycle was mined after it had rendered: nothing is known of rendering.",
        "Nothing here is beyond chance: more data, cycles or trainings are needed to tell.",
    ]
    assert advice.total.advice == "not known"
