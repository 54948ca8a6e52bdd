"""A detector that computes next to nothing: one box an image, from its pixels; built by import path."""

import os
import signal
import time

import torch
from torch import Tensor, nn

from imitation.detectors.settings import DetectorSettings

PATH = "tests.cluster.toy_detector:make"
SLOW = "tests.cluster.toy_detector:make_slow"
DELAY_S = 0.02
POISON = 1.0  # an image that is white all over ends the process


class ToyDetector(nn.Module):
    """The box's upper left corner follows the image's mean red and green; the score is its mean blue."""

    def __init__(self, delay_s: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.delay_s = delay_s

    def forward(self, images: list[Tensor], targets: list[dict] | None = None) -> list | dict:
        if targets is not None:
            return {"loss": (self.weight - 1).square().sum()}
        return [self._found(image) for image in images]

    def _found(self, image: Tensor) -> dict[str, Tensor]:
        time.sleep(self.delay_s)
        red, green, blue = image.mean(dim=(1, 2)).tolist()
        if min(red, green, blue) >= POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        height, width = image.shape[1:]
        box = [0.5 * red * width, 0.5 * green * height, 0.9 * width, 0.9 * height]
        return {"boxes": torch.tensor([box]), "scores": torch.tensor([blue]), "labels": torch.tensor([1])}


def make(settings: DetectorSettings, num_categories: int) -> nn.Module:
    return ToyDetector(0.0)


def make_slow(settings: DetectorSettings, num_categories: int) -> nn.Module:
    return ToyDetector(DELAY_S)


class LateDetector(ToyDetector):
    """Keeps to the convention with two images, and no longer with more."""

    def forward(self, images: list[Tensor], targets: list[dict] | None = None) -> list | dict | Tensor:
        return torch.zeros(len(images), 6) if len(images) > 2 else super().forward(images, targets)


def make_late(settings: DetectorSettings, num_categories: int) -> nn.Module:
    return LateDetector(0.0)
