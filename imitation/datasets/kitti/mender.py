"""What can be mended of KITTI data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.data.records import Object
from imitation.datasets.common.paths import list_name
from imitation.datasets.common.validation import object_fault
from imitation.datasets.kitti.files import KittiFolder
from imitation.datasets.kitti.labels import CATEGORIES, camera_of, parse_labels, read_projection
from imitation.datasets.kitti.text import LABEL_COLUMNS, RESULT_COLUMNS, TRACKING_COLUMNS
from imitation.datasets.mending.lines import SPACED, Repair, mended_lines, spaced
from imitation.datasets.mending.lists import mended_list
from imitation.datasets.mending.mender import GONE, JUDGING, LEAK, SWAPPED, Mender

if TYPE_CHECKING:
    from imitation.datasets.kitti.reader import KittiReader

SCORE = "scores of results taken away"
TRACKED = "rows of the tracking benchmark written as the object benchmark's"
SPELLED = "types spelled as KITTI spells them"
UNKNOWN = "truncation or occlusion that cannot be set to unknown"
NO_3D = "3D boxes that are none set to unknown"
NO_CAMERA = "calibrations that are none taken away"
COLON = "colons put behind the keys of calibrations"
_SPELLING = {name.lower(): name for name in CATEGORIES}
_UNKNOWN_3D = ["-1", "-1", "-1", "-1000", "-1000", "-1000", "-10"]
_KEY = re.compile(r"^([A-Za-z]\w*)(?=\s+[-\d.])", re.MULTILINE)


class KittiMender(Mender):
    """Label files row by row, calibrations, lists, pictures; of the tracking benchmark labels, pictures."""

    dataset: KittiReader

    def look(self) -> None:
        if self.dataset._tracking is not None:
            self._look_at_tracking()
            return
        folder = self.dataset._folder
        self._parts(folder)
        labels: dict[str, str | None] = {uri: folder.labels.get(name) for name, uri in folder.images.items()}
        cameras: dict[str, tuple[str, str, int]] = {}  # picture -> its frame, calibration, width
        names = {uri: name for name, uri in folder.images.items()}
        wanted = ((uri, None) for uri in folder.images.values() if self.name(uri) not in self.gone)
        for looked in self.pictures(wanted, labels):
            assert looked.size is not None
            label = str(labels[looked.uri])
            self.use(label)
            self._label(looked.uri, label, folder, looked.size)
            if (calib := folder.calibs.get(names[looked.uri])) is not None:
                self.use(calib)
                cameras[looked.uri] = names[looked.uri], calib, looked.size[0]
        self._calibrations(cameras, labels)
        self._lists(folder)
        for name, uri in folder.images.items():
            if self.name(uri) in self.gone and (calib := folder.calibs.get(name)) is not None:
                self.remove(calib)

    def _parts(self, folder: KittiFolder) -> None:
        """Frames of which a part is missing, and second pictures of one frame."""
        for name, second in folder.doubles.items():
            self.drop(second, None, f"{storage.name_of(folder.images[name])} is the same frame")
        for name in folder.names():
            label, image, calib = (of.get(name) for of in (folder.labels, folder.images, folder.calibs))
            if image is None:
                self.stray(str(label), "there is no picture of this name")
                for uri in (label, calib):
                    if uri is not None:
                        self.remove(uri)
            elif label is None or (folder.calib_dir is not None and calib is None):
                what = "label file" if label is None else "calibration"
                self.drop(image, label, f"it has no {what}")

    def _label(self, image: str, label: str, folder: KittiFolder, size: tuple[int, int]) -> None:
        try:
            text = storage.read_data_text(label, "label file")
        except DataError as error:
            self.drop(image, label, error.what)
            return
        if (why := self.sound_file(label, folder.label_dir)) is not None:
            self.drop(image, label, why)
            return
        any_type = self.dataset.options.types == "any" or (
            self.dataset.options.types is None and not folder.own
        )
        known = None if any_type else frozenset(CATEGORIES)
        repairs = (
            Repair(SPACED, spaced),
            Repair(SCORE, partial(_without_score, folder.own)),
            Repair(TRACKED, _as_object),
            *([] if any_type else [Repair(SPELLED, _spelled)]),
            Repair(SWAPPED, _swapped),
            Repair(UNKNOWN, _without_range_faults),
            Repair(NO_3D, _without_bad_cuboid),
        )
        new, bad = mended_lines(
            *(text, self.name(label), repairs),
            partial(_read, label, known, not folder.own, size),
            self.changes,
        )
        self.rows += sum(bool(line.strip()) for line in text.splitlines())
        self.bad_rows += bad
        if new is not None:
            self.put(label, new.encode())

    def _calibrations(
        self, cameras: Mapping[str, tuple[str, str, int]], labels: Mapping[str, str | None]
    ) -> None:
        """Where most calibrations are none, all go: frames then have no camera. Else the frames of those that
        are none go: a frame of KITTI's has a calibration."""
        bad: dict[str, str] = {}
        for image, (_, calib, width) in cameras.items():
            try:
                camera_of(read_projection(calib), calib, width)
            except DataError as error:
                bad[image] = error.what
                continue
            text = storage.read_text(calib)
            if (new := _KEY.sub(r"\1:", text)) != text:
                self.changes.add(self.name(calib), "", COLON)
                self.put(calib, new.encode())
        if bad and 2 * len(bad) > len(cameras):
            for _, calib, _ in cameras.values():
                self.changes.add(self.name(calib), "", NO_CAMERA)
                self.remove(calib)
                self.new.pop(self.name(calib), None)
            for name, calib in self.dataset._folder.calibs.items():
                if name not in self.dataset._folder.images:
                    self.remove(calib)
            return
        for image, why in bad.items():
            self.drop(image, labels[image], why)
            self.remove(cameras[image][1])

    def _lists(self, folder: KittiFolder) -> None:
        place = storage.join(self.root, "ImageSets")
        if not storage.is_folder(place):
            return
        files = {list_name(storage.name_of(uri)[:-4]): uri for uri in storage.list_files(place, ".txt")}
        texts = {name: storage.read_text(uri) for name, uri in files.items()}
        named = {name: text.split() for name, text in texts.items()}
        others = {one for name, names in named.items() if name != "test" for one in names}
        if not others.isdisjoint(named.get("test", ())):  # KITTI's own: it counts other frames
            named.pop("test")
        pictures = {
            name: [folder.images[one] for one in names if one in folder.images]
            for name, names in named.items()
            if name in ("train", "mine", *JUDGING)
        }
        frames = {uri: name for name, uri in folder.images.items()}
        twins = {frames[uri] for uri in self.twins(pictures)}
        judged = {one for name in JUDGING for one in named.get(name, ())}
        there = {name for name, uri in folder.images.items() if self.name(uri) not in self.gone}
        gone = {name for name, uri in folder.images.items() if self.name(uri) in self.gone}
        for name in named:
            learns = name in ("train", "mine")

            def why(word: str, learns: bool = learns) -> str | None:
                if word not in there:
                    return None if word in gone else "names of lists that no frame has taken away"
                return LEAK if learns and (word in judged or word in twins) else ""

            mended_list(self, files[name], texts[name], why)

    def _look_at_tracking(self) -> None:
        tracking = self.dataset._tracking
        assert tracking is not None
        known = None if self.dataset.options.types == "any" else frozenset({*CATEGORIES, "Person"})
        sizes: dict[tuple[str, int], tuple[int, int]] = {}
        wanted = {uri: (name, number) for name, number, uri in tracking.images.values()}
        for looked in self.pictures(((uri, None) for uri in wanted), {}):
            assert looked.size is not None
            sizes[wanted[looked.uri]] = looked.size
        for name in sorted({name for name, _ in wanted.values()}):
            label = tracking._label(name)

            def read(row: str, label: str = label, name: str = name) -> Object:
                number = row.split(maxsplit=1)[0]
                size = sizes.get((name, int(number))) if number.isdecimal() else None
                if size is None:
                    raise DataError(label, f"frame {number} has no picture", GONE.partition(": ")[2])
                return _read(label, known, False, size, row)

            repairs = (
                Repair(SPACED, spaced),
                Repair(SWAPPED, _swapped),
                Repair(UNKNOWN, _without_range_faults),
            )
            text = storage.read_text(label)
            new, bad = mended_lines(text, self.name(label), repairs, read, self.changes, twins=False)
            self.rows += sum(bool(line.strip()) for line in text.splitlines())
            self.bad_rows += bad
            if new is not None:
                self.put(label, new.encode())


def _read(where: str, known: frozenset[str] | None, scores: bool, size: tuple[int, int], row: str) -> Object:
    ((at, obj),) = parse_labels(row, where, None, known, scores)
    if fault := object_fault(obj, *size):
        raise fault.of(at)
    return obj


def _without_score(own: bool, words: list[str]) -> list[str] | None:
    return words[:15] if own and len(words) == len(RESULT_COLUMNS) else None


def _as_object(words: list[str]) -> list[str] | None:
    if len(words) != len(TRACKING_COLUMNS):
        return None
    _, _, kind, level, *rest = words
    return [kind, "0" if _number(level) == 0 else "-1", *rest]


def _spelled(words: list[str]) -> list[str] | None:
    name = _SPELLING.get(words[0].lower())
    return [name, *words[1:]] if name is not None and name != words[0] else None


def _columns(words: list[str]) -> int | None:
    """Where the columns of an object begin in a row; None for a row of another number of columns."""
    lengths = {len(LABEL_COLUMNS): 0, len(RESULT_COLUMNS): 0, len(TRACKING_COLUMNS): 2}
    return lengths.get(len(words))


def _swapped(words: list[str]) -> list[str] | None:
    if (start := _columns(words)) is None:
        return None
    place = start + 4
    numbers = [_number(word) for word in words[place : place + 4]]
    x1, y1, x2, y2 = numbers
    if x1 is None or y1 is None or x2 is None or y2 is None or (x1 <= x2 and y1 <= y2):
        return None
    new = list(words)
    for first, second in ((place, place + 2), (place + 1, place + 3)):
        if float(words[first]) > float(words[second]):
            new[first], new[second] = words[second], words[first]
    return new


def _without_range_faults(words: list[str]) -> list[str] | None:
    """KITTI's -1 in place of a truncation beyond [0, 1] or an occlusion that is no level."""
    if (start := _columns(words)) is None:
        return None
    new = list(words)
    truncated, occluded = _number(words[start + 1]), _number(words[start + 2])
    levels = (-1, 0, 1, 2) if start else None
    sound = truncated in levels if levels else truncated == -1 or 0 <= (truncated or 0) <= 1
    if truncated is not None and not sound:
        new[start + 1] = "-1"
    if occluded is not None and occluded not in (-1, 0, 1, 2, 3):
        new[start + 2] = "-1"
    return new if new != words else None


def _without_bad_cuboid(words: list[str]) -> list[str] | None:
    if _columns(words) != 0:
        return None
    values = [_number(word) for word in words[8:15]]
    if None in values:
        return None
    height, width, length, *place = [value or 0.0 for value in values]
    unknown = (height == width == length and height in (-1, -1000)) or place[:3] == [-1000] * 3
    if unknown or not any(value or 0 for value in values) or min(height, width, length) > 0:
        return None
    return [*words[:8], *_UNKNOWN_3D, *words[15:]]


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if value - value == 0 else None  # no NaN, no infinity
