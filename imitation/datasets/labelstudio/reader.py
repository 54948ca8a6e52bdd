"""Label Studio's JSON export: a list of tasks, each an image with annotations.

Format: Label Studio's documentation of its export (JSON and JSON_MIN) and of image annotation units, and its
converter. A region's x, y, width and height are percent of the image (`original_width`, `original_height`);
its rotation is in degrees, clockwise about its upper left corner. `rectanglelabels` are boxes; polygons and
ellipses become the boxes around them; brushes, keypoints and choices are passed over, and counted. Of a
task's annotations the one marked as ground truth counts, else the newest; cancelled ones do not. A task that
nobody annotated is left out, since nothing says that nothing is there.

A task's image is a URL (`/data/upload/1/3f2a-street.jpg`, `/data/local-files/?d=...`, `s3://...`): its
pictures are looked for beside the file, or in `images/`, by the URL's last part, with and without Label
Studio's prefix. Its exports as COCO, YOLO and Pascal VOC are those kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import shown
from imitation.data.images import SUFFIXES
from imitation.data.records import Box, Object
from imitation.datasets.common.json_text import beginning_of, has_keys, members
from imitation.datasets.common.paths import files_below
from imitation.datasets.common.stored import Entry, StoredReader
from imitation.datasets.common.values import (
    TURNED,
    around,
    mapping,
    number,
    numbers,
    sequence,
    side,
    turned,
    word,
)
from imitation.datasets.labelstudio.mender import LabelStudioMender

LABELS = ("rectanglelabels", "polygonlabels", "ellipselabels")
PASSED = "Label Studio's regions that are no boxes (brushes, keypoints, choices)"
SECOND = "further annotations of a Label Studio task"
UNLABELLED = "Label Studio tasks that nobody annotated"
_PREFIX = re.compile(r"[0-9a-f]{6,8}-")


class LabelStudioReader(StoredReader):
    """Label Studio's JSON (see the module): `root` is the file, or a folder with one and the pictures."""

    kind = "labelstudio"
    name = "Label Studio"
    title = "Label Studio tasks"
    Mender = LabelStudioMender

    @classmethod
    def signs(cls, root: str) -> str | None:
        return next((f"tasks in {storage.name_of(uri)}" for uri in _files(root) if _is_export(uri)), None)

    @cached_property
    def _file(self) -> str:
        files = [uri for uri in _files(self.root) if _is_export(uri)]
        if len(files) == 1:
            return files[0]
        found = ", ".join(storage.name_of(uri) for uri in files) or "no .json file with a list of tasks"
        raise UserError(f"{self.root}: found {found}; give Label Studio's JSON export as data.root")

    def _where(self, name: str | None) -> str:
        return self._file

    def _image_folders(self, name: str | None) -> Iterable[str]:
        return [storage.parent(self._file)]

    @cached_property
    def _pictures(self) -> dict[str, str | None]:
        """Name of a picture, also without Label Studio's prefix -> its path from the folder; None: of
        several."""
        folder = storage.parent(self._file)
        found: dict[str, str | None] = {}
        for uri in files_below(folder)[0]:
            name = storage.name_of(uri)
            if name.lower().endswith(SUFFIXES):
                for called in {name, _PREFIX.sub("", name, count=1)}:
                    found[called] = None if called in found else storage.relative(uri, folder)
        return found

    def _entries(self) -> Iterator[Entry | DataError]:
        try:
            for number_, row in enumerate(members(self._file, "item")):
                key = row.get("id", number_) if isinstance(row, dict) else number_
                where = f"{self._file}: task {shown(key)}"
                try:
                    if (entry := self._entry(mapping(row, "it", where), where)) is not None:
                        yield entry
                except DataError as error:
                    yield error
        except DataError as error:
            yield error

    def _entry(self, task: Mapping[str, Any], where: str) -> Entry | None:
        image = self.picture_of(task, where)
        try:
            regions = self._regions(task, where)
            if regions is None:
                self.left_out[UNLABELLED] += 1
                return None
            objects: list[Object] = []
            bad_rows: list[DataError] = []
            size = (0, 0)
            for place, region in enumerate(regions):
                there = f"{where}: region {place}"
                said = mapping(region, "it", there)
                try:
                    objects += self._objects(said, there)
                except DataError as error:
                    bad_rows.append(error)
                if not size[0]:
                    names = ("original_width", "original_height")
                    size = (
                        side(said.get(names[0]), names[0], there),
                        side(said.get(names[1]), names[1], there),
                    )
        except DataError as error:
            return Entry(image, fault=error)
        return Entry(image, objects, size, shares=True, bad_rows=bad_rows)

    def picture_of(self, task: Mapping[str, Any], where: str) -> str:
        """The picture that a task names, from the file's folder. Raises `DataError`."""
        return self._image_of(_url(task, where), where)

    def _image_of(self, url: str, where: str) -> str:
        """The picture that a task's URL means, from the folder."""
        parts = urlsplit(url)
        path = unquote((parse_qs(parts.query).get("d") or [parts.path])[0])
        name = path.replace("\\", "/").rpartition("/")[2]
        for called in (name, _PREFIX.sub("", name, count=1)):
            if called in self._pictures:
                if (found := self._pictures[called]) is None:
                    raise DataError(where, f"there are several pictures called {shown(called)}; keep one")
                return found
        what = f"no picture called {shown(name)} lies beside the file or below"
        raise DataError(where, f"its image {shown(url)}: {what} (paths and URLs are not followed)")

    def _regions(self, task: Mapping[str, Any], where: str) -> Sequence[Any] | None:
        """The regions of the annotation that counts; None where nobody annotated the task."""
        if "annotations" not in task and "completions" not in task:  # JSON_MIN: under the names of its tags
            lists = [v for v in task.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
            return [region for one in lists for region in one] if lists else None
        given = task["annotations"] if "annotations" in task else task["completions"]
        every = [mapping(one, "an annotation", where) for one in sequence(given, "annotations", where)]
        kept = [one for one in every if not (one.get("was_cancelled") or one.get("skipped"))]
        if not kept:
            return None
        self.left_out[SECOND] += len(kept) - 1
        if not self.left_out[SECOND]:
            del self.left_out[SECOND]
        best = max(kept, key=lambda one: (bool(one.get("ground_truth")), str(one.get("updated_at") or "")))
        return sequence(best.get("result"), "result", where)

    def _objects(self, region: Mapping[str, Any], where: str) -> list[Object]:
        value = region.get("value", region)
        kind = next((name for name in LABELS if isinstance(value, Mapping) and value.get(name)), None)
        if kind is None:
            if isinstance(value, Mapping) and "rectanglelabels" in value:
                raise DataError(where, "its box has no label")
            self.left_out[PASSED] += 1
            return []
        if turn := number(region.get("image_rotation") or 0, "image_rotation", where):
            raise DataError(
                where, f"its image was turned by {turn:g} degrees in Label Studio, which is not read"
            )
        box = self._box(kind, value, region, where)
        return [Object(word(label, kind, where), box) for label in sequence(value[kind], kind, where)]

    def _box(self, kind: str, value: Mapping[str, Any], region: Mapping[str, Any], where: str) -> Box:
        """A region's box as shares of the image."""
        if kind == "polygonlabels":
            points = [numbers(p, 2, "points", where) for p in sequence(value.get("points"), "points", where)]
            if not points:
                raise DataError(where, "its polygon has no points")
            box = around(points)
            return Box(*(v / 100 for v in box))
        names = ("x", "y", "radiusX", "radiusY") if kind == "ellipselabels" else ("x", "y", "width", "height")
        x, y, width, height = (number(value.get(name), name, where) / 100 for name in names)
        angle = number(value.get("rotation") or 0, "rotation", where)
        if kind == "ellipselabels":
            x, y, width, height = x - width, y - height, 2 * width, 2 * height
        if not angle % 360:
            return Box(x, y, x + width, y + height)
        self.left_out[TURNED] += 1
        sides = [
            number(region.get(f"original_{name}"), f"original_{name}", where) for name in ("width", "height")
        ]
        if min(sides) <= 0:
            raise DataError(
                where, f"a turned region needs original_width and original_height; they are {sides}"
            )
        across, down = sides  # it was turned in px, not in shares
        about = (x + width / 2, y + height / 2) if kind == "ellipselabels" else (x, y)
        px = turned(
            x * across, y * down, width * across, height * down, angle, (about[0] * across, about[1] * down)
        )
        return Box(px.x1 / across, px.y1 / down, px.x2 / across, px.y2 / down)


def _files(root: str) -> list[str]:
    if not storage.is_folder(root):
        return [root] if root.endswith(".json") else []
    return storage.list_files(root, ".json")


def _is_export(uri: str) -> bool:
    said = beginning_of(uri)
    full = has_keys(said, "data") and (has_keys(said, "annotations") or has_keys(said, "completions"))
    least = has_keys(said, "annotator") or has_keys(said, "original_width", "rectanglelabels")
    return said.startswith(b"[") and (full or least)


def _url(task: Mapping[str, Any], where: str) -> str:
    """Where a task says that its image lies: under "image", else the first text that looks like a picture."""
    data = task.get("data", task)
    said = mapping(data, "data", where)
    texts = [said.get("image"), *said.values()]
    for text in texts:
        if isinstance(text, str) and urlsplit(text).path.lower().endswith(SUFFIXES):
            return text
        if isinstance(text, str) and "?d=" in text:
            return text
    raise DataError(where, f"names no image: {shown(dict(said))}")
