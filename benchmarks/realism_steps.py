"""The arms of the realism benchmark: one train list re-staged again and again, each time with one more part
of the simulator, from crude bodies in even light to all of it.

    python -m benchmarks.realism_steps KITTI STEPS [--variations 4]
    python -m benchmarks.realism KITTI --arm crude=STEPS/crude.parquet --arm fleet=STEPS/fleet.parquet ...

`crude`: boxes with a cabin on top, ellipsoid trees, plain houses, clear noon, a clean camera. `fleet`: the
simulator's bodies. `places`: its surroundings. `light`: hours, weather. `camera`: lens and noise. `photos`:
half of the frames are photos with rendered actors in them, and so hold real pixels and labels, too.
All are perturbed alike (positions, sizes, colours), from the same seeds.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from imitation.data.records import Frame, Origin
from imitation.datasets.kitti.files import kitti_splits, read_kitti
from imitation.datasets.parquet.files import write_frames
from imitation.requests import Request
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.simulators.opengl.assets.families import FAMILIES, SIMULATOR
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Mesh, assemble, box, ellipsoid, plate, tube
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.staging.restage import RestageSettings
from sim_actors.staging.stage import StagingSettings, Target, stage

EVEN_LIGHT = dict.fromkeys(
    ("hour", "night", "sun_azimuth", "change_weather", "haze", "clouds", "turbidity"), 0.0
)
CLEAN_CAMERA = dict.fromkeys(
    ("exposure", "white_balance", "noise", "blur", "vignette", "bloom", "aberration", "jpeg_quality"), 0.0
)


def crude_car(length: float, width: float, height: float, cabin: tuple[float, float]) -> Mesh:
    """An extruded side view, glass for the cabin, discs for wheels; m. `cabin`: where it begins and ends."""
    low, belt = 0.2, 0.58 * height
    hull = plate([(0, low), (0, belt), (-length, belt), (-length, low)], width, M.PAINT)
    front, rear = (-share * length for share in cabin)
    roof = [(front, belt), (front - 0.12 * length, height), (rear + 0.06 * length, height), (rear, belt)]
    parts = [hull, plate(roof, 0.86 * width, M.GLASS)]
    for x in (-0.2 * length, -0.8 * length):
        parts += [
            tube([(x, 0.3, s * 0.38 * width), (x, 0.3, s * 0.5 * width)], [0.3, 0.3], M.TYRE, 10)
            for s in (-1, 1)
        ]
    return assemble(parts)


def crude_person() -> Mesh:
    parts = [
        box((0, 0.4, 0), (0.25, 0.8, 0.35), M.CLOTH_LOWER),
        box((0, 1.1, 0), (0.3, 0.6, 0.5), M.CLOTH_UPPER),
    ]
    return assemble([*parts, ellipsoid((0, 1.58, 0), (0.12, 0.16, 0.12), M.SKIN)])


def crude_tree() -> Mesh:
    return assemble(
        [tube([(0, 0, 0), (0, 3, 0)], [0.2, 0.15], M.BARK), ellipsoid((0, 5, 0), (2, 2.5, 2), M.LEAF, 10)]
    )


def crude_block(material: M) -> Mesh:
    return assemble([box((0, 0.5, 0), (1, 1, 1), material)])


_CAR = partial(crude_car, 3.9, 1.6, 1.5, (0.22, 0.95))
_VAN = partial(crude_car, 5.1, 1.9, 2.2, (0.05, 1.0))
CRUDE_BODIES = {
    "car": _CAR,
    "van": _VAN,
    "truck": _VAN,
    "bus": _VAN,
    "tram": _VAN,
    "misc": _VAN,
} | dict.fromkeys(("pedestrian", "person_sitting", "cyclist", "bicycle"), crude_person)
_TREES = ("tree", "conifer", "poplar", "grove")
_LEAVES = ("hedge", "bush")


def crude_prop(kind: str) -> Callable[[], Mesh]:
    if kind.startswith(_TREES):
        return crude_tree
    stuff = M.FACADE if kind == "building" else M.LEAF if kind.startswith(_LEAVES) else M.STONE
    return partial(crude_block, stuff)


CRUDE = replace(
    SIMULATOR,
    name="crude",
    bodies={kind: {"crude": CRUDE_BODIES.get(kind, _VAN)} for kind in SIMULATOR.bodies},
    props={kind: (crude_prop(kind),) for kind in SIMULATOR.props},
)
FLEET = replace(SIMULATOR, name="fleet", props=CRUDE.props)


def steps() -> dict[str, tuple[str, RandomizeSettings, float]]:
    """Family, randomization and share of photos of each arm."""
    full = RandomizeSettings()
    clean = full.model_copy(update=CLEAN_CAMERA)
    even = clean.model_copy(update=EVEN_LIGHT)
    return {
        "crude": ("crude", even, 0.0),
        "fleet": ("fleet", even, 0.0),
        "places": ("simulator", even, 0.0),
        "light": ("simulator", clean, 0.0),
        "camera": ("simulator", full, 0.0),
        "photos": ("simulator", full, 0.5),
    }


def restaged(
    frames: list[Frame],
    family: str,
    ranges: RandomizeSettings,
    photos: float,
    variations: int,
    simulator: OpenGLSimulator,
) -> Iterator[Frame]:
    settings = StagingSettings(restage=RestageSettings(backdrops=photos), randomize=ranges)
    for frame in frames:
        assert frame.camera is not None
        target = Target(
            convention="cuboid_clipped",
            categories=tuple(sorted({obj.category for obj in frame.objects})),
            camera=frame.camera,
            width=frame.width,
            height=frame.height,
            catalog=frozenset(SIMULATOR.bodies),
            family=family,
        )
        seed = zlib.crc32(frame.frame_id.encode())
        request = Request(frame.frame_id, frame.frame_id, (), (), (), variations, seed, "realism")
        for variation in range(variations):
            scene = stage(request, variation, frame, target=target, settings=settings)
            drawn = simulator.render(scene)
            origin = Origin(
                cycle=0, parent=frame.frame_id, failures=(), policy="realism", scene=scene.to_json(),
                simulator=simulator.name, simulator_version=simulator.version, seed=seed,
            )  # fmt: skip
            yield replace(drawn, origin=origin)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kitti", help="a KITTI folder with ImageSets/train.txt")
    parser.add_argument("out", help="folder for one Parquet file an arm")
    parser.add_argument("--variations", type=int, default=4)
    parser.add_argument("--only", nargs="*", help="arms to render; all by default")
    options = parser.parse_args()
    FAMILIES.update({family.name: family for family in (CRUDE, FLEET)})
    frames = list(read_kitti(options.kitti, (kitti_splits(options.kitti) or {})["train"]))
    simulator = OpenGLSimulator()
    try:
        for name, (family, ranges, photos) in steps().items():
            if options.only and name not in options.only:
                continue
            path = Path(options.out) / f"{name}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            made = restaged(frames, family, ranges, photos, options.variations, simulator)
            count = write_frames(made, str(path))
            sys.stdout.write(f"{path}: {count} frames\n")
    finally:
        simulator.close()


if __name__ == "__main__":
    main()
