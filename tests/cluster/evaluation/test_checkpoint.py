"""`imitate evaluate` on a folder: metrics that agree with the rows it leaves, to be compared later."""

import json
from pathlib import Path

import numpy as np
import pytest

from cluster.cli.main import main
from imitation.data.images import encode_png
from imitation.detectors.checkpoint import save_checkpoint
from imitation.detectors.settings import DetectorSettings
from imitation.evaluation.detection_files import read_categories, read_detections
from imitation.metrics.summary import Metrics, summarize

CALIB = "P2: 700 0 64 0 0 700 32 0 0 0 1 0\n"
LABELS = (
    "Car 0.00 0 0 10.00 10.00 60.00 55.00 1.50 1.60 3.90 -4 1.65 20.00 0.00\n"
    "Van 0.00 1 0 70.00 10.00 120.00 55.00 2.00 1.90 5.00 4 1.65 25.00 0.00\n"
    "DontCare -1 -1 -10 0.00 0.00 9.00 9.00 -1 -1 -1 -1000 -1000 -1000 -10\n"
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "kitti"
    for folder in ("image_2", "label_2", "calib"):
        (root / "training" / folder).mkdir(parents=True)
    for i in range(9):
        pixels = np.random.default_rng(i).integers(0, 255, (64, 128, 3), dtype=np.uint8)
        (root / f"training/image_2/{i:06}.png").write_bytes(encode_png(pixels))
        (root / f"training/label_2/{i:06}.txt").write_text(LABELS)
        (root / f"training/calib/{i:06}.txt").write_text(CALIB)
    (root / "training/image_2/000008.png").write_bytes(b"cut short")
    (root / "ImageSets").mkdir()
    (root / "ImageSets/train.txt").write_text("000000\n")
    (root / "ImageSets/val.txt").write_text("000001\n")
    (root / "ImageSets/test.txt").write_text("".join(f"{i:06}\n" for i in range(2, 9)))
    return root


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    import torch

    from imitation.datasets.kitti.reader import KittiReader
    from imitation.detectors.registry import build_detector

    kitti = KittiReader.categories
    settings = DetectorSettings(
        backbone="resnet10", weights=None, features=16, width=128, height=64, score_floor=0.0
    )
    torch.manual_seed(0)
    model = build_detector(settings, len(kitti.categories))
    folder = str(tmp_path / "checkpoint")
    save_checkpoint(
        folder,
        model.state_dict(),
        settings,
        kitti.categories,
        {"category_map": kitti.to_json()},
    )
    return folder


def test_an_evaluation_says_everything_and_can_be_compared(ray_session, data, checkpoint, tmp_path, capsys):
    out = tmp_path / "evaluation"
    words = ["data.kind=kitti", f"data.root={data}", "data.on_error=skip", "evaluate.threads=1"]
    assert main(["evaluate", checkpoint, *words, "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((out / "metrics.json").read_text())
    assert (told["frames"], told["errors"]) == (6, 0)
    assert len(told["errors_listed"]) == 1
    assert "000008.png" in told["errors_listed"][0]

    uri = str(out / "detections.parquet")
    assert read_categories(uri) == ("Car", "Pedestrian", "Cyclist")
    again = summarize(lambda: read_detections(uri), read_categories(uri), "test", told["threshold"])
    assert Metrics.from_dict(told) == again
    for row in read_detections(uri):
        assert list(row.objects.category) == ["Car", "Van", "DontCare"]
        assert row.objects.ignore.tolist() == [False, True, True]

    assert set(told["error_types"]["lost"]) == set(told["failures"])
    recall = {(part["attribute"], part["value"]): part["recall"] for part in told["slices"]}
    assert recall[("category", "Car")] == pytest.approx(told["recall"])
    counts = sum(mode["failures"] for mode in told["modes"])
    assert counts == sum(told["failures"].values())
    assert set(told["kitti"]) == {"Car", "Pedestrian", "Cyclist"}

    assert main(["compare", str(out), str(out), "--json", "--resamples", "50"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert "not distinguishable" in compared["conclusion"]

    # every frame, whatever its split, once; as tables for people
    everything = tmp_path / "everything"
    assert main(["evaluate", checkpoint, *words, "--split", "all", "--out", str(everything)]) == 0
    out_text = capsys.readouterr().out
    rows = list(read_detections(str(everything / "detections.parquet")))
    assert {row.split for row in rows} == {"all"}
    ids = [row.frame_id for row in rows]
    lists = (data / "ImageSets").glob("*.txt")
    named = {name for path in lists for name in path.read_text().split()}
    assert sorted(ids) == sorted(named - {"000008"})
    text = " ".join(out_text.split())
    metrics = json.loads((everything / "metrics.json").read_text())
    assert f"on all: {len(ids)} frames, {metrics['objects']} objects" in text
    assert f"all: mAP50, mAP@[.5:.95] {100 * metrics['map50']:.1f} {100 * metrics['map']:.1f}" in text
    assert "KITTI's own counting" in text or all(v is None for v in metrics["kitti"].values())
    assert all(len(line) <= 80 for line in out_text.splitlines() if "/" not in line)
