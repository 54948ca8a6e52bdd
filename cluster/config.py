"""The one configuration: every section assembled, read from YAML, overridden by `section.key=value`.

Each section's settings stand beside the code they configure. Whatever is wrong is refused in one
sentence that names the key, the value, and the nearest valid key.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from cluster.compare_settings import CompareSettings
from cluster.evaluate import EvaluateSettings
from cluster.secrets import check_no_secrets, masked
from cluster.simulate_settings import SimulateSettings
from cluster.sweep_settings import SweepSettings
from cluster.tracking.settings import TrackingSettings
from imitation.aggregation import AggregationSettings
from imitation.detectors.settings import ZOO, DetectorSettings
from imitation.metrics.own import check_metric_name
from imitation.policies import PolicySettings
from imitation.reach import ReachSettings
from imitation.settings import Settings, UserError
from imitation.splits import SplitSettings
from imitation.stopping import StoppingSettings
from imitation.subgroups import ModeSettings
from imitation.texts import parse_yaml, shown, text_of
from imitation.training.settings import TrainSettings
from sim_actors.acceptance import AcceptanceSettings
from sim_actors.opengl.settings import RendererSettings
from sim_actors.randomize import RandomizeSettings
from sim_actors.restage import RestageSettings
from sim_actors.scenarios import FreeSettings
from sim_actors.scene import Convention
from sim_actors.standin import WorldSettings

if TYPE_CHECKING:
    from imitation.datasets.registry import DatasetReader


class RunSettings(Settings):
    """Where the run lies."""

    storage: str = Field("runs", description="folder of all runs: local, shared, or a URI (s3://...)")
    name: str = Field(
        "default", pattern=r"^[A-Za-z0-9][\w.-]*$", description="this run's folder in run.storage"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="every random draw of the run follows from it")
    storage_patience_s: float = Field(
        300.0,
        ge=0,
        description="how long storage that is away for a while (network, server, mount) is waited for, s",
    )


class DataSettings(Settings):
    """The real data."""

    kind: Literal["world", "kitti", "waymo", "coco", "yolo", "parquet"] = Field(
        "world",
        description='"world" (an embedded stand-in, rendered on the spot), or what the root holds: "kitti", '
        '"waymo", "coco", "yolo" or "parquet" (docs/guide.md has the layouts)',
    )
    root: str | None = Field(
        None, description="the dataset's folder (or its annotation file); none for the embedded world"
    )
    cameras: list[Literal["FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT"]] = Field(
        ["FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT"],
        min_length=1,
        description="Waymo: the cameras whose images are frames",
    )
    categories: list[str] | None = Field(
        None, description="the detector's categories, in order; null: the kind's own"
    )
    mapping: dict[str, str] = Field(
        {}, description="source category -> detector category, where the names differ"
    )
    ignore: list[str] | None = Field(
        None,
        description="categories that are neither to be found nor false to find, in place of the kind's own "
        "list; a neighbour class (KITTI's Van) left out of it becomes background unless it is mapped or "
        "asked for; null: the kind's own",
    )
    convention: Convention | None = Field(
        None,
        description="what the dataset's boxes mean, which synthetic labels follow: amodal_clipped, "
        "cuboid_clipped or visible; null: the kind's own (KITTI: cuboid_clipped; Waymo, COCO and YOLO: "
        "visible; else amodal_clipped)",
    )
    splits: SplitSettings = Field(
        SplitSettings(), description="how frames are cut where the dataset brings no lists of its own"
    )
    limit: int | None = Field(None, ge=1, description="use at most this many frames of each split")
    parallel_from: int = Field(
        5000, ge=1, description="a split of at least so many frames is read by parallel tasks of the cluster"
    )
    verify_images: bool = Field(True, description="decode every image once before the run starts")
    on_error: Literal["stop", "skip"] = Field(
        "stop", description='a bad frame: "stop" with file and line, or "skip" it, counted and listed'
    )

    def label_convention(self) -> Convention:
        """The convention that synthetic labels follow."""
        own: dict[str, Convention] = {"kitti": "cuboid_clipped"}
        own |= dict.fromkeys(("waymo", "coco", "yolo"), "visible")
        return self.convention or own.get(self.kind, "amodal_clipped")

    def open(self) -> DatasetReader:
        """The reader of the dataset. Raises UserError where there is none at the root."""
        from imitation.datasets.registry import open_dataset

        options = {"cameras": self.cameras} if self.kind == "waymo" else {}
        return open_dataset(self.kind, self.root or "", self.splits, options)


class MiningSettings(Settings):
    """Where failures are looked for."""

    folds: int = Field(
        2, ge=2, description="out-of-fold mining in train: each of K detectors mines the part it did not see"
    )
    fold_steps: float = Field(
        0.6, gt=0, le=1, description="optimizer steps of a fold's detector, as a share of train.steps"
    )
    max_failures: int = Field(
        100_000, ge=1, description="failures that a policy sees, at most; more are drawn from at random"
    )
    modes: ModeSettings = Field(ModeSettings(), description="how failures are grouped into modes")
    reach: ReachSettings = Field(
        ReachSettings(), description="which failures are too hard to see for a simulator to answer"
    )


class LoopSettings(Settings):
    """How long the loop goes on."""

    cycles: int = Field(2, ge=0, le=1000, description="imitation cycles after the baseline, at most")
    twin: bool = Field(
        True,
        description="train the baseline a second time, with another seed: what differs between the two is "
        "chance, and stands beside every gain",
    )
    sim_only: bool = Field(
        False,
        description="train on free synthetic scenes alone, as many as there are real frames (the paper's "
        '"sim"); needs policy.name=none',
    )
    metric: Annotated[str, AfterValidator(check_metric_name)] = Field(
        "map50",
        description="the `stop` score, which decides when to stop and which cycle is best: map50 (mAP at IoU "
        '0.5), map (COCO\'s at 0.50:0.95), or a function of your own, "package.module:function"',
    )


class RaySettings(Settings):
    """How Ray is started, where none is running yet."""

    address: str | None = Field(
        None,
        description="a running cluster, HEAD:6379, or auto for the one on this machine; null: RAY_ADDRESS, "
        "else one is started here",
    )
    num_cpus: int | None = Field(
        None, ge=2, description="logical CPUs of a Ray started here; null: what there is, but at least 4"
    )
    dashboard: bool = Field(False, description="start Ray's dashboard (loopback only)")
    metrics_port: int | None = Field(
        None,
        ge=1024,
        le=65535,
        description="port of the Prometheus metrics of a Ray started here (loopback only); null: any",
    )
    placement_timeout_s: float = Field(
        600.0,
        gt=0,
        description="how long training and evaluation wait for the CPUs and GPUs that they ask for, s",
    )
    quiet: bool = Field(True, description="keep Ray's own chatter out of the output")


class ReportSettings(Settings):
    """report.html."""

    gallery: int = Field(8, ge=0, le=200, description="failures shown with the frames rendered for them")
    seed: int = Field(0, ge=0, description="which failures the gallery draws")


class Config(Settings):
    """Every section of `ray_config.yaml`."""

    run: RunSettings = RunSettings()
    data: DataSettings = DataSettings()
    world: WorldSettings = WorldSettings()
    detector: DetectorSettings = DetectorSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    mining: MiningSettings = MiningSettings()
    policy: PolicySettings = PolicySettings()
    aggregation: AggregationSettings = AggregationSettings()
    stopping: StoppingSettings = StoppingSettings()
    loop: LoopSettings = LoopSettings()
    simulate: SimulateSettings = SimulateSettings()
    renderer: RendererSettings = RendererSettings()
    restage: RestageSettings = RestageSettings()
    randomize: RandomizeSettings = RandomizeSettings()
    free: FreeSettings = FreeSettings()
    acceptance: AcceptanceSettings = AcceptanceSettings()
    report: ReportSettings = ReportSettings()
    sweep: SweepSettings = SweepSettings()
    compare: CompareSettings = CompareSettings()
    tracking: TrackingSettings = TrackingSettings()
    ray: RaySettings = RaySettings()

    @model_validator(mode="after")
    def _possible(self) -> Config:
        check_no_secrets(self.plain())
        if self.data.kind == "world" and self.data.root is not None:
            raise ValueError(
                f"data.root is {self.data.root!r}, but data.kind is 'world', which has no folder; "
                "set data.kind to kitti, waymo, coco, yolo or parquet"
            )
        if self.data.kind == "world" and self.data.splits.folds is not None:
            raise ValueError(
                "data.splits.folds is for data that is scarce; the embedded world renders as many frames for "
                "train, stop and test as world.train, world.stop and world.test say"
            )
        if self.data.kind != "world" and not self.data.root:
            raise ValueError(f"data.kind is {self.data.kind!r}, which needs data.root, the dataset's folder")
        if self.data.categories is not None:
            if not self.data.categories:
                raise ValueError("data.categories is empty; name at least one category or leave it null")
            if len(set(self.data.categories)) != len(self.data.categories):
                raise ValueError(f"data.categories names a category twice: {self.data.categories}")
        if self.loop.sim_only and self.policy.name != "none":
            raise ValueError(
                f"loop.sim_only trains on free scenes alone, but policy.name is {self.policy.name!r}, "
                "which adds to the real data; set policy.name=none"
            )
        if self.policy.name == "none" and self.loop.cycles and not self.train.warm_start:
            raise ValueError(
                f"policy.name is 'none' and loop.cycles is {self.loop.cycles}: from scratch every cycle "
                "would train the same detector; set loop.cycles=0, or train.warm_start=true to train on"
            )
        if self.train.synthetic_weight != 1 and self.detector.name in ZOO:
            raise ValueError(
                f"train.synthetic_weight is {self.train.synthetic_weight:g}, but {self.detector.name} gives "
                "one loss for a whole batch: only a detector that weighs images (grid) can use it"
            )
        return self

    def plain(self) -> dict[str, Any]:
        """The whole configuration as plain data, every default filled in."""
        return self.model_dump(mode="json")


def parse(data: Mapping[str, Any], where: str = "configuration") -> Config:
    """Validates plain data. Raises UserError in one sentence a problem."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise UserError("; ".join(_sentence(problem, where) for problem in error.errors())) from None


def load(path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> Config:
    """Reads a YAML file (safely) and applies `section.key=value` on top; values are YAML.

    Raises UserError for a missing or unreadable file, an unknown key or an impossible value.
    """
    try:
        data = parse_yaml(text_of(Path(path).read_bytes(), str(path)), str(path)) or {}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name a configuration file") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected sections such as 'run:' and 'data:', found {shown(data)}")
    for override in overrides:
        apply_override(data, override)
    return parse(data, str(path))


def load_defaults(overrides: Iterable[str] = ()) -> Config:
    """The defaults with `section.key=value` on top."""
    data: dict[str, Any] = {}
    for override in overrides:
        apply_override(data, override)
    return parse(data, "options")


def apply_override(data: dict[str, Any], override: str) -> None:
    """Sets one `section.key=value` in plain data, in place."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) < 2 or not all(parts):
        raise UserError(f"{override!r} is no option; write section.key=value, for example train.steps=200")
    try:
        value = parse_yaml(text, key)
    except UserError:
        value = text
    target = data
    for i, part in enumerate(parts[:-1]):
        if target.get(part) is None:
            target[part] = {}
        target = target[part]
        if not isinstance(target, dict):
            raise UserError(f"{override!r}: {'.'.join(parts[: i + 1])} is a value, not a section")
    target[parts[-1]] = value


def keys(model: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """Every valid key, such as "train.steps"."""
    found: list[str] = []
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found += keys(info.annotation, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def _meant(problem: Mapping[str, Any]) -> str:
    """Which of the words that may stand there was meant, if one is near."""
    if problem["type"] != "literal_error" or not isinstance(problem["input"], str):
        return ""
    words = re.findall(r"'([^']+)'", problem["ctx"]["expected"])
    near = difflib.get_close_matches(problem["input"].casefold(), words, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _sentence(problem: Mapping[str, Any], where: str) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = keys()
        sections = sorted({name.split(".")[0] for name in known})
        if "." not in key:
            near = difflib.get_close_matches(key, sections, 1, 0.5) or [", ".join(sections)]
            return f"{where}: there is no section {key!r}; the nearest is {near[0]!r}"
        near = difflib.get_close_matches(key, known, 1, 0.5)
        hint = f"the nearest is {near[0]!r}" if near else f"see {key.split('.')[0]!r} in ray_config.yaml"
        return f"{where}: there is no key {key!r}; {hint}"
    message = problem["msg"].removeprefix("Value error, ") + _meant(problem)
    if not key:
        return f"{where}: {message}"
    return f"{where}: {key} is {masked(key, problem['input'])}: {masked(key, message, plain=True)}"
