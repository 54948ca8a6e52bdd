"""What each detector that comes along knows of itself; reading it imports no torch."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from torch import nn

    from imitation.detectors.settings import DetectorSettings


@dataclass(frozen=True)
class DetectorKind:
    """A factory of detectors by its import path, called as one of somebody's own is.

    `takes_backbone`: it is built around `detector.backbone`, and clusters as `detector.clustering` says;
    `weighs_images`: it heeds `weight` in its targets, for `train.synthetic_weight`.
    """

    path: str
    takes_backbone: bool = False
    weighs_images: bool = False

    def __call__(self, settings: DetectorSettings, num_categories: int) -> nn.Module:
        module, _, attribute = self.path.partition(":")
        build = getattr(importlib.import_module(module), attribute)
        return cast("nn.Module", build(settings, num_categories))


GRID = DetectorKind("imitation.detectors.grid.network:build_grid", takes_backbone=True, weighs_images=True)
TORCHVISION = DetectorKind("imitation.detectors.torchvision_zoo:build_torchvision")
