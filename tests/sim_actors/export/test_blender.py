"""Files in Blender's own importers, in a process of Blender's."""

import json
import math
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imitation.data.records import Box
from sim_actors.export.content import Content
from sim_actors.export.glb import Glb
from sim_actors.export.usd import Usd
from sim_actors.scene.projection import iou
from sim_actors.simulators.blender.installed import default_folder, python_of

SCRIPT = Path(__file__).with_name("blender_boxes.py")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not python_of(default_folder()).exists(), reason="no Blender here: run `imitate setup blender`"
    ),
]


def opened(file: Path, width: float, height: float, aspect: float) -> dict[str, Any]:
    words = [python_of(default_folder()), "-I", SCRIPT, file, round(width), round(height), aspect]
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=240, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert lines, done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads(lines[0].removeprefix("FOUND "))
    return found


def check(found: dict[str, Any], boxes: dict[str, Box], left: float = 0, top: float = 0) -> None:
    for name, box in boxes.items():
        x1, y1, x2, y2, nearest = found["boxes"][name]
        assert nearest < 0, "before the camera"
        assert iou(Box(x1 - left, y1 - top, x2 - left, y2 - top), box) > 0.99, name
    assert abs(found["ground"]) < 1e-3
    elevation = math.radians(58) * math.sin(math.pi * (16.0 - 6) / 12)
    flat = math.cos(elevation)
    toward = [flat * math.sin(0.9), flat * math.cos(0.9), math.sin(elevation)]
    assert np.dot(found["suns"][0], toward) > math.cos(math.radians(0.5))


@pytest.mark.parametrize("ending", [".usdc", ".usda"])
def test_blender_opens_usd_with_the_same_boxes(
    ending: str, content: Content, boxes: dict[str, Box], tmp_path: Path
) -> None:
    pytest.importorskip("pxr")
    file = Usd.write(content, tmp_path / f"street{ending}")[0]
    lens = content.geometry.camera
    check(opened(file, 1242, 375, lens.fy / lens.fx), boxes)


def test_blender_opens_gltf_with_the_same_boxes(
    content: Content, boxes: dict[str, Box], tmp_path: Path
) -> None:
    pytest.importorskip("trimesh")
    file = Glb.write(content, tmp_path / "street.glb")[0]
    lens = content.geometry.camera
    wide, high = 2 * max(lens.cx, 1242 - lens.cx), 2 * max(lens.cy, 375 - lens.cy)
    found = opened(file, wide, high, lens.fy / lens.fx)
    check(found, boxes, wide / 2 - lens.cx, high / 2 - lens.cy)
