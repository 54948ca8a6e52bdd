"""One scene as files are made of it, for the tests of a session."""

from collections.abc import Iterator

import pytest

from imitation.data.records import Box, Camera
from sim_actors.export import content as ready
from sim_actors.export.content import Baker, Content
from sim_actors.scene.records import Environment, Prop, Road, Scene
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from tests.sim_actors.simulators.opengl.staged import actor, scene

CAMERA = Camera(720.0, 690.0, 560.0, 150.0, 1.7, 0.04)  # neither level, nor square, nor centred


def street() -> Scene:
    """Near things whose boxes are large, so that a pixel more or less counts little; in late light."""
    return scene(
        actor("Car", -3.2, 9.0, 0.9, CAMERA, color=(0.4, 0.02, 0.03)),
        actor("Van", 5.5, 13.0, -1.2, CAMERA),
        actor("Cyclist", 0.8, 5.0, 0.3, CAMERA, labelled=False),
        actor("Truck", -9.0, 17.0, 0.2, CAMERA),
        props=(
            Prop("building", 14.0, 24.0, 12.0, 8.0, 7.0, -1.57, (0.6, 0.5, 0.4), seed=3),
            Prop("sign", 4.2, 9.0, 0.7, 0.1, 2.4, -1.57, (0.6, 0.05, 0.05), seed=2),
            Prop("tree", -6.0, 12.0, 3.0, 3.0, 5.0, seed=1),
        ),
        camera=CAMERA, width=1242, height=375, seed=4,
        road=Road(offset=0.0, crossing=20.0), environment=Environment(hour=16.0, sun_azimuth=0.9),
    )  # fmt: skip


@pytest.fixture(scope="session")
def baker() -> Iterator[Baker]:
    with Baker() as made:
        yield made


@pytest.fixture(scope="session")
def content(baker: Baker) -> Content:
    return baker.content(street())


@pytest.fixture(scope="session")
def twice(baker: Baker) -> tuple[Content, Content]:
    """A small scene made ready twice, from two equal scenes, the second by a baker of its own."""
    first, second = (
        scene(actor("Car", 0.0, 12.0), camera=CAMERA, props=(Prop("sign", 3.0, 9.0, 0.7, 0.1, 2.4),))
        for _ in range(2)
    )
    with pytest.MonkeyPatch.context() as patch, Baker() as other:
        patch.setattr(ready, "GROUND_SIZES", ((128, 256), (128, 256), (128, 128)))
        return baker.content(first), other.content(second)


@pytest.fixture(scope="session")
def boxes(simulator: OpenGLSimulator) -> dict[str, Box]:
    """The embedded renderer's amodal boxes of the street's labelled actors, by the name that they have in
    files."""
    staged = street()
    found = {}
    for obj in simulator.render(staged).objects:
        index = next(k for k, one in enumerate(staged.actors) if one.cuboid == obj.cuboid)
        assert obj.amodal_box is not None
        found[f"actor_{index:03d}_{obj.category.lower()}"] = obj.amodal_box
    assert len(found) == 3
    return found
