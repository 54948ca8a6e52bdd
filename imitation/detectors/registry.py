"""One door to every detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from imitation.common.import_paths import call_factory
from imitation.common.registry import Registry
from imitation.common.settings import UserError

if TYPE_CHECKING:
    from torch import nn

    from imitation.detectors.settings import DetectorSettings

SETTING = "detector.name"
TORCHVISIONS = (
    "fcos_resnet50_fpn",
    "retinanet_resnet50_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "ssdlite320_mobilenet_v3_large",
)
DETECTORS: Registry[Callable[..., nn.Module]] = Registry(
    "detector",
    SETTING,
    {
        "grid": "imitation.detectors.kinds:GRID",
        **dict.fromkeys(TORCHVISIONS, "imitation.detectors.kinds:TORCHVISION"),
    },
)
"""Factories, called with (settings: DetectorSettings, num_categories: int); they give a module that follows
the convention of `GridDetector`. `settings.width` and `settings.height` are the size of its images.
"""


def takes_backbone(name: str) -> bool:
    """Whether the detector of this name is built around `detector.backbone`; nobody's own is."""
    return not DETECTORS.is_own(name) and bool(getattr(DETECTORS.load(name), "takes_backbone", False))


def weighs_images(name: str) -> bool:
    """Whether the detector of this name heeds `weight` in its targets; one of somebody's own may, and is
    asked once it is built."""
    return DETECTORS.is_own(name) or bool(getattr(DETECTORS.load(name), "weighs_images", False))


def build_detector(settings: DetectorSettings, num_categories: int) -> nn.Module:
    """The detector that the settings name, for categories 1 .. num_categories, on the CPU, in
    channels_last memory format (1.5 times as fast to train on a CPU). Fresh weights come from
    torch's global generator: seed it before.

    Raises UserError for an unknown name, for weights that do not exist or cannot be fetched, and for a
    factory of somebody's own that cannot be imported or called, or gives no module.
    """
    import torch
    from torch import nn

    if num_categories < 1:
        raise UserError("detector: there is no category to detect")
    given = {"settings": settings, "num_categories": num_categories}
    factory = DETECTORS.load(settings.name)
    if DETECTORS.is_own(settings.name):
        model = call_factory(factory, SETTING, settings.name, given)
    else:
        model = factory(**given)
    if not isinstance(model, nn.Module):
        raise UserError(f"{SETTING}: {settings.name!r} gave {type(model).__name__}, not a torch.nn.Module")
    return model.to(memory_format=torch.channels_last)
