"""The simulator `blender` with a Blender that is none: what it asks for, and what becomes of every fault."""

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from cluster.cli.main import main
from imitation.common.settings import UserError
from imitation.data.records import Camera, Cuboid, Frame
from sim_actors.scene.backdrop import Backdrop, Look, digest_of
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import iou
from sim_actors.scene.records import Actor, Environment, Scene
from sim_actors.simulators.blender.installed import command_of, default_folder, found, install
from sim_actors.simulators.blender.settings import BlenderSettings
from sim_actors.simulators.blender.simulator import BlenderSimulator
from sim_actors.simulators.blender.worker_process import _tried, refusal
from sim_actors.simulators.registry import SimulatorSpec
from tests.sim_actors.photos import photographed

FAKE = Path(__file__).with_name("fake_blender.py")
LENS = Camera(60.0, 72.0, 41.0, 20.0, height=1.6, pitch=0.05)


def program(folder: Path, text: str, name: str = "blender") -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A fake Blender that does one thing wrong: its settings, and the file that names its processes."""
    log = tmp_path / "starts"

    def make(fault: str = "", **more: object) -> BlenderSettings:
        monkeypatch.setenv("FAKE_FAULT", fault)
        monkeypatch.setenv("FAKE_LOG", str(log))
        path = program(tmp_path, f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
        return BlenderSettings(blender=str(path), **more)  # type: ignore[arg-type]

    yield make
    _tried.cache_clear()
    for pid in log.read_text().split() if log.exists() else ():
        assert not Path(f"/proc/{pid}").exists(), "the fake is still there"


@pytest.fixture(scope="module")
def blender(tmp_path_factory):
    """One that is right, unless a scene's name is a fault."""
    path = program(tmp_path_factory.mktemp("blender"), f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
    made = BlenderSimulator(BlenderSettings(blender=str(path)))
    yield made
    made.close()


def scene(scene_id: str = "s", camera: Camera = LENS, **more: object) -> Scene:
    actors = (
        Actor("car", Cuboid(-1.5, ground_y(camera, 9.0), 9.0, 4.2, 1.8, 1.5, -1.2), seed=3),
        Actor("car", Cuboid(0.4, ground_y(camera, 14.0), 14.0, 4.0, 1.7, 1.45, 0.3), labelled=False),
        Actor("pedestrian", Cuboid(2.4, ground_y(camera, 8.0), 8.0, 0.7, 0.6, 1.7, 0.5), seed=5),
        Actor("van", Cuboid(6.5, ground_y(camera, 11.0), 11.0, 5.0, 1.9, 2.1, 1.5), seed=1),
    )
    return Scene(scene_id, 80, 48, camera, actors, seed=7, **more)  # type: ignore[arg-type]


def test_its_labels_are_those_of_the_embedded_renderer(blender, simulator):
    """Through a rasterizer that knows only the triangles and the camera that Blender is sent."""
    ours, theirs = simulator.render(scene()), blender.render(scene())
    apart = int((blender.identities(scene()) != simulator.identities(scene())).sum())
    assert apart <= 3
    assert (
        [o.category for o in theirs.objects]
        == [o.category for o in ours.objects]
        == ["car", "pedestrian", "van"]
    )
    for one, other in zip(ours.objects, theirs.objects):
        assert iou(one.visible_box, other.visible_box) > 0.99
        assert iou(one.amodal_box, other.amodal_box) > 0.99
        assert one.occlusion == pytest.approx(other.occlusion, abs=0.02)
        assert one.truncation == pytest.approx(other.truncation, abs=0.02)
        assert (one.cuboid, one.alpha, one.box) == (other.cuboid, other.alpha, other.box)
    assert theirs.objects[2].truncation > 0.1
    assert (theirs.frame_id, theirs.width, theirs.conditions) == ("s", 80, ours.conditions)
    assert blender.name == "blender"
    assert "4.5.0 fake" in blender.version


def test_its_catalog_and_refusals_are_those_of_the_embedded_renderer(fake):
    spec = SimulatorSpec("blender", {"blender": fake().blender})
    assert {"car", "tram", "cyclist"} <= spec.catalog()
    blender = BlenderSimulator(spec.settings())
    strange = scene().replace(actors=(Actor("zeppelin", Cuboid(0, 1.6, 9, 4, 2, 2, 0)),))
    (reason,) = blender.supports(strange)
    assert "actors[0].category: no body for 'zeppelin'" in reason
    with pytest.raises(UserError, match="cannot be staged"):
        blender.render(strange)
    blender.close()
    blender.close()
    with pytest.raises(RuntimeError, match="closed"):
        blender.render(scene())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample": 4}, "did you mean 'samples'"),
        ({"samples": 0}, "samples: "),
        ({"denoiser": "odin"}, "denoiser: "),
        ({"device": "gpu"}, "device: "),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(UserError, match=message):
        SimulatorSpec("blender", options).settings()


@pytest.mark.parametrize(
    ("fault", "messages"),
    [
        ("no bpy", ["No module named 'bpy'", "imitate setup blender"]),
        ("a library", ["libSM.so.6", "a library of the system is missing"]),
        ("another protocol", ["it speaks protocol 7, and we protocol 1"]),
        ("prints", ["no JSON object: 'Blender quit'"]),
    ],
)
def test_a_blender_that_cannot_work(fault, messages, fake):
    settings = fake(fault)
    with pytest.raises(UserError) as caught:
        BlenderSimulator(settings)
    assert all(message in str(caught.value) for message in messages), caught.value
    assert refusal(settings.model_dump_json()) == str(caught.value)


def test_a_blender_that_does_not_start_is_not_waited_for_before_a_run(fake):
    settings = fake("hangs at start", hello_timeout_s=0.2)
    why = BlenderSimulator.preflight(settings)
    assert why is not None
    assert "no answer in time (simulate.options.hello_timeout_s)" in why


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("another scene", "asked for 'another scene', it answered for 'another'"),
        ("no numbers", "values that are no numbers"),
        ("another size", r"for 80x48 px and 1 actors its light is \(47, 80, 4\)"),
        ("wrong ids", "up to 999"),
        ("no file", "rendered.npz' cannot be read"),
        ("half a file", "rendered.npz' cannot be read"),
    ],
)
def test_an_answer_that_is_none(fault, message, blender):
    with pytest.raises(UserError, match=message):
        blender.render(scene(fault).replace(actors=scene().actors[:1]))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("dies", r"died of SIGKILL; was there enough memory\?.*Segmentation fault in the kernel"),
        ("out of memory", "scene 's': RuntimeError: System is out of GPU memory"),
    ],
)
def test_what_fails_costs_its_scene_another_try(fault, message, fake):
    blender = BlenderSimulator(fake(fault))
    small = scene().replace(actors=scene().actors[:1])
    first = blender.render(small)
    with pytest.raises(UserError, match=message):
        blender.render(small)
    assert blender.render(small) == first
    blender.close()


def test_another_version_after_a_restart_is_said(fake):
    blender = BlenderSimulator(fake("updated"))
    small = scene().replace(actors=())
    blender.render(small)
    with pytest.raises(UserError, match="died of SIGKILL"):
        blender.render(small)
    with pytest.raises(UserError, match=r"started again, Blender is 4\.5\.2, and was 4\.5\.1 before"):
        blender.render(small)
    blender.close()


def test_fog_and_night_come_through(blender):
    kinds = (
        Environment(weather="fog", haze=0.05),
        Environment(hour=23.0),
    )
    pictures = [blender.render(scene(environment=kind)).image for kind in kinds]
    assert len(set(pictures)) == len(kinds)


def test_the_command_sets_up_and_tries(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "env" / "bin"
    program(tmp_path, f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n', "fake")
    program(tmp_path, f"#!/bin/sh\nmkdir -p {folder}; cp {tmp_path}/fake {folder}/python\n", "uv")
    (tmp_path / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert main(["setup", "blender", "--folder", str(tmp_path / "env")]) == 0
    said = capsys.readouterr().out
    assert "Blender 4.5.0 fake works here and computes on CPU" in said
    assert f"simulate.options.blender={tmp_path}/env" in said


def test_bodies_in_a_photo_take_another_light_and_the_photo_stays(blender, simulator):
    """The fake's light is twice the albedo, whatever the sun."""
    frame = photographed(Frame("photo", 80, 48, camera=LENS))
    backdrop = Backdrop(
        "photo", digest_of(frame.image), (), Look((0.18, 0.18, 0.18), 4.0, 0.008), shaded=(2,), photo=frame
    )
    photo = scene(backdrop=backdrop)
    photo = photo.replace(actors=tuple(one for one in photo.actors if one.labelled))
    assert blender.backdrops
    assert blender.supports(photo) == []
    ours, theirs = simulator.render(photo), blender.render(photo)
    ids = blender.identities(photo)
    assert theirs.objects == ours.objects
    apart = (_pixels(ours.image).astype(int) - _pixels(theirs.image)) != 0
    assert apart.any(axis=2)[ids > 0].mean() > 0.9
    near = ids > 0
    for _ in range(8):  # what the lens blurs
        near = near | np.roll(near, 1, 0) | np.roll(near, -1, 0) | np.roll(near, 1, 1) | np.roll(near, -1, 1)
    assert not apart.any(axis=2)[~near].any()


# ---------------------------------------------------------------- where it is, and how it gets here


def test_the_way_to_start_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(UserError, match="run `imitate setup blender`") as caught:
        found(None)
    assert str(default_folder()) in str(caught.value)
    (tmp_path / "bin").mkdir()
    there = program(tmp_path / "bin", "")
    assert found(None) == found("blender") == found(str(there)) == there
    assert command_of(there)[3:5] == [str(there), "-b"]
    (default_folder() / "bin").mkdir(parents=True)
    python = program(default_folder() / "bin", "", "python")
    assert found(None) == found(str(default_folder())) == found(str(python)) == python
    assert command_of(python)[:2] == [str(python), "-I"]


def test_a_blender_that_is_not_there(tmp_path):
    (tmp_path / "text").touch()
    reasons = {".": "has no bin/python", "blendr": "there is no such program", "text": "may not be executed"}
    for name, why in reasons.items():
        with pytest.raises(UserError, match=why):
            found(str(tmp_path / name))


def test_setup_makes_an_environment(tmp_path, monkeypatch):
    log = tmp_path / "log"
    uv = program(tmp_path, f'#!/bin/sh\necho "$@" >> {log}\n', "uv")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    install(tmp_path / "env", "bpy==9.9")
    made, filled = log.read_text().splitlines()
    assert made.endswith(f"--python 3.11 {tmp_path / 'env'}")
    assert filled.endswith(f"--python {tmp_path / 'env' / 'bin' / 'python'} bpy==9.9")
    uv.write_text("#!/bin/sh\necho 'no solution found' >&2\nexit 1\n")
    with pytest.raises(UserError, match=r"Blender could not be installed in .*: no solution found"):
        install(tmp_path / "env")
    uv.unlink()
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(UserError, match="pip install uv"):
        install(tmp_path / "env")


def test_light_is_even_where_the_projected_pictures_are(blender):
    """The fake's light is twice the albedo: a white car's is brighter than a black one's."""
    cars = [
        scene(sensor=scene().sensor).replace(
            actors=(Actor("van", Cuboid(0, ground_y(LENS, 8.0), 8.0, 5.0, 2.0, 2.2, 0.0), color=(tone,) * 3),)
        )
        for tone in (0.02, 0.8)
    ]
    means = [float(np.asarray(_pixels(blender.render(car).image))[18:28, 36:46].mean()) for car in cars]
    assert means[1] > means[0] + 60


def _pixels(data: bytes) -> np.ndarray:
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
