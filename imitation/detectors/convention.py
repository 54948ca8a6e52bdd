"""torchvision's detection convention, checked: what a model must give in training and in evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from imitation.common.settings import UserError

LOSSES = "in training model(images, targets) gives a dict of losses, each a tensor with one number"
DETECTIONS = (
    "in evaluation model(images) gives a list with a dict of `boxes`, `labels`, `scores` for each image"
)


def check_losses(losses: Any, name: str) -> None:
    """Raises UserError, beginning with `name`, unless this is a dict of scalar losses by name."""
    if not isinstance(losses, Mapping) or not losses:
        raise UserError(f"{name} gave {kind(losses)} in training; {LOSSES}")
    for key, value in losses.items():
        if not isinstance(value, Tensor) or value.ndim != 0:
            raise UserError(f"{name}: its loss {key!r} is {kind(value)}; {LOSSES} (shape ())")


def check_outputs(outputs: Any, images: int, name: str) -> None:
    """Raises UserError, beginning with `name`, unless this is made as torchvision's detectors make it: a list
    of a dict an image, with `boxes` (N, 4), `labels` integer (N,), `scores` (N,). Looks at no value."""
    if not isinstance(outputs, (list, tuple)):
        raise UserError(f"{name} gave {kind(outputs)} in evaluation; {DETECTIONS}")
    if len(outputs) != images:
        raise UserError(f"{name} gave {len(outputs)} results for {images} images; {DETECTIONS}")
    for output in outputs:
        _check_output(output, name)


def _check_output(output: Any, name: str) -> None:
    if not isinstance(output, Mapping):
        raise UserError(f"{name} gave {kind(output)} for an image; {DETECTIONS}")
    for key in ("boxes", "labels", "scores"):
        if not isinstance(output.get(key), Tensor):
            what = f"{key!r} as {kind(output[key])}" if key in output else f"no {key!r}"
            there = ", ".join(map(repr, output)) or "nothing"
            raise UserError(f"{name} gave {what} for an image (it gave {there}); {DETECTIONS}")
    boxes = output["boxes"]
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise UserError(
            f"{name}: its boxes have shape {tuple(boxes.shape)}; they must be (N, 4): x1, y1, x2, y2 px"
        )
    for key in ("labels", "scores", "occlusion"):
        value = output.get(key)
        if value is not None and tuple(value.shape) != (len(boxes),):
            raise UserError(
                f"{name}: its {key} have shape {tuple(value.shape)} beside {len(boxes)} boxes; "
                f"they must have ({len(boxes)},)"
            )
    if output["labels"].is_floating_point():
        raise UserError(
            f"{name}: its labels are {output['labels'].dtype}; they must be whole numbers from 1 on"
        )


def check_values(outputs: Any, num_categories: int, name: str) -> None:
    """Raises UserError, beginning with `name`, for a box or score that is not finite and for a label that is
    not in 1 .. `num_categories`."""
    for output in outputs:
        boxes, labels, scores = output["boxes"], output["labels"], output["scores"]
        if not (bool(torch.isfinite(boxes).all()) and bool(torch.isfinite(scores).all())):
            raise UserError(f"{name}: a box or a score that it gave is not finite")
        if len(labels) and not (int(labels.min()) >= 1 and int(labels.max()) <= num_categories):
            raise UserError(
                f"{name}: its labels go from {int(labels.min())} to {int(labels.max())}; they must lie "
                f"in 1 to "
                f"{num_categories}, the number of categories (0 would be the background)"
            )


def kind(value: Any) -> str:
    """What something is, for a message."""
    if isinstance(value, Tensor):
        return f"a Tensor of shape {tuple(value.shape)}"
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a value of type {type(value).__name__}"
