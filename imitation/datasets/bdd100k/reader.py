"""BDD100K's boxes: Scalabel's JSON, a file a list or a video, beside folders of images.

Format: Yu et al., "BDD100K: a diverse driving dataset for heterogeneous multitask learning", CVPR 2020, its
documentation, and the toolkits bdd100k and scalabel. A file is a list of frames, or has one under `frames`; a
frame has a `name`, `attributes` (weather, timeofday, scene) and `labels` with a `category` and a `box2d`. A
box2d holds its last pixel (scalabel's `box2d_to_xyxy`): one is added to x2 and y2. Lanes, drivable areas and
masks have no box2d and are passed over.

Layouts: `labels/det_20/det_{train,val}.json` (older: `labels/bdd100k_labels_images_{train,val}.json`) with
`images/100k/{train,val}/`; `labels/box_track_20/{train,val}/*.json`, a file a video, with
`images/track/{train,val}/VIDEO/`; or such files in the root.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import shown
from imitation.data.categories import CategoryMap
from imitation.data.records import Box, Object
from imitation.datasets.bdd100k.mender import Bdd100kMender
from imitation.datasets.common.json_text import beginning_of, has_keys, members
from imitation.datasets.common.paths import refuse_link
from imitation.datasets.common.stored import Entry, StoredReader, entry_or_fault, list_called
from imitation.datasets.common.values import condition, flag, mapping, number, sequence, word

CLASSES = (
    *("pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
    *("traffic light", "traffic sign"),
)
# bdd100k/configs/det.toml: other names of the classes, and what is ignored beside a class.
_NAMES = {"bike": "bicycle", "caravan": "car", "motor": "motorcycle", "person": "pedestrian", "van": "car"}
_IGNORED = {"other person": "pedestrian", "other vehicle": "car", "trailer": "truck"}
_CONDITIONS = {"weather": "weather", "timeofday": "time_of_day", "scene": "scene"}
_NAMED = re.compile(r"(?:.*[_-])?(train|val|test)")
NO_BOX = "labels without a box2d (lanes, areas, masks)"
PARTLY = 1  # KITTI's level of what is occluded, by no one knows how much


class Bdd100kReader(StoredReader):
    """BDD100K (see the module). `root` is its folder or one of its files. Conditions are weather, time_of_day
    and scene; frames of a video are a sequence. `crowd` objects are ignored; what is occluded is partly so
    (level 1)."""

    kind = "bdd100k"
    name = "BDD100K"
    title = "BDD100K labels"
    Mender = Bdd100kMender
    categories = CategoryMap(
        CLASSES, {name: name for name in CLASSES} | _NAMES | _IGNORED, frozenset(_IGNORED)
    )

    @classmethod
    def signs(cls, root: str) -> str | None:
        files = _files(root)
        first = next((uris[0] for uris in files.values() if uris), None)
        if first is None:
            return None
        said = beginning_of(first)
        frames = said.startswith((b"[", b"{")) and has_keys(said, "name", "labels")
        known = frames and (has_keys(said, "box2d") or has_keys(said, "timeofday"))
        return f"box2d labels in {storage.name_of(first)}" if known else None

    @cached_property
    def _files(self) -> dict[str | None, list[str]]:
        if found := _files(self.root):
            return found
        raise UserError(
            f"{self.root}: no labels/det_20/det_train.json, labels/box_track_20/train/*.json or file of such "
            "a name: not BDD100K's labels"
        )

    def _where(self, name: str | None) -> str:
        files = self._files.get(name) or next(iter(self._files.values()))
        return files[0] if len(files) == 1 else storage.parent(files[0])

    def _image_folders(self, name: str | None) -> Iterable[str]:
        root = self.root if storage.is_folder(self.root) else storage.parent(self.root)
        lists = [name] if name else ["train", "val", "test"]
        sets = [("images", of, one) for of in ("100k", "10k", "track") for one in lists]
        near = [("images", one) for one in lists] + [(one,) for one in lists] + [("images",), ("100k",)]
        yield from (storage.join(root, *parts) for parts in (*sets, *near))
        yield root

    def _entries(self) -> Iterator[Entry | DataError]:
        for name, uris in self._files.items():
            for uri in uris:
                try:
                    refuse_link(uri, storage.parent(uri), self.root)
                    yield from self._of_file(uri, name)
                except DataError as error:  # a file cut short: what stands before is read
                    yield error

    def _of_file(self, uri: str, of: str | None) -> Iterator[Entry | DataError]:
        place = "frames.item" if beginning_of(uri).startswith(b"{") else "item"
        number = -1
        for number, row in enumerate(members(uri, place)):
            where = f"{uri}: frame number {number}"
            try:
                said = mapping(row, "it", where)
                image, video = self.image_of(said, where), _video_of(said)
            except DataError as error:
                yield error
                continue

            def entry(said: Mapping[str, Any] = said, image: str = image, video: str | None = video) -> Entry:
                return self._entry(said, image, video, of, f"{uri}: image {shown(image)}")

            yield entry_or_fault(image, entry)
        if number < 0:
            yield DataError(uri, "holds no frame (a list of them, or a list under 'frames')")

    @staticmethod
    def image_of(said: Mapping[str, Any], where: str) -> str:
        """The picture that a frame names, from its list's folder. Raises `DataError`."""
        name, video = word(said.get("name"), "its name", where), _video_of(said)
        own = video is None or name.rpartition(".")[0] == video or name.startswith(f"{video}/")
        return name if own else f"{video}/{name}"

    @staticmethod
    def object_of(label: Mapping[str, Any], where: str) -> Object | None:
        """What a label means; None where it has no box2d. Raises `DataError`."""
        return _object(label, where)

    def _entry(
        self, said: Mapping[str, Any], image: str, video: str | None, of: str | None, where: str
    ) -> Entry:
        objects, bad_rows = [], []
        for place, label in enumerate(sequence(said.get("labels"), "labels", where)):
            there = f"{where}: label {place}"
            try:
                if (obj := _object(mapping(label, "it", there), there)) is None:
                    self.left_out[NO_BOX] += 1
                else:
                    objects.append(obj)
            except DataError as error:
                bad_rows.append(error)
        attributes = mapping(said.get("attributes") or {}, "attributes", where)
        known = {ours: condition(attributes.get(theirs)) for theirs, ours in _CONDITIONS.items()}
        conditions = {name: value for name, value in known.items() if value is not None}
        return Entry(
            image, objects, list=of, sequence=video, conditions=conditions or None, bad_rows=bad_rows
        )


def _video_of(said: Mapping[str, Any]) -> str | None:
    video = said.get("videoName")
    return video if isinstance(video, str) and video else None


def _object(label: Mapping[str, Any], where: str) -> Object | None:
    if label.get("box2d") is None:
        return None
    category = word(label.get("category"), "its category", where)
    sides = mapping(label["box2d"], "box2d", where)
    x1, y1, x2, y2 = (number(sides.get(name), f"box2d.{name}", where) for name in ("x1", "y1", "x2", "y2"))
    attributes = mapping(label.get("attributes") or {}, "attributes", where)
    crowd = flag(attributes.get("crowd"), "crowd", where)
    occluded = attributes.get("occluded")
    level = None if occluded is None else PARTLY * flag(occluded, "occluded", where)
    return Object(category, Box(x1, y1, x2 + 1, y2 + 1), ignore=crowd, occlusion_level=level)


def _files(root: str) -> dict[str | None, list[str]]:
    """The label files of each list; None alone where there is one list."""
    if not storage.is_folder(root):
        return {None: [root]} if root.endswith(".json") else {}
    labels = storage.join(root, "labels")
    places = [root, labels, *(storage.list_folders(labels) if storage.is_folder(labels) else ())]
    for place in reversed(places):
        found: dict[str | None, list[str]] = {}
        if not storage.is_folder(place):
            continue
        for uri in storage.list_files(place, ".json"):
            match = _NAMED.fullmatch(storage.name_of(uri).removesuffix(".json"))
            if match is not None:
                found.setdefault(match[1], []).append(uri)
        for folder in storage.list_folders(place) if place != root else ():
            if (of := list_called(storage.name_of(folder))) and (uris := storage.list_files(folder, ".json")):
                found.setdefault(of, []).extend(uris)
        if found:
            return found if len(found) > 1 else {None: next(iter(found.values()))}
    return {}
