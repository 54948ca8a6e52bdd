"""What every dataset reader has: splits, frames in their order, and problems that are told once."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain, groupby
from typing import ClassVar, Protocol, Self

from imitation.common import storage
from imitation.common.settings import DataError, Settings, UserError
from imitation.common.texts import shown
from imitation.data.categories import CategoryMap, present_categories
from imitation.data.records import Convention, Frame
from imitation.data.splits import LISTS, SPLITS, Contents, SplitSettings
from imitation.datasets.common.left_out import OTHERS
from imitation.datasets.common.roles import (
    Sequences,
    Splits,
    all_train,
    assign_roles,
    check_split,
    cut_all,
    cut_folds,
    first_split_of,
    list_of,
    read_ids,
)
from imitation.datasets.common.validation import FrameChecker, Problems, handled, without_nothings
from imitation.datasets.mending.mender import Mender
from imitation.datasets.numbering import Numbering
from imitation.datasets.writing import FrameWriter

ROWS_TOLD = 100
"""Bad rows of labels that are told one by one, where they are left out; of the rest the number is known."""


class Listed(Protocol):
    """What was found of a list, as a reader keeps it: at least what of it belongs to no frame."""

    @property
    def strays(self) -> list[DataError]: ...


class DatasetReader(ABC):
    """A dataset with its splits: subclass it to add one, in one file.

    Needed are two methods: `_cut` lists the frames and gives them to `_by_seed` or, where the dataset has
    lists of its own, to `_by_lists`; `_frame` makes one of them. What the dataset knows of itself are the
    attributes below; each has a default. `data.kind=package.module:Class` names a class that is not in
    `registry.py`.

    Listing is patient, whatever is to be done with bad data: what cannot be listed (a file cut short, a
    row without id) becomes a *stray*, a problem that belongs to no frame. Reading tells strays: all of
    them where problems are raised, else those of the split, once, with the split's first frame. Readers can
    be pickled; what they have found out about the dataset goes along.
    """

    kind: ClassVar[str]
    """Its name in `data.kind`; of a class that has none of its own, the import path."""
    name: ClassVar[str] = ""
    """What it is called in a title ("KITTI"); its `kind` if it is empty."""
    title: ClassVar[str] = ""
    """What reports call such data ("KITTI object folder"); its `kind` if it is empty."""
    categories: ClassVar[CategoryMap | None] = None
    """From its categories to a detector's; None: each that is there is a class."""
    convention: ClassVar[Convention] = "amodal_clipped"
    """What its boxes mean, which synthetic labels follow."""
    protocol: ClassVar[str | None] = None
    """Its benchmark's count, by a name of `imitation.metrics.protocols.registry` or an import path."""
    Options: ClassVar[type[Settings]] = Settings
    """What can be set of it alone, under `data.options`; `self.options` holds it."""
    Writer: ClassVar[type[FrameWriter] | None] = None
    """Writes frames as such a dataset (`imitate export --to`); None: it cannot be written."""
    Mender: ClassVar[type[Mender] | None] = None
    """Finds what is wrong with such a dataset and what would be right (`imitate inspect --fix`); None: nobody
    knows how to mend it."""
    stand_in: ClassVar[bool] = False
    """Whether a run renders the frames itself: there is no root, and nothing to open."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.kind = cls.__dict__.get("kind", f"{cls.__module__}:{cls.__qualname__}")
        cls.name, cls.title = cls.name or cls.kind, cls.title or cls.kind

    def __init__(self, root: str, settings: SplitSettings, options: Settings | None = None) -> None:
        self.root = storage.absolute(root)
        self.options = self.Options() if options is None else options
        self._settings = settings
        self._divide = True
        self._whole = False
        # of pooled or replaced lists: frame_id -> the split that its own list would be
        self._homes: dict[str, str] = {}
        self.left_out: Counter[str] = Counter()
        """What frames were read without, by reason: labels that nothing can be made of, and with `skip_rows`
        bad ones. A frame that is read again counts once."""
        self._skip_rows = False
        self._bad_rows: list[DataError] = []  # of the frame that is being read
        self._rows_told, self._rows_to_tell = 0, ROWS_TOLD
        self._read_without: Counter[str] = Counter()  # of `left_out`, what was counted in reading
        self._lacking: set[str] = set()  # frames that were read without something
        self._counted: CategoryMap | None = None  # what a stratified cut goes by; None: all categories

    @classmethod
    def category_map(cls, frames: Iterable[Frame] = ()) -> CategoryMap:
        """Its own category map, or one that makes every category of these `frames` a class. Raises UserError
        if there is none."""
        return cls.categories or CategoryMap.identity(present_categories(frames))

    @classmethod
    def signs(cls, root: str) -> str | None:
        """What shows that such a dataset lies at `root`, in a few words; None where nothing does. Looks at
        names, and at the beginning of a file at most: `data.kind=auto` asks each kind."""
        return None

    @classmethod
    def hints(cls, root: str) -> str | None:
        """What shows by content that such a dataset lies at `root` under names of its owner, in a few words;
        None where nothing does. `data.kind=auto` asks where no kind has signs."""
        return None

    @abstractmethod
    def _cut(self) -> Splits:
        """The splits. Raises `UserError` where there is nothing to cut, or splits overlap."""

    def _frame(self, split: str, frame_id: str, check: FrameChecker) -> Frame:
        """One frame of the split, which `check` has passed. Raises DataError."""
        raise NotImplementedError

    def _read(self, split: str, wanted: Sequence[str], problems: Problems | None) -> Iterator[Frame]:
        """The frames `wanted`, which are of the split and in its order. Overridden instead of `_frame` where
        reading them one by one is too slow."""
        check = FrameChecker(self.bad_row)
        return handled((partial(self._frame, split, name, check) for name in wanted), problems)

    @property
    def _listed(self) -> Mapping[str | None, Listed]:
        """What was found of each of the dataset's own lists; None alone where there are none."""
        return {}

    def _list_of(self, split: str) -> str | None:
        """The own list that a split's frames come from."""
        return list_of(split, [name for name in self._listed if name])

    def _strays(self, split: str | None) -> Iterable[DataError]:
        """The strays told with a split (one where they could be of several); None: all of them."""
        lists = [name for name in self._listed if name]
        for name, listed in self._listed.items():
            if split is None or first_split_of(name, lists) == split:
                yield from listed.strays

    @cached_property
    def _made(self) -> Splits:
        return self._cut()

    @cached_property
    def _places(self) -> dict[str, dict[str, int]]:
        """Where each frame stands in its split."""
        return {split: {name: i for i, name in enumerate(names)} for split, names in self.splits().items()}

    def count_by(self, categories: CategoryMap) -> None:
        """A stratified cut goes by a detector's categories from now on, not by all that the data has."""
        self._counted = categories

    def _by_lists(self, lists: Mapping[str, list[str]], sequences: Sequences, where: str) -> Splits:
        used = [name for name in LISTS if name in lists]
        homes = {i: first_split_of(name, used) for name in reversed(used) for i in lists[name]}
        if self._settings.lists or self._settings.val_from != "val":
            self._homes |= homes
        lists = self._asked_lists(lists, {i for names in lists.values() for i in names})
        if self._settings.folds is not None:
            used = [name for name in LISTS if name in lists]
            if self._settings.lists:
                pooled = {i: sequences.get(i) for name in used for i in lists[name]}
                held = partial(self._held, list(pooled), homes)
                return cut_folds(pooled, self._settings, where, self._divide, used, held)
            for name in used:
                home = first_split_of(name, used)
                other = next((self._homes[i] for i in lists[name] if i in self._homes), None)
                if other is not None and {home, other} != {"train", "mine"}:
                    twice = next(i for i in lists[name] if i in self._homes)
                    raise UserError(f"{where}: frame {shown(twice)} is in two lists; to pool them, keep one")
                self._homes |= {i: home for i in lists[name] if i not in self._homes}
            pooled = {i: sequences.get(i) for i in self._homes}
            held = partial(self._held, list(pooled), self._homes)
            return cut_folds(pooled, self._settings, where, self._divide, used, held)
        held = partial(self._held, [i for names in lists.values() for i in names], homes)
        return assign_roles(lists, sequences, self._settings, where, self._divide, self._whole, held)

    def _by_seed(self, sequences: Sequences, where: str) -> Splits:
        if self._settings.lists:
            lists = self._asked_lists({}, sequences.keys())
            held = partial(self._held, [i for names in lists.values() for i in names], {})
            if self._settings.folds is not None:
                sequences = {i: sequences[i] for names in lists.values() for i in names}
                return cut_folds(sequences, self._settings, where, self._divide, tuple(lists), held)
            return assign_roles(lists, sequences, self._settings, where, self._divide, self._whole, held)
        if out := self._left_out():
            sequences = {i: sequence for i, sequence in sequences.items() if i not in out}
        held = partial(self._held, list(sequences), {})
        if self._settings.folds is not None:
            return cut_folds(sequences, self._settings, where, self._divide, held=held)
        if self._whole:
            return all_train(sequences, where)
        return cut_all(sequences, self._settings, where, self._divide, held)

    def _asked_lists(self, lists: Mapping[str, list[str]], known: Collection[str]) -> dict[str, list[str]]:
        """The lists that the settings name, else these, without what is to be left out."""
        asked = self._settings.lists
        if asked:
            lists = {name: read_ids(file, self.root, known) for name, file in asked.items()}
        out = self._left_out()
        return {name: [i for i in names if i not in out] for name, names in lists.items()}

    def _left_out(self) -> set[str]:
        file = self._settings.leave_out
        return set() if file is None else set(read_ids(file, self.root))

    def _held(self, names: Sequence[str], homes: Mapping[str, str]) -> Contents | None:
        """Which categories the frames hold, for a stratified cut; `homes` as `_home` has them. What cannot be
        read holds nothing here: whoever reads the data in earnest tells it."""
        if not self._settings.stratify:
            return None
        found: dict[str, frozenset[str]] = {}
        kept = sorted(set(names), key=lambda name: (homes.get(name, ""), name))
        for home, members in groupby(kept, key=lambda name: homes.get(name, "train")):
            for frame in self._read_whole(home, list(members), lambda problem: None):
                if self._counted is None:
                    held = {obj.category for obj in frame.objects if not obj.ignore}
                else:
                    held = {obj.category for obj in self._counted.mapped(frame).objects if not obj.ignore}
                    held &= set(self._counted.categories)
                found[frame.frame_id] = frozenset(held)
        return found

    def _by_lists_or_seed(self, by_list: Mapping[str | None, Sequences], where: str) -> Splits:
        """By what was found of each list, frame_id -> sequence; by seed where there is None alone."""
        if None in by_list:
            return self._by_seed(by_list[None], where)
        sequences = {i: sequence for listed in by_list.values() for i, sequence in listed.items()}
        return self._by_lists({str(name): list(listed) for name, listed in by_list.items()}, sequences, where)

    def undivide(self) -> Self:
        """From now on, what is too little to be cut stays whole: a dataset without lists is all `train`, a
        validation list all `val`, and splits may be empty. To look at data, not to train on it."""
        self._divide = False
        for name in ("_made", "_places"):
            self.__dict__.pop(name, None)
        return self

    def keep_lists(self) -> None:
        """From now on nothing is cut by seed: a dataset without lists is all `train`, a validation list is
        `val` as a whole, and splits may be empty. To hand a dataset on as it is."""
        self._whole = True
        self.undivide()

    def skip_rows(self, tell_all: bool = False) -> Self:
        """From now on a bad row of labels costs itself and not its frame, where the rest is sound: it is
        counted in `left_out`, and the first `ROWS_TOLD` (or all) are told as problems
        (`data.on_error=skip`)."""
        self._skip_rows = True
        self._rows_to_tell = sys.maxsize if tell_all else ROWS_TOLD
        return self

    def bad_row(self, error: DataError) -> None:
        """What a reader does about one bad row of a frame's labels: raises it, or goes on without the row."""
        if not self._skip_rows:
            raise error
        self.left_out[error.reason or OTHERS] += 1
        self._bad_rows.append(error)

    def forget_left_out(self) -> None:
        """From now on `left_out` counts anew: what was read so far was a look. What was left out in listing
        stays, for that is not done again."""
        self.left_out -= self._read_without
        self._read_without.clear()
        self._lacking.clear()
        self._rows_told = 0

    def count_left_out(self, frame_id: str, counts: Mapping[str, int]) -> None:
        """Counts what somebody else read a frame without: a parallel task, with a copy of this reader."""
        if counts and frame_id not in self._lacking:
            self._lacking.add(frame_id)
            self.left_out.update(counts)
            self._read_without.update(counts)

    def numbering(self) -> Numbering | None:
        """The dataset's own numbers of its categories; None where it knows them by name alone."""
        return None

    def splits(self) -> dict[str, list[str]]:
        """Frame ids of each of `SPLITS`, which were checked for overlaps."""
        return self._made.members

    def note(self) -> str:
        """A sentence on how the splits were made, for the report."""
        return self._made.note

    def place_of(self, split: str, frame: Frame) -> str:
        """Where a frame's image lies, for messages: its file, or the file and row that hold it."""
        return frame.image_uri or f"{self.root}: frame {shown(frame.frame_id)[1:-1]}"

    def chunks(self, split: str, size: int) -> Iterator[list[str]]:
        """The split's frame ids in order, in parts of at most `size` that are cheap to read alone."""
        check_split(split)
        members = self.splits()[split]
        return (members[start : start + size] for start in range(0, len(members), size))

    def frames(
        self, split: str, problems: Problems | None = None, names: Collection[str] | None = None
    ) -> Iterator[Frame]:
        """Streams a split's valid frames in its order, or those of `names` among them. Raises `DataError`
        for a bad one, or hands it to `problems`."""
        check_split(split)
        members = self.splits()[split]
        if names is None:
            wanted: Sequence[str] = members
        else:
            places = self._places[split]
            wanted = [members[i] for i in sorted({places[name] for name in names if name in places})]
        # a reader of a part of the split that is not its first has nothing to tell but of its own frames
        if names is None or wanted[:1] == members[:1]:
            strays = self._strays(None if problems is None else split)
            return chain(_told(strays, problems), self._read_lists(split, wanted, problems))
        return self._read_lists(split, wanted, problems)

    def _home(self, split: str, frame_id: str) -> str:
        """The split that says which list a frame comes from: its own, unless lists were pooled for folds."""
        return self._homes.get(frame_id, split)

    def _read_lists(self, split: str, wanted: Sequence[str], problems: Problems | None) -> Iterator[Frame]:
        """`_read`, list by list where lists were pooled: frames stand in the order of the lists."""
        for home, names in groupby(wanted, key=lambda name: self._home(split, name)):
            yield from self._read_whole(home, list(names), problems)

    def _read_whole(self, split: str, names: Sequence[str], problems: Problems | None) -> Iterator[Frame]:
        """`_read`, what the frames are read without counted once for each frame, and told."""
        sure = Counter(self.left_out)  # before the frame that is being read

        def lost(error: DataError) -> None:
            assert problems is not None
            self._take_back(sure)
            problems(error)

        for read in self._read(split, names, None if problems is None else lost):
            frame = without_nothings(read, self.left_out)
            if self.left_out != sure and frame.frame_id not in self._lacking:
                self._lacking.add(frame.frame_id)
                self._read_without += self.left_out - sure
                sure = Counter(self.left_out)
                told = self._bad_rows[: max(self._rows_to_tell - self._rows_told, 0)]
                if problems is not None:
                    self._rows_told += len(told)
                    for error in told:
                        problems(error)
            self._take_back(sure)
            yield frame

    def _take_back(self, counts: Counter[str]) -> None:
        """Forgets what was counted since `left_out` was `counts`."""
        self._bad_rows.clear()
        if self.left_out != counts:
            self.left_out.clear()
            self.left_out.update(counts)


def _told(strays: Iterable[DataError], problems: Problems | None) -> Iterator[Frame]:
    """No frames: hands each problem on, or raises the first."""
    for error in strays:
        if problems is None:
            raise error
        problems(error)
    yield from ()


ALL = "all"
"""In place of a split: the frames of all of them."""


def frames_of(
    dataset: DatasetReader,
    split: str | Sequence[str],
    problems: Problems | None = None,
    names: Collection[str] | None = None,
) -> Iterator[Frame]:
    """A split's frames (see `DatasetReader.frames`), those of several or of `ALL`, each once."""
    seen: set[str] = set()
    parts = SPLITS if split == ALL else (split,) if isinstance(split, str) else split
    for part in parts:
        for frame in dataset.frames(part, problems, names):
            if frame.frame_id not in seen:
                seen.add(frame.frame_id)
                yield frame
