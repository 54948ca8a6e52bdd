"""What to do with failures: recipes for synthetic frames, on KITTI's train list alone, cut by drive.

    python -m benchmarks.recipes KITTI --keep DIR --recipe real=policy.name=none \\
        --recipe photos=restage.backdrops=1,policy.rarity=1,ratio=1,train.synthetic_share=0.3

The drives of the train list are cut into folds (stratified by category); fold k is tested by a detector of
the others, of seed S + k, so each frame is tested once a recipe and seed S. The val list stays closed. What
failed is found by the detectors of the first recipe, each on the fold that it was not trained on. With
--base N all recipes continue from one detector of that fold and seed, trained for N steps on real frames (the
loop with `train.warm_start`), and what failed is what failed with it: chance in the start is then in
all recipes alike, and the first one should be real frames for longer.
`section.key=value` are those of `policy`, `restage`, `randomize`, `acceptance`, `train` and `detector`;
`ratio` is synthetic (or repeated) frames per real one. Frames are brought to --width before anything, cameras
and boxes with them. `--keep` keeps frames and trainings: the same command goes on, with more seeds or recipes
too. Prints AP50 of all frames, the differences to the first recipe with 95 % intervals over drives and seeds
(`imitation.metrics.statistics.seed_comparison`), what became of each category's objects (found as itself, as
another, boxed too loosely, missed; a seed), and a JSON line.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import multiprocessing
import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from pydantic import BaseModel

from cluster.stages.request import Seen, objects_to_find
from imitation.data.boxes import pairwise_iou
from imitation.data.categories import CategoryMap
from imitation.data.images import load_frame_image
from imitation.data.records import Box, Frame, Object, Origin
from imitation.data.splits import folds
from imitation.datasets.kitti.files import kitti_splits, read_kitti
from imitation.datasets.parquet.files import read_frames, write_frames
from imitation.detectors.predictor import Predictor
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings
from imitation.evaluation.detection_files import read_detections, write_detections
from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.failures import Failure, find_failures
from imitation.metrics.average_precision import average_precisions
from imitation.metrics.statistics.bootstrap import Interval
from imitation.metrics.statistics.outcomes import OutcomeBuilder, Outcomes
from imitation.metrics.statistics.seed_comparison import MAP50, Bench
from imitation.metrics.summary import summarize
from imitation.policies import Mined, build_policy, sees_frames, what_it_adds
from imitation.policies.oversample import repeats_of
from imitation.policies.settings import PolicySettings
from imitation.requests import Request
from imitation.training.batches import Batches, SamplePlan
from imitation.training.loop import start, train
from imitation.training.samples import CachedSource, FrameSource
from imitation.training.settings import TrainSettings
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.simulators.opengl.assets.families import SIMULATOR
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.opengl.settings import RendererSettings
from sim_actors.staging.acceptance import AcceptanceSettings, rejection
from sim_actors.staging.restage import RestageSettings
from sim_actors.staging.stage import StagingSettings, Target, stage

CATEGORIES = CategoryMap(
    categories=("Car", "Pedestrian", "Cyclist", "Truck"),
    mapping={
        **{"Car": "Car", "Pedestrian": "Pedestrian", "Cyclist": "Cyclist", "Truck": "Truck"},
        **{"Van": "Car", "Person_sitting": "Pedestrian"},
    },
    ignore=frozenset({"Van", "Person_sitting", "DontCare"}),
)
SECTIONS: dict[str, type[BaseModel]] = {
    "policy": PolicySettings, "restage": RestageSettings, "randomize": RandomizeSettings,
    "acceptance": AcceptanceSettings, "train": TrainSettings, "detector": DetectorSettings,
}  # fmt: skip
SCENES = ("policy", "restage", "randomize", "acceptance")  # what the frames of a recipe follow from
RESAMPLES = 1000
BySeed = dict[int, list[FrameDetections]]


class Recipe:
    """Settings by section, from words such as `restage.backdrops=1,ratio=1`."""

    def __init__(self, words: str, options: argparse.Namespace) -> None:
        given: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        given["detector"] = {
            "width": options.width,
            "height": options.height,
            "trainable_layers": options.layers,
        }
        given["train"] = {
            "steps": options.steps,
            "cache_mb": 2048,
            "report_every": 10_000,
            "precision": "bf16",
        }
        self.ratio = 1.0
        for word in filter(None, words.split(";" if ";" in words else ",")):
            key, value = word.split("=", 1)
            if key == "ratio":
                self.ratio = float(value)
            else:
                section, name = key.split(".", 1)
                given[section][name] = yaml.safe_load(value)
        self.of: dict[str, Any] = {name: kind.model_validate(given[name]) for name, kind in SECTIONS.items()}
        told = {name: self.of[name].model_dump(mode="json") for name in SCENES}
        self.scenes = hashlib.sha256(json.dumps([told, self.ratio], sort_keys=True).encode()).hexdigest()[:12]
        told |= {name: self.of[name].model_dump(mode="json") for name in ("train", "detector")}
        self.key = hashlib.sha256(json.dumps([told, self.ratio], sort_keys=True).encode()).hexdigest()[:12]


def smaller(frame: Frame, width: int) -> Frame:
    """The frame as it would be from a camera of fewer pixels; boxes, lens and picture go together."""
    share = width / frame.width
    height = round(frame.height * share)
    down = height / frame.height

    def box(b: Box | None) -> Box | None:
        return None if b is None else Box(b.x1 * share, b.y1 * down, b.x2 * share, b.y2 * down)

    picture = Image.fromarray(load_frame_image(frame)).resize(
        (width, height), Image.Resampling.BOX, reducing_gap=None
    )
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95)
    lens = frame.camera
    assert lens is not None
    objects: list[Object] = []
    for obj in frame.objects:
        moved = box(obj.box)
        assert moved is not None
        objects.append(replace(obj, box=moved, amodal_box=box(obj.amodal_box)))
    return replace(
        frame,
        width=width,
        height=height,
        image=out.getvalue(),
        image_uri=None,
        objects=tuple(objects),
        camera=replace(lens, fx=lens.fx * share, cx=lens.cx * share, fy=lens.fy * down, cy=lens.cy * down),
    )


def to_find(frame: Frame) -> dict[int, str]:
    """Its objects that a detector is to find: index -> source category."""
    targets = CATEGORIES.apply(frame)
    return {int(i): frame.objects[i].category for i in targets.indices[~targets.ignore]}


def requests_of(
    recipe: Recipe, frames: Sequence[Frame], failures: Sequence[Failure], seed: int
) -> list[Request]:
    policy = build_policy(recipe.of["policy"])
    if what_it_adds(policy) == "nothing":
        return []
    seen: Seen = objects_to_find(frames, CATEGORIES) if sees_frames(policy) else {}
    counts = Counter(obj.category for frame in frames for obj in frame.objects)
    mined = Mined(failures, counts, frozenset(SIMULATOR.bodies), **seen)
    budget = round(recipe.ratio * len(frames))
    return policy.request(mined, cycle=1, budget=budget, rng=np.random.default_rng([seed, 17]))


def rendered(recipe: Recipe, requests: Sequence[Request], frames: Sequence[Frame]) -> Iterator[Frame]:
    """The frames asked for, in order; what is rejected is tried again as the loop does, then left out."""
    by_id = {frame.frame_id: frame for frame in frames}
    lens = frames[0].camera
    assert lens is not None
    names = tuple(sorted({obj.category for frame in frames for obj in frame.objects}))
    settings = StagingSettings(restage=recipe.of["restage"], randomize=recipe.of["randomize"])
    acceptance: AcceptanceSettings = recipe.of["acceptance"]

    def jobs() -> Iterator[tuple[Request, int]]:
        for request in requests:
            for variation in range(request.variations):
                yield request, variation

    def one(job: tuple[Request, int], simulator: OpenGLSimulator) -> Frame | None:
        request, variation = job
        parent = by_id[request.parent] if request.parent else None
        target = Target(
            "cuboid_clipped", names, lens, frames[0].width, frames[0].height, frozenset(SIMULATOR.bodies)
        )
        for attempt in range(acceptance.tries + 1):
            again = replace(request, seed=(request.seed + 7919 * attempt) % 2**31)
            scene = stage(again, variation, parent, target=target, settings=settings)
            drawn = simulator.render(scene)
            origin = Origin(
                cycle=1, parent=request.parent, failures=(), policy=request.policy, scene=scene.to_json(),
                simulator=simulator.name, simulator_version=simulator.version, seed=again.seed,
            )  # fmt: skip
            drawn = replace(drawn, origin=origin)
            if rejection(drawn, acceptance) is None:
                return drawn
        return None

    with contextlib.closing(OpenGLSimulator(RendererSettings(threads=0))) as simulator:
        for job in jobs():
            if (frame := one(job, simulator)) is not None:
                yield frame


def trained(
    real: str,
    added: list[str],
    repeats: Counter[str],
    inside: list[str],
    recipe: Recipe,
    seed: int,
    base: str | None = None,
) -> torch.nn.Module:
    shape, training = recipe.of["detector"], recipe.of["train"]
    torch.manual_seed(seed)
    model = build_detector(shape, len(CATEGORIES.categories))
    if base is not None:
        model.load_state_dict(torch.load(base, weights_only=True))
    source = FrameSource([real], added, CATEGORIES, include=None, exclude=inside, repeats=repeats)
    plan = SamplePlan(
        source.added, training.batch_size, seed, training.synthetic_share,
        pretrain=training.pretrain_steps(), mixed=training.mixed_steps(),
    )  # fmt: skip
    weights = None
    if training.synthetic_weight != 1:
        weights = np.where(source.synthetic, training.synthetic_weight, 1.0)
    with Batches(
        CachedSource(source, training.cache_mb), plan, shape.width, shape.height, training.augment,
        start=0, stop=training.steps, threads=training.decode_threads, weights=weights,
    ) as batches:  # fmt: skip
        state = start(model, training)
        train(state, batches, training, torch.device("cpu"), freeze_batch_norm=shape.weights is not None)
    model.load_state_dict(state.checkpoint_weights())
    return model


def tested(model: torch.nn.Module, recipe: Recipe, frames: Sequence[Frame]) -> list[FrameDetections]:
    shape = recipe.of["detector"]
    predictor = Predictor(
        model, CATEGORIES.categories, shape.width, shape.height, precision=recipe.of["train"].precision
    )
    rows = []
    for begin in range(0, len(frames), 16):
        chunk = frames[begin : begin + 16]
        found = predictor.predict([load_frame_image(frame) for frame in chunk])
        rows += [
            FrameDetections.of(
                CATEGORIES.mapped(frame), each, categories=CATEGORIES.categories, split="fold",
                detector="recipe", source=[obj.category for obj in frame.objects],
            )
            for frame, each in zip(chunk, found, strict=True)
        ]  # fmt: skip
    return rows


def base_word(options: argparse.Namespace) -> str:
    return f"base=policy.name=none,train.steps={options.base}"


def cell(options: argparse.Namespace, word: str, seed: int, part: list[str], failures: list[Failure]) -> str:
    """One training and its test, if it is not there yet: the name of a Parquet file of detections; a base's
    weights lie beside it."""
    torch.set_num_threads(options.threads)
    name, words = word.split("=", 1)
    recipe, keep = Recipe(words, options), Path(options.keep)
    begun = Recipe(base_word(options).split("=", 1)[1], options).key if options.base else None
    weights = keep / f"base-{begun}-{options.folds}-{seed}.pt"
    is_base = begun is not None and word == base_word(options)
    after = "" if begun is None or is_base else f"-after-{begun}"
    kept = keep / f"{name}-{recipe.key}{after}-{options.folds}-{seed}.parquet"
    if kept.exists():
        return str(kept)
    real, inside = str(real_frames(options)), set(part)
    frames = list(read_frames(real))
    outer = [frame for frame in frames if frame.frame_id not in inside]
    requests = requests_of(recipe, outer, [f for f in failures if f.frame_id not in inside], seed)
    added: list[str] = []
    repeats: Counter[str] = Counter()
    if what_it_adds(build_policy(recipe.of["policy"])) == "repeated":
        repeats = repeats_of(requests)
    elif requests:
        path = keep / f"frames-{recipe.scenes}{after}-{options.folds}-{seed}.parquet"
        if not path.exists():
            write_frames(rendered(recipe, requests, outer), str(path))
        added = [str(path)]
    model = trained(real, added, repeats, part, recipe, seed, str(weights) if after else None)
    if is_base:
        torch.save(model.state_dict(), weights)
    rows = tested(model, recipe, [frame for frame in frames if frame.frame_id in inside])
    write_detections(rows, str(kept), CATEGORIES.categories)
    return str(kept)


def real_frames(options: argparse.Namespace) -> Path:
    """The train list, made smaller, as a file."""
    path = Path(options.keep) / f"real-{options.width}.parquet"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        names = (kitti_splits(options.kitti) or {})["train"]
        with ThreadPoolExecutor(2) as pool:
            small = pool.map(lambda frame: smaller(frame, options.width), read_kitti(options.kitti, names))
            write_frames(small, str(path))
    return path


def run(options: argparse.Namespace) -> dict[str, BySeed]:
    """The detections of all frames, by recipe and seed."""
    frames = list(read_frames(str(real_frames(options))))
    contents = {frame.frame_id: set(to_find(frame).values()) for frame in frames}
    parts = folds(
        [frame.frame_id for frame in frames], [frame.sequence for frame in frames], options.folds, 0, contents
    )
    done: dict[str, BySeed] = {}
    failures: dict[int, list[Failure]] = {}
    seeds = range(options.seed, options.seed + options.seeds * options.folds, options.folds)
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:

        def begun(word: str) -> dict[int, list[Future[str]]]:
            return {
                seed: [
                    pool.submit(cell, options, word, seed + fold, part, failures.get(seed, []))
                    for fold, part in enumerate(parts)
                ]
                for seed in seeds
            }

        def ended(word: str, cells: dict[int, list[Future[str]]]) -> BySeed:
            rows = {
                seed: [row for each in cells[seed] for row in read_detections(each.result())]
                for seed in seeds
            }
            print(f"{word.split('=', 1)[0]}: {told(rows)}", flush=True)
            return rows

        mined, *others = [base_word(options), *options.recipe] if options.base else options.recipe
        for seed, rows in (before := ended(mined, begun(mined))).items():
            metrics = summarize(rows, CATEGORIES.categories, "fold")
            failures[seed] = list(find_failures(rows, metrics.cutoff, CATEGORIES.categories))
        if not options.base:
            done[mined.split("=", 1)[0]] = before
        for word, cells in [(word, begun(word)) for word in others]:
            done[word.split("=", 1)[0]] = ended(word, cells)
    return done


def ap50(rows: Sequence[FrameDetections]) -> dict[str, float]:
    found = average_precisions(rows, CATEGORIES.categories).ap50
    return {name: 100 * value for name, value in found.items() if value is not None}


def told(by_seed: BySeed) -> str:
    each = [ap50(rows) for rows in by_seed.values()]
    means = {name: float(np.mean([found[name] for found in each])) for name in each[0]}
    by_category = " ".join(f"{name} {value:.1f}" for name, value in means.items())
    return f"mAP50 {np.mean(list(means.values())):.1f} ({by_category})"


def fates(rows: Sequence[FrameDetections]) -> dict[str, Counter[str]]:
    """What became of each category's objects, by the surest detection that overlaps one at 0.5: found as
    itself or as another; too loose: one overlaps at 0.2; missed."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in CATEGORIES.categories}
    for row in rows:
        truth, found = row.objects, row.detections
        for i in np.flatnonzero(~truth.ignore):
            overlaps = pairwise_iou(truth.boxes[i : i + 1], found.boxes)[0]
            hits = np.flatnonzero(overlaps >= 0.5)
            if len(hits):
                label = found.labels[hits[np.argmax(found.scores[hits])]]
                fate = "itself" if label == truth.labels[i] else "another"
            else:
                fate = "too loose" if (overlaps >= 0.2).any() else "missed"
            counts[CATEGORIES.categories[truth.labels[i] - 1]][fate] += 1
    return counts


def outcomes_of(rows: Sequence[FrameDetections]) -> Outcomes:
    builder = OutcomeBuilder(CATEGORIES.categories)
    for row in sorted(rows, key=lambda row: row.frame_id):
        builder.add(row, 0.5)  # of no account: AP has no threshold
    return builder.result()


def points(gain: Interval) -> str:
    if gain.estimate is None:
        return f"no difference: {gain.reason}"
    if gain.low is None or gain.high is None:
        return f"{100 * gain.estimate:+.1f} (no interval: {gain.reason})"
    return f"{100 * gain.estimate:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kitti", help="a KITTI folder with ImageSets/train.txt and the drives' mapping")
    parser.add_argument("--recipe", action="append", required=True, metavar="NAME=SETTINGS")
    parser.add_argument("--keep", required=True, metavar="DIR", help="folder of what is finished")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trainings side by side")
    parser.add_argument("--seed", type=int, default=0, help="of fold 0; those after it follow")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each recipe and fold")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--base", type=int, default=0, metavar="STEPS", help="0: each recipe from scratch")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=192)
    parser.add_argument("--layers", type=int, default=2, help="detector.trainable_layers")
    parser.add_argument("--threads", type=int, default=1, help="of each training")
    options = parser.parse_args()
    done = run(options)
    outcomes = {
        name: {seed: outcomes_of(rows) for seed, rows in by_seed.items()} for name, by_seed in done.items()
    }
    first = next(iter(done))
    bench = Bench(next(iter(outcomes[first].values())), RESAMPLES, np.random.default_rng(0), at50=True)
    measured = {name: bench.measure(by_seed) for name, by_seed in outcomes.items()}
    table: dict[str, Any] = {}
    for name, by_seed in done.items():
        print(f"{name}: {told(by_seed)}")
        table[name] = {"fates": {}, "minus_first": {}, "of_seeds": measured[name].estimates[:, 0].tolist()}
        fate = {seed: fates(rows) for seed, rows in by_seed.items()}
        for measure in (MAP50, *CATEGORIES.categories):
            gain = bench.difference(measured[first], measured[name], measure)
            table[name]["minus_first"][measure] = [gain.estimate, gain.low, gain.high]
            line = f"    {measure:12} {points(gain)}"
            if measure in CATEGORIES.categories:
                counts: Counter[str] = sum((each[measure] for each in fate.values()), Counter())
                table[name]["fates"][measure] = dict(counts)
                line += "; " + ", ".join(f"{what} {n / len(fate):.1f}" for what, n in sorted(counts.items()))
            print(line)
    known = vars(options) | {"torch": torch.__version__, "python": platform.python_version()}
    print(json.dumps({"benchmark": "recipes", "settings": known, "recipes": table}))


if __name__ == "__main__":
    main()
