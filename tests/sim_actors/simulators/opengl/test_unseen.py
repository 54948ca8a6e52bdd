"""Labelled things that no eye can see are ignored, and nothing else changes."""

from dataclasses import replace

import pytest

from sim_actors.scene.records import Environment, Sensor
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.opengl.settings import RendererSettings
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SceneJob, SimulatorHost, decode_frame
from sim_actors.staging.acceptance import AcceptanceSettings, rejection
from tests.sim_actors.simulators.opengl.staged import actor, scene

BLACK = (0.02, 0.02, 0.02)
WALKER = actor("Pedestrian", -1.0, 14.0, color=BLACK)
PALE = actor("Car", 3.0, 14.0, color=(0.6, 0.6, 0.6))
NIGHT = scene(
    WALKER, PALE, environment=Environment(hour=0.5),
    sensor=Sensor(exposure=-2.0, noise=0.0, jpeg_quality=0), focus=(0,),
)  # fmt: skip
DAY = NIGHT.replace(environment=Environment(), sensor=Sensor(noise=0.0, jpeg_quality=0))


def test_a_person_as_black_as_the_night_is_ignored_and_stays_in_the_picture(
    simulator: OpenGLSimulator,
) -> None:
    frame = simulator.render(NIGHT)
    walker = frame.objects[0]
    assert walker.category == "Pedestrian"
    assert walker.ignore
    assert walker.visible_box.area > 150  # by the number of pixels alone it would be labelled
    with_all = OpenGLSimulator(RendererSettings(ignore_below_contrast=0))
    other = with_all.render(NIGHT)
    with_all.close()
    assert not other.objects[0].ignore
    assert other.image == frame.image
    assert replace(other.objects[0], ignore=True) == walker


def test_fewer_pixels_than_the_settings_ask_for_are_ignored(
    simulator: OpenGLSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = int((simulator.identities(DAY) == 1).sum())
    assert pixels > 12  # the default
    for least, ignored in ((pixels, False), (pixels + 1, True)):
        its = simulator.settings.model_copy(update={"ignore_below_px": least})
        monkeypatch.setattr(simulator, "settings", its)
        assert [obj.ignore for obj in simulator.render(DAY).objects] == [ignored, False]


def test_by_day_the_same_person_is_labelled(simulator: OpenGLSimulator) -> None:
    assert [obj.ignore for obj in simulator.render(DAY).objects] == [False, False]


def test_a_scene_about_a_person_whom_nobody_sees_is_refused_and_says_so() -> None:
    host = SimulatorHost(SimulatorSpec("opengl"))
    host.start()
    reasons = []
    for staged in (NIGHT, DAY):
        answer = host.render(SceneJob(staged))
        assert answer.payload is not None, answer.error
        reasons.append(rejection(decode_frame(answer.payload), AcceptanceSettings()))
    host.close()
    assert reasons == ["what was asked for (Pedestrian) does not stand out from what is around it", None]
