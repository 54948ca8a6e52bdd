"""One body alone: to look at it, from whatever side."""

from __future__ import annotations

import math

from imitation.data.records import Camera, Cuboid
from sim_actors.scene.ground import ground_y
from sim_actors.scene.records import Actor, Environment, Road, Scene, Sensor


def body_scene(
    category: str,
    model: str,
    size: tuple[float, float, float],
    yaw: float,
    width: int = 300,
    height: int = 200,
) -> Scene:
    """One body of `size` (length, width, height, m) alone on asphalt by day, filling the picture of `width`
    x `height` px; `yaw` rad."""
    length, wide, tall = size
    camera = Camera(1.6 * width, 1.6 * width, width / 2, 0.42 * height, 1.5, 0.0)
    across = length * abs(math.cos(yaw)) + wide * abs(math.sin(yaw))
    ahead = length * abs(math.sin(yaw)) + wide * abs(math.cos(yaw))
    # Near enough to fill four fifths of the width, far enough to show the ground it stands on.
    z = max(camera.fx * across / (0.8 * width), camera.fy * 1.5 / (0.47 * height)) + ahead / 2
    z = max(z, camera.fy * (tall - 1.5) / (0.36 * height) + ahead / 2)
    cuboid = Cuboid(0.0, ground_y(camera, z), z, length, wide, tall, yaw)
    return Scene(
        scene_id=f"{category}-{model}",
        width=width,
        height=height,
        camera=camera,
        actors=(Actor(category, cuboid, (0.32, 0.05, 0.04), model, seed=3),),
        road=Road(offset=0.0, lanes=2, lane_width=30.0, markings=False),
        environment=Environment(hour=14.0, sun_azimuth=2.4),
        sensor=Sensor(noise=0.0, jpeg_quality=0),
    )
