"""FiftyOne's dataset folders: FiftyOneImageDetectionDataset (`labels.json`) and FiftyOneDataset
(`samples.json`).

Format: FiftyOne's documentation of its export formats. Both have their pictures in `data/` (others beside the
JSON file are found, too). A `bounding_box` is x, y, width, height as shares of the image. In a
FiftyOneDataset a field holds the detections (`data.options.field`, by itself where there is one);
Classification fields (weather, timeofday, scene, ...) become conditions, and tags train, validation and test
are lists, where each sample has one. Detections with an attribute `iscrowd` or `IsGroupOf` that is true are
ignored. A sample whose labels are null is left out: nothing says that nothing is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import Field

from imitation.common import storage
from imitation.common.settings import DataError, Settings, UserError
from imitation.common.texts import shown
from imitation.data.images import SUFFIXES
from imitation.data.records import Box, Object
from imitation.datasets.common.json_text import beginning_of, has_keys, members, pairs
from imitation.datasets.common.paths import files_below
from imitation.datasets.common.stored import Entry, StoredReader, entry_or_fault, id_of, list_called
from imitation.datasets.common.values import condition, flag, mapping, numbers, sequence, side, word
from imitation.datasets.fiftyone.mender import FiftyOneMender

LABELS, SAMPLES, DATA = "labels.json", "samples.json", "data"
CROWD = ("iscrowd", "IsGroupOf", "crowd")
UNLABELLED = "FiftyOne samples without labels"
LOOKED_AT = 200  # samples by which the field of the detections is found out
_CONDITIONS = {"timeofday": "time_of_day"}


class FiftyOneOptions(Settings):
    """What can be set of FiftyOne's datasets alone."""

    field: str | None = Field(
        None, description="the field of a sample that holds its labels; null: the one that holds Detections"
    )


class FiftyOneReader(StoredReader):
    """A folder that FiftyOne exported (see the module)."""

    kind = "fiftyone"
    name = "FiftyOne"
    title = "FiftyOne dataset"
    Options = FiftyOneOptions
    Mender = FiftyOneMender
    options: FiftyOneOptions

    @classmethod
    def signs(cls, root: str) -> str | None:
        return next((storage.name_of(uri) for uri in _files(root).values()), None)

    @cached_property
    def _files(self) -> dict[str | None, str]:
        if found := _files(self.root):
            return found
        raise UserError(
            f"{self.root}: no {SAMPLES}, and no {LABELS} with 'classes' and 'labels' (here or in train, "
            "validation, test): not a FiftyOne dataset"
        )

    def _where(self, name: str | None) -> str:
        return self._files.get(name) or next(iter(self._files.values()))

    def _image_folders(self, name: str | None) -> Iterable[str]:
        return [storage.parent(self._where(name))]

    def _entries(self) -> Iterator[Entry | DataError]:
        for name, uri in self._files.items():
            try:
                if uri.endswith(SAMPLES):
                    yield from self._samples(uri)
                else:
                    yield from self._labels(uri, name)
            except DataError as error:
                yield error

    def _labels(self, uri: str, of: str | None) -> Iterator[Entry | DataError]:
        pictures = self.pictures_beside(uri)
        classes = [str(name) for name in members(uri, "classes.item")]
        for key, given in pairs(uri, "labels"):
            where = f"{uri}: {shown(key)}"
            if given is None:
                self.left_out[UNLABELLED] += 1
                continue
            if (image := pictures.get(id_of(f"{key}.x"))) is None:
                yield DataError(where, f"there is no picture of this name in {DATA}/")
                continue

            def entry(given: Any = given, image: str = image, key: str = key, where: str = where) -> Entry:
                rows = sequence(given, "its labels", where)
                objects, bad = _sound(rows, classes, f"{where}: label")
                return Entry(image, objects, list=of, frame_id=id_of(f"{key}.x"), shares=True, bad_rows=bad)

            yield entry_or_fault(image, entry)

    @staticmethod
    def pictures_beside(uri: str) -> dict[str, str]:
        """The pictures of a labels.json, by the ids of its keys; from its folder."""
        folder = storage.parent(uri)
        place = storage.join(folder, DATA)
        return {
            id_of(storage.relative(picture, place)): storage.relative(picture, folder)
            for picture in (files_below(place)[0] if storage.is_folder(place) else ())
            if picture.lower().endswith(SUFFIXES)
        }

    @staticmethod
    def object_of(row: Any, classes: list[str] | None, where: str) -> Object:
        """What a label means. Raises `DataError`."""
        return _object(row, classes, where)

    @staticmethod
    def list_of_sample(said: Mapping[str, Any], where: str) -> str | None:
        """The list that a sample's tags name."""
        return _list_of(said, where)

    def field_of(self, uri: str) -> str:
        return self._field(uri)

    def _samples(self, uri: str) -> Iterator[Entry | DataError]:
        field_ = self._field(uri)
        for number, row in enumerate(members(uri, "samples.item")):
            where = f"{uri}: sample {number}"
            try:
                said = mapping(row, "it", where)
                image = word(said.get("filepath"), "its filepath", where).replace("\\", "/")
            except DataError as error:
                yield error
                continue
            if said.get(field_) is None:
                self.left_out[UNLABELLED] += 1
                continue

            def entry(said: Mapping[str, Any] = said, image: str = image) -> Entry:
                return _sample(said, image, field_, f"{uri}: image {shown(image)}")

            yield entry_or_fault(image, entry)

    def _field(self, uri: str) -> str:
        """The field that holds the labels. Raises `UserError` where it has to be said."""
        found: dict[str, None] = {}
        for number, row in enumerate(members(uri, "samples.item")):
            if number == LOOKED_AT:
                break
            for name, value in row.items() if isinstance(row, dict) else ():
                if isinstance(value, dict) and value.get("_cls") == "Detections":
                    found[name] = None
        if self.options.field is not None:
            return self.options.field
        if "ground_truth" in found:
            return "ground_truth"
        if len(found) == 1:
            return next(iter(found))
        several = f"the fields {', '.join(found)} do" if found else "none of its first samples' fields does"
        raise UserError(f"{uri}: which field holds the labels? {several}; name it as data.options.field")


def _sample(said: Mapping[str, Any], image: str, field_: str, where: str) -> Entry:
    labels = mapping(said[field_], f"its {field_}", where)
    if labels.get("_cls") not in ("Detections", None):
        raise DataError(where, f"its {field_} is {shown(labels.get('_cls'))}, not Detections")
    rows = sequence(labels.get("detections"), "detections", where)
    objects, bad_rows = _sound(rows, None, f"{where}: detection")
    known = mapping(said.get("metadata") or {}, "metadata", where)
    size = side(known.get("width"), "width", where), side(known.get("height"), "height", where)
    conditions = {
        _CONDITIONS.get(name, name): told
        for name, value in said.items()
        if isinstance(value, Mapping)
        and value.get("_cls") == "Classification"
        and (told := condition(value.get("label"))) is not None
    }
    return Entry(
        image,
        objects,
        size,
        list=_list_of(said, where),
        frame_id=id_of(image.removeprefix(f"{DATA}/")),
        conditions=conditions or None,
        shares=True,
        bad_rows=bad_rows,
    )


def _list_of(said: Mapping[str, Any], where: str) -> str | None:
    tags = {name for tag in sequence(said.get("tags"), "tags", where) if (name := list_called(str(tag)))}
    return next(iter(tags)) if len(tags) == 1 else None


def _sound(
    rows: Sequence[Any], classes: list[str] | None, where: str
) -> tuple[list[Object], list[DataError]]:
    """The objects, and why others are none."""
    objects, bad_rows = [], []
    for number, row in enumerate(rows):
        try:
            objects.append(_object(row, classes, f"{where} {number}"))
        except DataError as error:
            bad_rows.append(error)
    return objects, bad_rows


def _object(row: Any, classes: list[str] | None, where: str) -> Object:
    said = mapping(row, "it", where)
    label = said.get("label")
    if isinstance(label, int) and not isinstance(label, bool) and classes:
        if label not in range(len(classes)):
            raise DataError(where, f"its label is {label}, but 'classes' names {len(classes)}, 0 first")
        label = classes[label]
    x, y, width, height = numbers(said.get("bounding_box"), 4, "bounding_box", where)
    attributes = mapping(said.get("attributes") or {}, "attributes", where)
    given = {name: said.get(name, attributes.get(name)) for name in CROWD}
    values = {name: v.get("value") if isinstance(v, Mapping) else v for name, v in given.items()}
    ignore = any(flag(value, name, where) for name, value in values.items())
    return Object(word(label, "its label", where), Box(x, y, x + width, y + height), ignore=ignore)


def _files(root: str) -> dict[str | None, str]:
    """List -> its JSON file; None alone where there is one."""
    if not storage.is_folder(root):
        known = (root.endswith(SAMPLES) and _is_samples(root)) or (root.endswith(LABELS) and _is_labels(root))
        return {None: root} if known else {}
    if storage.exists(uri := storage.join(root, SAMPLES)) and _is_samples(uri):
        return {None: uri}
    if storage.exists(uri := storage.join(root, LABELS)) and _is_labels(uri):
        return {None: uri}
    found: dict[str | None, str] = {}
    for folder in storage.list_folders(root):
        of = list_called(storage.name_of(folder))
        if of and storage.exists(uri := storage.join(folder, LABELS)) and _is_labels(uri):
            found.setdefault(of, uri)
    return found if len(found) != 1 else {None: next(iter(found.values()))}


def _is_labels(uri: str) -> bool:
    said = beginning_of(uri)
    coco = has_keys(said, "images") or has_keys(said, "annotations")
    return said.startswith(b"{") and (has_keys(said, "classes") or has_keys(said, "labels")) and not coco


def _is_samples(uri: str) -> bool:
    return has_keys(beginning_of(uri), "samples")
