"""`suite.json`: a regression suite, and the folder that it stands in.

SUITE/
  suite.json               the cases, their scenes with seeds and hashes
  frames/000.parquet ...   labelled frames with their lineage, one file for each time something was added
  coco/                    the same as COCO, for detectors of any make
  results/NAME.json        how a detector did (imitation.suites.result)
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar

from pydantic import Field

from imitation.common import storage
from imitation.common.formats.record import Count, Record
from imitation.common.settings import UserError
from imitation.data.records import Frame, frame_to_row

VERSION = 1
FILE, FRAMES, COCO, RESULTS = "suite.json", "frames", "coco", "results"


class SuiteScene(Record):
    """One frozen picture of a case."""

    scene_id: str = Field(description="its frame's id")
    case: str = Field(description="the case that it is around")
    distance: float | None = Field(description="distance, of the case's own; null: as it is")
    occlusion: float | None = Field(description="share hidden by a wall; null: as it is")
    hour: float | None = Field(description="hour of the day; null: as it is")
    weather: str | None = Field(description="weather; null: as it is")
    seed: Count = Field(description="the scene's, of noise and textures")
    object: Count = Field(description="which of the frame's objects has to be found")
    image: str = Field(description="SHA-256 of the picture's bytes")
    labels: str = Field(description="SHA-256 of the frame's labels and camera")

    @property
    def hash(self) -> str:
        """Of picture and labels, for results."""
        return f"{self.image[:12]}-{self.labels[:12]}"


class SuiteCase(Record):
    """One failure that became a grid of scenes."""

    case: str = Field(description="its name")
    run: str = Field(description="the run that it comes from")
    why: str = Field(description='"fixed in cycle 2", "fails in cycle 1"')
    failure_id: str = Field(description="as in the run's failures")
    frame_id: str = Field(description="the frame that is staged again")
    mode: str = Field(description="its failure mode")
    category: str = Field(description="its category")
    left_out: dict[str, Count] = Field(description="places of the grid without a scene, by why")


class Suite(Record):
    """A regression suite."""

    documented: ClassVar[str] = "; is it a suite of `imitate suite add`?"

    version: int = Field(description="of this layout")
    name: str = Field(description="the folder's name")
    simulator: str = Field(description="what rendered it, with its version")
    settings: dict[str, Any] = Field(description="simulate.* and renderer.*, to render it again")
    categories: dict[str, Any] = Field(description="the classes, and which category means which")
    cases: list[SuiteCase] = Field(description="in the order in which they were added")
    scenes: list[SuiteScene] = Field(description="in the order of their frames")

    @property
    def digest(self) -> str:
        """What results are about: the pictures and labels, whatever the folder is called."""
        lines = sorted(f"{scene.scene_id} {scene.image} {scene.labels}" for scene in self.scenes)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def read_suite(folder: str) -> Suite:
    """The suite in a folder. Raises UserError where there is none, or it is of a later version."""
    uri = storage.join(folder, FILE)
    if not storage.exists(uri):
        raise UserError(
            f"{folder}: is no suite ({FILE} is missing); `imitate suite add {folder} RUN` makes one"
        )
    plain = storage.read_json(uri)
    if isinstance(plain, dict) and plain.get("version") != VERSION:
        raise UserError(f"{uri}: is of version {plain.get('version')}; this release reads {VERSION}")
    return Suite.from_dict(plain, uri)


def image_hash(frame: Frame) -> str:
    """Of the picture's bytes."""
    return hashlib.sha256(frame.image or b"").hexdigest()


def labels_hash(frame: Frame) -> str:
    """Of all that is labelled in a frame, and its camera."""
    row = frame_to_row(frame)
    kept = {key: row[key] for key in ("frame_id", "width", "height", "camera", "objects")}
    return hashlib.sha256(json.dumps(_rounded(kept), sort_keys=True).encode()).hexdigest()


def _rounded(value: Any) -> Any:
    """Numbers as Parquet has them: a frame that was written and read has the same hash."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value
