"""torchvision's detectors by name, under the grid detector's calling convention."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from torch import Tensor, nn

from imitation.detectors.backbones import fetched
from imitation.detectors.settings import DetectorSettings


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
    is made for 320 x 320. Raises UserError for weights that cannot be fetched.
    """
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
