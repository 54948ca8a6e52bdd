"""Does a detector follow torchvision's detection convention? One step of training and one of prediction.

Tries in seconds what may fail at the end of a long training: targets with and without objects, losses, a
backward pass, evaluation of the output, loading of the weights by another instance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from imitation.common.contracts import Contract, Found, Step, theirs
from imitation.common.settings import UserError
from imitation.common.wording import counted
from imitation.detectors.convention import check_losses, check_outputs, check_values
from imitation.detectors.predictor import Predictor
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings
from imitation.training.loop import freeze_norms, make_optimizer
from imitation.training.settings import TrainSettings

BUILD_S = 300.0  # weights may have to be fetched
IMAGES = 2


def detector_contract(
    settings: DetectorSettings,
    categories: Sequence[str],
    train: TrainSettings,
    seed: int,
    device: str = "cpu",
) -> Contract:
    """Builds the detector and takes it through a step of each kind on random images of its input size
    (`settings.width`, `settings.height`). Touches torch's global generator: for a process of its own."""
    width, height = settings.width, settings.height
    assert width is not None
    assert height is not None
    name = f"detector.name: {settings.name!r}"
    torch.manual_seed(seed)
    yield Step(f"building {settings.name} for {counted(len(categories), 'category')}", BUILD_S)
    model = build_detector(settings, len(categories)).to(device)
    yield Found(f"{type(model).__name__}, {sum(p.numel() for p in model.parameters()):,} parameters")

    images, targets = toy_batch(width, height, len(categories), seed, device)
    if train.synthetic_weight != 1:
        if not getattr(model, "weighs_images", False):
            raise UserError(
                f"train.synthetic_weight is {train.synthetic_weight:g}, but detector {settings.name!r} "
                "gives one loss for a whole batch; one that heeds `weight` in its targets says "
                "`weighs_images = True`"
            )
        for target in targets:
            target["weight"] = torch.ones((), device=device)
    yield Step(f"one training step on {IMAGES} images of {width}x{height} px, one without objects")
    frozen = settings.weights is not None if train.freeze_batch_norm is None else train.freeze_batch_norm
    yield from _training_step(model, images, targets, train, frozen, name)

    yield Step(f"one prediction on {IMAGES} images of {width}x{height} px")
    model.eval()
    with torch.inference_mode():
        outputs = theirs(lambda: model(images), f"{name}: model(images) in evaluation")
    check_outputs(outputs, len(images), name)
    check_values(outputs, len(categories), name)
    counts = [len(output["boxes"]) for output in outputs]
    predictor = Predictor(model, categories, width, height, device)
    picture = (images[0].permute(1, 2, 0) * 255).byte().cpu().numpy()
    predictor.predict([picture, np.zeros((height // 2, width // 2, 3), np.uint8)])
    yield Found(f"{' and '.join(map(str, counts))} detections, as evaluation reads them")
    if odd := _odd_boxes(outputs, width, height):
        yield Found(odd, note=True)

    yield Step("loading its weights into another one", BUILD_S)
    other = build_detector(settings, len(categories))
    try:
        other.load_state_dict(model.state_dict())
    except (RuntimeError, TypeError) as error:
        what = " ".join(str(error).split())[:300]
        raise UserError(
            f"{name}: a second one that the factory builds does not take the weights of the first ({what}); "
            "the factory must build the same network every time"
        ) from error
    yield Found("they fit")


def toy_batch(
    width: int, height: int, num_categories: int, seed: int, device: str
) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Two random images (3, H, W) in [0, 1] and their targets: three objects of the first and last category,
    one of them ignored; and none."""
    rng = np.random.default_rng(seed)
    pixels = rng.random((IMAGES, 3, height, width), dtype=np.float32)
    boxes = [[0.1, 0.2, 0.4, 0.7], [0.5, 0.3, 0.9, 0.8], [0.3, 0.1, 0.5, 0.3]]
    scale = torch.tensor([width, height, width, height], dtype=torch.float32)
    some = {
        "boxes": torch.tensor(boxes) * scale,
        "labels": torch.tensor([1, num_categories, 1]),
        "ignore": torch.tensor([False, False, True]),
        "occlusion": torch.tensor([0.0, math.nan, 0.5]),
    }
    none = {
        "boxes": torch.zeros((0, 4)),
        "labels": torch.zeros(0, dtype=torch.int64),
        "ignore": torch.zeros(0, dtype=torch.bool),
        "occlusion": torch.zeros(0),
    }
    on_device = [{key: value.to(device) for key, value in target.items()} for target in (some, none)]
    return list(torch.from_numpy(pixels).to(device).unbind(0)), on_device


def _training_step(
    model: nn.Module,
    images: list[Tensor],
    targets: list[dict[str, Tensor]],
    settings: TrainSettings,
    frozen: bool,
    name: str,
) -> Iterator[Found]:
    """One training step; returns the losses."""
    optimizer = theirs(lambda: make_optimizer(model, settings), f"{name}: making its optimizer")
    model.train()
    if frozen:
        freeze_norms(model)
    losses = theirs(lambda: model(images, targets), f"{name}: model(images, targets) in training")
    check_losses(losses, name)
    for key, value in losses.items():
        if not math.isfinite(float(value.detach())):
            raise UserError(f"{name}: its loss {key!r} is {float(value.detach())} in the very first step")
    total = theirs(lambda: torch.stack(list(losses.values())).sum(), f"{name}: the sum of its losses")
    if not total.requires_grad:
        raise UserError(
            f"{name}: its losses do not depend on its parameters (no gradient): nothing is learnt"
        )
    theirs(total.backward, f"{name}: the backward pass of its losses")
    theirs(optimizer.step, f"{name}: the optimizer's step")
    yield Found("losses " + ", ".join(f"{key} {float(value.detach()):.3g}" for key, value in losses.items()))
    if not any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.parameters()):
        yield Found("the gradient of its losses is 0 for every parameter: nothing was learnt", note=True)


def _odd_boxes(outputs: Sequence[dict[str, Tensor]], width: int, height: int) -> str | None:
    """What looks wrong in boxes, but is not refused."""
    boxes = torch.cat([output["boxes"].reshape(-1, 4) for output in outputs]).float()
    if not len(boxes):
        return None
    if float(boxes.max()) <= 2.0 < min(width, height):
        return (
            "every box lies within 2 px of the corner: they must be in px of the image, not fractions of it"
        )
    turned = int(((boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])).sum())
    if turned:
        return f"{turned} of {len(boxes)} boxes have x2 < x1 or y2 < y1: they must be x1, y1, x2, y2"
    return None
