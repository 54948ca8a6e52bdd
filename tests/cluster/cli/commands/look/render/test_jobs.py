"""`imitate render` on datasets of any kind, on one body, and on free scenes with bodies of one's own."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from cluster.cli.main import main
from imitation.data.images import encode_jpeg
from imitation.datasets.parquet.files import read_frames
from sim_actors.scene.records import Scene
from sim_actors.scene.sizes import SIZES
from sim_actors.simulators.opengl.assets import families
from sim_actors.simulators.opengl.assets.meshes import body_mesh
from sim_actors.simulators.opengl.assets.user_bodies import install
from tests.sim_actors.scenes import COARSE


@pytest.fixture(autouse=True)
def family_as_before(monkeypatch: pytest.MonkeyPatch):
    """What a command installs is gone after its test."""
    monkeypatch.setitem(families.FAMILIES, "simulator", families.FAMILIES["simulator"])
    sizes = dict(SIZES)
    yield
    SIZES.clear()
    SIZES.update(sizes)
    install.cache_clear()
    body_mesh.cache_clear()


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Four photos of 320x96 px, each with a person and a pallet; the last ones are those of `val`."""
    root = tmp_path / "mine"
    (root / "annotations").mkdir(parents=True)
    names = [{"id": 1, "name": "person"}, {"id": 2, "name": "pallet"}]
    for part, ids in (("train", (1, 2, 3)), ("val", (4,))):
        (root / part).mkdir()
        images, annotations = [], []
        for i in ids:
            pixels = np.random.default_rng(i).integers(0, 256, (96, 320, 3), dtype=np.uint8)
            (root / part / f"{i}.jpg").write_bytes(encode_jpeg(pixels))
            images.append({"id": i, "file_name": f"{i}.jpg", "width": 320, "height": 96})
            for k, box in enumerate(((60 + 20 * i, 40, 16, 44), (150, 60, 40, 20))):
                at = {"id": 10 * i + k, "image_id": i, "category_id": k + 1, "bbox": box}
                annotations.append(at | {"area": box[2] * box[3], "iscrowd": 0})
        told = {"images": images, "annotations": annotations, "categories": names}
        (root / f"annotations/instances_{part}.json").write_text(json.dumps(told))
    return root


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pallet, and a forklift that is longer than wide, as OBJ files: one place, so one renderer of them."""
    tmp_path = tmp_path_factory.mktemp("bodies")
    trimesh = pytest.importorskip("trimesh", reason="bodies of one's own are read with trimesh")
    trimesh.creation.box((1.2, 0.15, 0.8)).export(tmp_path / "pallet.obj")
    trimesh.creation.box((2.6, 2.1, 1.2)).export(tmp_path / "forklift.obj")
    entries = [
        {"category": "pallet", "model": "euro", "file": "pallet.obj", "kind": "thing"},
        {"category": "forklift", "model": "linde", "file": "forklift.obj"},
    ]
    (tmp_path / "bodies.yaml").write_text(yaml.safe_dump({"bodies": entries}))
    return str(tmp_path / "bodies.yaml")


def scenes(folder: Path) -> list[Scene]:
    return [Scene.from_json(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


@pytest.mark.usefixtures("renderer_here")
def test_like_takes_any_dataset(coco: Path, bodies: str, tmp_path: Path) -> None:
    words = ["render", "--like", "data.kind=coco", f"data.root={coco}", f"renderer.bodies={bodies}", *COARSE]
    assert main([*words, "--strength", "0", "--out", str(tmp_path / "a")]) == 0
    staged = {scene.scene_id: scene for scene in scenes(tmp_path / "a")}
    assert len(staged) == 4  # every frame, whatever its list
    for scene in staged.values():
        assert (scene.width, scene.height, scene.convention) == (320, 96, "visible")
        assert sorted(actor.category for actor in scene.actors) == ["pallet", "person"]
    frames = list(read_frames(str(tmp_path / "a" / "frames.parquet")))
    assert {obj.category for frame in frames for obj in frame.objects} == {"pallet", "person"}
    assert all(frame.origin is not None and frame.origin.parent for frame in frames)
    assert Image.open(tmp_path / "a" / "contact-sheet.png").width > 1000  # real beside re-staged
    # a folder after --like is of the kind that is set, and the backdrop is the photo of a train frame
    yaml_file = tmp_path / "mine.yaml"
    yaml_file.write_text(f"data: {{kind: coco, root: {coco}}}\n")
    assert (
        main(["render", str(yaml_file), "--like", "--backdrop", *COARSE, "--out", str(tmp_path / "b")]) == 0
    )
    assert len(scenes(tmp_path / "b")) == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--like"], "--like needs a dataset"),
        (["--like", "/a", "data.kind=yolo", "data.root=/b"], "are two datasets; name one"),
        (["--like", "/nowhere"], "/nowhere"),
        (["--body", "sedam"], "the nearest are sedan"),
        (["--body", "car", "simulate.simulator=mine:Simulator"], "a body of the embedded renderer"),
        (["--body", "car", "--strength", "0.5"], "--strength says how far"),
    ],
)
def test_what_cannot_be_rendered_is_said(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", *words, "--out", str(tmp_path / "out")]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("renderer_here")
def test_what_the_simulator_has_no_body_for_is_said(
    coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["render", "--like", "data.kind=coco", f"data.root={coco}", "--count", "1", *COARSE]
    assert main([*words, "--out", str(tmp_path / "a")]) == 0
    assert "not staged: the simulator has no body for pallet (1)" in capsys.readouterr().err
    for path in coco.glob("annotations/*.json"):
        path.write_text(path.read_text().replace("person", "box"))
    assert main([*words, "--out", str(tmp_path / "b")]) == 1
    told = capsys.readouterr().err
    assert "nothing of it can be staged; the simulator has no body for box (1), pallet (1)" in told
    assert '"data.mapping={box: car}"' in told


@pytest.mark.usefixtures("renderer_here")
def test_a_body_from_all_sides(bodies: str, tmp_path: Path) -> None:
    out = tmp_path / "body"
    words = ["render", "--body", "forklift", f"renderer.bodies={bodies}", *COARSE]
    assert main([*words, "--out", str(out)]) == 0
    staged = scenes(out)
    assert len(staged) == 8
    assert {actor.model for scene in staged for actor in scene.actors} == {"linde"}
    seen = {scene.scene_id.split("-", 3)[3]: frame.objects[0].box for scene, frame in zip(
        staged, read_frames(str(out / "frames.parquet")), strict=True)}  # fmt: skip
    flat = {side: box.width / box.height for side, box in seen.items()}
    assert flat["left"] > 1.6 * flat["front"]  # 2.6 m against 1.2 m
    assert flat["left"] == pytest.approx(flat["right"], rel=0.05)
    assert Image.open(out / "contact-sheet.png").width > 1800  # four in a row


@pytest.mark.usefixtures("renderer_here")
def test_free_scenes_contain_ones_own_bodies(bodies: str, tmp_path: Path) -> None:
    words = ["render", "--random", "--size", "128x64", "--count", "12", f"renderer.bodies={bodies}", *COARSE]
    assert main([*words, "--out", str(tmp_path / "free")]) == 0
    there = [actor.category for scene in scenes(tmp_path / "free") for actor in scene.actors]
    assert {"pallet", "forklift", "Car"} <= set(there)
    own = sum(name in ("pallet", "forklift") for name in there) / len(there)
    assert 0.05 < own < 0.6  # a quarter on average, in clumps
