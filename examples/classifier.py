"""Imitation training of another kind of model: a classifier of handwritten digits.

The loop, the policies, aggregation and stopping are the project's own. What is this domain's stands here:
a support vector machine in place of the detector, and for a simulator one that shifts, turns and scales the
digit that failed. Seconds on a laptop:  python examples/classifier.py
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.ndimage import affine_transform
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from imitation import stopping
from imitation.aggregation import AggregationSettings, Dataset, Part
from imitation.evaluation.failures import Failure
from imitation.loop import imitate
from imitation.policies import Mined, Policy, PolicySettings, build_policy
from imitation.requests import Request

CYCLES, FOLDS, TRAIN, VAL = 3, 5, 150, 300


@dataclass(frozen=True)
class Evaluation:
    score: float  # accuracy on `val`, which decides
    test: float  # accuracy on `test`, which decides nothing
    failures: list[Failure]


def perturb(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The simulator: the same digit (64,), shifted, turned and scaled a little."""
    angle, scale = rng.uniform(-0.25, 0.25), rng.uniform(0.9, 1.1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    centre = np.full(2, 3.5)
    offset = centre - turn @ (centre + rng.uniform(-0.7, 0.7, 2))
    return affine_transform(image.reshape(8, 8), turn, offset, order=1).ravel()


class Stages:
    """The four stages of `imitation.loop.Stages`, in memory."""

    def __init__(self, policy: Policy, seed: int) -> None:
        self.policy, self.seed = policy, seed
        images, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(seed).permutation(len(labels))
        train, val, test = np.split(order, [TRAIN, TRAIN + VAL])
        self.images, self.labels = images[train], labels[train]
        self.held = [(images[part], labels[part]) for part in (val, test)]
        self.parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # uri -> synthetic images, their parents

    def fit(self, dataset: Dataset, unseen: np.ndarray) -> SVC:
        """Trained on all but the frames `unseen` and what was made from them."""
        kept = np.setdiff1d(np.arange(TRAIN), unseen)
        parts = [self.parts[part.uri] for part in dataset.synthetic]
        images = [self.images[kept], *(x[~np.isin(parents, unseen)] for x, parents in parts)]
        sources = [kept, *(parents[~np.isin(parents, unseen)] for _, parents in parts)]
        return SVC(gamma=0.001).fit(np.concatenate(images), self.labels[np.concatenate(sources)])

    def train(self, dataset: Dataset, cycle: int) -> SVC:
        return self.fit(dataset, np.array([], dtype=int))

    def evaluate(self, detector: SVC, dataset: Dataset, cycle: int) -> Evaluation:
        failures = []
        for fold in np.array_split(np.arange(TRAIN), FOLDS):  # mined by a model that did not see them
            for i, predicted in zip(fold, self.fit(dataset, fold).predict(self.images[fold])):
                if predicted != self.labels[i]:
                    failures.append(failure(i, self.labels[i], predicted))
        return Evaluation(*(detector.score(*held) for held in self.held), failures)

    def request(self, evaluation: Evaluation, cycle: int, budget: int) -> list[Request]:
        counts = {str(digit): int((self.labels == digit).sum()) for digit in range(10)}
        rng = np.random.default_rng([self.seed, cycle])
        frames = {str(i): {0: str(label)} for i, label in enumerate(self.labels)}
        mined = Mined(evaluation.failures, counts, frames=frames)
        return self.policy.request(mined, cycle=cycle, budget=budget, rng=rng)

    def simulate(self, requests: list[Request], cycle: int) -> Part:
        made = [self.draw(request, v) for request in requests for v in range(request.variations)]
        images, parents = zip(*made) if made else ([], [])
        self.parts[f"cycle-{cycle}"] = np.reshape(images, (-1, 64)), np.array(parents, dtype=int)
        return Part(f"cycle-{cycle}", len(made), cycle)

    def draw(self, request: Request, variation: int) -> tuple[np.ndarray, int]:
        rng = np.random.default_rng([request.seed, variation])
        parent = int(rng.integers(TRAIN)) if request.parent is None else int(request.parent)
        repeats = request.policy == "oversample"
        return self.images[parent] if repeats else perturb(self.images[parent], rng), parent


def failure(i: int, label: int, predicted: int) -> Failure:
    return Failure(
        failure_id=f"{i}#classification", frame_id=str(i), split="mine", detector="svm",
        kind="classification", category=str(label), predicted=str(predicted), object_index=0,
        object_box=None, detection_box=None, score=None, iou=0.0, height_px=8.0,
    )  # fmt: skip


def run(policy: str, seed: int) -> float:
    """Accuracy on test of the cycle that is best on val."""
    real = Part("digits", TRAIN)
    check = partial(check_stop, cycles=CYCLES if policy != "none" else 0)
    stages = Stages(build_policy(PolicySettings(name=policy)), seed)
    return imitate(stages, Dataset(real, AggregationSettings()), check).best.evaluation.test


def check_stop(scores: list[float], dataset: Dataset, cycles: int) -> str | None:
    return stopping.check(scores, dataset.added_ratio, dataset.settings.max_synthetic_ratio, cycles)


def main(seeds: int = 20) -> dict[str, np.ndarray]:
    """Every arm's accuracies on test, by seed; prints them beside `real`."""
    arms = ("real", "oversample", "random", "untargeted", "imitation")
    policies = {arm: "none" if arm == "real" else arm for arm in arms}
    found = {arm: np.array([run(policy, seed) for seed in range(seeds)]) for arm, policy in policies.items()}
    for arm, scores in found.items():
        gain = 100 * (scores - found["real"])
        error = gain.std(ddof=1) / np.sqrt(seeds)
        print(f"{arm:10}  {100 * scores.mean():5.1f}  {gain.mean():+5.1f} +- {1.96 * error:.1f}")
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
