"""The ground as it is drawn: its road lies where the layout takes it to be."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from imitation.data.records import Camera
from sim_actors.scene.records import Road, Scene, Sensor
from sim_actors.scene.roads import beside, to_road
from sim_actors.simulators.opengl.renderer import OpenGLSimulator

CAMERA = Camera(160.0, 160.0, 160.0, 40.0, 3.0, 0.0)
PLAIN = Road(offset=-2.0, sidewalk=0.0, markings=False)


def drawn(simulator: OpenGLSimulator, road: Road) -> np.ndarray:
    """A picture, (96, 320, 3) in [0, 255]."""
    sensor = Sensor(noise=0.0, blur=0.0, vignette=0.0, jpeg_quality=0)
    image = simulator.render(Scene("road", 320, 96, CAMERA, road=road, sensor=sensor)).image
    assert image is not None
    return np.asarray(Image.open(io.BytesIO(image))).astype(float)


@pytest.mark.parametrize(
    "road",
    [
        PLAIN,
        replace(PLAIN, curvature=0.012),
        replace(PLAIN, curvature=-0.009, heading=0.15),
        replace(PLAIN, junction=17.0, cross_width=8.0),
        replace(PLAIN, median=3.0, shoulder=1.5),
    ],
    ids=["straight", "right", "left", "junction", "motorway"],
)
def test_tar_and_grass_meet_where_the_layout_says(simulator: OpenGLSimulator, road: Road) -> None:
    picture = drawn(simulator, road)
    grey, coloured = [], []
    for row in range(48, 96, 3):
        z = CAMERA.fy * 3.0 / (row + 0.5 - CAMERA.cy)
        for column in range(4, 320, 4):
            x = (column + 0.5 - CAMERA.cx) / CAMERA.fx * z
            r, _, b = picture[row, column]
            out = beside(road, *to_road(road, x, z))
            if abs(out) > 1.0:
                (grey if out < 0 else coloured).append(abs(r - b))
    assert len(grey) > 30
    assert len(coloured) > 30
    assert np.percentile(grey, 98) < np.percentile(coloured, 2)


def test_a_zebra_and_a_stop_line_are_painted(simulator: OpenGLSimulator) -> None:
    road = replace(PLAIN, offset=0.0, lanes=4, markings=True)
    row = int(CAMERA.cy + CAMERA.fy * 3.0 / 12.0)
    bare, zebra = (drawn(simulator, r)[row].mean(axis=1) for r in (road, replace(road, crossing=12.0)))
    assert np.abs(np.diff(zebra[80:240])).sum() > 3 * np.abs(np.diff(bare[80:240])).sum()
    stop = drawn(simulator, replace(road, junction=20.6, cross_width=8.0))[row].mean(axis=1)
    assert stop[175:225].mean() > bare[175:225].mean() + 30, "on our side"
    assert abs(stop[95:145].mean() - bare[95:145].mean()) < 15, "not on theirs"
