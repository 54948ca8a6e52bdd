"""The candidates of a detector before non-maximum suppression, as many for every image: what PyTorch's
exporter can trace.

A detector's own prediction picks as many candidates as are good enough, a number that depends on the pixels;
here their number is fixed and those that are not good enough have a score of 0.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imitation.common.settings import UserError
from imitation.detectors.grid.clustering import CANDIDATES, SMALLEST_BOX
from imitation.detectors.settings import DetectorSettings

ALIGN = 32  # as GridDetector and torchvision's detectors pad


class Candidates(nn.Module):
    """`images` (B, 3, H, W) RGB in [0, 1] at the network's size -> `boxes` (B, K, 4) px of it, `scores` (B,
    K), `labels` (B, K) int64, and `occlusion` (B, K) where `outputs` has it. `background` tells that label 0
    takes part in the suppression and is dropped after it."""

    outputs: tuple[str, ...] = ("boxes", "scores", "labels")
    background = False

    def __init__(
        self, model: Any, settings: DetectorSettings, categories: int, width: int, height: int
    ) -> None:
        super().__init__()
        self.model, self.settings, self.categories = model, settings, categories
        self.width, self.height = width, height

    def _padded(self, images: Tensor) -> Tensor:
        """Zeros at the right and at the bottom, up to a multiple of 32 px."""
        right, bottom = -self.width % ALIGN, -self.height % ALIGN
        return F.pad(images, (0, right, 0, bottom)) if right or bottom else images

    def _clipped(self, boxes: Tensor) -> Tensor:
        return boxes.clamp(min=0).minimum(boxes.new_tensor([self.width, self.height] * 2))


class ProposalCandidates(Candidates):
    """Of a detector with `proposals(images) -> boxes, scores (B, N, C), occlusion`, as the grid one's."""

    outputs = ("boxes", "scores", "labels", "occlusion")

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        mean = getattr(self.model, "mean", 0.0)  # the grid detector pads with its mean colour
        boxes, scores, occlusion = self.model.proposals(self._padded(images - mean) + mean)
        categories = scores.shape[2]
        flat = scores.flatten(1)
        flat = torch.where(flat > self.settings.score_floor, flat, 0.0)
        best, order = flat.topk(min(CANDIDATES, flat.shape[1]), dim=1)
        cell = order // categories
        box = self._clipped(_rows(boxes, cell))
        full = ((box[..., 2:] - box[..., :2]) > SMALLEST_BOX).all(dim=2)
        return box, torch.where(full, best, 0.0), order % categories + 1, occlusion.gather(1, cell)


class _TorchvisionCandidates(Candidates):
    """torchvision's one-stage detectors, whose parts are called as its own `forward` does. Anchors depend on
    the input's size alone, and become constants."""

    anchors: Tensor

    def __init__(
        self, model: Any, settings: DetectorSettings, categories: int, width: int, height: int
    ) -> None:
        super().__init__(model, settings, categories, width, height)
        from torchvision.models.detection.image_list import ImageList

        self.network = model.network.eval()
        with torch.no_grad():
            images = self._prepared(torch.zeros(1, 3, height, width))
            features = self._features(images)
            anchors = self.network.anchor_generator(ImageList(images, [(height, width)]), features)[0]
            self.register_buffer("anchors", anchors)
            per_cell = self.network.anchor_generator.num_anchors_per_location()
            self.levels = [f.shape[2] * f.shape[3] * n for f, n in zip(features, per_cell)]

    def _normalised(self, images: Tensor) -> Tensor:
        transform = self.network.transform
        mean, std = (images.new_tensor(v)[:, None, None] for v in (transform.image_mean, transform.image_std))
        return (images - mean) / std

    def _prepared(self, images: Tensor) -> Tensor:
        return self._padded(self._normalised(images))

    def _features(self, images: Tensor) -> list[Tensor]:
        found = self.network.backbone(images)
        return [found] if isinstance(found, Tensor) else list(found.values())


class LevelCandidates(_TorchvisionCandidates):
    """FCOS and RetinaNet: the best of each level. They score the background like a class of its own."""

    background = True

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network.head(self._features(self._prepared(images)))
        scores = outputs["cls_logits"].sigmoid()
        if "bbox_ctrness" in outputs:
            scores = torch.sqrt(scores * outputs["bbox_ctrness"].sigmoid())
        categories = scores.shape[2]
        parts = zip(
            scores.split(self.levels, dim=1),
            outputs["bbox_regression"].split(self.levels, dim=1),
            self.anchors.split(self.levels),
        )
        found = []
        for score, regression, anchors in parts:
            flat = score.flatten(1)
            flat = torch.where(flat > self.network.score_thresh, flat, 0.0)
            best, order = flat.topk(min(self.network.topk_candidates, flat.shape[1]), dim=1)
            cell = order // categories
            box = self._decoded(_rows(regression, cell), anchors[cell])
            found.append((self._clipped(box), best, order % categories))
        boxes, best, labels = (torch.cat(part, dim=1) for part in zip(*found))
        return boxes, best, labels

    def _decoded(self, regression: Tensor, anchors: Tensor) -> Tensor:
        coder = self.network.box_coder
        decode = coder.decode_single if hasattr(coder, "decode_single") else coder.decode
        return decode(regression.flatten(0, 1), anchors.flatten(0, 1)).unflatten(0, regression.shape[:2])


class SsdCandidates(_TorchvisionCandidates):
    """SSDLite: it has an input size of its own, and takes the best of each category."""

    def _prepared(self, images: Tensor) -> Tensor:
        width, height = self.network.transform.fixed_size
        shape = (height, width)
        return F.interpolate(self._normalised(images), shape, mode="bilinear", align_corners=False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        prepared = self._prepared(images)
        outputs = self.network.head(self._features(prepared))
        scores = outputs["cls_logits"].softmax(dim=-1)
        regression = outputs["bbox_regression"]
        anchors = self.anchors.expand(regression.shape)
        decoded = self.network.box_coder.decode_single(regression.flatten(0, 1), anchors.flatten(0, 1))
        height, width = prepared.shape[2:]
        boxes = decoded.unflatten(0, regression.shape[:2]).clamp(min=0)
        boxes = boxes.minimum(boxes.new_tensor([width, height] * 2))
        boxes = boxes * boxes.new_tensor([self.width / width, self.height / height] * 2)
        found = []
        for label in range(1, scores.shape[2]):
            score = scores[..., label]
            score = torch.where(score > self.network.score_thresh, score, 0.0)
            best, order = score.topk(min(self.network.topk_candidates, score.shape[1]), dim=1)
            found.append((_rows(boxes, order), best, torch.full_like(order, label)))
        box, best, labels = (torch.cat(part, dim=1) for part in zip(*found))
        return box, best, labels


TORCHVISION: dict[str, type[Candidates]] = {
    "fcos_resnet50_fpn": LevelCandidates,
    "retinanet_resnet50_fpn": LevelCandidates,
    "ssdlite320_mobilenet_v3_large": SsdCandidates,
}


def candidates_of(
    model: nn.Module, settings: DetectorSettings, categories: int, width: int, height: int
) -> Candidates:
    """The candidates of a detector that `settings` name. Raises UserError if it cannot be exported."""
    if hasattr(model, "proposals"):
        return ProposalCandidates(model, settings, categories, width, height)
    kind = TORCHVISION.get(settings.name)
    if kind is None:
        raise UserError(
            f"detector.name: {settings.name!r} cannot be exported to ONNX. Those that can: grid, "
            f"{', '.join(TORCHVISION)}, and one of your own with a method proposals(images) -> (boxes, "
            "scores, occlusion), as the grid detector's; a two-stage detector such as Faster R-CNN "
            "suppresses proposals inside the network, which PyTorch's exporter cannot trace"
        )
    return kind(model, settings, categories, width, height)


def _rows(values: Tensor, index: Tensor) -> Tensor:
    """values (B, N, 4) at index (B, K): (B, K, 4)."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))
