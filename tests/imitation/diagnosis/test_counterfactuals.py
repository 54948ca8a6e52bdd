"""What a probe concludes from outcomes whose answer is known."""

import numpy as np
import pytest

from imitation.diagnosis.counterfactuals import (
    ALL,
    FEW,
    FOUND,
    HELPS,
    HURTS,
    NO_MATTER,
    NOT_APPLICABLE,
    NOT_JUDGED,
    UNCLEAR,
    Case,
    Probe,
    case_records,
    probed,
)
from imitation.report.probe.plot import probe_plot, probe_png
from imitation.report.probe.text import conclusions, lines

SAID = {"occluder": "without what hides it", "noon": "at noon"}


def case(number, *, control="missed", again="missed", mode="cyclist, missed", sequence=None, **changed):
    return Case(f"f{number}#missed-o0", f"f{number}", sequence, mode, "cyclist", control, again, changed)


def effects(cases, said=SAID, seed=0):
    groups, unit = probed(cases, said, np.random.default_rng(seed), 500)
    return {group.mode: {e.factor: e for e in group.effects} for group in groups}, groups, unit


def probe_of(cases):
    groups, unit = probed(cases, SAID, np.random.default_rng(0), 300)
    told = {"run": "r", "cycle": 1, "split": "mine", "simulator": "s", "out_of_reach": {"x": 2}, "seed": 0}
    return Probe(version=1, there=len(cases), unit=unit, groups=groups, cases=case_records(cases), **told)


def test_a_factor_that_mends_most_helps_and_one_that_mends_none_does_not():
    cases = [case(i, occluder=FOUND if i % 5 else "missed", noon="missed") for i in range(60)]
    by, _, unit = effects(cases)
    (mode,) = by.values()
    assert mode["occluder"].found == pytest.approx(0.8)
    assert mode["occluder"].verdict == HELPS
    assert mode["occluder"].low < 0.8 < mode["occluder"].high
    assert mode["noon"].verdict == NO_MATTER
    assert mode["noon"].high < 0.1
    assert unit == "frames"


def test_chance_is_taken_off_what_a_factor_mends():
    # whatever is rendered anew finds half of them: the change brings nothing
    cases = [
        case(i, again=FOUND if i % 2 else "missed", noon=FOUND if (i // 2) % 2 else "missed")
        for i in range(40)
    ]
    by, _, _ = effects(cases, {"noon": "at noon"})
    (mode,) = by.values()
    assert mode["noon"].found == 0.5
    assert mode["noon"].again == 0.5
    assert mode["noon"].verdict == UNCLEAR
    assert mode["noon"].low < 0 < mode["noon"].high


def test_a_change_that_loses_what_chance_finds_hurts():
    cases = [case(i, again=FOUND if i % 4 else "missed", noon="missed") for i in range(40)]
    by, _, _ = effects(cases, {"noon": "at noon"})
    assert next(iter(by.values()))["noon"].verdict == HURTS


def test_only_survivors_count_and_the_rest_is_told():
    dead = [case(100 + i, control=FOUND, occluder=FOUND) for i in range(20)]
    unseen = [case(200 + i, control=NOT_JUDGED) for i in range(3)]
    cases = [case(i, occluder="missed", noon=NOT_APPLICABLE) for i in range(10)]
    by, (group,), _ = effects([*dead, *unseen, *cases])
    assert (group.failures, group.judged, group.survive, group.clusters) == (33, 30, 10, 10)
    assert by[group.mode]["occluder"].cases == 10
    assert by[group.mode]["occluder"].found == 0.0
    assert by[group.mode]["noon"].cases == 0
    assert by[group.mode]["noon"].left_out == {NOT_APPLICABLE: 10}
    assert by[group.mode]["noon"].verdict == FEW


def test_nothing_is_concluded_from_few_frames_however_many_objects():
    # six objects, all in one sequence: one case
    cases = [case(i, sequence="drive-1", occluder=FOUND, noon="missed") for i in range(12)]
    by, (group,), unit = effects(cases)
    assert unit == "sequences"
    assert group.clusters == 1
    assert not group.enough
    assert {e.verdict for e in by[group.mode].values()} == {FEW}
    assert "nothing is concluded" in next(conclusions(probe_of(cases)))


def test_objects_of_one_frame_are_not_independent():
    frames = [case(i // 6, occluder=FOUND if (i // 6) % 2 else "missed", noon="missed") for i in range(48)]
    apart = [case(i, occluder=FOUND if i % 2 else "missed", noon="missed") for i in range(48)]
    wide, narrow = (next(iter(effects(c)[0].values()))["occluder"] for c in (frames, apart))
    assert wide.effect == narrow.effect == 0.5
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_equal_outcomes_get_an_exact_interval():
    few = [case(i, occluder=FOUND, noon="missed") for i in range(8)]
    mode = next(iter(effects(few)[0].values()))
    # 8 of 8: Clopper and Pearson's lower end, 0.025 ** (1 / 8)
    assert mode["occluder"].low == pytest.approx(0.025 ** (1 / 8))
    assert mode["occluder"].high == 1.0
    assert mode["noon"].verdict == UNCLEAR  # 8 that all fail exclude too little


def test_by_mode_the_largest_first_with_all_before():
    far = [case(i, mode="car, far", occluder="missed", noon="missed") for i in range(20)]
    near = [case(i, mode="cyclist, hidden", occluder=FOUND, noon="missed") for i in range(20, 32)]
    cases = [*far, *near]
    by, groups, _ = effects(cases)
    assert [group.mode for group in groups] == [ALL, "car, far", "cyclist, hidden"]
    assert by["cyclist, hidden"]["occluder"].verdict == HELPS
    assert by["car, far"]["occluder"].found == 0.0
    said = list(conclusions(probe_of(cases)))
    assert said[2].startswith("cyclist, hidden: 100 % would be found without what hides it")


def test_two_equal_factors_are_rarely_told_apart():
    """Under no effect at all, in at most about one of twenty cases: the verdict is corrected over factors."""
    wrong = 0
    for seed in range(60):
        drawn = np.random.default_rng(seed).random((30, 3)) < 0.3
        fates = np.where(drawn, FOUND, "missed").tolist()
        cases = [case(i, again=a, occluder=b, noon=c) for i, (a, b, c) in enumerate(fates)]
        told = next(iter(effects(cases, seed=seed)[0].values())).values()
        wrong += any(effect.verdict in (HELPS, HURTS) for effect in told)
    assert wrong <= 7


def test_the_record_reads_back_and_can_be_shown():
    probe = probe_of([case(i, occluder=FOUND if i % 3 else "missed", noon="missed") for i in range(12)])
    assert Probe.from_dict(probe.to_dict()) == probe
    text = "\n".join(lines(probe))
    assert "occluder" in text
    assert "12 of 12 failing objects" in text
    assert "2 × x" in text
    assert max(map(len, text.splitlines())) <= 80
    png = probe_png(probe)
    assert png is not None
    assert png.startswith(b"\x89PNG")
    assert probe_plot(probe) is not None


def test_no_survivor_no_plot():
    assert probe_png(probe_of([case(1, control=FOUND)])) is None
