"""What is in a dataset: counted in one pass, with every problem found."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from imitation.common.settings import DataError, UserError
from imitation.data.categories import CategoryMap
from imitation.data.records import Box, Frame, Object
from imitation.data.splits import SPLITS
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.validation import Problems
from imitation.datasets.inspection.leaks import Proposal, Signs, proposed, told_of
from imitation.datasets.inspection.lookalikes import Lookalike, told
from imitation.datasets.inspection.pictures import Pictures
from imitation.datasets.inspection.places import Places
from imitation.datasets.inspection.shapes import Shapes

MAX_VALUES = 100  # of a condition or of cameras that are told apart; the frames beyond are counted together
OTHERS = "(others)"
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
KNOWN = {
    "truncation": "truncation",
    "occlusion": "occlusion (share)",
    "occlusion_level": "occlusion (level)",
    "cuboid": "cuboid",
    "visible_box": "visible box",
    "amodal_box": "amodal box",
    "alpha": "observation angle",
    "difficulty": "difficulty",
}
"""Fields of an object that a dataset may know, and what they are called."""


class Heights:
    """Heights of boxes, px, to a tenth: quantiles of any number of them in bounded memory."""

    def __init__(self) -> None:
        self._tenths: Counter[int] = Counter()

    def add(self, height: float) -> None:
        self._tenths[round(height * 10)] += 1

    def __add__(self, other: Heights) -> Heights:
        both = Heights()
        both._tenths = self._tenths + other._tenths
        return both

    def quantiles(self) -> dict[str, float] | None:
        """ "p0" (the least), "p5", "p25", "p50", "p75", "p95", "p100": the value that this share of boxes
        does not exceed; None without boxes."""
        if not self._tenths:
            return None
        total = self._tenths.total()
        result: dict[str, float] = {}
        below, rest = 0, deque(QUANTILES)
        for tenths in sorted(self._tenths):
            below += self._tenths[tenths]
            while rest and below >= max(1, rest[0] * total - 1e-9):
                result[f"p{rest.popleft() * 100:g}"] = tenths / 10
        return result


@dataclass
class SplitCounts:
    """One split. `listed` frames are in its list, `frames` of them are good."""

    listed: int = 0
    frames: int = 0
    objects: int = 0
    ignored: int = 0
    sequences: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, int]:
        return {
            "listed": self.listed,
            "frames": self.frames,
            "objects": self.objects,
            "ignored": self.ignored,
            "sequences": len(self.sequences),
            "frames_with_sequence": self.sequences.total(),
        }


@dataclass
class CategoryCounts:
    """One source category: objects and ignored ones by split, heights of those that are not ignored."""

    objects: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    heights: Heights = field(default_factory=Heights)


class Limited(Counter[Any]):
    """A counter of at most `MAX_VALUES` keys; what comes beyond counts as `OTHERS`."""

    def count(self, key: Any) -> None:
        self[key if key in self or len(self) < MAX_VALUES else OTHERS] += 1


@dataclass
class Inspection:
    """Everything counted. `first` are the first good frames, for a sheet; `problems` name what is wrong
    and where, `notes` say what is no fault but worth knowing. `cuboids` (objects) and `with_camera` (frames)
    are by split; `learnt` has the frames of train and mine, each with its sequence.
    Frames of `mine` that are also in `train` are counted there alone."""

    kind: str
    root: str
    note: str = ""
    splits: dict[str, SplitCounts] = field(default_factory=dict)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    categories: defaultdict[str, CategoryCounts] = field(default_factory=lambda: defaultdict(CategoryCounts))
    known: Counter[str] = field(default_factory=Counter)
    cameras: Limited = field(default_factory=Limited)
    camera_heights: int = 0
    conditions: dict[str, dict[str, Limited]] = field(default_factory=dict)
    problems: list[DataError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    first: list[Frame] = field(default_factory=list)
    cuboids: Counter[str] = field(default_factory=Counter)
    with_camera: Counter[str] = field(default_factory=Counter)
    learnt: dict[str, str | None] = field(default_factory=dict)
    lookalikes: list[Lookalike] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    signs: Signs = field(default_factory=Signs)
    proposal: Proposal | None = None
    staging: dict[str, str] | None = None
    refused: list[DataError] = field(default_factory=list)
    shapes: Shapes | None = None

    @property
    def frames(self) -> int:
        return sum(split.frames for split in self.splits.values())

    @property
    def objects(self) -> int:
        """Objects that are not ignored."""
        return sum(split.objects for split in self.splits.values())

    def add(self, split: str, frame: Frame) -> None:
        """Counts a good frame."""
        counts = self.splits[split]
        counts.frames += 1
        self.members.setdefault(split, []).append(frame.frame_id)
        if frame.sequence is not None:
            self.signs.known[frame.frame_id] = frame.sequence
            counts.sequences[frame.sequence] += 1
        self.sizes[(frame.width, frame.height)] += 1
        if split in SPLITS[:2]:
            self.learnt[frame.frame_id] = frame.sequence
        self.with_camera[split] += frame.camera is not None
        if frame.camera is not None:
            camera = frame.camera
            self.cameras.count(tuple(round(v, 1) for v in (camera.fx, camera.fy, camera.cx, camera.cy)))
            self.camera_heights += camera.height is not None
        for name, value in (frame.conditions or {}).items():
            self.conditions.setdefault(name, {}).setdefault(split, Limited()).count(value)
        for obj in frame.objects:
            self._add_object(split, obj)

    def _add_object(self, split: str, obj: Object) -> None:
        category, counts = self.categories[obj.category], self.splits[split]
        if obj.ignore:
            counts.ignored += 1
            category.ignored[split] += 1
            return
        counts.objects += 1
        category.objects[split] += 1
        category.heights.add(obj.box.height)
        self.cuboids[split] += obj.cuboid is not None
        for name in KNOWN:
            self.known[name] += getattr(obj, name) is not None

    def examples(self) -> list[Frame]:
        """One frame that has an object of each category of `train` (and `mine`): what the category map of a
        run follows from."""
        names = [
            name for name, counts in self.categories.items() if any(counts.objects[s] for s in SPLITS[:2])
        ]
        objects = tuple(Object(name, Box(0, 0, 1, 1)) for name in names)
        return [Frame("examples", 1, 1, objects)]

    def role(self, category: str, mapping: CategoryMap) -> str:
        """What a source category is to the detector: "class", "neighbour" (of the class that it is mapped
        to, for which it is ignored), "ignored" or "background"."""
        if category in mapping.mapping:
            return "neighbour" if category in mapping.ignore else "class"
        only_ignored = not self.categories[category].objects
        return "ignored" if category in mapping.ignore or only_ignored else "background"

    def unmapped(self, mapping: CategoryMap) -> dict[str, int]:
        """Objects by source category that become background: neither mapped nor ignored."""
        return {
            name: self.categories[name].objects.total()
            for name in sorted(self.categories)
            if self.role(name, mapping) == "background"
        }

    def to_json(self, mapping: CategoryMap | None) -> dict[str, Any]:
        """Plain data for JSON, with these keys:

        - `kind`, `root`, `note` (how the splits were made);
        - `frames`, `objects`, `ignored`: totals of good frames, and of objects (ignored ones apart);
        - `splits`: name -> `listed`, `frames` (good ones), `objects`, `ignored`, `sequences`,
          `frames_with_sequence`;
        - `image_sizes`: list of `width`, `height` (px), `frames`, the most frequent first;
        - `categories`: list of `name`, `class` (of the detector, or null), `role` ("class", "neighbour",
          "ignored" or "background"; null where no map could be made), `objects` and `ignored` (each split
          -> count), `height_px` (quantiles of box heights, "p0" to "p100", or null), the most frequent
          first;
        - `classes`: the detector's categories in order; `unmapped`: source category -> objects that become
          background;
        - `height_px`: quantiles over all objects, or null;
        - `known`: field -> objects (not ignored) that have it: `truncation`, `occlusion`,
          `occlusion_level`, `cuboid`, `visible_box`, `amodal_box`, `alpha`, `difficulty`;
        - `cameras`: `frames` that have one, `frames_with_height`, and `distinct`: list of `fx`, `fy`, `cx`,
          `cy` (px, to a tenth), `frames` (beyond 100 cameras one entry of nulls counts the rest);
        - `conditions`: name -> value -> split -> frames (beyond 100 values "(others)");
        - `lookalikes`: frames of val and test that show what train shows: list of `split`, `frame`, `like`
          (the frame to train on), `difference` (share of a perceptual hash's bits);
        - `sequences`: those proposed for frames that have none, or null: `by` (what shows them), `number`,
          and `shared`: frames of val and test whose sequence train has too (`split`, `frame`, `like`);
        - `staging`: source category -> "yes", "no" (it is no class of the detector), "needs a body" or
          "needs a size"; null where no map could be made; `with_3d` (objects) and `with_camera` (frames) of
          train: what re-staging takes from labels, and guesses where there is none;
        - `refused`: what a run of these settings would refuse, of the `problems`;
        - `left_out`: reason -> rows of labels that frames were read without;
        - `notes`: sentences: what can be staged, classes without an object in a split, ...;
        - `problems`: list of `where` (file and line, row or id) and `what`.
        """
        return {
            "kind": self.kind,
            "root": self.root,
            "note": self.note,
            "frames": self.frames,
            "objects": self.objects,
            "ignored": sum(split.ignored for split in self.splits.values()),
            "splits": {name: split.to_json() for name, split in self.splits.items()},
            "image_sizes": [
                {"width": width, "height": height, "frames": frames}
                for (width, height), frames in self.sizes.most_common()
            ],
            "categories": [self._category_json(name, mapping) for name in self.by_frequency()],
            "classes": None if mapping is None else list(mapping.categories),
            "unmapped": None if mapping is None else self.unmapped(mapping),
            "height_px": self.all_heights().quantiles(),
            "known": {name: self.known[name] for name in KNOWN},
            "cameras": {
                "frames": self.cameras.total(),
                "frames_with_height": self.camera_heights,
                "distinct": [
                    dict(zip(("fx", "fy", "cx", "cy"), [None] * 4 if key == OTHERS else key))
                    | {"frames": frames}
                    for key, frames in self.cameras.most_common()
                ],
            },
            "conditions": {
                name: {
                    value: {split: counts[value] for split, counts in splits.items() if counts[value]}
                    for value in sorted({value for counts in splits.values() for value in counts})
                }
                for name, splits in sorted(self.conditions.items())
            },
            "lookalikes": [
                {"split": o.split, "frame": o.frame_id, "like": o.like, "difference": round(o.difference, 3)}
                for o in self.lookalikes
            ],
            "sequences": None if self.proposal is None else self._sequences_json(self.proposal),
            "staging": self.staging,
            "with_3d": sum(self.cuboids[split] for split in SPLITS[:2]),
            "with_camera": sum(self.with_camera[split] for split in SPLITS[:2]),
            "refused": [str(problem) for problem in self.refused],
            "left_out": self.left_out,
            "notes": self.notes,
            "problems": [{"where": problem.where, "what": problem.what} for problem in self.problems],
        }

    def _sequences_json(self, proposal: Proposal) -> dict[str, Any]:
        shared = proposal.shared(self.members)
        return {
            "by": proposal.by,
            "number": len(set(proposal.sequences.values())),
            "shared": [{"split": split, "frame": name, "like": other} for split, name, other in shared],
        }

    def _category_json(self, name: str, mapping: CategoryMap | None) -> dict[str, Any]:
        counts = self.categories[name]
        return {
            "name": name,
            "class": None if mapping is None else mapping.mapping.get(name),
            "role": None if mapping is None else self.role(name, mapping),
            "objects": dict(counts.objects),
            "ignored": dict(counts.ignored),
            "height_px": counts.heights.quantiles(),
        }

    def by_frequency(self) -> list[str]:
        """The source categories, the most frequent first, those that are only ignored last."""

        def order(name: str) -> tuple[int, int, str]:
            counts = self.categories[name]
            return -counts.objects.total(), -counts.ignored.total(), name

        return sorted(self.categories, key=order)

    def all_heights(self) -> Heights:
        return sum((counts.heights for counts in self.categories.values()), Heights())


def problem_of(error: UserError, root: str) -> DataError:
    """A mistake that kept a dataset from being listed or read, as a problem: of the file that its message
    begins with, if that lies below `root`, else of the root."""
    if isinstance(error, DataError):
        return error
    where, _, what = str(error).partition(": ")
    if what and where.startswith(root):
        return DataError(where, what)
    return DataError(root, str(error))


def listed_frames(dataset: DatasetReader) -> dict[str, list[str]]:
    """The frame ids of each split; those of `mine` that are in `train` stand there alone. A dataset too small
    to be cut is all `train`. Raises UserError where there is nothing to list, or splits overlap."""
    try:
        names = dataset.splits()
    except UserError:  # a run would refuse it; it is looked at all the same
        dataset.undivide()
        names = dataset.splits()
    train = set(names["train"])
    return {split: names[split] for split in SPLITS} | {
        "mine": [name for name in names["mine"] if name not in train]
    }


def inspect_dataset(
    dataset: DatasetReader,
    listed: Mapping[str, list[str]],
    *,
    verify_images: bool = True,
    limit: int | None = None,
    keep: int = 0,
    shapes: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Inspection:
    """Reads a dataset through, frame by frame, and counts what is in it. `listed` is what `listed_frames`
    gives, {} where nothing could be listed.

    `verify_images` also decodes every image and finds those that `val` or `test` shares, byte for byte,
    with another split, or that look like one to train on (`lookalikes`); `limit` reads at most so many good
    frames of a split; `keep` is the number of first frames to keep; `shapes`
    gathers where boxes lie and which are odd; `progress` gets the number of listed
    frames that are done. No problem stops it: all are listed. Memory holds a few frames, and some hundred
    bytes for each frame of the dataset.
    """
    inspection = Inspection(dataset.kind, dataset.root, dataset.note() if listed else "")
    inspection.shapes = Shapes() if shapes else None
    pictures = Pictures(dataset, inspection.problems.append)
    places, done = Places(), 0
    for split, members in listed.items():
        if split != "train" and not members:
            continue
        inspection.splits[split] = SplitCounts(listed=len(members))
        chosen = members if split == "mine" else None  # None: in full, which tells what belongs to no frame
        good: Iterable[Frame] = _readable(dataset, split, chosen, inspection.problems.append)
        if verify_images:
            good = pictures.checked(split, good)
        for count, frame in enumerate(islice(good, limit), start=1):
            inspection.add(split, frame)
            places.add(frame)
            if inspection.shapes is not None:
                inspection.shapes.add(split, frame)
            if len(inspection.first) < keep:
                inspection.first.append(frame)
            progress(done + count)
        done += len(members)
        progress(done)
    inspection.problems += places.problems(dataset.root)
    inspection.notes += places.notes()
    inspection.lookalikes = pictures.hashes.lookalikes()
    if said := told(inspection.lookalikes):
        inspection.notes.append(said)
    inspection.signs = replace(pictures.signs, known=inspection.signs.known)
    every = [name for names in inspection.members.values() for name in names]
    if (proposal := proposed(every, inspection.signs)) is not None:
        inspection.proposal = proposal
        if said := told_of(proposal, inspection.members):
            inspection.notes.append(said)
    inspection.left_out = dict(dataset.left_out)
    inspection.notes += [f"left out: {count:,} {what}" for what, count in dataset.left_out.items()]
    return inspection


def _readable(
    dataset: DatasetReader, split: str, chosen: list[str] | None, problems: Problems
) -> Iterator[Frame]:
    """A split's good frames, up to the first mistake that is of a file and not of a frame: a problem, too."""
    try:
        yield from dataset.frames(split, problems, chosen)
    except UserError as error:
        problems(problem_of(error, dataset.root))


def mapping_of(inspection: Inspection, make: Callable[[Iterable[Frame]], CategoryMap]) -> CategoryMap | None:
    """The category map that a run of these settings would have, or None, with a problem listed, where none
    can be made (no object in train)."""
    try:
        return make(inspection.examples())
    except UserError as error:
        inspection.problems.append(DataError("data.categories", str(error)))
        return None
