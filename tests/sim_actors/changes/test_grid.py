"""The places of a grid around a case."""

import math

import pytest

from imitation.common.settings import UserError
from sim_actors.changes.factor import subject_label
from sim_actors.changes.grid import Axes, Cell, axes_of, cells, in_cell
from tests.sim_actors.changes.test_factors import car, scene


def test_two_planes_through_the_case_or_everything():
    planes = list(cells(Axes()))
    assert planes[0] == Cell()
    assert len(planes) == len(set(planes)) == 1 + 9 + 9
    assert {(c.hour, c.weather) for c in planes if c.distance is not None} == {(None, None)}
    assert len({*cells(Axes(), full=True)}) == 1 + 81
    names = [cell.name for cell in cells(Axes(), full=True)]
    assert len(set(names)) == 82
    assert Cell(1.5, 0.3, 17.5, "fog").name == "d1.5-o0.3-h17.5-fog"


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ({"distance": ["0"]}, "above 0"),
        ({"weather": ["hail"]}, "'hail' is none of clear"),
        ({"hour": ["24"]}, "in 0 to 24"),
        ({"occlusion": ["1"]}, "0 to 0.9"),
        ({"distance": ["near"]}, "distance"),
    ],
)
def test_steps_that_cannot_be_are_named(steps, why):
    with pytest.raises(UserError, match=why):
        axes_of(steps)


def test_steps_as_they_are_written():
    assert axes_of({"distance": ["0.5", " 2"]}).distance == [0.5, 2.0]
    assert axes_of({"weather": ["rain"]}).weather == ["rain"]


def test_a_place_changes_what_it_names_and_nothing_else(simulator):
    case = scene(car(5.0, 20.0), car(3.0, 10.0), hour=9.0)
    assert in_cell(case, Cell()) == case
    far = in_cell(case, Cell(distance=1.5, occlusion=0.0))
    cuboid = far.actors[far.focus[0]].cuboid
    assert math.hypot(cuboid.x, cuboid.z) == pytest.approx(1.5 * math.hypot(5.0, 20.0))
    assert far.environment == case.environment
    frame = simulator.render(far)
    assert frame.objects[subject_label(frame, far)].occlusion == 0.0
    night = in_cell(case, Cell(hour=22.0, weather="rain"))
    assert (night.environment.hour, night.environment.weather) == (22.0, "rain")
    assert [a.cuboid for a in night.actors] == [a.cuboid for a in case.actors]
    assert in_cell(scene(car(1.0, 5.0)), Cell(distance=0.5, occlusion=0.0)) is None
