"""Palettes: fleets are mostly colourless, working vehicles mostly white."""

import numpy as np

from sim_actors.scene.appearance import draw_colour


def share(category: str, colourless: bool) -> float:
    rng = np.random.default_rng(0)
    drawn = np.array([draw_colour(rng, "vehicle", category) for _ in range(2000)])
    grey = np.ptp(drawn, axis=1) < 0.2 * drawn.max(axis=1) + 0.01
    white = grey & (drawn.min(axis=1) > 0.5)
    return float((grey if colourless else white).mean())


def test_four_cars_in_five_are_white_black_grey_or_silver() -> None:
    assert 0.74 < share("vehicle", colourless=True) < 0.86
    assert share("Car", colourless=True) == share("vehicle", colourless=True)


def test_most_vans_and_trucks_are_white() -> None:
    for category in ("Van", "truck"):
        assert share(category, colourless=False) > 0.5
    assert share("car", colourless=False) < 0.35
