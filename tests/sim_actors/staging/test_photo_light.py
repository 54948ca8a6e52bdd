import numpy as np
import pytest

from sim_actors.scene.ground import ground_y
from sim_actors.scene.records import Road
from sim_actors.staging.photo_light import Photo, linear, noise_of
from tests.sim_actors.photos import road_pixels
from tests.sim_actors.scenes import KITTI, frame

ROAD = Road()


def photo(pixels: np.ndarray) -> Photo:
    return Photo(pixels, KITTI, ROAD, [])


def spots(x: tuple[float, float], z: tuple[float, float]) -> np.ndarray:
    across, ahead = np.meshgrid(np.linspace(*x, 6), np.linspace(*z, 6))
    return np.column_stack([across.ravel(), ahead.ravel()])


def painted(pixels: np.ndarray, x: tuple[float, float], z: tuple[float, float], colour: object) -> np.ndarray:
    """A rectangle on the ground in another colour."""
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    depth = KITTI.fy * ground_y(KITTI, 0) / np.maximum(rows + 0.5 - KITTI.cy, 1e-6)
    at = (columns + 0.5 - KITTI.cx) / KITTI.fx * depth
    inside = (depth > z[0]) & (depth < z[1]) & (at > x[0]) & (at < x[1])
    result = pixels.copy()
    result[inside] = colour
    return result


@pytest.mark.parametrize("sigma", [1.0, 2.0, 5.0])
def test_noise_is_found_again(sigma: float) -> None:
    pixels = road_pixels(frame(), noise=sigma)
    assert 255 * noise_of(pixels) == pytest.approx(sigma, rel=0.15, abs=0.15)


def test_one_light_on_an_even_road() -> None:
    look = photo(road_pixels(frame(), grey=118)).look()
    assert look.contrast == 1.0
    assert look.ground == pytest.approx((0.18, 0.18, 0.18), abs=0.01)


def test_sun_and_shade_are_told_apart() -> None:
    pixels = painted(road_pixels(frame(), grey=170), (-9, 9), (4, 11), (62, 66, 72))
    seen = photo(pixels)
    look = seen.look()
    assert look.ground[1] == pytest.approx(float(linear(np.array([170], np.uint8))[0]), rel=0.05)
    assert look.contrast == pytest.approx(look.ground[1] / 0.054, rel=0.15)
    assert seen.shade(spots((-1, 1), (6, 10)))
    assert not seen.shade(spots((-1, 1), (14, 20)))


def test_lawn_and_walls_are_no_road() -> None:
    pixels = painted(road_pixels(frame()), (3, 9), (5, 40), (70, 110, 50))
    seen = photo(pixels)
    assert seen.like_road(spots((-2, 2), (8, 20))) == (1.0, 1.0)
    assert seen.like_road(spots((4, 8), (8, 20)))[1] < 0.1
    bricks = photo(painted(road_pixels(frame()), (3, 9), (5, 40), (150, 90, 70)))
    assert bricks.like_road(spots((4, 8), (8, 20)))[1] < 0.1


def test_spots_outside_the_picture_are_not_seen() -> None:
    seen = photo(road_pixels(frame()))
    assert seen.like_road(spots((100, 120), (4, 6))) == (0.0, 0.0)
    assert seen.at(np.array([[0.0, -5.0]]))[1].tolist() == [False]


@pytest.mark.parametrize("grey", [0, 255])
def test_black_and_blown_out_roads_are_measured_too(grey: int) -> None:
    look = photo(np.full((375, 1242, 3), grey, np.uint8)).look()
    assert all(0 < value <= 1 for value in look.ground)
    assert look.contrast == 1.0
    assert look.noise > 0
