"""What can be exported: Parquet frames of a run or a folder, and the splits of any dataset."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from imitation.common import storage
from imitation.common.settings import UserError
from imitation.data.records import Frame
from imitation.data.splits import LISTS, SPLITS
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.paths import list_name
from imitation.datasets.common.validation import FrameChecker, Problems
from imitation.datasets.numbering import Classes, parquet_numbering
from imitation.datasets.parquet.files import read_frames


@dataclass(frozen=True)
class Source:
    """Frames of one split ("" where there are no splits): Parquet, a file or a folder of files, at `uri`; or
    the `part` of the dataset of a `reader`, whose root `uri` is then, those of `names` alone (None: all).

    `synthetic` says whether they were rendered for a run; None: each frame's `origin` says it.
    """

    split: str
    uri: str
    synthetic: bool | None = None
    reader: DatasetReader | None = None
    part: str = ""
    names: Collection[str] | None = None
    limit: int | None = None

    def has(self, frame: Frame, which: str) -> bool:
        return which == "all" or self.is_synthetic(frame) == (which == "synthetic")

    def is_synthetic(self, frame: Frame) -> bool:
        return frame.origin is not None if self.synthetic is None else self.synthetic

    def read(self, columns: Iterable[str] | None = None, problems: Problems | None = None) -> Iterator[Frame]:
        """The frames, checked where all `columns` are read. Raises UserError and DataError as their reader
        does; a dataset's bad frames go to `problems`, where that is given."""
        if self.reader is None:
            return read_frames(self.uri, columns, check=FrameChecker() if columns is None else None)
        return islice(self.reader.frames(self.part, problems, self.names), self.limit)


def parquet_sources(uri: str) -> list[Source]:
    """The sources of a Parquet file or folder: a folder with one file or folder a split (`train.parquet`
    or `train/`, ...; "valid" and "validation" are `val`) has splits, anything else is one set. Raises
    UserError if there is nothing."""
    uri = storage.absolute(uri)
    if not storage.exists(uri):
        raise UserError(
            f"{uri}: there is nothing there; give a run's folder, Parquet frames, or a dataset by its "
            "settings (data.kind=kitti data.root=FOLDER)"
        )
    if not storage.is_folder(uri):
        return [Source("", uri)]
    places = _places(uri)
    splits = [Source(name, place) for name in LISTS for place in places.get(name, [])]
    return splits or [Source("", uri)]


def left_out(uri: str, sources: Iterable[Source]) -> list[str]:
    """The names of what lies in a folder of splits and holds Parquet frames, but is none of its `sources`."""
    uri = storage.absolute(uri)
    used = {source.uri for source in sources}
    if uri in used:
        return []
    others = sorted(place for places in _places(uri).values() for place in places if place not in used)
    return [
        storage.name_of(place)
        for place in others
        if not storage.is_folder(place) or storage.list_files(place, ".parquet")
    ]


def _places(folder: str) -> dict[str, list[str]]:
    """The Parquet files and the folders in a folder, by the list that they are called as."""
    found: dict[str, list[str]] = {}
    for place in (*storage.list_files(folder, ".parquet"), *storage.list_folders(folder)):
        found.setdefault(list_name(storage.name_of(place).removesuffix(".parquet")), []).append(place)
    return found


def dataset_sources(dataset: DatasetReader, limit: int | None = None) -> list[Source]:
    """The sources of a dataset in its own lists: nothing is cut by seed, a validation list stays whole, and a
    dataset without lists is all train. `limit`: so many frames of each, at most. Raises UserError where there
    is no frame, or why nothing could be listed."""
    dataset.keep_lists()
    splits = dataset.splits()
    if not any(splits.values()):
        deque(dataset.frames("train"), maxlen=0)  # tells what belongs to no frame
        raise UserError(f"{dataset.root}: there are no frames to export")
    train = set(splits["train"])
    own = {**splits, "mine": [name for name in splits["mine"] if name not in train]}
    return [
        Source(
            split,
            dataset.root,
            reader=dataset,
            part=split,
            names=own[split] if split == "mine" else None,  # None: tells of what belongs to no frame, too
            limit=limit,
        )
        for split in SPLITS
        if own[split]
    ]


def classes_of(sources: Iterable[Source]) -> Classes:
    """How the dataset behind the sources numbers its categories, as far as its reader or its files say."""
    for source in sources:
        found = parquet_numbering(source.uri) if source.reader is None else source.reader.numbering()
        if found:
            return Classes(found)
    return Classes()
