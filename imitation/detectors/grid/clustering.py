"""Proposals of all grids -> detections, by non-maximum suppression or by density clustering."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou

from imitation.detectors.settings import DetectorSettings

CANDIDATES = 1000  # the best so many proposals an image go on
SMALLEST_BOX = 1e-3  # px; proposals with a shorter side are dropped


def cluster(
    boxes: Tensor, scores: Tensor, occlusion: Tensor, size: tuple[int, int], settings: DetectorSettings
) -> dict[str, Tensor]:
    """The detections of one image.

    boxes (N, 4) px, scores (N, C) in [0, 1], occlusion (N,); size (width, height) px, to which boxes are
    clipped. Returns `boxes` (K, 4), `labels` (K,) 1-based, `scores` (K,) falling, `occlusion` (K,).
    """
    cell, category = (scores > settings.score_floor).nonzero(as_tuple=True)
    score = scores[cell, category]
    score, order = score.sort(descending=True, stable=True)
    score, order = score[:CANDIDATES], order[:CANDIDATES]
    cell, category = cell[order], category[order]
    box = boxes[cell].clamp(min=0)
    box = box.minimum(box.new_tensor([*size, *size]))
    hidden = occlusion[cell]
    full = ((box[:, 2:] - box[:, :2]) > SMALLEST_BOX).all(dim=1)
    box, score, category, hidden = box[full], score[full], category[full], hidden[full]
    if settings.clustering == "nms":
        keep = batched_nms(box, score, category, settings.nms_iou)[: settings.max_detections]
        box, score, category, hidden = box[keep], score[keep], category[keep], hidden[keep]
    else:
        box, score, category, hidden = _dbscan(box, score, category, hidden, settings)
    return {"boxes": box, "labels": category + 1, "scores": score, "occlusion": hidden}


def _dbscan(
    boxes: Tensor, scores: Tensor, categories: Tensor, occlusion: Tensor, settings: DetectorSettings
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """DBSCAN (Ester et al., KDD 1996) on 1 - IoU, category by category, as DetectNet_v2 does: proposals
    weigh as much as their score, a cluster's box and occlusion are weighted means, its score the best."""
    from sklearn.cluster import DBSCAN

    found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for category in categories.unique():
        mine = categories == category
        box, score, hidden = boxes[mine], scores[mine], occlusion[mine]
        distance = (1 - box_iou(box, box)).clamp(min=0).double().cpu().numpy()
        # scikit-learn takes whole `min_samples` only: weights are in units of the weight that makes a core
        weights = score.double().cpu().numpy() / settings.dbscan_weight
        groups = DBSCAN(eps=1 - settings.dbscan_iou, min_samples=1, metric="precomputed").fit_predict(
            distance, sample_weight=weights
        )
        for group in np.unique(groups[groups >= 0]):
            members = torch.from_numpy(groups == group).to(box.device)
            weight = score[members] / score[members].sum()
            found.append(
                (
                    (box[members] * weight[:, None]).sum(dim=0),
                    score[members].max(),
                    category,
                    (hidden[members] * weight).sum(),
                )
            )
    if not found:
        return boxes[:0], scores[:0], categories[:0], occlusion[:0]
    box, score, kind, hidden = (torch.stack(part) for part in zip(*found))
    order = score.argsort(descending=True, stable=True)[: settings.max_detections]
    return box[order], score[order], kind[order], hidden[order]
