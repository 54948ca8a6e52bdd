"""Made-up photos for the tests of backdrops: grey road below a sky, with whatever labels."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from imitation.data.records import Frame
from sim_actors.scene.ground import horizon_row


def road_pixels(frame: Frame, grey: int = 118, noise: float = 2.0, seed: int = 0) -> np.ndarray:
    """A road to the horizon, seen by the frame's camera."""
    assert frame.camera is not None
    rng = np.random.default_rng(seed)
    pixels = np.full((frame.height, frame.width, 3), grey, dtype=float)
    pixels[: max(round(horizon_row(frame.camera)), 0)] = (150, 180, 220)
    return np.clip(np.round(pixels + rng.normal(0, noise, pixels.shape)), 0, 255).astype(np.uint8)


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, kind, **options)  # type: ignore[arg-type]
    return sink.getvalue()


def photographed(frame: Frame, pixels: np.ndarray | None = None) -> Frame:
    """The frame with an image of it, PNG."""
    return replace(frame, image=encoded(road_pixels(frame) if pixels is None else pixels), image_uri=None)
