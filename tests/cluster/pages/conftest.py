"""The folder that the pages work in, with made-up data."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from PIL import Image

from cluster.cli.main import main
from imitation.evaluation.detection_files import write_detections
from sim_actors.scene.sizes import SIZES
from sim_actors.simulators.opengl.assets import families
from sim_actors.simulators.opengl.assets.meshes import body_mesh
from sim_actors.simulators.opengl.assets.user_bodies import install as install_bodies
from tests.cluster.pages.made_up import BLOCKS, install, results_of, write_file
from tests.imitation.metrics.driving import evaluated
from tests.snippets import ROOT


@pytest.fixture(scope="session")
def data(
    tmp_path_factory: pytest.TempPathFactory, rendering_here: Callable[[], AbstractContextManager[None]]
) -> Path:
    """Made-up data beside what the pages work with: rendered frames as KITTI and as COCO, results,
    evaluations."""
    work = tmp_path_factory.mktemp("docs")
    data = work / "data"
    free = ["render", "--random", "--count", "8", "--size", "320x96", "--time", "12:00", "--weather", "clear"]
    with rendering_here():
        assert main([*free, "--out", str(work / "made"), "free.actors=4"]) == 0
    for layout in ("kitti", "coco"):
        frames = str(work / "made" / "frames.parquet")
        assert main(["export", frames, "--to", layout, "--out", str(data / layout)]) == 0
    (data / "pictures").mkdir()
    Image.new("RGB", (1920, 1080), (90, 110, 130)).save(data / "pictures" / "street.jpg")
    shutil.copy(next((work / "made").glob("free-*.jpg")), work / "photo.jpg")
    (work / "album").mkdir()
    shutil.copy(work / "photo.jpg", work / "album" / "first.jpg")
    shutil.copytree(ROOT / "examples", work / "examples")
    shutil.copy(ROOT / "ray_config.yaml", work)
    (work / "my.yaml").write_text(f"data: {{kind: kitti, root: {data / 'kitti'}}}\n")
    results_of(work, data)
    for name, seed in (("evaluation-a", 1), ("evaluation-b", 2), ("evaluation", 3)):
        write_detections(
            evaluated(30, seed), str(work / name / "detections.parquet"), ("car", "van", "person")
        )
    for block in BLOCKS:
        write_file(block, data)
        if block.language == "toml":
            install(block, work)
    return data


@pytest.fixture
def work(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder to work in, as the current one; what a command installs in this process is gone after it."""
    monkeypatch.chdir(data.parent)
    monkeypatch.syspath_prepend(str(data.parent))
    monkeypatch.setitem(families.FAMILIES, "simulator", families.FAMILIES["simulator"])
    sizes = dict(SIZES)
    yield data.parent
    SIZES.clear()
    SIZES.update(sizes)
    install_bodies.cache_clear()
    body_mesh.cache_clear()
