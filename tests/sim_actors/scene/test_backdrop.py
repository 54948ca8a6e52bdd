import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from imitation.common.settings import DataError
from sim_actors.scene.backdrop import Backdrop, Look, Occluder, digest_of
from sim_actors.scene.records import Scene
from sim_actors.simulators.protocol import NO_BACKDROPS, unsupported
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SceneJob, SimulatorHost
from tests.sim_actors.photos import photographed, road_pixels
from tests.sim_actors.scenes import KITTI, SIZE, cuboid, street
from tests.sim_actors.simulators.toy_simulators import PATH, ToySimulator

PHOTO = photographed(street())
BACKDROP = Backdrop(
    "000042",
    digest_of(PHOTO.image or b""),
    (Occluder(3, "Van", cuboid("Van", 3.4, 16.0), 7),),
    Look((0.2, 0.21, 0.25), 4.0, 0.01),
    0.9,
    (1,),
).of(PHOTO)
SCENE = Scene("s", *SIZE, KITTI, backdrop=BACKDROP)


def test_json_names_the_photo_and_does_not_hold_it() -> None:
    text = SCENE.to_json()
    assert len(text) < 2500
    again = Scene.from_json(text)
    assert again == SCENE
    assert again.backdrop is not None
    assert again.backdrop.photo is None
    assert again.backdrop.of(PHOTO).photo == PHOTO
    assert again.to_json() == text


def test_scenes_without_backdrop_read_and_write_as_ever() -> None:
    plain = SCENE.replace(backdrop=None)
    assert "backdrop" not in json.loads(plain.to_json())
    assert Scene.from_json(plain.to_json()) == plain
    assert Scene.from_dict(json.loads(plain.to_json()) | {"backdrop": None}) == plain


def test_the_photo_travels_with_the_scene() -> None:
    sent = pickle.loads(pickle.dumps(SCENE))  # noqa: S301
    assert sent.backdrop.photo == PHOTO


def test_another_photo_is_refused(tmp_path: Path) -> None:
    bare = replace(BACKDROP, photo=None)
    with pytest.raises(DataError, match="set into frame 000042"):
        bare.of(replace(PHOTO, frame_id="000043"))
    other = photographed(street(), road_pixels(street(), seed=1))
    with pytest.raises(DataError, match="is not the image"):
        bare.of(other)
    assert PHOTO.image is not None
    (tmp_path / "a.png").write_bytes(PHOTO.image)
    lying = replace(PHOTO, image=None, image_uri=str(tmp_path / "a.png"))
    assert bare.of(lying).photo == PHOTO


def test_a_simulator_that_knows_no_backdrops_is_not_asked() -> None:
    """A user's simulator from before there were any would render an empty road, and say nothing."""
    host = SimulatorHost(SimulatorSpec(PATH))
    host.start()
    assert host.render(SceneJob(SCENE)).unsupported == (NO_BACKDROPS,)
    simulator = ToySimulator()
    assert unsupported(simulator, SCENE) == [NO_BACKDROPS]
    assert unsupported(simulator, SCENE.replace(backdrop=None)) == []
    simulator.backdrops = True  # type: ignore[attr-defined]
    assert unsupported(simulator, SCENE) == []
