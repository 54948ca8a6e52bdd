"""Label errors that were planted in a clean set, and a detector of known quality that has to find them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from imitation.audit.suspects import Judged, Suspect, find_suspects, question
from imitation.common.settings import UserError
from imitation.data.boxes import pairwise_iou
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth

CATEGORIES = ("car", "van", "person")
PLANTED = {"missing": 8, "place": 8, "category": 7, "invented": 7}
WIDTH, HEIGHT = 1200, 400


@dataclass(frozen=True)
class World:
    """Frames with their true objects, and the labels with errors in them: frame -> (boxes, labels)."""

    true: list[tuple[np.ndarray, np.ndarray]]
    labels: list[tuple[np.ndarray, np.ndarray]]
    planted: list[tuple[str, int, np.ndarray]]  # kind, frame, the place


def world(seed: int, frames: int = 150) -> World:
    rng = np.random.default_rng(seed)
    true = []
    for _ in range(frames):
        count = int(rng.integers(3, 7))
        slots = rng.permutation(8)[:count]
        size = rng.uniform(30, 90, (count, 2))
        corner = np.column_stack([slots * 150 + rng.uniform(0, 50, count), rng.uniform(20, 280, count)])
        true.append((np.hstack([corner, corner + size]), rng.choice([1, 1, 2, 3], count)))
    labels = [(boxes.copy(), names.copy()) for boxes, names in true]
    planted = []
    kinds = [kind for kind, count in PLANTED.items() for _ in range(count)]
    for kind, frame in zip(kinds, rng.permutation(frames)[: len(kinds)].tolist()):
        boxes, names = labels[frame]
        o = int(rng.integers(len(boxes)))
        place = boxes[o].copy()
        if kind == "missing":
            labels[frame] = np.delete(boxes, o, axis=0), np.delete(names, o)
        elif kind == "place":
            side = boxes[o, 2:] - boxes[o, :2]
            boxes[o] += np.tile(side * rng.choice([-1, 1], 2) * rng.uniform(0.3, 0.45, 2), 2)
        elif kind == "category":
            names[o] = names[o] % 3 + 1
        else:
            corner = np.array([rng.uniform(0, 1100), 330.0])
            place = np.array([*corner, *(corner + 60)])
            labels[frame] = np.vstack([boxes, place]), np.append(names, rng.integers(1, 4))
        planted.append((kind, frame, place))
    return World(true, labels, planted)


def judged(made: World, seed: int, hit: float = 0.92, false: float = 0.4) -> Judged:
    """Finds `hit` of the true objects within some px, makes `false` false ones a frame, of lower scores."""

    def rows() -> Iterator[FrameDetections]:
        for f, ((boxes, names), (labelled, labels)) in enumerate(zip(made.true, made.labels)):
            rng = np.random.default_rng([seed, f])
            seen = rng.random(len(boxes)) < hit
            near = boxes[seen] + rng.normal(0, 3, (int(seen.sum()), 4))
            called = np.where(rng.random(len(near)) < 0.03, names[seen] % 3 + 1, names[seen])
            wrong = int(rng.poisson(false))
            corner = np.column_stack([rng.uniform(0, 1100, wrong), rng.uniform(0, 330, wrong)])
            found = Detections(
                np.vstack([near, np.hstack([corner, corner + rng.uniform(25, 70, (wrong, 2))])]),
                np.concatenate([rng.beta(8, 2, len(near)), rng.beta(3, 4, wrong)]),
                np.concatenate([called, rng.integers(1, 4, wrong)]),
            )
            yield FrameDetections(
                f"{f:04d}", "mine", "main", WIDTH, HEIGHT, found, GroundTruth(labelled, labels)
            )

    return Judged(f"seed {seed}", rows, 0.4)


def hits(made: World, suspects: list[Suspect]) -> tuple[set[int], int]:
    """Which planted errors the tasks show, and how many tasks show one: same frame, and the same place."""
    shown, right = set(), 0
    for suspect in suspects:
        here = False
        for i, (_, frame, place) in enumerate(made.planted):
            if (
                f"{frame:04d}" == suspect.frame_id
                and pairwise_iou(place[None], np.array([suspect.box]))[0, 0] > 0.3
            ):
                shown.add(i)
                here = True
        right += here
    return shown, right


def test_thirty_planted_errors_stand_among_the_first_fifty_tasks() -> None:
    recalls, precisions = [], []
    for seed in range(3):
        made = world(seed)
        suspects = find_suspects([judged(made, 10 + seed), judged(made, 20 + seed), judged(made, 30 + seed)],
                                 CATEGORIES, 50)  # fmt: skip
        shown, right = hits(made, suspects)
        recalls.append(len(shown) / len(made.planted))
        precisions.append(right / len(suspects))
        missed = Counter(kind for i, (kind, _, _) in enumerate(made.planted) if i not in shown)
        print(
            f"seed {seed}: recall {recalls[-1]:.2f}, precision {precisions[-1]:.2f}, not shown {dict(missed)}"
        )
    assert min(recalls) >= 0.8
    assert min(precisions) >= 0.5


def test_one_detector_alone_finds_fewer_and_chance_far_fewer() -> None:
    made = world(0)
    alone, _ = hits(made, find_suspects([judged(made, 10)], CATEGORIES, 50))
    together, _ = hits(made, find_suspects([judged(made, s) for s in (10, 20, 30)], CATEGORIES, 50))
    assert len(alone) <= len(together)
    everything = find_suspects([judged(made, 10)], CATEGORIES)
    rng = np.random.default_rng(0)
    blind, _ = hits(made, [everything[i] for i in rng.permutation(len(everything))[:50]])
    assert len(blind) < len(together) / 1.5


def test_each_kind_says_what_is_labelled_and_what_may_be_right() -> None:
    made = world(1)
    suspects = find_suspects([judged(made, s) for s in (10, 20)], CATEGORIES)
    kinds = {suspect.kind: suspect for suspect in reversed(suspects)}
    assert set(PLANTED) <= set(kinds)
    assert kinds["missing"].object_index is None
    assert kinds["category"].labelled != kinds["category"].category
    assert kinds["place"].labelled == kinds["place"].category
    assert kinds["invented"].score is None
    assert "of 1 other detectors agree" in question(kinds["missing"])
    ranks = [suspect.rank for suspect in suspects]
    assert ranks == sorted(ranks, reverse=True)
    assert find_suspects([judged(made, s) for s in (10, 20)], CATEGORIES) == suspects


def test_the_ap_at_stake_is_what_ap_gains_when_that_label_is_corrected() -> None:
    """Against matching anew with the label corrected."""
    from dataclasses import replace

    from imitation.metrics.summary import summarize

    made = world(2, 40)
    rows = list(judged(made, 5).rows())
    suspects = find_suspects([Judged("a", lambda: rows, 0.4)], CATEGORIES)
    base = summarize(rows, CATEGORIES, "mine", 0.4).map50
    assert base is not None
    for kind in ("missing", "place", "category", "invented"):
        suspect = next(s for s in suspects if s.kind == kind)
        again = []
        for row in rows:
            boxes, labels = row.objects.boxes.copy(), row.objects.labels.copy()
            if row.frame_id == suspect.frame_id:
                sees = CATEGORIES.index(suspect.category) + 1
                if kind == "missing":
                    boxes, labels = np.vstack([boxes, [suspect.box]]), np.append(labels, sees)
                elif kind == "place":
                    boxes[suspect.object_index] = suspect.box
                elif kind == "category":
                    labels[suspect.object_index] = sees
                else:
                    boxes, labels = (np.delete(v, suspect.object_index, axis=0) for v in (boxes, labels))
            again.append(replace(row, objects=GroundTruth(boxes, labels)))
        gained = summarize(again, CATEGORIES, "mine", 0.4).map50
        assert gained is not None
        assert suspect.at_stake == pytest.approx(gained - base, abs=1e-9), kind


def test_a_detector_that_is_never_right_tells_nothing() -> None:
    made = world(0, 5)
    with pytest.raises(UserError, match="no detection is right"):
        find_suspects([judged(made, 1, hit=0.0)], CATEGORIES)
    with pytest.raises(UserError, match="no evaluation"):
        find_suspects([], CATEGORIES)
