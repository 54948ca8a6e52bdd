"""torchvision's detectors by name, under the grid detector's calling convention."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from torch import Tensor, nn

from imitation.common.import_paths import call_factory, load_factory
from imitation.common.settings import UserError
from imitation.detectors.backbones import fetched
from imitation.detectors.settings import ZOO, DetectorSettings

SETTING = "detector.name"


class TorchvisionDetector(nn.Module):
    """A torchvision detector that leaves ignored objects out of its targets.

    torchvision's losses know no ignored regions: what is found there counts as background in
    training. They are also normalised by each rank's own batch, so a training on several workers
    equals one on a single worker only in the mean.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, images: Sequence[Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        if targets is not None:
            targets = [_without_ignored(target) for target in targets]
        output = self.network(list(images), targets)
        return output if self.training else [_without_background(found) for found in output]


def _without_background(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """FCOS and RetinaNet score the background, label 0, like a class of its own."""
    keep = found["labels"] > 0
    return {name: value[keep] for name, value in found.items()}


def _without_ignored(target: dict[str, Tensor]) -> dict[str, Tensor]:
    boxes, labels = target["boxes"], target["labels"]
    keep = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)  # torchvision refuses empty boxes
    if "ignore" in target:
        keep &= ~target["ignore"]
    return {"boxes": boxes[keep], "labels": labels[keep]}


def build_torchvision(settings: DetectorSettings, num_categories: int) -> nn.Module:
    """The detector `settings.name` of torchvision for this number of categories.

    `weights: DEFAULT` loads the backbone's ImageNet weights (torchvision has no detector weights for
    other categories than COCO's). Images are resized by nobody but the caller, except for SSDLite, which
    is made for 320 x 320. Raises UserError for an unknown name, or weights that cannot be fetched.
    """
    if settings.name not in ZOO:
        raise UserError(f"detector.name: {settings.name!r} is unknown; known are grid, {', '.join(ZOO)}")
    detection = importlib.import_module("torchvision.models.detection")
    options: dict[str, object] = {
        "weights": None,
        "weights_backbone": settings.weights,
        "num_classes": num_categories + 1,  # torchvision counts the background
        "detections_per_img": settings.max_detections,
    }
    if settings.trainable_layers is not None:
        options["trainable_backbone_layers"] = settings.trainable_layers
    if not settings.name.startswith("ssdlite"):
        if settings.width is not None and settings.height is not None:
            options["min_size"] = min(settings.width, settings.height)
            options["max_size"] = max(settings.width, settings.height)
        prefix = "box_" if settings.name.startswith("fasterrcnn") else ""
        options[f"{prefix}score_thresh"] = settings.score_floor
        options[f"{prefix}nms_thresh"] = settings.nms_iou
        if prefix:
            options["box_detections_per_img"] = options.pop("detections_per_img")
    else:
        options["score_thresh"] = settings.score_floor
        options["nms_thresh"] = settings.nms_iou
    factory = getattr(detection, settings.name)
    return TorchvisionDetector(fetched(lambda: factory(**options), f"detector.name: {settings.name}"))


def build_custom(settings: DetectorSettings, num_categories: int) -> nn.Module:
    """Somebody's own detector: `settings.name` is "package.module:factory".

    `factory(settings: DetectorSettings, num_categories: int) -> torch.nn.Module` gives a module that
    follows the convention of `GridDetector`; `settings.width` and `settings.height` are the size of
    the images it will see. Raises UserError if the factory cannot be imported or called, or gives no module.
    """
    factory = load_factory(settings.name, SETTING)
    given = {"settings": settings, "num_categories": num_categories}
    model = call_factory(factory, SETTING, settings.name, given)
    if not isinstance(model, nn.Module):
        raise UserError(f"{SETTING}: {settings.name!r} gave {type(model).__name__}, not a torch.nn.Module")
    return model
