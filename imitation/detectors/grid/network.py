"""GridDetector: several output grids, each predicting per cell coverage, box, occlusion and class.

The detector of Kishore et al., Synthetic Data Generation using Imitation Training (ICCV Workshops
2021), in the spirit of NVIDIA's DetectNet_v2: binary cross-entropy on coverage, occlusion and class,
L1 on box distances, proposals of all grids clustered into detections. The grids share a light
top-down pyramid (Lin et al., Feature Pyramid Networks, CVPR 2017) and one head; box distances are
predicted as in FCOS (Tian et al., ICCV 2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss

from imitation.detectors.backbones import Backbone, build_backbone
from imitation.detectors.grid.assignment import Cells, assign, make_cells
from imitation.detectors.grid.clustering import cluster
from imitation.detectors.settings import DetectorSettings

PRIOR = 0.01  # coverage at the start: few cells are covered (RetinaNet's bias initialisation)
ALIGN = 32  # the backbones' last stride; inputs are padded to a multiple of it


class GridDetector(nn.Module):
    """torchvision's detection convention: `model(images, targets)` in training gives a dict of scalar
    losses, `model(images)` in evaluation a list of dicts.

    images: list of (3, H, W) RGB tensors in [0, 1]. targets: list of dicts with `boxes` (M, 4) px,
    `labels` (M,) 1-based, and optionally `ignore` (M,) bool, `occlusion` (M,) in [0, 1], NaN where
    unknown, and `weight` () > 0: every loss is a mean over the batch's covered cells, in which those of an
    image count `weight` times (default 1). Detections: `boxes` (K, 4) px, `labels`, `scores` in [0, 1],
    `occlusion` in [0, 1].

    `mean_over_ranks` maps a local count to its mean over all ranks of a distributed training: losses
    divide by it, so that the gradients that ranks average equal those of one worker on the whole batch.
    """

    mean: Tensor
    std: Tensor
    weighs_images = True
    bf16_on_cpu = True
    """Its convolutions are fast in bfloat16 on CPUs that have it (`imitation.detectors.precision`)."""
    takes_batches = True
    """Images may be one tensor (B, 3, H, W), too."""

    def __init__(self, backbone: Backbone, num_categories: int, settings: DetectorSettings) -> None:
        super().__init__()
        self.settings = settings
        self.num_categories = num_categories
        self.strides = settings.strides
        self.mean_over_ranks: Callable[[Tensor], Tensor] = lambda count: count
        self.backbone = backbone
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1), persistent=False)
        width = settings.features
        self.lateral = nn.ModuleList(nn.Conv2d(backbone.channels[s], width, 1) for s in self.strides)
        self.tower = nn.Sequential(_conv(width), _conv(width))
        self.output = nn.Conv2d(width, 6 + num_categories, 3, padding=1)
        self.scales = nn.Parameter(torch.ones(len(self.strides)))
        nn.init.normal_(self.output.weight, std=0.01)
        # few cells are covered at first, and boxes begin some cells wide
        bias = [-math.log((1 - PRIOR) / PRIOR), *[1.0] * 4, *[0.0] * (1 + num_categories)]
        self.output.bias = nn.Parameter(torch.tensor(bias))

    def forward(
        self, images: Sequence[Tensor] | Tensor, targets: list[dict[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        raw, cells = self._predict(self._batch(images))
        if self.training:
            if targets is None:
                raise ValueError("targets are needed in training")
            return self._losses(raw, cells, targets)
        boxes, scores, occlusion = self._decode(raw, cells)
        sizes = [(image.shape[-1], image.shape[-2]) for image in images]
        return [
            cluster(boxes[i], scores[i], occlusion[i], sizes[i], self.settings) for i in range(len(sizes))
        ]

    def proposals(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Every cell's proposal, before clustering: what `export_onnx` exports.

        images (B, 3, H, W) in [0, 1], H and W multiples of 32 -> boxes (B, N, 4) px, scores (B, N, C) =
        coverage * class probability, occlusion (B, N).
        """
        return self._decode(*self._predict(images))

    def _batch(self, images: Sequence[Tensor] | Tensor) -> Tensor:
        """One tensor, padded at the right and the bottom (with the mean colour) to a multiple of 32."""
        height = math.ceil(max(image.shape[-2] for image in images) / ALIGN) * ALIGN
        width = math.ceil(max(image.shape[-1] for image in images) / ALIGN) * ALIGN
        if isinstance(images, Tensor) and images.shape[-2:] == (height, width):
            return images
        batch = self.mean.expand(len(images), 3, height, width).clone(memory_format=torch.channels_last)
        for row, image in zip(batch, images):
            row[:, : image.shape[-2], : image.shape[-1]] = image
        return batch

    def _predict(self, batch: Tensor) -> tuple[Tensor, Cells]:
        """Raw outputs (B, N, 6 + C): coverage, 4 distances, occlusion, classes; and the N cells."""
        batch = ((batch - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        features = self.backbone(batch)
        merged: list[Tensor] = []
        for stride, lateral in zip(reversed(self.strides), reversed(self.lateral)):
            level = lateral(features[stride])
            if merged:
                level = level + F.interpolate(merged[-1], size=level.shape[-2:], mode="nearest")
            merged.append(level)
        merged.reverse()
        outputs, shapes = [], []
        for level in merged:
            out = self.output(self.tower(level))
            shapes.append((out.shape[-2], out.shape[-1]))
            outputs.append(out.permute(0, 2, 3, 1).flatten(1, 2))
        return torch.cat(outputs, dim=1).float(), make_cells(shapes, self.strides, batch.device)

    def _boxes(self, raw: Tensor, cells: Cells) -> tuple[Tensor, Tensor]:
        """Distances to left, top, right, bottom in strides (..., N, 4), and boxes in px."""
        distances = F.softplus(raw[..., 1:5] * self.scales[cells.grids][:, None])
        px = distances * cells.strides[:, None]
        return distances, torch.cat([cells.centres - px[..., :2], cells.centres + px[..., 2:]], dim=-1)

    def _decode(self, raw: Tensor, cells: Cells) -> tuple[Tensor, Tensor, Tensor]:
        _, boxes = self._boxes(raw, cells)
        scores = raw[..., :1].sigmoid() * raw[..., 6:].sigmoid()
        return boxes, scores, raw[..., 5].sigmoid()

    def _losses(self, raw: Tensor, cells: Cells, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        weights = self.settings.losses
        # per image: the covered cells, their objects, and which cells' coverage counts
        covered, counts, boxes, labels, occlusion = [], [], [], [], []
        for target in targets:
            ignore = target.get("ignore", torch.zeros_like(target["labels"], dtype=torch.bool))
            found = assign(cells, target["boxes"].float(), ignore, self.settings.shrink)
            mask = found.objects >= 0
            index = found.objects[mask]
            covered.append(mask)
            counts.append(found.counts)
            boxes.append(target["boxes"].float()[index])
            labels.append(target["labels"][index])
            shown = target.get("occlusion", torch.full_like(ignore, torch.nan, dtype=torch.float32))
            occlusion.append(shown[index])
        mask, box = torch.stack(covered), torch.cat(boxes)
        label, hidden = torch.cat(labels), torch.cat(occlusion)
        one = torch.ones((), device=raw.device)
        image_weight = torch.stack([target.get("weight", one) for target in targets])[:, None]  # (B, 1)
        weight = image_weight.expand(mask.shape)[mask]  # of each covered cell
        number = self.mean_over_ranks(weight.sum()).clamp(min=1e-3)

        cover = F.binary_cross_entropy_with_logits(raw[..., 0], mask.float(), reduction="none")
        if weights.focal_gamma:
            cover = cover * (raw[..., 0].sigmoid() - mask.float()).abs() ** weights.focal_gamma
        cover = (cover * torch.stack(counts) * image_weight).sum() / number

        distances, decoded = self._boxes(raw, cells)
        strides = cells.strides.expand(mask.shape)[mask][:, None]
        centres = cells.centres.expand(*mask.shape, 2)[mask]
        wanted = torch.cat([centres - box[:, :2], box[:, 2:] - centres], dim=1) / strides
        difference = (distances[mask] - wanted).abs() / self._size_in_cells(wanted)
        overlap = generalized_box_iou_loss(decoded[mask], box, reduction="none")
        kind = F.one_hot(label - 1, self.num_categories).float()
        known = ~hidden.isnan()
        number_known = self.mean_over_ranks(weight[known].sum()).clamp(min=1e-3)
        occluded = F.binary_cross_entropy_with_logits(
            raw[..., 5][mask][known], hidden[known], reduction="none"
        )
        category = F.binary_cross_entropy_with_logits(raw[..., 6:][mask], kind, reduction="none")
        return {
            "coverage": weights.coverage * cover,
            "box": weights.box * (difference.sum(dim=1) * weight).sum() / number,
            "overlap": weights.overlap * (overlap * weight).sum() / number,
            "category": weights.category * (category.sum(dim=1) * weight).sum() / number,
            "occlusion": weights.occlusion * (occluded * weight[known]).sum() / number_known,
        }

    @staticmethod
    def _size_in_cells(wanted: Tensor) -> Tensor:
        """Half the box's mean side, in strides (K, 1): what L1 distances are relative to, so that a near
        object does not outweigh ten far ones."""
        return (wanted.abs().sum(dim=1, keepdim=True) / 4).clamp(min=0.5)


def _conv(width: int) -> nn.Sequential:
    """3x3 convolution with group normalisation, which does not depend on the batch: ranks of a
    distributed training and frozen batch norms then agree with a single worker."""
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(8, width), nn.ReLU(inplace=True)
    )


def build_grid(settings: DetectorSettings, num_categories: int) -> GridDetector:
    """The grid detector around the backbone that the settings name."""
    backbone = build_backbone(settings.backbone, settings.weights, settings.trainable_layers)
    return GridDetector(backbone, num_categories, settings)
