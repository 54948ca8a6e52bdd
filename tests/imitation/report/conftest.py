"""Made-up runs, failures and frames for the report's tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imitation.data.images import encode_png
from imitation.data.records import Box, Frame, Object, Origin
from imitation.datasets.parquet.files import write_frames
from imitation.evaluation.failures import Failure, write_failures
from imitation.report.run.record import Cycle, Run, Summary

CATEGORIES = ("car", "truck")


def metrics(split: str, ap50: dict[str, float | None], loss: float = 0.5) -> dict[str, Any]:
    """Metrics of a split, as `Metrics.to_dict` gives them."""
    known = [value for value in ap50.values() if value is not None]
    return {
        "split": split,
        "iou": 0.5,
        "frames": 40,
        "errors": 0,
        "objects": 100,
        "detections": 80,
        "map50": sum(known) / len(known) if known else None,
        "map": None,
        "ap50": ap50,
        "ap": dict.fromkeys(ap50),
        "threshold": 0.375,
        "f1": 0.5,
        "precision": 0.6,
        "recall": 0.5,
        "zero_one_loss": loss,
        "failures": {"missed": 30, "background": 7},
    }


def cycle(number: int, test: dict[str, float | None], val: dict[str, float | None], **more: Any) -> Cycle:
    values: dict[str, Any] = {
        "label": "real" if number == 0 else f"real + sim, cycle {number}",
        "real_frames": 60,
        "synthetic_frames": 15 * number,
        "steps": 300,
        "images_seen": 2400,
        "seconds": {"train": 60.5, "evaluate": 4.0},
    }
    return Cycle.of(cycle=number, val=metrics("val", val), test=metrics("test", test), **values | more)


def run(**changes: Any) -> Run:
    values: dict[str, Any] = {
        "name": "trial",
        "seed": 3,
        "data_kind": "kitti",
        "title": "KITTI folder, one seed",
        "stand_in": False,
        "notes": [],
        "started": "2025-01-01T00:00:00Z",
        "commit": None,
        "machine": "Linux, 2 CPUs",
        "packages": {"ray": "2.60.0", "moderngl": None},
    }
    return Run(**values | changes)


MINED = {
    "split": "train, out of fold",
    "failures": {"missed": 12},
    "modes": {"car, missed, occluded": 8, "truck, missed, plain": 4},
    "out_of_reach": {"the simulator has no asset for category 'tram'": 2},
}
SIMULATED = {
    "requests": 8,
    "rendered": 15,
    "set_aside": [{"scene_id": "c01-7-v01", "kind": "hung", "reason": "no answer in 60 s", "attempts": 2}],
    "frames_per_second": 6.5,
}


@pytest.fixture
def make_summary() -> Callable[..., Summary]:
    """A summary of a baseline and two cycles, of which the first is best on val; fields can be changed."""

    def make(categories: Sequence[str] = CATEGORIES, **changes: Any) -> Summary:
        def ap(*values: float | None) -> dict[str, float | None]:
            return dict(zip(categories, [*values, *[0.25] * (len(categories) - len(values))]))

        values: dict[str, Any] = {
            "run": run(),
            "categories": categories,
            "splits": {"train": 60, "val": 40, "test": 40},
            "cycles": [
                cycle(0, ap(0.5, 0.25), ap(0.4, 0.2), mined=MINED),
                cycle(1, ap(0.612, 0.35), ap(0.7, 0.5), mined=MINED, simulated=SIMULATED),
                cycle(2, ap(0.9, 0.75), ap(0.6, 0.4), simulated=SIMULATED),
            ],
            "best_cycle": 1,
            "stop_reason": "cycles: all 2 imitation cycles asked for are done.",
            "seconds_total": 193.5,
        }
        return Summary.of(**values | changes)

    return make


def statuses(fixed: int, persistent: int, new: int, regressed: int, unjudged: int = 0) -> dict[str, int]:
    return dict(
        zip(
            ("fixed", "persistent", "new", "regressed", "unjudged"),
            (fixed, persistent, new, regressed, unjudged),
        )
    )


def followed(*counts: int, reasons: dict[str, int] | None = None) -> dict[str, Any]:
    """As `count_followed` gives it: all of it missed cars at the right edge."""
    whole = statuses(*counts)
    return {
        **whole,
        "by_kind": {"missed": whole},
        "by_mode": {"car, right edge": whole},
        "changed": {"missed to localization": 1},
        "reasons": reasons or {},
    }


def findings(number: int) -> dict[str, Any]:
    """A cycle's findings on test, as the metrics' `to_dict` give them."""
    gain = 0.02 * number
    kinds = ("missed", "localization", "classification", "both", "duplicate", "background")
    lost = {kind: round(0.12 / (i + 1) - gain / (i + 1), 4) for i, kind in enumerate(kinds)}

    def part(
        attribute: str, value: str, objects: int, ap50: float | None, few: bool = False
    ) -> dict[str, Any]:
        told = ap50 is not None
        return {
            "attribute": attribute,
            "value": value,
            "frames": objects // 2,
            "objects": objects,
            "ap50": None if ap50 is None else ap50 + gain,
            "ap50_low": ap50 - 0.08 if ap50 is not None else None,
            "ap50_high": ap50 + 0.09 if ap50 is not None else None,
            "recall": 0.5 if told else None,
            "recall_low": 0.4 if told else None,
            "recall_high": 0.6 if told else None,
            "few": few,
        }

    def mode(name: str, failures: int, objects: int, lost_ap: float, **kinds: int) -> dict[str, Any]:
        counts = {"failures": failures, "objects": objects, "frames": failures // 2}
        return {"mode": name, "kinds": kinds, "lost_ap": lost_ap, **counts}

    return {
        "protocols": {
            "test": {
                "kitti": {
                    "car": {
                        level: {"ap_r40": ap + gain, "ap_r11": ap + gain}
                        for level, ap in (("easy", 0.8), ("moderate", 0.6), ("hard", 0.5))
                    },
                    "truck": None,
                }
            }
        },
        "errors": {
            "test": {
                "ap": 0.5,
                "lost": lost,
                "share": {kind: value / sum(lost.values()) for kind, value in lost.items()},
                "counts": dict.fromkeys(kinds, 12),
                "false_positives": 0.05,
                "false_negatives": 0.2,
            }
        },
        "slices": {
            "test": [
                part("size", "under 25 px", 31, 0.22),
                part("size", "25-40 px", 55, 0.47),
                part("size", "160 px and more", 7, 0.74, few=True),
                part("condition: weather", "rain", 24, None),
            ]
        },
        "calibration": {
            "test": {
                "overall": {
                    "ece": 0.125 - gain,
                    "bins": [
                        {"low": 0.1 * i, "high": 0.1 * i + 0.1, "count": 40 - 4 * i}
                        | (
                            {"confidence": 0.1 * i + 0.05, "precision": 0.1 * i}
                            if i
                            else {"confidence": None, "precision": None}
                        )
                        for i in range(10)
                    ],
                },
                "categories": {},
            }
        },
        "modes": {
            "test": [
                mode("car, right edge", 30 - 8 * number, 60, 0.081 - gain, missed=30 - 8 * number),
                mode("truck on nothing, under 25 px", 12, 19, 0.034, background=12),
                mode("car, missed, the rest", 9, 140, 0.0125, missed=9),
            ]
        },
        "followed": None
        if number == 0
        else {
            "test": followed(14 - number, 25, 3, 4 + number),
            "mine": followed(
                31,
                40,
                9,
                12,
                reasons={"in reach: frames were rendered for it": 30, "too few pixels: under 12 px high": 10},
            ),
        },
    }


CHURN = {"seed": 4, "mAP": {"test": 0.395, "val": None}, "followed": {"test": followed(10, 29, 3, 8)}}
SUSPECTS = [
    {
        "frame_id": f"f{i}",
        "predicted": "car",
        "score": 0.95 - 0.01 * i,
        "box": [80.0, 20.0, 120.0, 45.0],
        "evaluations": ["cycle 2", "cycle 1", "seed 4"],
        "failure_id": f"f{i}#background-d0",
    }
    for i in range(5)
]


@pytest.fixture
def make_found(make_summary: Callable[..., Summary]) -> Callable[..., Summary]:
    """`make_summary` with every finding: modes, slices, what became of failures, chance, suspects."""

    def make(**changes: Any) -> Summary:
        data = make_summary().to_dict()
        for number, entry in enumerate(data["cycles"]):
            entry.update(findings(number))
        return Summary.from_dict(data | {"churn": CHURN, "suspected_label_errors": SUSPECTS} | changes)

    return make


def image(seed: int, width: int = 160, height: int = 90) -> bytes:
    return encode_png(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


def missed(frame_id: str, index: int, box: Box, category: str = "car", kind: str = "missed") -> Failure:
    return Failure(
        failure_id=f"{frame_id}#{kind}-o{index}",
        frame_id=frame_id,
        split="mine",
        detector="fold-0",
        kind=kind,
        category=category,
        predicted=None,
        object_index=index,
        object_box=box,
        detection_box=None,
        score=None,
        iou=0.0,
        height_px=box.height,
        occlusion=0.5,
        truncation=0.25,
        distance_m=22.0,
    )


def invented(frame_id: str, box: Box, rank: int = 0) -> Failure:
    return Failure(
        failure_id=f"{frame_id}#background-d{rank}",
        frame_id=frame_id,
        split="mine",
        detector="fold-0",
        kind="background",
        category=None,
        predicted="car",
        object_index=None,
        object_box=None,
        detection_box=box,
        score=0.75,
        iou=0.05,
        height_px=box.height,
    )


BOX = Box(30, 30, 70, 50)


@pytest.fixture
def rendered_run(tmp_path: Path) -> Path:
    """Six real frames with one missed object each; frames 0, 2 and 4 had two frames rendered for them,
    in shuffled order; a free scene is among the synthetic frames too."""
    real = [Frame(f"f{i}", 160, 90, (Object("car", BOX),), image=image(i)) for i in range(6)]
    write_frames(real, str(tmp_path / "real.parquet"), rows_per_group=2)
    failures = [missed(f"f{i}", 0, BOX) for i in range(6)]
    write_failures(failures, str(tmp_path / "failures.parquet"))
    synthetic = [
        Frame(
            f"c01-f{i}-v{v:02d}",
            160,
            90,
            (Object("car", Box(35, 32, 77, 53)), Object("truck", Box(100, 10, 150, 60))),
            image=image(100 + 10 * i + v),
            origin=Origin(1, f"f{i}", (f"f{i}#missed-o0",), "imitation", "{}", "toy", "1", v),
        )
        for v in (1, 0)
        for i in (4, 0, 2)
    ]
    free = Frame("free", 160, 90, image=image(9), origin=Origin(1, None, (), "random", "{}", "toy", "1", 0))
    (tmp_path / "synthetic").mkdir()
    write_frames(synthetic[:3], str(tmp_path / "synthetic" / "part-00000.parquet"))
    write_frames([*synthetic[3:], free], str(tmp_path / "synthetic" / "part-00001.parquet"))
    return tmp_path
