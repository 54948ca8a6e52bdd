"""The evaluation pass: frames through detector actors, rows out, bad pictures told."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster.config.evaluate import EvaluateSettings
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from imitation.common.settings import DataError, UserError
from imitation.data.categories import CategoryMap
from imitation.data.images import decode_image
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import write_frames
from imitation.detectors.checkpoint import load_checkpoint, save_checkpoint
from imitation.detectors.settings import DetectorSettings
from imitation.evaluation.detection_files import read_detections

CATEGORIES = CategoryMap.identity(("car", "truck"))
SETTINGS = EvaluateSettings(batch_size=4, threads=1)


def picture(seed: int, quality: int = 90) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 128, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=quality)
    return sink.getvalue()


def frame(name: str, seed: int, image: bytes | None = None) -> Frame:
    objects = (Object("car", Box(10, 10, 40, 30)), Object("boat", Box(50, 10, 80, 30)))
    return Frame(name, 128, 64, objects, image=image or picture(seed))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> dict[str, str]:
    import torch

    from imitation.detectors.registry import build_detector

    detector = DetectorSettings(
        backbone="resnet10", weights=None, features=16, width=128, height=64, score_floor=0.0
    )
    found = {}
    for seed, name in enumerate(("main", "fold-0")):
        torch.manual_seed(seed)
        model = build_detector(detector, 2)
        found[name] = str(tmp_path_factory.mktemp("checkpoints") / name)
        save_checkpoint(found[name], model.state_dict(), detector, CATEGORIES.categories, {})
    return found


def test_every_frame_gets_one_row_a_detector_and_the_detectors_own_words(ray_session, checkpoints, tmp_path):
    val, train = str(tmp_path / "val"), str(tmp_path / "train")
    frames = [frame(f"s{i}", i) for i in range(6)]
    write_frames(frames, val + "/a.parquet")
    write_frames([frame(f"t{i}", 10 + i) for i in range(3)], train + "/a.parquet")
    parts = [
        EvaluationPart(val, "val", ("main", "fold-0")),
        EvaluationPart(train, "mine", only={"t0": "fold-0", "t2": "main"}),
    ]
    seen: list[int] = []
    out = str(tmp_path / "detections.parquet")
    done = evaluate(parts, checkpoints, CATEGORIES, out, SETTINGS, progress=seen.append)
    rows = list(read_detections(out))
    asked = {(f"s{i}", name) for i in range(6) for name in checkpoints} | {("t0", "fold-0"), ("t2", "main")}
    assert {(row.frame_id, row.detector) for row in rows} == asked
    assert done["rows"] == len(rows) == len(asked) == seen[-1]
    predictor, _ = load_checkpoint(checkpoints["main"])
    for row in rows:
        assert row.split == ("val" if row.frame_id[0] == "s" else "mine")
        assert row.objects.labels.tolist() == [1], "a boat is background to this detector"
        if row.detector == "main" and row.split == "val":
            given = frames[int(row.frame_id[1:])].image
            (expected,) = predictor.predict([decode_image(given, row.frame_id)])
            np.testing.assert_allclose(row.detections.scores, expected.scores, rtol=1e-3, atol=1e-5)


def test_a_truncated_picture_stops_or_is_listed_and_costs_no_other_frame(ray_session, checkpoints, tmp_path):
    data = str(tmp_path / "data.parquet")
    write_frames([frame("good", 0), frame("bad", 1, picture(1)[:300]), frame("fine", 2)], data)
    parts = [EvaluationPart(data, "test", ("main",))]
    out = tmp_path / "detections.parquet"
    with pytest.raises(DataError, match="bad"):
        evaluate(parts, checkpoints, CATEGORIES, str(out), SETTINGS)
    assert not out.exists(), "nothing half written is left"
    done = evaluate(parts, checkpoints, CATEGORIES, str(out), SETTINGS, on_error="skip")
    rows = {row.frame_id: row for row in read_detections(str(out))}
    assert set(rows) == {"good", "bad", "fine"}
    assert rows["bad"].error is not None
    assert len(rows["bad"].detections) == 0
    assert rows["good"].error is None
    assert len(done["errors"]) == 1
    assert list(Path(tmp_path).glob("*.tmp")) == []


def test_a_detector_that_breaks_the_convention_late_is_a_sentence_and_no_page_of_rays(
    ray_session, tmp_path, capfd
):
    from tests.cluster.toy_detector import LateDetector

    late = DetectorSettings(name="tests.cluster.toy_detector:make_late", width=128, height=64)
    checkpoint = str(tmp_path / "late")
    save_checkpoint(checkpoint, LateDetector(0.0).state_dict(), late, CATEGORIES.categories, {})
    data = str(tmp_path / "data.parquet")
    write_frames([frame(f"s{i}", i) for i in range(4)], data)
    out = tmp_path / "detections.parquet"
    with pytest.raises(UserError, match=r"\(LateDetector\) gave a Tensor of shape \(4, 6\) in evaluation"):
        evaluate(
            [EvaluationPart(data, "test", ("main",))], {"main": checkpoint}, CATEGORIES, str(out), SETTINGS
        )
    assert not out.exists(), "nothing half written is left"
    assert "RayTaskError" not in capfd.readouterr().err
