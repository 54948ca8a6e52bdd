"""A detector in use: images of any size in, detections in their own pixels out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imitation.common.settings import DataError
from imitation.detectors.convention import check_outputs
from imitation.detectors.precision import autocast
from imitation.detectors.settings import Precision
from imitation.evaluation.detections import Detections


class Predictor:
    """Runs a detector of torchvision's convention on images of any size.

    `categories[label - 1]` is a detection's category; `width`, `height` px are the network's input size, to
    which every image is resized (its aspect ratio may change; boxes are mapped back).
    """

    def __init__(
        self,
        model: nn.Module,
        categories: Sequence[str],
        width: int,
        height: int,
        device: str | torch.device = "cpu",
        precision: Precision = "auto",
    ) -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device).to(memory_format=torch.channels_last).eval()
        self.categories = tuple(categories)
        self.width = width
        self.height = height
        self.precision = precision

    def predict(self, images: Sequence[np.ndarray], batch_size: int = 8) -> list[Detections]:
        """The detections in each RGB uint8 (H, W, 3) image, best first, boxes in its own pixels.

        Raises DataError naming the position of an array that is no such image.
        """
        found: list[Detections] = []
        starts = range(0, len(images), batch_size)
        with ThreadPoolExecutor(1) as thread:  # the next batch is made ready while the model works
            ready = (thread.submit(self._ready, images, start, batch_size) for start in starts)
            following = next(ready, None)
            for start in starts:
                assert following is not None
                batch, following = following.result(), next(ready, None)
                outputs = self._run(batch)
                part = images[start : start + batch_size]
                found += [self._detections(output, image) for output, image in zip(outputs, part)]
        return found

    def _ready(self, images: Sequence[np.ndarray], start: int, count: int) -> Tensor:
        """Some of the images in the network's size, uint8 (B, 3, height, width)."""
        return torch.cat([self._resized(images[i], i) for i in range(start, min(start + count, len(images)))])

    def _resized(self, image: np.ndarray, position: int) -> Tensor:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise DataError(
                f"image {position}", f"expected RGB uint8 (H, W, 3), found {image.dtype} {image.shape}"
            )
        if not image.flags.writeable or min(image.strides) < 0:  # torch takes neither
            image = image.copy()
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
        if image.shape[:2] == (self.height, self.width):
            return pixels
        # as training does, to rounding: bilinear with antialiasing; Pillow's takes six times as long
        return F.interpolate(pixels, (self.height, self.width), mode="bilinear", antialias=True)

    def _run(self, images: Tensor) -> list[dict[str, Tensor]]:
        batch = images.to(self.device).contiguous(memory_format=torch.channels_last).float().div_(255)
        # a list is torchvision's convention; who takes a batch as well need not put it together again
        given = batch if getattr(self.model, "takes_batches", False) else list(batch.unbind(0))
        with torch.inference_mode(), autocast(self.precision, self.device, self.model):
            outputs: list[dict[str, Tensor]] = self.model(given)
        check_outputs(outputs, len(images), f"the detector ({type(self.model).__name__})")
        return outputs

    def _detections(self, output: dict[str, Tensor], image: np.ndarray) -> Detections:
        arrays = {name: value.float().cpu().numpy() for name, value in output.items()}
        height, width = image.shape[:2]
        scale = np.array([width / self.width, height / self.height] * 2, dtype=np.float32)
        return Detections(
            boxes=arrays["boxes"] * scale,
            scores=arrays["scores"],
            labels=arrays["labels"].astype(np.int64),
            occlusion=arrays.get("occlusion"),  # type: ignore[arg-type]  # None: unknown
        )
