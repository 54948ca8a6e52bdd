"""Frames as KITTI's evaluation takes them, packed into a few arrays: from folders of text files, or from
evaluated rows.
Their columns are those of `imitation.datasets.kitti.text`.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imitation.common.settings import DataError, UserError
from imitation.common.texts import text_of
from imitation.datasets.kitti.text import LABEL_COLUMNS, RESULT_COLUMNS, number, rows

if TYPE_CHECKING:
    from imitation.evaluation.detections import FrameDetections

OTHER, CAR, PEDESTRIAN, CYCLIST, VAN, PERSON_SITTING, DONT_CARE = range(-1, 6)
_TYPES = {
    **{"car": CAR, "pedestrian": PEDESTRIAN, "cyclist": CYCLIST},
    **{"van": VAN, "person_sitting": PERSON_SITTING, "dontcare": DONT_CARE},
}

_NUMERIC = b"0123456789+-.eE \t\r\n"
_CHUNK = 1 << 14
"""Words parsed at once."""


@dataclass(frozen=True, eq=False)
class KittiFrames:
    """F frames in one: M labelled objects and N detections, in file order, frame after frame.

    `object_types`, `detection_types` int8: `CAR` ... `DONT_CARE`, or `OTHER`. Boxes float64 (M, 4) and
    (N, 4), px, (x1, y1, x2, y2). `truncation`, `occlusion` float64 (M,): a fraction and KITTI's level,
    -1 or NaN if unknown (which is within every limit); `scores` float64 (N,). The rows of frame f are
    `starts[f]:starts[f + 1]`, int64 (F + 1,). `left_out` names the labelled frames without a result.
    """

    object_types: np.ndarray
    object_boxes: np.ndarray
    truncation: np.ndarray
    occlusion: np.ndarray
    object_starts: np.ndarray
    detection_types: np.ndarray
    detection_boxes: np.ndarray
    scores: np.ndarray
    detection_starts: np.ndarray
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.object_starts) - 1


def read_label_dir(labels: str, results: str) -> KittiFrames:
    """The frames of a folder of label files and one of result files (`000000.txt`, ...; 15 and 16
    columns), paired by name. Folders may be URIs.

    As in the official program, an empty result file says that nothing was found, and a frame without a
    result file is left out. Raises `UserError` for a folder that is missing or has no text files and
    `DataError`, with file and line, for a line that cannot be read and a result without its label.
    """
    label_files, result_files = _text_files(labels), _text_files(results)
    if missing := sorted(result_files.keys() - label_files.keys()):
        raise DataError(
            result_files[missing[0]],
            f"there is no label file {missing[0]} in {labels}; take the result away or add its label",
        )

    def read() -> Iterator[tuple[str, bytes, str, bytes]]:
        for name in sorted(result_files):
            label, result = label_files[name], result_files[name]
            yield label, _content(label), result, _content(result)

    return parse_kitti(read(), tuple(sorted(label_files.keys() - result_files.keys())))


def parse_kitti(
    files: Iterable[tuple[str, bytes, str, bytes]], left_out: tuple[str, ...] = ()
) -> KittiFrames:
    """Frames from (label's name, its bytes, result's name, its bytes). Raises `DataError`, which cites
    the names, for a line with missing or too many columns, for what is not a number, or not UTF-8."""
    objects = _Lines(LABEL_COLUMNS, used=(1, 2, 4, 5, 6, 7))
    detections = _Lines(RESULT_COLUMNS, used=(4, 5, 6, 7, 15))
    for label_name, label, result_name, result in files:
        objects.add(label_name, label)
        detections.add(result_name, result)
    object_types, object_values = objects.finish()
    detection_types, detection_values = detections.finish()
    return KittiFrames(
        object_types=object_types,
        object_boxes=object_values[:, 2:],
        truncation=object_values[:, 0],
        occlusion=object_values[:, 1],
        object_starts=np.array(objects.starts),
        detection_types=detection_types,
        detection_boxes=detection_values[:, :4],
        scores=detection_values[:, 4],
        detection_starts=np.array(detections.starts),
        left_out=left_out,
    )


def kitti_from_rows(rows: Iterable[FrameDetections], categories: Sequence[str]) -> KittiFrames:
    """Frames from evaluated rows of KITTI data; `categories` are the detector's, in label order.

    A detection is of the KITTI class that its category is named like; an object of the type that its
    dataset gave it (`objects.category`), else of its category, and DontCare if it has none. Objects that
    a row does not hold, because their type is background to the detector, are passed over by KITTI too.
    Rows with an `error` are left out. Rows hold float32: where one stands for a number of two decimals,
    as KITTI's labels have, it is taken as that number, so that limits are met exactly.
    """
    of_label = np.array([DONT_CARE, *(_type_of(name) for name in categories)], dtype=np.int8)
    columns = [bytearray() for _ in range(7)]
    left_out = []
    object_starts, detection_starts = array("q", [0]), array("q", [0])
    for row in rows:
        if row.error is not None:
            left_out.append(row.frame_id)
            continue
        objects, detections = row.objects, row.detections
        types = of_label[objects.labels]
        named = [i for i, name in enumerate(objects.category) if name]
        types[named] = [_type_of(objects.category[i]) for i in named]
        levels = objects.occlusion_level.astype(np.int8)
        of_objects = (types, objects.boxes, objects.truncation, levels)
        of_detections = (of_label[detections.labels], detections.boxes, detections.scores)
        for place, part in enumerate((*of_objects, *of_detections)):
            columns[place].extend(part.tobytes())
        object_starts.append(object_starts[-1] + len(objects))
        detection_starts.append(detection_starts[-1] + len(detections))
    columns.reverse()  # each is let go as it is taken
    return KittiFrames(
        object_types=np.frombuffer(columns.pop(), np.int8),
        object_boxes=_as_written(columns.pop()).reshape(-1, 4),
        truncation=_as_written(columns.pop()),
        occlusion=np.frombuffer(columns.pop(), np.int8).astype(np.float64),
        detection_types=np.frombuffer(columns.pop(), np.int8),
        detection_boxes=_as_written(columns.pop()).reshape(-1, 4),
        scores=np.frombuffer(columns.pop(), np.float32).astype(np.float64),
        object_starts=np.array(object_starts),
        detection_starts=np.array(detection_starts),
        left_out=tuple(left_out),
    )


def _type_of(name: str) -> int:
    return _TYPES.get(name.lower(), OTHER)


def _as_written(column: bytearray) -> np.ndarray:
    """float32 -> float64, by way of two decimals where that is what the float32 stands for."""
    values = np.frombuffer(column, np.float32)
    exact = values.astype(np.float64)
    for low in range(0, len(values), _CHUNK):  # little by little: what comes between takes no memory
        part = exact[low : low + _CHUNK]
        short = np.round(part, 2)
        part[:] = np.where(short.astype(np.float32) == values[low : low + _CHUNK], short, part)
    return exact


def _text_files(folder: str) -> dict[str, str]:
    """The `.txt` files of a folder, by name. Raises `UserError`."""
    if "://" in folder:
        from imitation.common import storage  # costs pyarrow, which local folders do without

        if not storage.is_folder(folder):
            raise UserError(f"{folder}: there is no such folder")
        files = {storage.name_of(uri): uri for uri in storage.list_files(folder, ".txt")}
    else:
        try:
            with os.scandir(folder) as entries:
                files = {e.name: e.path for e in entries if e.name.endswith(".txt") and not e.is_dir()}
        except OSError as error:
            raise UserError(f"{folder}: cannot be read as a folder: {error.strerror}") from error
    if not files:
        raise UserError(f"{folder}: has no text files; give the folder with 000000.txt, 000001.txt, ...")
    return files


def _content(path: str) -> bytes:
    if "://" in path:
        from imitation.common import storage

        return storage.read_bytes(path)
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror}") from error


class _TypeCodes(dict[str, int]):
    """Word -> type, each word looked at once."""

    def __missing__(self, word: str) -> int:
        code = self[word] = _type_of(word)
        return code


class _Lines:
    """Lines of many files, column by column.

    Files are split into words without a look at their lines, many at once; only where that does not
    come out right are they read line by line, to say which line is wrong.
    """

    def __init__(self, columns: tuple[str, ...], used: Sequence[int]) -> None:
        self.starts = [0]
        self._columns, self._used = columns, used
        self._words: list[str] = []
        self._files: list[tuple[str, bytes]] = []
        self._types: list[np.ndarray] = [np.zeros(0, dtype=np.int8)]
        self._values: list[np.ndarray] = [np.zeros((0, len(used)))]
        self._codes = _TypeCodes()

    def add(self, where: str, content: bytes) -> None:
        words = content.decode("ascii", errors="replace").split()  # str: float() of bytes is slow
        lines = content.count(b"\n") + (content[-1:] not in (b"", b"\n"))
        if len(words) != lines * len(self._columns) or not content.isascii():
            words = self._words_by_line(where, content)
        self._words += words
        self._files.append((where, content))
        self.starts.append(self.starts[-1] + len(words) // len(self._columns))
        if len(self._words) >= _CHUNK:
            self._parse()

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Types int8 (rows,) and the used columns float64 (rows, used)."""
        self._parse()
        return np.concatenate(self._types), np.concatenate(self._values)

    def _parse(self) -> None:
        words, width = self._words, len(self._columns)
        types = words[::width]
        letters = b"".join(content for _, content in self._files).translate(None, _NUMERIC)
        if letters != "".join(types).encode().translate(None, _NUMERIC):  # some column is no number
            self._check_files()
        values = np.empty((len(types), len(self._used)))
        try:
            for i, column in enumerate(self._used):
                values[:, i] = list(map(float, words[column::width]))
        except ValueError:
            values[:] = np.nan
        if not np.isfinite(values).all():
            self._check_files()
            raise AssertionError("a bad number among many is found line by line")
        self._types.append(np.fromiter(map(self._codes.__getitem__, types), np.int8, len(types)))
        self._values.append(values)
        self._words, self._files = [], []

    def _check_files(self) -> None:
        for where, content in self._files:
            self._words_by_line(where, content)

    def _words_by_line(self, where: str, content: bytes) -> list[str]:
        """The words of a file; raises `DataError` with the line for whatever is wrong with it."""
        all_words: list[str] = []
        for at, words in rows(text_of(content, where), where, self._columns):
            for column, word in enumerate(words[1:], start=1):
                number(word, at, self._columns[column], finite=column in self._used)
            all_words += words
        return all_words
