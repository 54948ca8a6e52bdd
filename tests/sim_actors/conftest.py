"""One simulator for the tests of a session that only render."""

from collections.abc import Iterator

import pytest

from sim_actors.simulators.opengl.renderer import OpenGLSimulator


@pytest.fixture(scope="session")
def simulator() -> Iterator[OpenGLSimulator]:
    made = OpenGLSimulator()
    yield made
    made.close()
