"""The world that other programs get: x right, y ahead along the ground, z up, right-handed, m.

Its origin lies on the ground plane below the camera, so that the ground is z = 0 whatever the camera's
pitch. Scenes themselves stay in the camera's axes (x right, y down, z forward).
"""

from __future__ import annotations

import numpy as np

from imitation.data.records import Camera
from sim_actors.scene.ground import camera_height, ground_rotation

Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""(3, 3): axes of the kind right, down, forward to the kind right, forward, up; a rotation."""


def world_from_camera(camera: Camera) -> np.ndarray:
    """(4, 4), a rigid motion: points in the camera's axes to the world.

    >>> world_from_camera(Camera(700, 700, 320, 96, height=1.5)) @ [2.0, 1.5, 10.0, 1.0]
    array([ 2., 10.,  0.,  1.])
    """
    matrix = np.eye(4)
    matrix[:3, :3] = Z_UP @ ground_rotation(camera).T
    matrix[2, 3] = camera_height(camera)
    return matrix + 0.0  # no negative zeros


def moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (N, 3) through a rigid motion (4, 4)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def looking_back(back: np.ndarray) -> np.ndarray:
    """(4, 4): a rotation whose z axis is this unit vector. Lights and cameras of USD and glTF look along
    their -z."""
    side = np.cross([0.0, 0.0, 1.0] if abs(back[2]) < 0.99 else [0.0, 1.0, 0.0], back)
    side /= np.linalg.norm(side)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([side, np.cross(back, side), back], axis=1)
    return pose
