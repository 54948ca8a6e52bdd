"""A detector as ONNX finds what it finds in PyTorch, and the file says how to use it."""

import contextlib
import importlib.util
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imitation.common.settings import UserError
from imitation.detectors.checkpoint import export_onnx, load_checkpoint, save_checkpoint
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings

if any(importlib.util.find_spec(name) is None for name in ("onnxruntime", "onnxscript")):
    pytest.skip("the extra onnx is not installed", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[4]
CATEGORIES = ("car", "truck", "person")
SETTINGS = DetectorSettings(
    backbone="resnet10", weights=None, features=16, width=128, height=72, max_detections=40
)
TRAINED_ON = {"real": ["/data/of/mine/train.parquet"], "steps": 3}


def save(settings: DetectorSettings, folder: Path) -> Path:
    """A checkpoint whose detector is not trained, but sees something, with scores far apart."""
    torch.manual_seed(0)
    model = build_detector(settings, len(CATEGORIES))
    for name, value in model.named_parameters():
        if name.startswith("output.") or "cls_logits" in name:
            # RetinaNet's towers normalise nothing: by more, all its scores are 1 and none is before another
            torch.nn.init.normal_(value, std=0.005 if settings.name.startswith("retinanet") else 0.5)
        elif "classification_head" in name and name.endswith("1.weight"):
            torch.nn.init.normal_(value, std=0.05)
    if settings.name != "grid":
        _settle(model.network)
    save_checkpoint(str(folder), model.state_dict(), settings, CATEGORIES, TRAINED_ON, 0.3)
    return folder


def _settle(network: torch.nn.Module) -> None:
    """Batch norms that fit random weights: else little of a picture arrives at the heads."""
    for module in network.train().modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.head(list(network.backbone(torch.randn(2, 3, 320, 320)).values()))


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[Path, Path]:
    """A grid detector's checkpoint and its ONNX file."""
    folder = save(SETTINGS, tmp_path_factory.mktemp("grid"))
    export_onnx(str(folder), str(folder / "model.onnx"))
    return folder, folder / "model.onnx"


def pictures(count: int, height: int, width: int) -> np.ndarray:
    """Smooth ones, of which a resized pixel is not decided by the last bit of a filter."""
    small = np.random.default_rng(height).integers(0, 255, (count, 6, 9, 3), dtype=np.uint8)
    large = [Image.fromarray(one).resize((width, height), Image.Resampling.BICUBIC) for one in small]
    return np.stack([np.asarray(one) for one in large])


def session_of(path: str):
    import onnxruntime  # seconds, which the quick tests do without

    return onnxruntime.InferenceSession(path)


def found_by(session, images: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, {"images": images})))


def check_agreement(session, folder: Path, images: np.ndarray) -> int:
    """What both find in these images, each detection with its partner; how many that are.

    The two resize to within a grey level of each other, which an untrained detector may tell by another
    category: then one in ten may have no partner.
    """
    resized = images.shape[1:3] != (SETTINGS.height, SETTINGS.width)
    alone = 0
    found = found_by(session, images)
    predictor, _ = load_checkpoint(str(folder), precision="fp32")
    total = 0
    for row, expected in enumerate(predictor.predict(list(images))):
        there = found["labels"][row] > 0
        assert abs(there.sum() - len(expected.scores)) <= resized * len(expected.scores) / 10
        assert not found["scores"][row][~there].any()
        assert not found["boxes"][row][~there].any()
        assert np.all(np.diff(found["scores"][row]) <= 0)
        boxes, scores = found["boxes"][row][there], found["scores"][row][there]
        free = np.ones(there.sum(), dtype=bool)
        for box, score, label in zip(expected.boxes, expected.scores, expected.labels):
            distance = np.abs(boxes - box).max(axis=1) + 1e3 * np.abs(scores - score)
            distance[~free | (found["labels"][row][there] != label)] = np.inf
            if distance.min() < 1:  # px, and thousandths of the score
                free[distance.argmin()] = False
            else:
                assert resized, (box, score, label)
                alone += 1
        total += len(expected.scores)
    assert total, "nothing was compared"
    assert alone <= total / 10
    return total


@pytest.mark.slow
def test_boxes_come_out_in_the_pixels_of_pictures_of_any_size_and_number(exported):
    folder, path = exported
    session = session_of(str(path))
    for count, height, width in ((2, 72, 128), (3, 150, 301), (1, 40, 50)):
        check_agreement(session, folder, pictures(count, height, width))


@pytest.mark.slow
def test_occlusion_goes_with_its_detection(exported):
    folder, path = exported
    images = pictures(2, 72, 128)
    found = found_by(session_of(str(path)), images)
    predictor, _ = load_checkpoint(str(folder), precision="fp32")
    for row, expected in enumerate(predictor.predict(list(images))):
        np.testing.assert_allclose(
            found["occlusion"][row][: len(expected.scores)], expected.occlusion, atol=1e-3
        )


@pytest.mark.slow
def test_the_file_says_how_it_is_used_and_nothing_of_where_it_was_made(exported):
    folder, path = exported
    session = session_of(str(path))
    notes = session.get_modelmeta().custom_metadata_map
    assert json.loads(notes["categories"]) == list(CATEGORIES)
    assert json.loads(notes["operating_threshold"]) == 0.3
    assert not {"mean", "std"} & set(notes), "the graph normalises; whoever reads them would do it again"
    assert "uint8 (batch, height, width, 3)" in notes["input"]
    assert [output.name for output in session.get_outputs()] == ["boxes", "labels", "scores", "occlusion"]
    data = path.read_bytes()
    for path_of_this_machine in (str(ROOT), str(folder), str(Path(torch.__file__).parent), "/data/of/mine"):
        assert path_of_this_machine.encode() not in data
    assert b"stack_trace" not in data


@pytest.mark.slow
def test_the_guides_ten_lines_find_what_predict_finds(exported, tmp_path, monkeypatch):
    """The snippet as it stands in the guide, in a folder with a model.onnx and a photo.jpg."""
    folder, path = exported
    section = (ROOT / "docs/guide.md").read_text().partition("\n## ONNX\n")[2].partition("\n## ")[0]
    (snippet,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (tmp_path / "model.onnx").write_bytes(path.read_bytes())
    # of the network's size: what resizing changes is looked at above
    Image.fromarray(pictures(1, 72, 128)[0]).save(tmp_path / "photo.jpg", quality=95)
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(snippet, {})  # noqa: S102  # the words of our own guide
    predictor, info = load_checkpoint(str(folder), precision="fp32")
    (expected,) = predictor.predict([np.asarray(Image.open("photo.jpg").convert("RGB"))])
    kept = expected.scores >= info.operating_threshold
    lines = printed.getvalue().splitlines()
    assert kept.any()
    assert [line.split()[0] for line in lines] == [CATEGORIES[label - 1] for label in expected.labels[kept]]
    scores = [float(line.split()[1]) for line in lines]
    np.testing.assert_allclose(scores, expected.scores[kept], atol=1e-3)


@pytest.mark.slow
@pytest.mark.long
def test_the_network_alone_gives_its_proposals(tmp_path):
    settings = SETTINGS.model_copy(update={"height": 64, "clustering": "dbscan"})
    folder = save(settings, tmp_path)
    export_onnx(str(folder), str(tmp_path / "raw.onnx"), raw=True)
    session = session_of(str(tmp_path / "raw.onnx"))
    assert [value.name for value in session.get_outputs()] == ["boxes", "scores", "occlusion"]
    predictor, _ = load_checkpoint(str(folder), precision="fp32")
    for batch in (1, 3):
        images = torch.rand(batch, 3, 64, 128)
        with torch.inference_mode():
            expected = predictor.model.proposals(images)
        for ours, theirs in zip(expected, session.run(None, {"images": images.numpy()})):
            np.testing.assert_allclose(theirs, ours.numpy(), rtol=1e-3, atol=1e-3)
    notes = session.get_modelmeta().custom_metadata_map
    assert "float32 (batch, 3, 64, 128)" in notes["input"]
    assert "left to do" in notes["outputs"]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name", ["fcos_resnet50_fpn", "retinanet_resnet50_fpn", "ssdlite320_mobilenet_v3_large"]
)
def test_torchvisions_one_stage_detectors_agree_too(name, tmp_path):
    folder = save(
        DetectorSettings(name=name, weights=None, width=128, height=72, max_detections=40), tmp_path
    )
    export_onnx(str(folder), str(tmp_path / "model.onnx"))
    session = session_of(str(tmp_path / "model.onnx"))
    for count, height, width in ((2, 72, 128), (3, 150, 301)):
        check_agreement(session, folder, pictures(count, height, width))


@pytest.mark.parametrize(
    ("changes", "raw", "message"),
    [
        ({"name": "fasterrcnn_mobilenet_v3_large_fpn"}, False, "two-stage detector such as Faster R-CNN"),
        ({"clustering": "dbscan"}, False, "'dbscan' cannot be exported.*--raw"),
        ({"height": 70}, True, "multiples of 32"),
        ({"name": "ssdlite320_mobilenet_v3_large"}, True, "has no proposals"),
    ],
)
def test_what_cannot_be_exported_says_why(changes, raw, message, tmp_path):
    settings = SETTINGS.model_copy(update=changes)
    save_checkpoint(str(tmp_path), build_detector(settings, 3).state_dict(), settings, CATEGORIES, {})
    with pytest.raises(UserError, match=message):
        export_onnx(str(tmp_path), str(tmp_path / "x.onnx"), raw=raw)
