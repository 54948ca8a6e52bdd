"""The dummy step: whatever a long training would come to at its end is found in seconds."""

import re

import pytest
import torch
from torch import nn

from imitation.common.contracts import carried_out
from imitation.common.settings import UserError
from imitation.detectors.predictor import Predictor
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings
from imitation.training.detector_contract import detector_contract, toy_batch
from imitation.training.settings import TrainSettings

HERE = "tests.imitation.training.test_detector_contract"
CATEGORIES = ("car", "person")


class Good(nn.Module):
    """One box an image."""

    def __init__(self, settings: DetectorSettings, num_categories: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))

    def forward(self, images, targets=None):
        if self.training:
            return self.losses(images, targets)
        return self.found(images)

    def losses(self, images, targets):
        return {"loss": (self.weight - 1).square().sum()}

    def found(self, images):
        one = {"boxes": [[1.0, 2.0, 30.0, 20.0]], "labels": [2], "scores": [0.5]}
        return [{key: torch.tensor(value) for key, value in one.items()} for _ in images]


def spoilt(**methods):
    return type("Spoilt", (Good,), methods)


def with_output(**changes):
    def found(self, images):
        return [output | changes for output in Good.found(self, images)]

    return spoilt(found=found)


class Shrinking(Good):
    built = 0

    def __init__(self, settings, num_categories):
        super().__init__(settings, num_categories)
        Shrinking.built += 1
        self.weight = nn.Parameter(torch.zeros(2 + Shrinking.built))


TensorInTraining = spoilt(losses=lambda self, images, targets: self.weight.sum())
ListOfLosses = spoilt(losses=lambda self, images, targets: {"a": self.weight})
NoGradient = spoilt(losses=lambda self, images, targets: {"a": self.weight.detach().sum()})
Nan = spoilt(losses=lambda self, images, targets: {"a": self.weight.sum() * float("nan")})
NeedsObjects = spoilt(
    losses=lambda self, images, targets: {"a": self.weight.sum() + min(t["boxes"].max() for t in targets)}
)
TensorInEvaluation = spoilt(found=lambda self, images: torch.zeros(len(images), 6))
OneForAll = spoilt(found=lambda self, images: Good.found(self, images[:1]))
Tuples = spoilt(found=lambda self, images: [(1, 2) for _ in images])
NoScores = spoilt(found=lambda self, images: [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0)}] * 2)
Flat = with_output(boxes=torch.zeros(4))
Labels0 = with_output(labels=torch.tensor([0]))
Labels3 = with_output(labels=torch.tensor([3]))
FloatLabels = with_output(labels=torch.tensor([1.0]))
TwoScores = with_output(scores=torch.tensor([0.5, 0.5]))
Fractions = with_output(boxes=torch.tensor([[0.1, 0.1, 0.5, 0.9]]))
OneArgument = spoilt(forward=lambda self, images: {})


def findings(name: str, **train):
    settings = DetectorSettings(name=f"{HERE}:{name}", width=96, height=64)
    return list(carried_out("detector", detector_contract(settings, CATEGORIES, TrainSettings(**train), 0)))


def test_a_detector_that_keeps_to_the_convention():
    found = findings("Good")
    assert [finding.status for finding in found] == ["ok"] * 4
    assert [finding.tried.split()[:2] for finding in found] == [
        ["building", f"{HERE}:Good"], ["one", "training"], ["one", "prediction"], ["loading", "its"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "tried", "said"),
    [
        ("TensorInTraining", "training", r"gave a Tensor of shape \(\) in training; .*a dict of losses"),
        ("ListOfLosses", "training", r"its loss 'a' is a Tensor of shape \(3,\)"),
        ("NoGradient", "training", "do not depend on its parameters"),
        ("Nan", "training", "its loss 'a' is nan in the very first step"),
        (
            "NeedsObjects",
            "training",
            r"model\(images, targets\) in training failed: .*test_detector_contract.py",
        ),
        ("OneArgument", "training", r"failed: TypeError: .*takes 2 positional arguments but 3 were given"),
        ("TensorInEvaluation", "prediction", r"gave a Tensor of shape \(2, 6\) in evaluation; .*a list"),
        ("OneForAll", "prediction", "gave 1 results for 2 images"),
        ("Tuples", "prediction", "gave a tuple of 2 for an image"),
        ("NoScores", "prediction", r"gave no 'scores' for an image \(it gave 'boxes', 'labels'\)"),
        ("Flat", "prediction", r"boxes have shape \(4,\)"),
        ("Labels0", "prediction", "its labels go from 0 to 0; they must lie in 1 to 2"),
        ("Labels3", "prediction", "its labels go from 3 to 3; they must lie in 1 to 2"),
        ("FloatLabels", "prediction", "its labels are torch.float32"),
        ("TwoScores", "prediction", r"its scores have shape \(2,\) beside 1 boxes"),
        ("Shrinking", "loading", "the factory must build the same network every time"),
    ],
)
def test_what_breaks_the_convention_is_named_with_the_step(name, tried, said):
    *before, last = findings(name)
    assert (last.status, [finding.status for finding in before]) == ("problem", ["ok"] * len(before))
    assert tried in last.tried
    assert last.text.startswith(f"detector.name: '{HERE}:{name}'")
    assert re.search(said, last.text), last.text


def test_boxes_as_fractions_are_remarked():
    (note,) = [finding for finding in findings("Fractions") if finding.status == "note"]
    assert "must be in px of the image" in note.text


def test_weights_of_images_need_a_detector_that_heeds_them():
    *_, last = findings("Good", synthetic_weight=0.5)
    assert last.status == "problem"
    assert "weighs_images = True" in last.text


def test_ours_keeps_to_it_too():
    settings = DetectorSettings(backbone="resnet10", weights=None, features=16, width=96, height=64)
    train = TrainSettings(synthetic_weight=0.5, ema_decay=0.9)
    found = list(carried_out("detector", detector_contract(settings, ("car",), train, 0)))
    assert [finding.status for finding in found] == ["ok"] * 4


def test_the_toy_batch_holds_what_real_batches_hold():
    images, (some, none) = toy_batch(96, 64, 2, 0, "cpu")
    assert [tuple(image.shape) for image in images] == [(3, 64, 96)] * 2
    assert some["labels"].tolist() == [1, 2, 1]
    assert some["ignore"].any()
    assert none["boxes"].shape == (0, 4)


def test_a_detector_that_breaks_it_later_is_named_too():
    settings = DetectorSettings(name=f"{HERE}:TensorInEvaluation", width=96, height=64)
    predictor = Predictor(build_detector(settings, 2), CATEGORIES, 96, 64)
    with pytest.raises(UserError, match=r"\(Spoilt\) gave a Tensor of shape \(1, 6\) in evaluation"):
        predictor.predict([torch.zeros(64, 96, 3, dtype=torch.uint8).numpy()])
