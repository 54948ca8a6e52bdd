"""Other people's detections on a dataset, frame by frame: KITTI results, COCO results, evaluations.

Whatever detector they came from, they become the rows that our own evaluation writes
(`imitation.evaluation.detections`), and all that follows from those: metrics, failures, requests.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from imitation.common import storage
from imitation.common.names import MAIN
from imitation.common.settings import DataError, UserError
from imitation.common.texts import ShallowJson, shown
from imitation.data.categories import CategoryMap
from imitation.data.records import Frame
from imitation.datasets.common.json_text import items, open_text
from imitation.datasets.kitti.text import RESULT_COLUMNS, number, rows
from imitation.datasets.numbering import Numbering
from imitation.evaluation.detection_files import read_categories, read_detections, read_detectors
from imitation.evaluation.detections import Detections
from imitation.evaluation.result_images import MOST, Id, ImageKeys, OtherKeys, Way

LONGEST = 120  # characters of a value in a message
LONGEST_NAME = 1000  # characters of an image's name


class Results(Protocol):
    """Detections by frame. `unmapped` counts those of names that are no class of the detector's; `layout` is
    how the source writes boxes, `said` the number that it calls a label by (empty: by name), `remark` what
    is odd about how it names its images."""

    unmapped: Counter[str]
    layout: str
    said: Mapping[int, int]
    remark: str | None

    def of(self, frame: Frame) -> Detections | None:
        """What was detected in the frame; None where the results do not speak of it."""
        ...


class KittiResults:
    """A KITTI result folder: one text file a frame, 16 columns (the development kit's format: a label
    line and a score). A frame without a file is one that was not evaluated, as for KITTI's evaluator.

    Raises UserError if the folder has no result file.
    """

    layout = "xyxy"
    said: Mapping[int, int] = {}
    remark: str | None = None

    def __init__(self, folder: str, categories: CategoryMap) -> None:
        self.unmapped: Counter[str] = Counter()
        self._categories = categories
        files = storage.list_files(folder, ".txt")
        self._files = {storage.name_of(uri).removesuffix(".txt"): uri for uri in files}
        if not self._files:
            raise UserError(f"{folder}: has no result file (NAME.txt, 16 columns, one file a frame)")

    def of(self, frame: Frame) -> Detections | None:
        """Raises DataError naming file and line for a line that is no result."""
        uri = self._files.get(frame.frame_id)
        if uri is None:
            return None
        text = storage.read_data_text(uri, "result file")
        boxes, scores, labels = [], [], []
        for where, words in rows(text, uri, RESULT_COLUMNS):
            *box, score = (number(words[i], where, RESULT_COLUMNS[i]) for i in (4, 5, 6, 7, 15))
            box, score = _checked(box, score, where)
            label = self._categories.label(words[0])
            if not label:
                self.unmapped[words[0]] += 1
                continue
            boxes.append(box)
            scores.append(score)
            labels.append(label)
        return Detections(np.array(boxes).reshape(-1, 4), np.array(scores), np.array(labels))


def _checked(box: list[float], score: float, where: str) -> tuple[list[float], float]:
    if not all(map(math.isfinite, (*box, score))):
        raise DataError(where, f"box {box} or score {score} is not finite")
    if box[0] > box[2] or box[1] > box[3]:
        raise DataError(where, f"the box {box} is inverted (x1 <= x2 and y1 <= y2 are needed)")
    return box, score


class CocoResults:
    """COCO's results format: a JSON list of {image_id, category_id, bbox [x, y, w, h], score}.

    `image_ids` goes from frame_id to the dataset's image id, `names` from category id to category, `files`
    from image id to file name: results may name their images by these, or by the text of an id
    (`result_images`; `remark` says so). The file is streamed; 40 bytes a detection stay. Segmentations and
    further keys are passed over, and so is what is said of images that are not asked for, which `known` has
    besides (None: those alone exist).
    Raises DataError naming file and entry (from 0) for an entry that is no result or that speaks of an
    image or a category that the dataset does not have, and for a file that is no list.
    """

    layout = "xywh"

    def __init__(
        self,
        uri: str,
        image_ids: Mapping[str, Id],
        names: Mapping[int, str],
        categories: CategoryMap,
        known: Collection[Id] | None = None,
        files: Mapping[Id, str] | None = None,
    ) -> None:
        self.unmapped: Counter[str] = Counter()
        self.said: Mapping[int, int] = {}  # of each label: the category id that the file gives
        self._image_ids = image_ids
        self._numbers = {key: number for number, key in enumerate(dict.fromkeys(image_ids.values()))}
        asked = set(image_ids.values())
        keys = ImageKeys({key: (files or {}).get(key) for key in asked.union(known or ())})
        try:
            self._take(uri, keys.plainly, asked, names, categories)
            self.remark: str | None = None
        except OtherKeys:
            naming = keys.naming(_pairs(uri, keys.size + MOST))
            self._take(uri, naming.of, asked, names, categories)
            self.remark = naming.remark

    def _take(
        self, uri: str, image_of: Way, asked: set[Id], names: Mapping[int, str], categories: CategoryMap
    ) -> None:
        labels = {number: categories.label(name) for number, name in names.items()}
        self.said = {label: number for number, label in labels.items()}
        self.unmapped.clear()
        rows: list[tuple[int, int]] = []
        numbers: list[tuple[float, ...]] = []
        chunks: list[tuple[np.ndarray, np.ndarray]] = []
        for image, category, box, score in self._entries(uri, image_of, names):
            if image not in asked:
                continue
            if not labels[category]:
                self.unmapped[names[category]] += 1
                continue
            rows.append((self._numbers[image], labels[category]))
            numbers.append((*box, score))
            if len(rows) == 65536:
                chunks.append((np.array(rows, np.int64), np.array(numbers, np.float32)))
                rows, numbers = [], []
        chunks.append((np.array(rows, np.int64).reshape(-1, 2), np.array(numbers, np.float32).reshape(-1, 5)))
        images = np.concatenate([ids for ids, _ in chunks])
        values = np.concatenate([numbers for _, numbers in chunks])
        order = np.argsort(images[:, 0], kind="stable")
        self._images, self._labels = images[order, 0], images[order, 1]
        self._values = values[order]

    @staticmethod
    def _entries(
        uri: str, image_of: Way, names: Mapping[int, str]
    ) -> Iterator[tuple[Id, int, list[float], float]]:
        for place, entry in enumerate(_items(uri)):
            where = f"{uri}: entry {place}"
            try:
                image_id, category = entry["image_id"], int(entry["category_id"])
                if not isinstance(image_id, int | float | str) or (
                    isinstance(image_id, str) and len(image_id) > LONGEST_NAME
                ):
                    raise TypeError(f"image_id {shown(image_id)}")
                x, y, w, h = (float(v) for v in entry["bbox"])
                score = float(entry["score"])
                image = image_of(image_id, entry.get("file_name"))
            except (KeyError, TypeError, ValueError) as error:
                what = "is no detection (image_id, category_id, bbox of 4, score)"
                raise DataError(where, f"{what}: {repr(error)[:LONGEST]}") from None
            if image is None:
                raise DataError(where, f"image_id {shown(image_id)} is not in the dataset")
            if category not in names:
                hint = "" if category or not names else "; are they counted from 0?"
                have = f" (its ids are {min(names)} to {max(names)}{hint})" if names else ""
                raise DataError(where, f"category_id {shown(category)} is not in the dataset{have}")
            box, score = _checked([x, y, x + w, y + h], score, where)
            yield image, category, box, score

    def of(self, frame: Frame) -> Detections | None:
        image = self._image_ids.get(frame.frame_id)
        if image is None:
            return None
        number = self._numbers[image]
        low, high = np.searchsorted(self._images, [number, number + 1])
        values = self._values[low:high]
        return Detections(values[:, :4], values[:, 4], self._labels[low:high])


def yolo_results(
    uri: str, asked: Collection[str], images: Mapping[str, str], numbering: Numbering, categories: CategoryMap
) -> CocoResults:
    """COCO's results of a YOLO dataset, as YOLO's tools write them: images by file name (`images`: frame_id
    -> file, of which the `asked` are meant), categories by the class's number, or by that and one.

    Ultralytics counts from 1, older versions from 0: the file tells which by a 0, or by the number of
    classes; where it has neither, 1 is taken, and `remark` says so. Raises DataError as `CocoResults` does.
    """
    # Ids below 0 are those of no file, so that only names are matched.
    ids: dict[str, Id] = {frame_id: -number for number, frame_id in enumerate(images, start=1)}
    said = _category_ids(uri)
    first = 0 if 0 in said else 1
    names = {number + first: name for name, number in numbering.numbers.items()}
    known = {ids[frame_id]: file for frame_id, file in images.items()}
    results = CocoResults(uri, {i: ids[i] for i in asked}, names, categories, known, known)
    results.remark = None  # names are what is expected here
    if first and max(names) not in said:
        results.remark = (
            "category_id is taken to count from 1, as Ultralytics writes it: nothing in the file says "
            "whether it counts from 0"
        )
    return results


def _category_ids(uri: str) -> set[int]:
    """The different category ids of a results file, as far as they are small whole numbers."""
    numbers: set[int] = set()
    for entry in _items(uri):
        number = entry.get("category_id") if isinstance(entry, dict) else None
        if isinstance(number, int) and 0 <= number < 1 << 16:
            numbers.add(number)
    return numbers


def _pairs(uri: str, most: int) -> Iterator[tuple[Any, Any]]:
    """The different (image_id, file_name) of a results file, so many at most: more name no dataset."""
    seen: set[tuple[Any, Any]] = set()
    for entry in _items(uri):
        if not isinstance(entry, dict) or not isinstance(entry.get("image_id"), int | float | str):
            continue  # told when it is read
        name = entry.get("file_name")
        pair = (entry["image_id"], name if isinstance(name, str) else None)
        if pair not in seen:
            seen.add(pair)
            yield pair
        if len(seen) > most:
            return


def _items(uri: str) -> Iterator[Any]:
    """The entries of a results file, one at a time."""
    with open_text(uri) as source:
        start = source.tell()
        if not source.read(4096).lstrip().startswith(b"["):
            raise DataError(uri, "is no list; COCO results are [{image_id, category_id, bbox, score}, ...]")
        source.seek(start)
        yield from items(ShallowJson(source, uri), "item", uri)


class EvaluatedResults:
    """An evaluation's Parquet (`imitation.evaluation.detections`): the way in for any other dataset and
    detector. Its detections are kept in memory, some 40 bytes each; the ground truth is the dataset's, not
    the file's.

    Of several detectors `detector` is taken; None: the only one, or the one that a run calls "main".
    Raises DataError for a file that is no evaluation, UserError for several detectors or one that is not
    there.
    """

    layout = "xyxy"
    said: Mapping[int, int] = {}
    remark: str | None = None

    def __init__(self, uri: str, categories: CategoryMap, detector: str | None = None) -> None:
        self.unmapped: Counter[str] = Counter()
        names = read_categories(uri)
        labels = np.array([0, *(categories.label(name) for name in names)], dtype=np.int64)
        self._found: dict[str, Detections | None] = {}
        for row in read_detections(uri, detector=_chosen(uri, detector)):
            if row.frame_id in self._found:
                raise DataError(uri, f"frame {shown(row.frame_id)} stands twice by detector {row.detector!r}")
            known = labels[row.detections.labels]
            self.unmapped.update(names[label - 1] for label in row.detections.labels[known == 0].tolist())
            kept = row.detections.select(known > 0)
            kept.labels = known[known > 0]
            self._found[row.frame_id] = None if row.error is not None else kept

    def of(self, frame: Frame) -> Detections | None:
        return self._found.get(frame.frame_id)


def _chosen(uri: str, detector: str | None) -> str:
    """The one detector of an evaluation whose rows are meant."""
    names = read_detectors(uri)
    if detector is None and (len(names) == 1 or MAIN in names):
        return names[0] if len(names) == 1 else MAIN
    if detector is None or detector not in names:
        asked = "name one" if detector is None else f"there is no {detector!r}"
        raise UserError(f"{uri}: holds rows of {', '.join(names) or 'no detector'}; {asked} (--detector)")
    return detector
