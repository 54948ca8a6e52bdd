"""How fast each layout of labels is read, beside a bare load of the same label files, in one run.

    python -m benchmarks.reading [--frames 400] [--objects 12] [--repeats 3] [--only coco voc]

The same made-up frames are written in every layout (nuScenes: as many objects, in 3D). Read is what a run
reads before any pixel: the files are listed, frames cut into splits, and every frame made and checked, in one
process. The bare load parses the same label files with what Python (or Arrow) has and makes nothing of them:
`json.load`, `csv.reader`, `ElementTree.parse`, lines of text, or `pyarrow.parquet` without the images. Both
take turns round by round, so that a busy machine slows both alike; the table shows medians of CPU time.
`times` is reading over the bare load: what listing, checking and making frames cost beside parsing.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq

from imitation.data.records import Box, Frame, Object
from imitation.data.splits import SPLITS
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.registry import open_dataset
from tests.imitation.datasets.layouts.content import (
    CATEGORIES,
    HEIGHT,
    WIDTH,
    Lists,
    jpeg,
    made_up,
    put,
    write_json,
)
from tests.imitation.datasets.layouts.writers import WRITERS

PICTURES = (".jpg", ".png")


def write_coco(root: Path, lists: Lists) -> None:
    for name, pictures in lists.items():
        put(root / name, pictures)
        images = [
            {"id": i, "file_name": f"{p.name}.jpg", "width": WIDTH, "height": HEIGHT}
            for i, p in enumerate(pictures)
        ]
        annotations: list[dict[str, Any]] = []
        for i, picture in enumerate(pictures):
            for thing in picture.things:
                x1, y1, x2, y2 = thing.box
                said = {
                    "id": len(annotations),
                    "image_id": i,
                    "category_id": CATEGORIES.index(thing.category),
                }
                box = [x1, y1, x2 - x1, y2 - y1]
                annotations.append(said | {"bbox": box, "iscrowd": int(thing.crowd), "area": box[2] * box[3]})
        names = [{"id": i, "name": name} for i, name in enumerate(CATEGORIES)]
        whole = {"images": images, "annotations": annotations, "categories": names}
        write_json(root / f"annotations/instances_{name}.json", whole)


def write_yolo(root: Path, lists: Lists) -> None:
    for name, pictures in lists.items():
        put(root / "images" / name, pictures)
        (root / "labels" / name).mkdir(parents=True)
        for picture in pictures:
            rows = []
            for thing in picture.things:
                x1, y1, x2, y2 = thing.box
                four = [(x1 + x2) / 2 / WIDTH, (y1 + y2) / 2 / HEIGHT, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT]
                rows.append(" ".join(map(str, [CATEGORIES.index(thing.category), *four])))
            (root / "labels" / name / f"{picture.name}.txt").write_text("\n".join(rows))
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames: {list(CATEGORIES)}\n")


def write_voc(root: Path, lists: Lists) -> None:
    for name, pictures in lists.items():
        put(root / name, pictures)
        for picture in pictures:
            objects = ""
            for thing in picture.things:
                x1, y1, x2, y2 = thing.box
                corners = f"<xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
                name_ = f"<name>{thing.category}</name><difficult>0</difficult>"
                objects += f"<object>{name_}<bndbox>{corners}</bndbox></object>"
            size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
            (root / name / f"{picture.name}.xml").write_text(f"<annotation>{size}{objects}</annotation>")


def write_kitti(root: Path, lists: Lists) -> None:
    names = {"car": "Car", "pedestrian": "Pedestrian", "traffic light": "Misc"}
    for folder in ("image_2", "label_2", "calib"):
        (root / "training" / folder).mkdir(parents=True)
    (root / "ImageSets").mkdir()
    number = 0
    for name, pictures in lists.items():
        ids = []
        for picture in pictures:
            ids.append(f"{number:06d}")
            number += 1
            (root / f"training/image_2/{ids[-1]}.jpg").write_bytes(jpeg())
            rows = [
                f"{names[thing.category]} 0.00 {int(thing.occluded)} -1.5 {' '.join(map(str, thing.box))} "
                "1.5 1.6 4.0 1.0 1.6 20.0 -1.5"
                for thing in picture.things
            ]
            (root / f"training/label_2/{ids[-1]}.txt").write_text("\n".join(rows))
            projection = "P2: 120 0 80 0 0 120 48 0 0 0 1 0\n"
            (root / f"training/calib/{ids[-1]}.txt").write_text(projection)
        (root / f"ImageSets/{name}.txt").write_text("\n".join(ids))


def write_parquet(root: Path, lists: Lists) -> None:
    for name, pictures in lists.items():
        rows = (
            Frame(
                p.name,
                WIDTH,
                HEIGHT,
                tuple(Object(t.category, Box(*map(float, t.box)), ignore=t.crowd) for t in p.things),
                sequence=p.drive,
                image=jpeg(),
                conditions=p.conditions,
            )
            for p in pictures
        )
        write_frames(rows, str(root / f"{name}.parquet"))


LAYOUTS: dict[str, tuple[str, Callable[[Path, Lists], None]]] = {
    "kitti": ("kitti", write_kitti),
    "coco": ("coco", write_coco),
    "yolo": ("yolo", write_yolo),
    "voc": ("voc", write_voc),
    "parquet": ("parquet", write_parquet),
    **WRITERS,
}


def bare(files: list[Path]) -> int:
    """Parses label files and throws away what they say; how many there were."""
    for file in files:
        if file.suffix == ".parquet":
            names = [name for name in pq.read_schema(file).names if name != "image"]
            pq.read_table(file, columns=names, use_threads=False).to_pylist()
        elif file.suffix == ".json":
            with open(file, encoding="utf-8") as source:
                json.load(source)
        elif file.suffix == ".jsonl":
            for line in file.read_text(encoding="utf-8").splitlines():
                json.loads(line)
        elif file.suffix == ".xml":
            ElementTree.parse(file)
        elif file.suffix == ".csv":
            with open(file, newline="", encoding="utf-8") as source:
                sum(1 for _ in csv.reader(source))
        else:
            [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    return len(files)


def read(kind: str, root: Path) -> tuple[int, int]:
    """Frames and objects of a dataset, read as a run does."""
    reader = open_dataset(kind, str(root))
    reader.splits()
    frames = objects = 0
    for split in SPLITS:
        if split != "mine":  # which is train
            for frame in reader.frames(split):
                frames += 1
                objects += len(frame.objects)
    return frames, objects


def spent(work: Callable[[], Any], into: list[float]) -> Any:
    start = time.process_time()
    result = work()
    into.append(time.process_time() - start)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--objects", type=int, default=12, help="at most so many a frame")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=sorted(LAYOUTS), default=sorted(LAYOUTS))
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    half = args.frames // 2
    lists = {
        name: made_up(rng, half, args.objects, prefix) for name, prefix in (("train", "a"), ("val", "b"))
    }
    print(f"{2 * half} frames, medians of {args.repeats}, one process")
    heads = ("layout", "label files", "frames/s", "objects/s", "CPU-s/1,000", "bare", "times")
    print("{:>20} {:>11} {:>9} {:>10} {:>11} {:>7} {:>6}".format(*heads))
    lines = []
    for layout in args.only:
        kind, write = LAYOUTS[layout]
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write(root, lists)
            files = [p for p in sorted(root.rglob("*")) if p.is_file() and p.suffix not in PICTURES]
            reading: list[float] = []
            loading: list[float] = []
            for _ in range(args.repeats):
                frames, objects = spent(lambda: read(kind, root), reading)  # noqa: B023
                spent(lambda: bare(files), loading)  # noqa: B023
        seconds, least = statistics.median(reading), statistics.median(loading)
        line = {
            "layout": layout,
            "label_files": len(files),
            "frames": frames,
            "objects": objects,
            "frames_per_cpu_s": frames / seconds,
            "objects_per_cpu_s": objects / seconds,
            "cpu_s_per_1000_frames": 1000 * seconds / frames,
            "bare_cpu_s_per_1000_frames": 1000 * least / frames,
            "times": seconds / least,
        }
        print(
            f"{layout:>20} {len(files):>11} {frames / seconds:>9,.0f} {objects / seconds:>10,.0f} "
            f"{1000 * seconds / frames:>11.3f} {1000 * least / frames:>7.3f} {seconds / least:>6.1f}"
        )
        lines.append(line)
    print(json.dumps({"benchmark": "reading", "repeats": args.repeats, "lines": lines}))


if __name__ == "__main__":
    main()
