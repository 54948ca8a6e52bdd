"""On what do failures hang? Each failing object staged again with one thing changed, and what became of it.

A failure counts only where it survives re-staging: the unchanged scene (the control) must fail too, or the
simulator shows something else than the photo did. The survivors were chosen by a failure, and whatever is
rendered anew may find them by chance; so the unchanged scene is rendered once more with other noise and
textures ("again"), and a factor's effect is paired: found under the change minus found again. Intervals are
of a bootstrap over sequences, or over frames where none are known, and verdicts are corrected by Holm over
the factors of a group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pydantic import Field

from imitation.common.formats.record import Count, Fraction, Record
from imitation.metrics.statistics.bootstrap import CONFIDENCE, MIN_CLUSTERS, Resampling, holm

VERSION = 1
RESAMPLES = 2000
FOUND = "found"
NOT_JUDGED = "not to be judged"
NOT_APPLICABLE = "does not apply"
MORE_CHANGED = "more than that changed"
REFUSED = "refused by the simulator"
NOT_RENDERED = "not rendered"
LEFT_OUT = (NOT_APPLICABLE, MORE_CHANGED, NOT_JUDGED, REFUSED, NOT_RENDERED)
"""Why a factor says nothing of a failure. "not to be judged": its label is ignored, or is not there."""

ALL = "all"
SMALL = 0.1
"""An effect that the interval shows to be smaller than this, either way, does not matter."""
HELPS, HURTS, NO_MATTER, UNCLEAR, FEW = "helps", "hurts", "does not matter", "not distinguishable", "too few"


@dataclass(frozen=True)
class Case:
    """One failing object. `control` and `again` are its fates in the two unchanged scenes, `changed` by
    factor in the changed ones: "found", another fate of an object, or one of `LEFT_OUT`."""

    failure_id: str
    frame_id: str
    sequence: str | None
    mode: str
    category: str
    control: str
    again: str = NOT_RENDERED
    changed: Mapping[str, str] = field(default_factory=dict)

    @property
    def survives(self) -> bool:
        """Whether it fails in the unchanged scene too."""
        return judged(self.control) and self.control != FOUND


def judged(fate: str) -> bool:
    """Whether a fate says that the object was found, or that it was not."""
    return fate not in LEFT_OUT


class Effect(Record):
    """What one factor does to the surviving failures of a group to which it applies."""

    factor: str = Field(description="its name")
    said: str = Field(description="the change in words, behind 'would be found'")
    cases: Count = Field(description="surviving failures that count: both scenes could be judged")
    found: Fraction | None = Field(description="share of them that is found under the change")
    again: Fraction | None = Field(description="share that is found when nothing is changed, by chance")
    effect: float | None = Field(ge=-1, le=1, description="the difference of the two")
    low: float | None = Field(description="lower end of its 95 % interval; null without one")
    high: float | None = Field(description="upper end")
    clusters: Count = Field(description="sequences or frames behind it")
    p: float | None = Field(description="p-value, Holm's over the factors of the group")
    verdict: str = Field(description='"helps", "hurts", "does not matter", "not distinguishable", "too few"')
    left_out: dict[str, Count] = Field(description="surviving failures that do not count, by why")


class Group(Record):
    """All failures, or those of one mode."""

    mode: str = Field(description='the failure mode, or "all"')
    failures: Count = Field(description="failing objects of it that were staged again")
    judged: Count = Field(description="of which the unchanged scene could be judged")
    survive: Count = Field(description="of which it fails there too")
    clusters: Count = Field(description="sequences or frames with a failure that survives")
    enough: bool = Field(description="whether those are enough to conclude anything")
    effects: list[Effect] = Field(description="by factor")


class CaseRecord(Record):
    """One failing object and what became of it."""

    failure_id: str = Field(description="as in the run's failures")
    frame_id: str = Field(description="its frame")
    sequence: str | None = Field(description="the frame's sequence")
    mode: str = Field(description="its failure mode")
    category: str = Field(description="its category")
    control: str = Field(description="its fate in the unchanged scene")
    again: str = Field(description="its fate in the unchanged scene with other noise")
    changed: dict[str, str] = Field(description="its fate by factor, or why there is none")


class Probe(Record):
    """`probe.json`: on what the failures of a detector hang."""

    version: int = Field(description="of this layout")
    run: str = Field(description="the run's name")
    cycle: Count = Field(description="the cycle whose failures these are")
    split: str = Field(description='the split: "mine" (out of fold) or "val"')
    simulator: str = Field(description="what rendered the scenes")
    there: Count = Field(description="failing objects that there were to choose from")
    out_of_reach: dict[str, Count] = Field(description="of those, the ones that cannot be staged, by why")
    seed: Count = Field(description="of the draw and of the bootstrap")
    unit: str = Field(description='what the bootstrap draws: "sequences" or "frames"')
    groups: list[Group] = Field(description="all failures first, then by mode, the largest first")
    cases: list[CaseRecord] = Field(description="every failing object")


def probed(
    cases: Sequence[Case], said: Mapping[str, str], rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[list[Group], str]:
    """The groups of `Probe`, and what the bootstrap drew: "sequences" or "frames". `said`:
    factor -> words."""
    modes = Counter(case.mode for case in cases)
    groups = [ALL, *(mode for mode, _ in modes.most_common())] if len(modes) > 1 else [*modes]
    known = any(case.sequence is not None for case in cases)
    unit = "sequences" if known else "frames"
    result = []
    for name in groups:
        members = [case for case in cases if name in (ALL, case.mode)]
        result.append(_group(name, members, said, rng, resamples, unit))
    return result, unit


def case_records(cases: Iterable[Case]) -> list[CaseRecord]:
    """The cases as they are written."""
    return [CaseRecord(**{**vars(case), "changed": dict(case.changed)}) for case in cases]


def _group(
    name: str,
    cases: Sequence[Case],
    said: Mapping[str, str],
    rng: np.random.Generator,
    resamples: int,
    unit: str,
) -> Group:
    alive = [case for case in cases if case.survives]
    clusters = len(set(map(_cluster, alive)))
    enough = clusters >= MIN_CLUSTERS
    effects = [_effect(factor, words, alive, rng, resamples, unit) for factor, words in said.items()]
    adjusted = holm({effect.factor: effect.p for effect in effects})
    return Group(
        mode=name,
        failures=len(cases),
        judged=sum(judged(case.control) for case in cases),
        survive=len(alive),
        clusters=clusters,
        enough=enough,
        effects=[_with_verdict(effect, adjusted[effect.factor], enough) for effect in effects],
    )


def _cluster(case: Case) -> tuple[str, str]:
    return ("frame", case.frame_id) if case.sequence is None else ("sequence", case.sequence)


def _effect(
    factor: str, said: str, alive: Sequence[Case], rng: np.random.Generator, resamples: int, unit: str
) -> Effect:
    fates = {id(case): case.changed.get(factor, NOT_RENDERED) for case in alive}
    pairs = [case for case in alive if judged(case.again) and judged(fates[id(case)])]
    left: Counter[str] = Counter()
    for case in alive:
        if not judged(fate := fates[id(case)]):
            left[fate] += 1
        elif not judged(case.again):
            left[case.again] += 1
    found = np.array([fates[id(case)] == FOUND for case in pairs], dtype=float)
    again = np.array([case.again == FOUND for case in pairs], dtype=float)
    numbers = {name: i for i, name in enumerate(dict.fromkeys(map(_cluster, pairs)))}
    drawn = Resampling(np.array([numbers[_cluster(case)] for case in pairs], int), resamples, rng, unit)
    value, low, high, p = _interval(found - again, drawn)
    return Effect(
        factor=factor,
        said=said,
        cases=len(pairs),
        found=float(found.mean()) if pairs else None,
        again=float(again.mean()) if pairs else None,
        effect=value,
        low=low,
        high=high,
        clusters=len(numbers),
        p=p,
        verdict=FEW,
        left_out=dict(left),
    )


def _interval(
    differences: np.ndarray, drawn: Resampling
) -> tuple[float | None, float | None, float | None, float | None]:
    """The mean of paired differences in [-1, 1], its interval and p-value; None where there is none."""
    if not len(differences):
        return None, None, None, None
    value = float(differences.mean())
    if np.ptp(differences) == 0:
        return value, *_of_equals(value, drawn.clusters)
    samples = np.concatenate([(w @ differences) / w.sum(axis=1) for w in drawn.weights(512)])
    found = drawn.interval(value, samples, drawn.clusters)
    if found.low is None or found.high is None:
        return value, None, None, None
    return value, max(found.low, -1.0), min(found.high, 1.0), found.p


def _of_equals(value: float, clusters: int) -> tuple[float | None, float | None, float | None]:
    """Interval and p-value where every difference is the same, of which a bootstrap sees no spread: what so
    many independent cases exclude (Clopper and Pearson, Biometrika 26, 1934), and a sign test."""
    if clusters < MIN_CLUSTERS:
        return None, None, None
    rest = 1 - ((1 - CONFIDENCE) / 2) ** (1 / clusters)
    if value == 0:
        return -rest, rest, 1.0
    ends = sorted((value, value * (1 - rest)))
    return ends[0], ends[1], min(1.0, 2 * 0.5**clusters)


def _with_verdict(effect: Effect, p: float | None, enough: bool) -> Effect:
    verdict = FEW
    if enough and effect.low is not None and effect.high is not None and p is not None:
        if p < 1 - CONFIDENCE and not effect.low <= 0 <= effect.high:
            verdict = HELPS if effect.low > 0 else HURTS
        elif effect.low > -SMALL and effect.high < SMALL:
            verdict = NO_MATTER
        else:
            verdict = UNCLEAR
    return effect.model_copy(update={"p": p, "verdict": verdict})
