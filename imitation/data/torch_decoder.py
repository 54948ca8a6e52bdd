"""JPEG by torchvision's decoder: the pixels of `decode_image` in half its time, and without Python's lock.

Apart from `imitation.data.images`, which simulators and readers use without torch.
"""

from __future__ import annotations

import numpy as np
import torch
from torchvision.io import ImageReadMode

from imitation.data.images import decode_image, is_plain_jpeg

# The operator itself: its Python function warns of an end in some later release; without it Pillow decodes.
_decode_jpeg = getattr(torch.ops.image, "decode_jpeg", None)
_RGB = ImageReadMode.RGB.value


def decode_with_torch(data: bytes, where: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """As `imitation.data.images.decode_image`, pixel for pixel: both call libjpeg-turbo with the same
    options. What is no upright grey or RGB JPEG, or cannot be read, goes to `decode_image`, which knows what
    to do."""
    if _decode_jpeg is not None and is_plain_jpeg(data, where):
        try:
            pixels = _decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), _RGB)
        except RuntimeError:
            return decode_image(data, where, size)
        return pixels.permute(1, 2, 0).contiguous().numpy()
    return decode_image(data, where, size)
