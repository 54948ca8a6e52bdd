"""A detector in use: images of any size in, detections in their own pixels out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

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
        for start in range(0, len(images), batch_size):
            part = images[start : start + batch_size]
            resized = [self._resized(image, start + i) for i, image in enumerate(part)]
            outputs = self._run(np.stack(resized))
            found += [self._detections(output, image) for output, image in zip(outputs, part)]
        return found

    def _resized(self, image: np.ndarray, position: int) -> np.ndarray:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise DataError(
                f"image {position}", f"expected RGB uint8 (H, W, 3), found {image.dtype} {image.shape}"
            )
        if image.shape[:2] == (self.height, self.width):
            return image
        # as training does: bilinear with antialiasing
        return np.asarray(Image.fromarray(image).resize((self.width, self.height), Image.Resampling.BILINEAR))

    def _run(self, images: np.ndarray) -> list[dict[str, Tensor]]:
        batch = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float().div_(255)
        with torch.inference_mode(), autocast(self.precision, self.device):
            outputs: list[dict[str, Tensor]] = self.model(list(batch.unbind(0)))
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
