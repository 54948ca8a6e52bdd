"""Real frames, restaged and rendered: every labelled object comes back where its label has it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imitation.data.records import Frame
from imitation.datasets.kitti.files import read_kitti
from sim_actors.randomization.perturb import RandomizeSettings, perturb
from sim_actors.scene.projection import iou
from sim_actors.scene.records import Scene
from sim_actors.simulators.opengl.assets.meshes import CATALOG
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.opengl.settings import RendererSettings
from sim_actors.staging.restage import RestageSettings, restage, staged_objects

FRAMES = 101


@pytest.fixture(scope="module")
def plain() -> Iterator[OpenGLSimulator]:
    """Labels do not depend on how smooth the picture is."""
    made = OpenGLSimulator(RendererSettings(supersampling=1, shadow_map=256))
    yield made
    made.close()


def staged(frame: Frame) -> Scene:
    scene = restage(
        frame,
        scene_id=frame.frame_id,
        seed=0,
        convention="amodal_clipped",
        settings=RestageSettings(),
        catalog=CATALOG,
    )
    same = perturb(scene, RandomizeSettings(strength=0), np.random.default_rng(0))
    assert same == scene
    return same


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.long])])
def test_labelled_objects_come_back(plain: OpenGLSimulator, shared_data: Path, every: int) -> None:
    overlaps: dict[str, list[float]] = defaultdict(list)
    gone: list[tuple[Scene, int]] = []
    frames = list(read_kitti(str(shared_data / "kitti101")))
    assert len(frames) == FRAMES
    for frame in frames[::every]:
        chosen = staged_objects(frame, CATALOG)
        assert chosen == [i for i, obj in enumerate(frame.objects) if obj.category != "DontCare"]
        scene = staged(frame)
        cuboids = [frame.objects[i].cuboid for i in chosen]
        assert [actor.cuboid for actor in scene.actors] == cuboids
        assert all(actor.labelled for actor in scene.actors)
        labels = {label.cuboid: label for label in plain.render(scene).objects}
        assert labels.keys() <= set(cuboids)
        for actor, i in enumerate(chosen):
            obj = frame.objects[i]
            label = labels.get(obj.cuboid)
            if label is None:
                gone.append((scene, actor))
                continue
            assert label.category == obj.category
            assert label.amodal_box is not None
            overlap = iou(label.amodal_box.clipped(frame.width, frame.height), obj.box)
            overlaps[obj.category].append(overlap)
    found = sum(map(len, overlaps.values()))
    # KITTI labels things that its lidar saw through a van's windows; our glass hides them.
    assert len(gone) <= 0.015 * (found + len(gone))
    _check_hidden(gone)
    medians = {category: float(np.median(values)) for category, values in overlaps.items()}
    print({c: (len(overlaps[c]), round(m, 3)) for c, m in sorted(medians.items())}, f"hidden: {len(gone)}")
    assert len(overlaps["Car"]) > 250 / every
    assert medians["Car"] >= 0.9
    assert all(median > 0.6 for c, median in medians.items() if len(overlaps[c]) >= 5)


def _check_hidden(gone: list[tuple[Scene, int]]) -> None:
    """Each has no label because no ray meets it first; and the surroundings are not what hides it."""
    pytest.importorskip("embreex")
    from tests.sim_actors.simulators.opengl.embree import truth_of

    for scene, actor in gone:
        assert truth_of(replace(scene, props=())).actors[actor].visible_pixels == 0
