"""What of a dataset can be staged: one answer for `inspect`, `run`, `compare`, the table and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster.config.schema import Config
from cluster.config.simulator import each_apart, own_section, simulators
from imitation.common.import_paths import is_import_path
from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.data.records import Frame
from imitation.datasets.category_map import categories_of
from imitation.policies import build_policy, stages_frames, what_it_adds
from sim_actors.scene.category_words import SECOND_NAMES, meaning, meant_by
from sim_actors.scene.sizes import size_prior
from sim_actors.staging.stage import asset_names

if TYPE_CHECKING:
    from imitation.datasets.base import DatasetReader

LOOKED_AT = 300  # training frames, for a first answer
NAMED = 12  # categories that a sentence lists
HOW = (
    "Give the simulator bodies of your own (renderer.bodies, docs/simulator.md), or map them to a category "
    "that it has (data.mapping)"
)
HOW_OF_OTHERS = "Have the simulator stage it, or map it to a category that it has (data.mapping)"


def catalog(config: Config) -> frozenset[str] | None:
    """The categories that the simulator (or one of several) can stage, lower case; None: it does not say."""
    return simulators(config).catalog()


def simulates(config: Config) -> bool:
    """Whether a run of these settings has frames rendered, beside those of the embedded world."""
    if config.loop.sim_only:
        return True
    return config.loop.cycles > 0 and stages_frames(config.policy.name)


@dataclass(frozen=True)
class Labels:
    """What is known of the training frames' labels: objects by source category (ignored ones apart), how many
    of them have a cuboid, and how many of the frames a camera; None where nobody counted."""

    counts: Mapping[str, int]
    cuboids: int | None = None
    frames: int | None = None
    cameras: int | None = None

    @property
    def objects(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Feasible:
    """Objects by source category: those to be found that can be `staged`, those that the simulator has no
    body for (`lacking`), those whose place cannot be guessed for want of a 3D label and a known size
    (`unsized`), and `others` that no class is learnt from and that scenes are staged without. `proposals`:
    category -> the simulator's word for it. `known`: what it can stage, None where it does not say;
    `takes_bodies`: it is the embedded one, or one of several is, which can be given more."""

    staged: dict[str, int]
    lacking: dict[str, int]
    unsized: dict[str, int]
    others: dict[str, int]
    labels: Labels
    simulator: str
    hfov_deg: float
    known: tuple[str, ...] | None = None
    proposals: dict[str, str] = field(default_factory=dict)
    takes_bodies: bool = True

    @property
    def missing(self) -> dict[str, int]:
        """Objects to be found that cannot be staged."""
        return self.lacking | self.unsized

    def by_category(self) -> dict[str, str]:
        """Whether objects of a source category can be staged: "yes", "no" (it is no class of the detector,
        and the simulator has none), "needs a body" or "needs a size"; of a simulator that does not say what
        it can stage "asked scene by scene"."""
        yes = "yes" if self.known is not None else "asked scene by scene"
        return (
            dict.fromkeys(self.staged, yes)
            | dict.fromkeys(self.lacking, "needs a body")
            | dict.fromkeys(self.unsized, "needs a size")
            | dict.fromkeys(self.others, "no")
        )

    @property
    def hopeless(self) -> str | None:
        """Why no synthetic frame of any category could be made; None if some can."""
        if self.staged or not self.missing:
            return None
        return f"none of {', '.join(self.missing)} can be staged. {self._how()}"

    def sentences(self) -> list[str]:
        """What a person should know before anything is trained."""
        said = []
        if self.known is None:
            said.append(
                f"simulator {self.simulator!r} does not say what it can stage: it is asked scene by scene"
            )
        elif self.staged:
            said.append(f"can be staged: {listed(self.staged)}")
        if self.lacking:
            said.append(
                f"cannot be staged, for the simulator has no body of it: {listed(self.lacking)}. Nothing is "
                f"rendered for their failures. {self._how()}"
            )
        if self.unsized:
            said.append(
                f"cannot be staged, having neither 3D labels nor a usual size: {listed(self.unsized)}. Give "
                "them cuboids (data.kind=parquet), or a body with a size (renderer.bodies)"
            )
        if self.others and (self.staged or self.known is None):
            said.append(f"left out of staged scenes, and no class of the detector: {listed(self.others)}")
        said += self.places()
        return said

    def places(self) -> list[str]:
        """How objects find their places: from labels, or by guessing."""
        labels = self.labels
        if labels.cuboids is None or labels.cameras is None or not labels.objects or not labels.frames:
            return []
        guessed = "guessed from boxes, usual sizes and a level road"
        parts = []
        if not labels.cuboids:
            parts.append(f"no object has a 3D label: places are {guessed}")
        elif labels.cuboids < labels.objects:
            some = f"{labels.cuboids:,} of {labels.objects:,} objects have a 3D label"
            parts.append(f"{some}: the places of the others are {guessed}")
        if labels.cameras < labels.frames:
            some = (
                f"{labels.cameras:,} of {labels.frames:,} frames have" if labels.cameras else "no frame has"
            )
            view = f"a field of view of {self.hfov_deg:g} degrees is assumed (restage.hfov_deg)"
            parts.append(f"{some} a camera: {view}")
        if not parts:
            return [
                "every object has a 3D label and every frame a camera: things are staged where they stood"
            ]
        return ["; ".join(parts)]

    def _how(self) -> str:
        how = HOW if self.takes_bodies else HOW_OF_OTHERS
        if self.proposals:
            pairs = ", ".join(f"{name}: {meant}" for name, meant in self.proposals.items())
            same = f'If the words mean the same, say so: "data.mapping={{{pairs}}}". Else: '
            return f"{same}{how[0].lower()}{how[1:]}{self._has()}"
        return f"{how}{self._has()}"

    def _has(self) -> str:
        if not self.known:
            return ""
        return f": {', '.join(name for name in self.known if name not in SECOND_NAMES)}"


def feasible(config: Config, categories: CategoryMap, labels: Labels) -> Feasible:
    """What can be staged of a dataset whose labels these are. Raises UserError for bodies of one's own that
    cannot be read."""
    known = catalog(config)
    assets = asset_names(labels.counts, categories.mapping, known)
    staged: dict[str, int] = {}
    lacking: dict[str, int] = {}
    unsized: dict[str, int] = {}
    others: dict[str, int] = {}
    for name, count in sorted(labels.counts.items(), key=lambda item: (-item[1], item[0])):
        wanted = name in categories.mapping and name not in categories.ignore
        if name not in assets:
            (lacking if wanted else others)[name] = count
        elif not labels.cuboids and labels.cuboids is not None and size_prior(assets[name]) is None:
            (unsized if wanted else others)[name] = count
        elif wanted:
            staged[name] = count
    return Feasible(
        staged,
        lacking,
        unsized,
        others,
        labels,
        config.simulate.title,
        config.restage.hfov_deg,
        None if known is None else tuple(sorted(known)),
        {name: meant for name in lacking if (meant := meant_by(name, known or ())) is not None},
        takes_bodies=any(own_section(apart) is apart.renderer for apart in each_apart(config).values()),
    )


def other_words(background: Iterable[str], classes: Iterable[str]) -> dict[str, str]:
    """Categories that no class is learnt from although one means the same thing: category -> class, such as
    "person" -> "pedestrian"."""
    by_meaning = {meaning(name): name for name in classes}
    return {name: by_meaning[meaning(name)] for name in background if meaning(name) in by_meaning}


def listed(counts: Mapping[str, int]) -> str:
    """Categories with their objects, the most frequent first: "person (1,203 objects), car (2)"."""
    parts = [f"{name} ({count:,})" for name, count in list(counts.items())[:NAMED]]
    if len(counts) > NAMED:
        parts.append(f"{len(counts) - NAMED} more")
    first = next(iter(counts.values()))
    parts[0] = parts[0].replace(")", " object)" if first == 1 else " objects)")
    return ", ".join(parts)


Tell = Callable[[Feasible, bool], None]
"""Hears what can be staged, and whether all of the training frames were looked at or only the first."""


def tell_nobody(staging: Feasible, exact: bool) -> None:
    """For who has heard it already."""


class Teller:
    """Says, once, what can be staged, in runs that have frames rendered.

    Calling it raises UserError where nothing can be (and all frames were looked at). `quiet`: the sentences
    have been said, by whoever started this run among others.
    """

    def __init__(self, config: Config, say: Callable[[str], None], quiet: bool = False) -> None:
        self._config, self._say, self._quiet = config, say, quiet
        self._said: object = None

    def __call__(self, staging: Feasible, exact: bool) -> None:
        if not simulates(self._config):
            return
        key = (tuple(staging.staged), tuple(staging.missing), tuple(staging.others))
        if not self._quiet and key != self._said:
            which = "" if exact else f", by the first {staging.labels.frames} frames"
            for sentence in staging.sentences():
                self._say(f"staging{which}: {sentence}")
        self._said = key
        if exact and staging.hopeless is not None and self._needs_frames():
            raise UserError(
                f"a simulator is asked for (policy.name, loop.cycles), but {staging.hopeless}. Without one: "
                "policy.name=oversample, or policy.name=none loop.cycles=0"
            )

    def _needs_frames(self) -> bool:
        """Whether a policy of one's own has frames rendered at all: it may repeat real ones."""
        if self._config.loop.sim_only or not is_import_path(self._config.policy.name):
            return True
        return what_it_adds(build_policy(self._config.policy)) == "synthetic"


def look(config: Config, dataset: DatasetReader, frames: int | None = LOOKED_AT) -> Feasible | None:
    """What can be staged, by the labels of the first so many training frames (None: of all); None where none
    of them can be read. Bad frames are passed over: whoever reads the data in earnest tells them."""
    names = dataset.splits()["train"][:frames]
    counts: Counter[str] = Counter()
    cuboids = cameras = read = 0
    kept: dict[str, Frame] = {}
    for frame in dataset.frames("train", lambda problem: None, names):
        read += 1
        cameras += frame.camera is not None
        for obj in frame.objects:
            if not obj.ignore:
                counts[obj.category] += 1
                cuboids += obj.cuboid is not None
                kept.setdefault(obj.category, frame)
    if not counts:
        return None
    categories = categories_of(config.data, kept.values())
    return feasible(config, categories, Labels(counts, cuboids, read, cameras))


def outlook(configs: Sequence[Config]) -> list[str]:
    """What runs on the same data are told before they begin, for those of them that have frames rendered.
    Raises UserError, as a run would, where nothing can be staged."""
    config = next((config for config in configs if simulates(config)), None)
    if config is None:
        return []
    said: list[str] = []
    tell = Teller(config, said.append)
    if config.data.is_stand_in:  # made of what the embedded simulator has
        return []
    dataset = config.data.open()
    total = len(dataset.splits()["train"])
    staging = look(config, dataset)
    exact = total <= LOOKED_AT
    if staging is not None and staging.hopeless is not None and not exact:
        staging, exact = look(config, dataset, None), True
    if staging is not None:
        tell(staging, exact)
    return said
