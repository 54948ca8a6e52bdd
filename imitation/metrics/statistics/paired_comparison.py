"""Two evaluations of the same frames, side by side: the paired table of `imitate compare`.

Both files are streamed; a detection keeps 20 bytes (see `imitation.metrics.statistics.outcomes`). Every
number is computed on the frames that both have, with the same resamples of them for both detectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from imitation.common.settings import DataError, UserError
from imitation.metrics.curves import weighted_average_precisions
from imitation.metrics.statistics.bootstrap import ANYTHING, CONFIDENCE, NEITHER, Interval, Resampling, holm
from imitation.metrics.statistics.evaluation_side import Source, open_source, read_outcomes
from imitation.metrics.statistics.outcomes import BOX, Outcomes
from imitation.metrics.statistics.slices import FEW, Cut, known_or_none, mean_of, rarest, sampled

OPERATING = ("recall", "precision", "F1", "0-1 loss")
LOWER_IS_BETTER = frozenset({"0-1 loss"})
PLACE_TOLERANCE_PX = 1.0  # of a coordinate: what a label format of whole px moves, by corner and size


@dataclass(frozen=True)
class Row:
    """One line of the table: a measure of A and of B, and the difference B - A with its interval.

    `group` is "overall", "category" or "slice"; of a slice `attribute` and `value` say which. Values are
    in [0, 1], None where undefined. `p_holm` is adjusted over all exploratory rows (categories and
    slices); `verdict` is of B: "better", "worse" or "not distinguishable".
    """

    group: str
    measure: str
    attribute: str | None
    value: str | None
    objects: int
    a: float | None
    b: float | None
    difference: Interval
    lower_is_better: bool = False
    p_holm: float | None = None

    @property
    def verdict(self) -> str:
        if self.group != "overall" and (self.p_holm is None or self.p_holm >= 1 - CONFIDENCE):
            return NEITHER
        return self.difference.verdict(self.lower_is_better)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; the difference's fields stand beside the others."""
        d = self.difference
        return {
            **{k: getattr(self, k) for k in ("group", "measure", "attribute", "value", "objects", "a", "b")},
            **{"difference": d.estimate, "low": d.low, "high": d.high, "p": d.p, "p_holm": self.p_holm},
            **{"lower_is_better": self.lower_is_better, "verdict": self.verdict, "reason": d.reason},
        }


@dataclass(frozen=True)
class Frames:
    """How many frames are compared, how many stand in one evaluation only, and could not be read."""

    both: int
    only_a: int
    only_b: int
    unreadable: int


@dataclass(frozen=True)
class Comparison:
    """What `imitate compare` says. `left_out` are the slices of under 20 objects: attribute, value,
    objects."""

    split: str
    a: Source
    b: Source
    frames: Frames
    objects: int
    clusters: int
    unit: str
    resamples: int
    rows: tuple[Row, ...]
    left_out: tuple[tuple[str, str, int], ...]

    @property
    def few(self) -> int:
        return len(self.left_out)

    @property
    def sentence(self) -> str:
        """The conclusion, on mAP50, in words."""
        row = self.rows[0]
        d = row.difference
        if d.estimate is None:
            return (
                f"There is nothing to find in these frames, so A and B cannot be compared on {row.measure}."
            )
        if d.low is None or d.high is None:
            return (
                f"B and A are not distinguishable on {row.measure}: the difference is "
                f"{100 * d.estimate:+.1f} points, and there is no interval ({d.reason})."
            )
        interval = f"95% interval {100 * d.low:+.1f} to {100 * d.high:+.1f}"
        if row.verdict == NEITHER:
            return (
                f"B and A are not distinguishable on {row.measure}: the difference is "
                f"{100 * d.estimate:+.1f} points ({interval}, which holds 0)."
            )
        return (
            f"B is {row.verdict} than A on {row.measure} by {100 * abs(d.estimate):.1f} points ({interval})."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, safe for JSON: `a`, `b`, `split`, `frames`, `objects`, `clusters`, `unit`,
        `resamples`, `confidence`, `few_slices_left_out`, `rows` (`Row.to_dict`), `conclusion`."""
        return {
            "a": self.a.to_dict(),
            "b": self.b.to_dict(),
            "split": self.split,
            "categories": list(self.a.categories),
            "frames": asdict(self.frames),
            "objects": self.objects,
            "clusters": self.clusters,
            "unit": self.unit,
            "resamples": self.resamples,
            "confidence": CONFIDENCE,
            "few_slices_left_out": self.few,
            "rows": [row.to_dict() for row in self.rows],
            "conclusion": self.sentence,
        }


def compare(a: str, b: str, split: str, rng: np.random.Generator, resamples: int = 1000) -> Comparison:
    """Compares two evaluations (folders of `imitate evaluate --out`, a run's cycle folders, or Parquet
    files) on the frames of `split` that both have.

    Operating thresholds are taken as given: their own noise is not in the intervals. `rng` seeds the
    bootstrap; the same generator gives the same comparison.
    Raises UserError if either is no evaluation or has no such split, if their categories differ, if
    they share no frame, or if the ground truth of a frame differs (it is named); DataError for a file
    that cannot be read, or a frame that stands twice.
    """
    sources = open_source(a, split), open_source(b, split)
    if sources[0].categories != sources[1].categories:
        named = [", ".join(source.categories) for source in sources]
        raise UserError(
            f"{a} and {b} have different categories ({named[0]} / {named[1]}): compare detectors of the same "
            "categories in the same order"
        )
    read = read_outcomes(sources[0], split), read_outcomes(sources[1], split)
    ids, frames = _shared(read[0], read[1], sources)
    pair = read[0].only(ids), read[1].only(ids)
    del read
    _check_truth(pair[0], pair[1], sources)
    resampling = Resampling.of_frames(pair[0].sequences, resamples, rng)
    rows = _overall(pair, resampling)
    sliced, left_out = _sliced(pair, resampling)
    return Comparison(
        split=split,
        a=sources[0],
        b=sources[1],
        frames=frames,
        objects=len(pair[0].of_object["frame"]),
        clusters=resampling.clusters,
        unit=resampling.unit,
        resamples=resamples,
        rows=tuple(_adjusted([*rows, *sliced])),
        left_out=tuple(left_out),
    )


# -- the same frames, the same truth


def _shared(a: Outcomes, b: Outcomes, sources: tuple[Source, Source]) -> tuple[list[str], Frames]:
    names = set(a.frames), set(b.frames)
    for outcomes, known, source in zip((a, b), names, sources):
        if len(known) < len(outcomes.frames):
            ((twice, _),) = Counter(outcomes.frames).most_common(1)
            raise DataError(source.uri, f"frame {twice} stands there more than once for one split")
    unreadable = set(a.unreadable) | set(b.unreadable)
    ids = sorted(names[0] & names[1])
    if not ids:
        pair = f"{sources[0].place} and {sources[1].place}"
        shared = len((names[0] | set(a.unreadable)) & (names[1] | set(b.unreadable)))
        if not shared:
            raise UserError(f"{pair} share no frame: evaluate both on the same data")
        raise UserError(
            f"{pair} share {shared} frames, and each of them is unreadable in one or both "
            f"({len(a.unreadable)} in the former, {len(b.unreadable)} in the latter): mend the images, "
            "evaluate again"
        )
    only = [len(names[i] - names[1 - i] - unreadable) for i in (0, 1)]
    return ids, Frames(len(ids), only[0], only[1], len(unreadable))


def _check_truth(a: Outcomes, b: Outcomes, sources: tuple[Source, Source]) -> None:
    objects = a.counts[:, 2], b.counts[:, 2]
    sides = _by_frame(a), _by_frame(b)
    starts = [np.concatenate([[0], np.cumsum(count)]) for count in objects]
    differing: list[tuple[int, str]] = []
    for f in range(len(a.frames)):
        if objects[0][f] != objects[1][f]:
            differing.append((f, f"{objects[0][f]} objects / {objects[1][f]}"))
            continue
        here, there = (side[start[f] : start[f + 1]] for side, start in zip(sides, starts))
        alone = _without_counterpart(here, there)
        if alone is not None:
            label, *box = here[alone].tolist()
            where = ", ".join(f"{v:.1f}" for v in box)
            name = a.categories[int(label) - 1]
            differing.append((f, f"other categories or other boxes: no {name} at {where} px in the latter"))
    if differing:
        f, how = differing[0]
        raise UserError(
            f"frame {a.frames[f]} has another ground truth in {sources[0].place} than in {sources[1].place} "
            f"({how}), and so have {len(differing) - 1} more of {len(a.frames)} frames: evaluate both "
            "detectors on the same labels and category map"
        )


def _by_frame(outcomes: Outcomes) -> np.ndarray:
    """Label and box of each object, (M, 5) float32, frame by frame."""
    order = np.argsort(outcomes.of_object["frame"], kind="stable")
    return np.column_stack([outcomes.of_object[name][order].astype(np.float32) for name in ("label", *BOX)])


def _without_counterpart(here: np.ndarray, there: np.ndarray) -> int | None:
    """An object of one side (M, 5) that has none of its own on the other (M, 5), whatever their order."""
    far = np.array([0, *[PLACE_TOLERANCE_PX] * 4])
    if (np.abs(here - there) <= far).all():
        return None  # as they stand: so it is nearly always
    apart = (np.abs(here[:, None] - there) > far).any(axis=2)
    rows, columns = linear_sum_assignment(apart)
    alone = np.flatnonzero(apart[rows, columns])
    return int(rows[alone[0]]) if len(alone) else None


# -- the table


class Level:
    """AP of each category at one IoU, of one evaluation."""

    def __init__(self, outcomes: Outcomes, level: int) -> None:
        self.outcomes = outcomes
        self.curves = [outcomes.curve(label, level) for label in range(1, len(outcomes.categories) + 1)]
        self.size = max(len(outcomes.frames), len(outcomes.of_detection["frame"]), 1)

    def statistics(self, weights: np.ndarray) -> np.ndarray:
        """float64 (R, categories), NaN without objects."""
        result = np.full((len(weights), len(self.curves)), np.nan)
        known = [i for i, curve in enumerate(self.curves) if curve is not None]
        curves = [curve for curve in self.curves if curve is not None]
        result[:, known] = weighted_average_precisions(curves, weights)
        return result


class Operating:
    """The measures of `OPERATING`, of one evaluation; 0 where there is nothing to divide by, as in
    `imitation.metrics.summary`."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.counts = outcomes.counts.astype(np.float64)
        self.size = max(len(outcomes.frames), 1)

    def statistics(self, weights: np.ndarray) -> np.ndarray:
        """float64 (R, 4)."""
        correct, judged, objects, wrong = (weights @ self.counts).T
        shares = (
            (correct, objects),
            (correct, judged),
            (2 * correct, judged + objects),
            (wrong, wrong + correct),
        )
        return np.column_stack(
            [np.divide(over, under, out=np.zeros_like(over), where=under > 0) for over, under in shares]
        )


def _overall(pair: tuple[Outcomes, Outcomes], resampling: Resampling) -> list[Row]:
    """mAP50, mAP, the measures of `OPERATING`, and AP50 of each category."""
    levels = range(
        len(pair[0].thresholds)
    )  # one at a time: the curves of all would weigh 200 bytes a detection
    precisions = [_paired((Level(pair[0], t), Level(pair[1], t)), resampling) for t in levels]
    at50, everywhere = precisions[0], [np.mean(values, axis=0) for values in zip(*precisions)]
    held = ~np.isnan(at50[0][0])  # categories with objects: the same ones in both, and in every resample
    operating = _paired((Operating(pair[0]), Operating(pair[1])), resampling)
    a, b, drawn_a, drawn_b = (
        np.concatenate(
            [mean_of(at50[i], held)[:, None], mean_of(everywhere[i], held)[:, None], operating[i], at50[i]],
            axis=1,
        )
        for i in range(4)
    )
    a, b, differences = a[0], b[0], drawn_b - drawn_a
    categories = pair[0].categories
    frames, labels = pair[0].of_object["frame"], pair[0].of_object["label"]

    def row(column: int, group: str, measure: str, value: str | None = None) -> Row:
        of_category = frames if value is None else frames[labels == categories.index(value) + 1]
        means = measure in ("mAP50", "mAP")
        holding, what = rarest(frames, labels, categories, resampling) if means else (None, None)
        return Row(
            group=group,
            measure=measure,
            attribute=None if value is None else "category",
            value=value,
            objects=len(of_category),
            a=known_or_none(a[column]),
            b=known_or_none(b[column]),
            difference=_difference(
                a[column], b[column], differences[:, column], of_category, resampling, holding, what
            ),
            lower_is_better=measure in LOWER_IS_BETTER,
        )

    overall = ("mAP50", "mAP", *OPERATING)
    return [
        *(row(i, "overall", name) for i, name in enumerate(overall)),
        *(row(len(overall) + i, "category", "AP50", name) for i, name in enumerate(categories)),
    ]


def _sliced(
    pair: tuple[Outcomes, Outcomes], resampling: Resampling
) -> tuple[list[Row], list[tuple[str, str, int]]]:
    """AP50 in each slice with enough objects, and those with too few. One attribute at a time: the
    resamples are drawn anew (the same ones), so that only one attribute's curves are held."""
    rows: list[Row] = []
    left_out = []
    for attribute in pair[0].attributes():
        if attribute == "category" or attribute not in pair[1].attributes():
            continue
        words, codes = pair[0].words(attribute), pair[0].object_codes(attribute)
        present = pair[0].words_present(attribute)
        counts = {value: int((codes == words.index(value)).sum()) for value in present}
        values = [value for value in present if counts[value] >= FEW]
        left_out += [(attribute, value, counts[value]) for value in present if counts[value] < FEW]
        if not values:
            continue
        cuts = Cut(pair[0], attribute, values), Cut(pair[1], attribute, values)
        a, b, drawn_a, drawn_b = (values[:, 0] for values in _paired(cuts, resampling))
        rows += [
            Row(
                group="slice",
                measure="AP50",
                attribute=attribute,
                value=value,
                objects=counts[value],
                a=known_or_none(a[0, s]),
                b=known_or_none(b[0, s]),
                difference=_difference(
                    a[0, s],
                    b[0, s],
                    drawn_b[:, s] - drawn_a[:, s],
                    cuts[0].objects[s],
                    resampling,
                    *cuts[0].rarest(s, resampling),
                ),
            )
            for s, value in enumerate(values)
        ]
    return rows, left_out


def _paired(pair: tuple[Any, Any], resampling: Resampling) -> list[np.ndarray]:
    """A's and B's statistics on the frames as they are, (1, ...), then on each resample, (R, ...)."""
    once = np.ones((1, len(resampling.of_frame)), dtype=np.int32)
    return [*(side.statistics(once) for side in pair), *sampled(pair, resampling)]


def _difference(
    a: float,
    b: float,
    samples: np.ndarray,
    frames: np.ndarray,
    resampling: Resampling,
    holding: int | None = None,
    what: str | None = None,
) -> Interval:
    """`holding` clusters (None: those of `frames`) hold `what` the difference rests on."""
    held = resampling.holding(frames) if holding is None else holding
    return resampling.interval(known_or_none(b - a), samples, held, what or ANYTHING)


def _adjusted(rows: Sequence[Row]) -> list[Row]:
    """The rows with `p_holm` where they are exploratory: all of them are one family."""
    explored = {str(i): row.difference.p for i, row in enumerate(rows) if row.group != "overall"}
    adjusted = holm(explored)
    return [replace(row, p_holm=adjusted.get(str(i))) for i, row in enumerate(rows)]
