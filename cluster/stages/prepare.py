"""The real data of a run: read once, checked, split, and written as Parquet in the run's folder.

Images of a dataset folder are not copied: their rows say where they lie. The embedded world's
frames are rendered here, and are a stand-in for real data, never called real.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from cluster.config.schema import Config
from cluster.data.facts import Facts
from cluster.data.leaks import look_for_leaks
from cluster.data.parallel_reading import read_parallel
from cluster.data.stageable import LOOKED_AT, Labels, Tell, feasible, look, tell_nobody
from cluster.observability.callbacks import Watch
from cluster.observability.console import Reporter
from cluster.simulation.stream import SimulationReport, simulate
from cluster.stages.services import Services
from cluster.workspace.run_folder import Workspace
from imitation.aggregation import Part
from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.data.images import ahead, load_frame_image
from imitation.data.records import Camera, Frame
from imitation.data.splits import folds, sequence_note
from imitation.datasets.base import DatasetReader
from imitation.datasets.category_map import category_map
from imitation.datasets.common.validation import Problems, handled
from imitation.datasets.inspection.demands import no_frame, no_object
from imitation.datasets.parquet.files import read_frames, write_frames
from imitation.datasets.settings import DataSettings
from sim_actors.simulators.registry import EMBEDDED
from sim_actors.simulators.worker import SceneJob
from sim_actors.standin_world import Split, WorldSettings, standin_scene

SPLITS: tuple[Split, ...] = ("train", "val", "test")
LABELS_ONLY = ("frame_id", "sequence", "width", "height", "camera", "conditions", "objects")
STAND_IN = (
    "The data is an embedded world: rendered frames that stand in for reality. They are not real data, "
    "and what the table shows is a demonstration."
)


@dataclass(frozen=True)
class RealData:
    """What every later stage needs to know of the real data; plain enough to be committed as JSON."""

    parts: dict[str, Part]
    categories: CategoryMap
    folds: list[list[str]]  # the mined frames, each in the fold whose detector did not see it
    held_out: list[list[str]]  # what that detector must not see: the fold, and the rest of its sequences
    width: int  # px, the most frequent image size
    height: int
    camera: Camera | None
    category_counts: dict[str, int]  # objects in train, by source category
    unmapped: dict[str, int]  # objects of categories that are neither detected nor ignored
    problems: list[str]
    notes: list[str]
    cuboids: int | None = None  # of those objects; None: a run of an older version did not count
    cameras: int | None = None  # frames of train that have one
    left_out: dict[str, int] | None = None  # rows of labels that frames are read without, by reason

    def to_json(self, workspace: Workspace) -> dict[str, Any]:
        """Plain data; paths count from the run's folder, which may be moved."""
        parts = {
            name: asdict(part) | {"uri": workspace.relative(part.uri)} for name, part in self.parts.items()
        }
        return asdict(self) | {"categories": self.categories.to_json(), "parts": parts}

    @classmethod
    def from_json(cls, data: dict[str, Any], workspace: Workspace) -> RealData:
        """The inverse of `to_json`."""
        return cls(
            parts={
                name: Part(**part | {"uri": workspace.path(part["uri"])})
                for name, part in data["parts"].items()
            },
            categories=CategoryMap.from_json(data["categories"]),
            folds=data["folds"],
            held_out=data["held_out"],
            width=data["width"],
            height=data["height"],
            camera=Camera(**data["camera"]) if data["camera"] else None,
            category_counts=data["category_counts"],
            unmapped=data["unmapped"],
            problems=data["problems"],
            notes=data["notes"],
            cuboids=data.get("cuboids"),
            cameras=data.get("cameras"),
            left_out=data.get("left_out"),
        )

    def labels(self) -> Labels:
        """What the training frames' labels hold."""
        return Labels(self.category_counts, self.cuboids, self.parts["train"].frames, self.cameras)


def prepare(
    config: Config, workspace: Workspace, services: Services, watch: Watch, tell: Tell = tell_nobody
) -> RealData:
    """The run's real data; committed, so that a run that continues does not read it again. `tell` hears what
    of it can be staged, of a large dataset first by its first frames.

    Raises DataError for the first bad frame (or skips it, under `data.on_error: skip`), UserError for
    splits that are empty or overlap.
    """

    reporter = watch.reporter

    def work() -> dict[str, Any]:
        problems: list[str] = []
        notes: list[str] = []
        left_out: dict[str, int] = {}
        if config.data.is_stand_in:
            mine = _render_world(config.world, workspace, services, watch)
            notes.append(STAND_IN)
            if config.simulate.simulator != EMBEDDED:
                notes.append(
                    f"The embedded renderer drew the embedded world; {config.simulate.title} "
                    f"{'renders' if len(config.simulate.members) == 1 else 'render'} synthetic frames alone."
                )
        else:
            dataset = config.data.open()
            notes.append(dataset.note())
            if len(dataset.splits()["train"]) > LOOKED_AT and (first := look(config, dataset)):
                tell(first, False)
            notes += look_for_leaks(dataset)
            dataset.forget_left_out()
            mine = _import(config.data, dataset, workspace, services, reporter, problems)
            left_out = dict(dataset.left_out)
        found = _describe(config, workspace, mine, problems, notes)
        return replace(found, left_out=left_out).to_json(workspace)

    data = RealData.from_json(workspace.stage("data/prepare", work), workspace)
    for note in data.notes:
        reporter.say(f"note: {note}")
    if data.unmapped:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(data.unmapped.items()))
        reporter.say(f"note: background to the detector, by data.mapping: {listed}")
    for problem in data.problems[:20]:
        reporter.say(f"skipped: {problem}")
    for reason, count in (data.left_out or {}).items():
        reporter.say(f"left out: {count:,} {reason}")
    tell(feasible(config, data.categories, data.labels()), True)
    return data


def _render_world(world: WorldSettings, workspace: Workspace, services: Services, watch: Watch) -> set[str]:
    """Renders every split of the stand-in; its failures are mined in train. Always by the embedded renderer:
    were it the simulator under trial, that would be tried on its own pictures."""
    with services.pool(embedded=True) as pool:
        for split in SPLITS:
            count = getattr(world, split)
            scenes = (standin_scene(world, split, index) for index in range(count))
            if split == "test":  # the last
                services.expect_training()
            jobs = (SceneJob(scene, seed=scene.seed, policy="stand-in") for scene in scenes)
            with watch.rendering(f"rendering the stand-in world: {split}", count, pool) as progress:
                simulate(jobs, workspace.path("data", split), pool, progress=progress, refuse=_whole)
    return {frame.frame_id for frame in read_frames(workspace.path("data", "train"), ("frame_id",))}


def _whole(report: SimulationReport) -> None:
    if report.set_aside:
        raise UserError(f"the embedded world could not be rendered: {report.set_aside[0].reason}")


def _import(
    settings: DataSettings,
    dataset: DatasetReader,
    workspace: Workspace,
    services: Services,
    reporter: Reporter,
    problems: list[str],
) -> set[str]:
    """Writes a dataset's checked frames as Parquet, the real frames of `mine` among those of train."""
    skip: Problems | None = (
        (lambda error: problems.append(str(error))) if settings.on_error == "skip" else None
    )
    names = dataset.splits()
    numbering = dataset.numbering()
    mined = set(names["mine"])
    mine: set[str] = set()
    for split in SPLITS:
        sources: list[str] = [split]
        if split == "train" and mined - set(names["train"]):
            sources.append("mine")  # every arm may train on the labels that mining sees
        seen: set[str] = set()

        def frames(sources: list[str] = sources, seen: set[str] = seen) -> Iterator[Frame]:
            for source in sources:
                for frame in islice(_read(settings, dataset, source, services, skip), settings.limit):
                    if source == "mine" or frame.frame_id in mined:
                        mine.add(frame.frame_id)
                    if frame.frame_id not in seen:
                        seen.add(frame.frame_id)
                        yield frame

        total = sum(min(len(names[source]), settings.limit or len(names[source])) for source in sources)
        with reporter.bar(f"reading {split}", total) as bar:
            written = write_frames(
                _counted(frames(), bar.update),
                workspace.path("data", split, "frames.parquet"),
                numbering=numbering,
            )
        if not written:
            raise no_frame(dataset.root, split, total, len(problems))
    return mine


def _read(
    settings: DataSettings, dataset: DatasetReader, split: str, services: Services, skip: Problems | None
) -> Iterator[Frame]:
    """A split's frames, their images decoded once if that is asked for: by the cluster's tasks where it
    is large, else by threads here."""
    if settings.limit is None and len(dataset.splits()[split]) >= settings.parallel_from:
        services.start()
        return read_parallel(dataset, split, skip, verify_images=settings.verify_images)
    frames = dataset.frames(split, skip)
    if not settings.verify_images:
        return frames
    return handled((partial(_if_good, *looked) for looked in ahead(frames, load_frame_image)), skip)


def _if_good(frame: Frame, image: Future[Any]) -> Frame:
    """The frame, if its image decodes to the size that it says."""
    image.result()
    return frame


def _counted(frames: Iterable[Frame], update: Callable[[int], None]) -> Iterator[Frame]:
    for count, frame in enumerate(frames, start=1):
        update(count)
        yield frame


def _describe(
    config: Config, workspace: Workspace, mine: set[str], problems: list[str], notes: list[str]
) -> RealData:
    uris = {split: workspace.path("data", split) for split in SPLITS}
    mapping = category_map(config.data, uris["train"])
    facts = Facts()
    counts, judged, unmapped = Counter[str](), Counter[str](), Counter[str]()
    held: dict[str, frozenset[str]] = {}
    for split in SPLITS:
        frames = read_frames(uris[split], LABELS_ONLY)
        for frame in facts.seeing(frames) if split == "train" else frames:
            counts[split] += 1
            unmapped += mapping.unmapped([frame])
            targets = mapping.apply(frame)
            judged[split] += int((~targets.ignore).sum())
            if split == "train":
                labels = targets.labels[~targets.ignore]
                held[frame.frame_id] = frozenset(mapping.categories[label - 1] for label in labels)
    for split in SPLITS:
        if not judged[split]:
            raise no_object(split, mapping, facts.objects)
    mining: list[list[str]] = []
    if config.loop.cycles:
        ids = sorted(mine & facts.sequences.keys())  # those whose image could be read
        sequences = [facts.sequences[i] for i in ids]
        if not config.data.is_stand_in:
            notes.append(f"Folds of mining: {sequence_note(sequences)}")
        contents = held if config.data.splits.stratify else None
        mining = folds(ids, sequences, config.mining.folds, config.run.seed, contents)
    width, height = facts.size
    return RealData(
        parts={split: Part(uris[split], counts[split]) for split in SPLITS},
        categories=mapping,
        folds=mining,
        held_out=[_with_their_sequences(fold, facts.sequences) for fold in mining],
        width=width,
        height=height,
        camera=facts.camera,
        category_counts=dict(facts.objects),
        unmapped=dict(unmapped),
        problems=problems,
        notes=notes,
        cuboids=facts.cuboids,
        cameras=facts.cameras.total(),
    )


def _with_their_sequences(fold: list[str], sequences: Mapping[str, str | None]) -> list[str]:
    """A fold's frames and every other training frame of their sequences: video frames are not
    independent, and with a `mine` split of its own some of them lie in train."""
    drives = {sequences[i] for i in fold} - {None}
    members = set(fold)
    return [i for i, sequence in sequences.items() if i in members or sequence in drives]
