"""What can be mended of YOLO data."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import yaml

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.data.images import SUFFIXES
from imitation.data.splits import LISTS
from imitation.datasets.common.paths import files_below, list_name
from imitation.datasets.mending.lines import SPACED, Repair, mended_lines, spaced
from imitation.datasets.mending.mender import GONE, JUDGING, LEAK, Mender
from imitation.datasets.mending.pairs import label_folder, with_part
from imitation.datasets.yolo.data_yaml import YAML_NAMES
from imitation.datasets.yolo.labels import TOLERANCE, YoloClasses, label_of, parse_yolo, reaches_beyond

if TYPE_CHECKING:
    from imitation.datasets.base import DatasetReader
    from imitation.datasets.yolo.reader import YoloReader

SCORE = "scores of predictions taken away"
CUT = "boxes cut at their image's edge"
NUMBERED = "names of classes written as their numbers"
NAMES = "numbers of classes written as numbers"
COUNT = "nc set to the number of names"
PLACED = "files of folders of another name put where they are looked for"


class YoloMender(Mender):
    """Label files row by row, data.yaml (or the NDJSON), pictures, and labels in folders of one's own."""

    dataset: YoloReader

    def __init__(self, dataset: DatasetReader) -> None:
        super().__init__(dataset)
        self._moved: dict[str, str] = {}  # label files that were found elsewhere: where they go
        self._lines: dict[str, str | None] = {}  # of an NDJSON: the labels of a line anew, None: it goes

    def look(self) -> None:
        self._classes_file()
        try:
            self.dataset._listed  # noqa: B018
        except UserError:
            said = self.dataset._yaml[1]
            named = any(list_name(str(key).lower()) in LISTS for key in said if said[key])
            if named or not self._own_folders():  # folders that data.yaml names stay where they are
                raise
            return
        labels: dict[str, str | None] = {}
        texts: dict[str, tuple[str, str]] = {}
        for listed in self.dataset._listed.values():
            for error in listed.strays:
                self._stray(error)
            labels |= {image: listed.labels[frame_id] for frame_id, image in listed.images.items()}
            texts |= {listed.images[frame_id]: said for frame_id, said in (listed.texts or {}).items()}
            for frame_id, fault in listed.faults.items():
                self._fault(fault, listed.images[frame_id], listed.labels[frame_id])
        if not any(labels.values()) and not texts:
            labels |= self._labels_elsewhere(list(labels))
        wanted = ((image, None) for image in labels if self.name(image) not in self.gone)
        for looked in self.pictures(wanted, labels):
            assert looked.size is not None
            if looked.uri in texts:
                where, text = texts[looked.uri]
                if (new := self._mended(text, where, looked.size)) is not None:
                    self._lines[where] = new
            elif (label := labels[looked.uri]) is not None:
                self.use(label)
                self._label(looked.uri, label, looked.size)
        lists = {str(name): list(one.images.values()) for name, one in self.dataset._listed.items()}
        for image in self.twins(lists):
            self.drop(image, labels.get(image), LEAK, what=LEAK)
        for image, (where, _) in texts.items():
            if self.name(image) in self.gone:
                self._lines[where] = None
        self._ndjson()
        self._lists_of_images(lists)

    def _stray(self, error: DataError) -> None:
        self.stray(error.where, error.what)
        if os.path.isfile(error.where):
            self.remove(error.where)
        elif self.dataset._ndjson is not None:
            self._lines[error.where] = None

    def _fault(self, fault: DataError, image: str, label: str | None) -> None:
        """Of a frame that cannot be used as a whole: of two pictures with one label the second goes."""
        if fault.where != image and fault.where.lower().endswith(SUFFIXES):
            self.drop(fault.where, None, fault.what)
            return
        self.drop(image, label, fault.what)
        if not os.path.isfile(fault.where):
            self._lines[fault.where] = None

    def _lists_of_images(self, lists: Mapping[str, Sequence[str]]) -> None:
        """Files that list pictures: without those that are gone, and without those of train that judge."""
        judged = {image for name, images in lists.items() if name in JUDGING for image in images}
        for name, places in self.dataset._sources.items() if self.dataset._ndjson is None else ():
            for place in (place for place in places if not storage.is_folder(place)):
                kept = []
                lines = storage.read_text(place).splitlines(keepends=True)
                for number, line in enumerate(lines, start=1):
                    what = self._unlisted(line, place, (name not in JUDGING and judged) or set())
                    if what is None:
                        kept.append(line)
                    elif what != GONE:  # that is told of the picture
                        self.changes.add(self.name(place), number, what, line.strip())
                if len(kept) < len(lines):
                    self.put(place, "".join(kept).encode())

    def _unlisted(self, line: str, place: str, judged: set[str]) -> str | None:
        """Why a line of a list of pictures goes; None: it stays."""
        if not line.strip():
            return None
        try:
            image = self.dataset.listed_image(line.strip(), place, place)
        except DataError:
            return GONE
        if self.name(image) in self.gone:
            return GONE
        return LEAK if image in judged else None

    def _classes_file(self) -> None:
        """data.yaml with whole numbers for classes, and their right count: before the reader reads it."""
        places = (storage.join(self.root, name) for name in YAML_NAMES)
        uri = next((place for place in places if storage.exists(place)), None)
        if uri is None:
            return
        said = storage.read_yaml(uri)
        if not isinstance(said, dict) or not isinstance(said.get("names"), list | dict):
            return
        names, whats = said["names"], []
        if isinstance(names, dict) and any(isinstance(key, str) and key.isdecimal() for key in names):
            numbered = {int(key) if str(key).isdecimal() else key: name for key, name in names.items()}
            if len(numbered) == len(names):
                said["names"] = dict(sorted(numbered.items(), key=lambda item: str(item[0]).zfill(9)))
                whats.append(NAMES)
        if "nc" in said and said["nc"] != len(said["names"]):
            said["nc"] = len(said["names"])
            whats.append(COUNT)
        for what in whats:
            self.changes.add(self.name(uri), "", what, names if what == NAMES else None)
        if whats:
            self.put(uri, yaml.safe_dump(said, sort_keys=False, allow_unicode=True).encode())
            self.dataset._yaml = uri, said

    def _labels_elsewhere(self, images: Sequence[str]) -> dict[str, str | None]:
        """Where no picture has labels: those in the folder that goes with the pictures', whatever the two are
        called. They are put where YOLO looks for them."""
        texts = [uri for uri in files_below(self.root)[0] if uri.endswith(".txt")]
        if (pair := label_folder(self.root, images, texts)) is None:
            return {}
        place, shown, written = pair
        found: dict[str, str | None] = {}
        for image in images:
            label = with_part(self.root, image, place, written, ".txt")
            if self.name(image).split("/")[place] == shown and label in texts:
                self._move(label, label_of(image, self.root))
                found[image] = label
        return found

    def _own_folders(self) -> bool:
        """Of folders that YOLO does not know, `imgs` and `anns`, makes `images` and `labels`, where there is
        no data.yaml that names them. Says whether it did."""
        every = files_below(self.root)[0]
        images = [uri for uri in every if uri.lower().endswith(SUFFIXES)]
        if (pair := label_folder(self.root, images, [uri for uri in every if uri.endswith(".txt")])) is None:
            return False
        place, shown, written = pair
        renamed = {shown: "images", written: "labels"}
        for uri in every:
            parts = self.name(uri).split("/")
            if place < len(parts) - 1 and (new := renamed.get(parts[place])) is not None:
                self._move(uri, with_part(self.root, uri, place, new))
        labels: dict[str, str | None] = {}
        for image in (image for image in images if image in self._moved):
            label = with_part(self.root, image, place, written, ".txt")
            labels[image] = label if label in self._moved else None
        for looked in self.pictures(((image, None) for image in labels), labels):
            if (content := self.new.pop(self.name(looked.uri), None)) is not None:  # written anew
                self.put(self._moved[looked.uri], content)
            assert looked.size is not None
            if (found := labels[looked.uri]) is not None:
                self._label(looked.uri, found, looked.size)
        for label in set(filter(None, labels.values())) ^ {u for u in self._moved if u.endswith(".txt")}:
            if storage.name_of(label) != "classes.txt":
                self.stray(label, "there is no image of this name")
                self.new.pop(self.name(self._moved[label]))
        return True

    def drop(self, picture: str, label: str | None, why: str, what: str = GONE) -> None:
        super().drop(picture, label, why, what)
        for uri in (picture, label):
            if uri in self._moved:
                self.new.pop(self.name(self._moved[uri]), None)

    def _move(self, uri: str, place: str) -> None:
        self.changes.add(self.name(place), "", PLACED, self.name(uri))
        self.new[self.name(place)] = partial(storage.read_bytes, uri)
        self.remove(uri)
        self._moved[uri] = place

    def _label(self, image: str, label: str, size: tuple[int, int]) -> None:
        if (why := self.sound_file(label, storage.parent(label))) is not None:
            self.drop(image, label, why)
            return
        try:
            text = storage.read_data_text(label, "label file")
        except DataError as error:
            self.drop(image, label, error.what)
            return
        new = self._mended(text, self._moved.get(label, label), size)
        if new is not None:
            self.put(self._moved.get(label, label), new.encode())

    def _mended(self, text: str, where: str, size: tuple[int, int]) -> str | None:
        classes = self.dataset._classes

        def read(row: str) -> Any:
            return parse_yolo(row, where, classes, *size)[0][1]

        self.rows += sum(bool(line.strip()) for line in text.splitlines())
        new, bad = mended_lines(text, self.name(where), _repairs(classes), read, self.changes)
        self.bad_rows += bad
        return new

    def _ndjson(self) -> None:
        """The file of all labels, of which only the lines that change are written anew."""
        if not self._lines:
            return
        uri = next(iter(self._lines)).rpartition(":")[0]
        rows = storage.read_text(uri).split("\n")
        for where, text in self._lines.items():
            if text is None:
                continue
            number = int(where.rpartition(":")[2]) - 1
            row = json.loads(rows[number])
            values = [[_number(word) for word in line.split()] for line in text.splitlines() if line.strip()]
            polygons = [row for row in values if len(row) >= 7]
            row["annotations"] = {"boxes": [row for row in values if len(row) < 7]}
            if polygons:
                row["annotations"]["segments"] = polygons
            rows[number] = json.dumps(row, ensure_ascii=False)
        gone = {int(where.rpartition(":")[2]) for where, text in self._lines.items() if text is None}
        self.put(uri, "\n".join(row for i, row in enumerate(rows, start=1) if i not in gone).encode())


def _number(word: str) -> int | float:
    return int(word) if word.isdecimal() else float(word)


def _repairs(classes: YoloClasses) -> tuple[Repair, ...]:
    return (
        Repair(SPACED, spaced),
        Repair(NUMBERED, partial(_numbered, classes)),
        Repair(SCORE, partial(_without_score, classes)),
        Repair(CUT, partial(_cut, classes)),
    )


def _numbered(classes: YoloClasses, words: list[str]) -> list[str] | None:
    """A row that begins with the name of a class, of one word or of several."""
    start = next((place for place, word in enumerate(words) if place and _share(word) is not None), 1)
    called = " ".join(words[:start])
    found = [number for number, name in (classes.names or {}).items() if name == called]
    return [str(found[0]), *words[start:]] if len(found) == 1 and not called.isdecimal() else None


def _without_score(classes: YoloClasses, words: list[str]) -> list[str] | None:
    """A row of a prediction has its score behind the box."""
    if classes.keypoints or len(words) != 6 or words[1].isdecimal():  # an id behind the class, and no x
        return None
    score = _share(words[5])
    return words[:5] if score is not None and 0 <= score <= 1 else None


def _cut(classes: YoloClasses, words: list[str]) -> list[str] | None:
    """What reaches a little beyond the picture ends at its edge."""
    is_box = len(words) == 5 + classes.keypoints
    shares = [_share(word) for word in (words[1:5] if is_box else words[1:])]
    known = [share for share in shares if share is not None]
    if len(known) < len(shares) or not all(-TOLERANCE <= share <= 1 + TOLERANCE for share in known):
        return None
    within = all(0 <= share <= 1 for share in known)
    if within and not (is_box and reaches_beyond(*known)):
        return None
    if not is_box:
        return [words[0], *(_told(min(max(share, 0.0), 1.0)) for share in known)]
    x, y, w, h = known
    left, right = (min(max(v, 0.0), 1.0) for v in (x - w / 2, x + w / 2))
    top, bottom = (min(max(v, 0.0), 1.0) for v in (y - h / 2, y + h / 2))
    box = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    return [words[0], *map(_told, box), *words[5:]]


def _share(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _told(share: float) -> str:
    return f"{share:.9f}"
