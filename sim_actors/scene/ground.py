"""The flat ground that scenes stand on, in camera axes (x right, y down, z forward, m).

A camera that looks down by `pitch` sees the world's downward direction along (0, cos pitch,
sin pitch); the ground is the plane at distance `height` along it. The plane does not tilt
sideways (no roll), so its depth in the picture does not depend on x.
"""

from __future__ import annotations

import math

import numpy as np

from imitation.data.records import Camera

DEFAULT_CAMERA_HEIGHT = 1.65
"""Camera height where a source does not say, m (KITTI's own: Geiger et al., IJRR 2013)."""


def camera_height(camera: Camera) -> float:
    """Distance of the camera from the ground plane, m."""
    return DEFAULT_CAMERA_HEIGHT if camera.height is None else camera.height


def camera_pitch(camera: Camera) -> float:
    """How far the camera looks down, rad."""
    return camera.pitch or 0.0


def ground_y(camera: Camera, z: float) -> float:
    """The camera y (m, down) of the ground at depth z (m), the same for every x."""
    pitch = camera_pitch(camera)
    return (camera_height(camera) - z * math.sin(pitch)) / math.cos(pitch)


def horizon_row(camera: Camera) -> float:
    """The image row (px, may lie outside the image) that the ground's horizon projects to."""
    return camera.cy - camera.fy * math.tan(camera_pitch(camera))


def ground_rotation(camera: Camera) -> np.ndarray:
    """(3, 3) float64: columns are the ground's axes (right, down, forward along the ground) in
    camera axes; maps ground-aligned vectors to camera vectors."""
    c, s = math.cos(camera_pitch(camera)), math.sin(camera_pitch(camera))
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
