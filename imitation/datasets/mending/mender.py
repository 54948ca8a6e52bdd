"""A corrected copy of a dataset: what all kinds share. What a kind can repair stands beside its reader."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.wording import counted
from imitation.data.images import SUFFIXES
from imitation.datasets.common.box_forms import LEAVING
from imitation.datasets.common.paths import refuse_link
from imitation.datasets.mending.changes import Changes
from imitation.datasets.mending.pictures import Looked, look_at_all

if TYPE_CHECKING:
    from imitation.datasets.base import DatasetReader

UNFINISHED = ".unfinished"
LOST = 0.5  # share of the rows that may be left out: beyond, the labels are of another layout, not damaged
LEAST_ROWS = 5
BINARY = (*SUFFIXES, ".parquet")
"""Files that are linked and not copied: nobody edits them by hand."""
GONE = "left out: pictures that cannot be used, with their labels"
SWAPPED = "corners put in order"
STRAYS = "left out: files and rows that belong to no picture"
LEAK = "left out: pictures to train on that val or test has too"
JUDGING = ("val", "test", "stop")
"""Lists whose pictures must not be trained on."""


class Mender(ABC):
    """Finds what is wrong with a dataset of its kind and what would be right: subclass it beside the reader,
    whose `Mender` it then is. `look` is all that it needs.

    `look` goes through the dataset's files and says what has to become of them: `put` new content, `remove` a
    file. What it says nothing of goes into the copy as it is, byte for byte. Nothing is written by it. It
    has to be its own inverse check: of its own copy it finds nothing to do.
    """

    copies_as: ClassVar[str | None] = None
    """The kind of data that the copy is, where it is another than the dataset's."""

    def __init__(self, dataset: DatasetReader) -> None:
        self.root = dataset.root
        self.dataset = dataset
        self.changes = Changes()
        self.new: dict[str, Callable[[], bytes]] = {}
        self.gone: set[str] = set()
        self.used: set[str] = set()  # also behind links of whole folders
        self.rows = self.bad_rows = 0
        self.seen = self.lost = 0  # pictures
        self.inverted = 0  # boxes with swapped corners that were left so, for they were many
        self._first_lost = self._refused = ""
        self._digests: dict[str, bytes] = {}

    @abstractmethod
    def look(self) -> None:
        """Finds all that has to be changed. Raises `UserError` for what cannot be mended."""

    def name(self, uri: str) -> str:
        """A file's name from the dataset's folder."""
        return uri.removeprefix(self.root).lstrip("/")

    def put(self, uri: str, content: bytes | Callable[[], bytes]) -> None:
        """Gives a file new content, or makes a new file."""
        self.new[self.name(uri)] = content if callable(content) else lambda: content

    def remove(self, uri: str) -> None:
        self.gone.add(self.name(uri))

    def use(self, *uris: str) -> None:
        """Says that files are the dataset's, wherever they lie: they are in the copy."""
        self.used |= {self.name(uri) for uri in uris}

    def drop(self, picture: str, label: str | None, why: str, what: str = GONE) -> None:
        """Leaves a picture out, with its label file."""
        self.remove(picture)
        if label is not None:
            self.remove(label)
        self.changes.add(self.name(picture), "", what, None if why == what else why)

    def lose(self, where: str, why: str, more: int = 0) -> None:
        """Counts a picture that has to be left out (and `more` that were looked at): where most are, no copy
        is written."""
        self.seen += more
        self.lost += 1
        self._first_lost = self._first_lost or f"{self.name(where)}: {why}"

    def refuse(self, why: str) -> None:
        """Says that a copy would do harm; the first reason is told."""
        self._refused = self._refused or why

    def stray(self, where: str, what: str) -> None:
        self.changes.add(self.name(where), "", STRAYS, what)

    def pictures(
        self, wanted: Iterable[tuple[str, tuple[int, int] | None]], labels: Mapping[str, str | None]
    ) -> Iterator[Looked]:
        """The pictures that can be used, looked at; they are written anew where that is needed. `labels`: the
        label file of each, which goes with one that cannot be used."""
        for looked in look_at_all(wanted):
            self.seen += 1
            self.use(looked.uri)
            if looked.fault is not None:
                self.lose(looked.uri, looked.fault)
                self.drop(looked.uri, labels.get(looked.uri), looked.fault)
                continue
            if looked.repair is not None:
                self.changes.add(self.name(looked.uri), "", str(looked.what))
                self.put(looked.uri, looked.repair)
            self._digests[looked.uri] = looked.digest
            yield looked

    def twins(self, lists: Mapping[str, Sequence[str]]) -> list[str]:
        """Pictures of the lists to train on that are, byte for byte, other ones of a list that judges."""
        judged = {
            digest
            for name in JUDGING
            for picture in lists.get(name, ())
            if (digest := self._digests.get(picture)) is not None
        }
        here = {picture for name in JUDGING for picture in lists.get(name, ())}
        others = (picture for name, of in lists.items() if name not in JUDGING for picture in of)
        return [picture for picture in others if picture not in here and self._digests.get(picture) in judged]

    def sound_file(self, uri: str, folder: str) -> str | None:
        """Why a file may not be read (a link that leads out of the dataset), or None."""
        try:
            refuse_link(uri, folder, self.root)
        except DataError as error:
            return error.what
        return None

    def write(self, part: str, progress: Callable[[int], None]) -> int:
        """Writes the copy into a folder that is not there yet; returns the number of files."""
        count = 0
        for count, name in enumerate(sorted({*_files(self.root), *self.used, *self.new}), start=1):
            if name not in self.gone:
                place = os.path.join(part, name)
                os.makedirs(os.path.dirname(place), exist_ok=True)
                if name in self.new:
                    with open(place, "xb") as file:
                        file.write(self.new[name]())
                else:
                    _carry(os.path.join(self.root, name), place)
            progress(count)
        return count

    def hopeless(self) -> str | None:
        """Why a copy would do harm; None where it would not."""
        inverted = self.inverted or sum(change.what == SWAPPED for change in self.changes)
        if inverted >= LEAST_ROWS and inverted > LEAVING * self.rows:
            return (
                f"{inverted:,} of {self.rows:,} boxes have their corners in the wrong order: a corner and a "
                "size (xywh) are written where two corners are expected?"
            )
        if self.bad_rows >= LEAST_ROWS and self.bad_rows > LOST * self.rows:
            reasons = Counter(c.what for c in self.changes if c.what.startswith("left out: "))
            most = ", ".join(f"{count:,} {what.partition(': ')[2]}" for what, count in reasons.most_common(3))
            return (
                f"{self.bad_rows:,} of {self.rows:,} rows of labels would be left out ({most}): they are not "
                "damaged but written in another way, which has to be said (data.kind, data.options), or "
                "mended where they come from"
            )
        if self.lost >= LEAST_ROWS and self.lost > LOST * self.seen:
            return (
                f"{self.lost:,} of {self.seen:,} pictures would be left out ({self._first_lost}, ...); what "
                "is wrong with so many (place, content or size) has to be set right where they come from"
            )
        return self._refused or None


def mend(dataset: DatasetReader) -> Mender:
    """What would be mended, found and not written; of a kind without repairs of its own the copy will be
    Parquet. Raises `UserError` for what is no folder of this machine."""
    from imitation.datasets.rewriting import Rewriter  # reads frames, as nothing else here does

    if not storage.is_local(dataset.root) or not storage.is_folder(dataset.root):
        raise UserError(f"--fix: {dataset.root} is no folder of this machine; give the dataset's folder")
    mender = (dataset.Mender or Rewriter)(dataset)
    mender.look()
    return mender


def write_mended(mender: Mender, out: str, progress: Callable[[int], None] = lambda done: None) -> int:
    """Writes the copy as the folder `out`, which must not be there yet (or be empty); returns the number of
    its files. Pictures are hard links where they can be; the source is only read.

    The copy appears whole or not at all. Raises `UserError` for an `out` in the dataset's folder or around
    it, and for a copy that would do harm.
    """
    if (why := mender.hopeless()) is not None:
        raise UserError(f"{mender.root}: {why}")
    root, target = os.path.realpath(mender.root), os.path.realpath(out)
    if f"{target}/".startswith(f"{root}/") or f"{root}/".startswith(f"{target}/"):
        raise UserError(f"--fix: {out} lies in the dataset's folder or around it; give another place")
    part = target + UNFINISHED
    if os.path.isdir(part):  # of a copy that was broken off
        shutil.rmtree(part)
    count = mender.write(part, progress)
    os.makedirs(part, exist_ok=True)
    if os.path.isdir(target):
        os.rmdir(target)  # it is empty: that was seen to
    os.rename(part, target)
    return count


def _files(root: str) -> Iterator[str]:
    """The files below a folder, from it. Links are not followed but for those that lead to files inside."""
    inside = os.path.realpath(root).rstrip("/") + "/"
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and os.path.realpath(path).startswith(inside):
                yield os.path.relpath(path, root)


def _carry(source: str, place: str) -> None:
    if source.lower().endswith(BINARY):
        try:
            os.link(os.path.realpath(source), place)
            return
        except OSError:  # another disk, or one that knows no links
            pass
    shutil.copyfile(source, place)


def told(mender: Mender, out: str | None, problems: bool = False) -> list[str]:
    """What was found, or done, in sentences. `problems`: the dataset has some."""
    kind = mender.copies_as
    if not len(mender.changes):
        copy = "a copy as it was" if kind is None else f"its frames as {kind}"
        what = "nothing of this mends itself: see the problems" if problems else "there is nothing to do"
        return [f"fix: {what}" + ("" if out is None else f"; {out} is {copy}")]
    files = len({change.file for change in mender.changes})
    done = f"{counted(len(mender.changes), 'change')} in {counted(files, 'file')}"
    head = f"fix: {done} would be made (--fix OUT writes the copy)" if out is None else f"fix: {out}: {done}"
    lines = [head, *(f"  {sentence}" for sentence in mender.changes.sentences())]
    if kind is not None:
        lines.append(
            f"  {mender.dataset.kind} files are not edited: the copy holds what is read of them as {kind} "
            "frames (pictures, 2D and 3D labels, cameras, conditions, sequences, lists), and nothing else"
        )
    return lines
