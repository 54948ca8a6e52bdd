"""The folders of KITTI's tracking benchmark: one label file and one calibration a sequence.

Format: the tracking development kit. `image_02/0000/000000.png`, `label_02/0000.txt` with rows that begin
with the frame's and the track's number, `calib/0000.txt`. A frame's id is `0000_000000`, its sequence `0000`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.common.texts import lines_of, shown
from imitation.data.images import SUFFIXES, size_of_file
from imitation.data.records import Frame, Object
from imitation.datasets.common.left_out import refuse
from imitation.datasets.common.paths import refuse_link
from imitation.datasets.common.validation import FrameChecker, Problems, handled, object_fault
from imitation.datasets.kitti.labels import camera_of, parse_labels, read_projection

LABELS, IMAGES, CALIB = "label_02", "image_02", "calib"


@dataclass
class _Sequence:
    """The rows of a sequence's labels by frame number, each with its line; rows of no frame are strays."""

    rows: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    strays: list[DataError] = field(default_factory=list)


def tracking_folder(root: str) -> str | None:
    """The folder that holds `label_02` and `image_02`: the root, or its `training`."""
    if not storage.is_folder(root):
        return None
    for base in (storage.join(root, "training"), root):
        if all(storage.is_folder(storage.join(base, name)) for name in (LABELS, IMAGES)):
            return base
    return None


@dataclass
class TrackingFolder:
    """The frames at `base` (see `tracking_folder`) of a dataset at `root`."""

    root: str
    base: str

    @cached_property
    def images(self) -> dict[str, tuple[str, int, str]]:
        """frame_id -> its sequence, its number in it, its image. A sequence without labels is left aside."""
        found = {}
        for folder in storage.list_folders(storage.join(self.base, IMAGES)):
            name = storage.name_of(folder)
            if not storage.exists(self._label(name)):
                continue
            for uri in storage.list_files(folder):
                stem, dot, suffix = storage.name_of(uri).rpartition(".")
                if (dot + suffix).lower() in SUFFIXES and stem.isdecimal():
                    found[f"{name}_{stem}"] = (name, int(stem), uri)
        return found

    @cached_property
    def _sequences(self) -> dict[str, _Sequence]:
        numbers: dict[str, set[int]] = {}
        for name, number, _ in self.images.values():
            numbers.setdefault(name, set()).add(number)
        return {name: self._read(name, known) for name, known in numbers.items()}

    @property
    def strays(self) -> list[DataError]:
        """Rows that belong to no image."""
        return [stray for sequence in self._sequences.values() for stray in sequence.strays]

    def _label(self, name: str) -> str:
        return storage.join(self.base, LABELS, f"{name}.txt")

    def _read(self, name: str, known: set[int]) -> _Sequence:
        sequence, uri = _Sequence(), self._label(name)
        refuse_link(uri, storage.parent(uri), self.root)
        for line, text in enumerate(lines_of(storage.read_text(uri)), start=1):
            if not (words := text.split()):
                continue
            if not (words[0].isdecimal() and int(words[0]) in known):
                what = f"frame {shown(words[0])} has no image in {IMAGES}/{name}"
                sequence.strays.append(DataError(f"{uri}:{line}", what))
                continue
            sequence.rows.setdefault(int(words[0]), []).append((line, text))
        return sequence

    def frames(
        self,
        wanted: Sequence[str],
        problems: Problems | None,
        known: frozenset[str] | None,
        bad: Problems = refuse,
    ) -> Iterator[Frame]:
        """The frames of these ids; `known` are the types that may stand there (None: any); `bad` gets each
        bad row of labels."""
        check = FrameChecker(bad)
        return handled((partial(self._frame, name, known, check) for name in wanted), problems)

    def _frame(self, frame_id: str, known: frozenset[str] | None, check: FrameChecker) -> Frame:
        name, number, image = self.images[frame_id]
        refuse_link(image, storage.parent(image), self.root)
        width, height = size_of_file(image)
        calib = storage.join(self.base, CALIB, f"{name}.txt")
        camera, shift = None, None
        if storage.is_folder(storage.parent(calib)):
            refuse_link(calib, storage.parent(calib), self.root)
            camera, shift = camera_of(read_projection(calib), calib, width)
        objects: list[Object] = []
        for line, row in self._sequences[name].rows.get(number, ()):
            where = f"{self._label(name)}:{line}"
            for _, obj in parse_labels(row, where, shift, known, bad=check.bad):
                if fault := object_fault(obj, width, height):
                    check.bad(fault.of(where, obj.category))
                else:
                    objects.append(obj)
        frame = Frame(frame_id, width, height, tuple(objects), sequence=name, image_uri=image, camera=camera)
        check(frame, self._label(name))
        return frame
