"""A storage to show, made in milliseconds: a finished run with frames and failures, a comparison, one at
work."""

import json
from pathlib import Path

import numpy as np

from imitation.data.images import encode_png
from imitation.data.records import Box, Frame, Object, Origin
from imitation.datasets.parquet.files import write_frames
from imitation.evaluation.failures import Failure, write_failures
from tests.cluster.inventory.test_entries import make_run

HOSTILE = "<script>alert(1)</script>"
ODD = "c01-a\"'<b>&-v00"


def picture(seed: int = 0) -> bytes:
    return encode_png(np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8))


def frame(name: str, origin: Origin | None = None, **image: object) -> Frame:
    car = Object("Car", Box(10, 10, 40, 40))
    return Frame(name, 64, 64, (car,), origin=origin, **(image or {"image": picture()}))


def missed(name: str) -> Failure:
    box = Box(10, 10, 40, 40)
    name_of = f"{name}#missed-o0"
    return Failure(name_of, name, "mine", "fold-0", "missed", "car", None, 0, box, None, None, 0.0, 30.0)


def make_storage(folder: Path, outside: Path | None = None) -> Path:
    """`done` (finished), `broken` (failed, its reason hostile), `cmp` with a trial. `outside`: a picture that
    a frame of `done` names, though it lies elsewhere."""
    done = make_run(folder / "done", (0.2, 0.4), how="finished", ended="2026-01-02T04:00:00Z")
    origin = Origin(1, HOSTILE, ("x",), "imitation", "{}", "opengl", "2", 0)
    write_frames(
        [frame(ODD, origin), frame("c01-a-v01", origin)], str(done / "cycle-001/synthetic/part-0.parquet")
    )
    real = [frame("a")] + ([] if outside is None else [frame("b", image_uri=str(outside))])
    write_frames(real, str(done / "data/train/frames.parquet"))
    (done / "cycle-000" / "evaluation").mkdir()
    failures = [missed(each.frame_id) for each in real]
    write_failures(failures, str(done / "cycle-000/evaluation/failures.parquet"))
    (done / "curves.json").write_text(json.dumps({"cycle-000/main": [[10, 2.0], [20, 1.0]]}))
    (done / "report.html").write_text("<title>report</title>")
    make_run(folder / "broken", (0.2,), kind="kitti", how="failed", reason=f"no {HOSTILE} here")
    (folder / "cmp").mkdir()
    make_run(folder / "cmp" / "trials" / "real-0", (0.2,), how="finished")
    (folder / "cmp" / "comparison.yaml").write_text("data: {kind: world}\n")
    return folder


def set_work(run: Path, done: int) -> None:
    """What a driver would write of a training."""
    work = {
        "stage": "train", "title": "cycle 1: training", "cycle": 1, "detector": "main", "done": done,
        "total": 150, "began": "2026-01-02T03:04:05Z", "figures": {"loss": 1.5},
        "curve": [[10, 2.0], [done, 1.5]],
    }  # fmt: skip
    (run / "progress.json").write_text(json.dumps({"at": "2026-01-02T03:04:05Z", "work": [work]}))
