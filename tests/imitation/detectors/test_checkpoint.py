"""The checkpoint: what is saved is what is loaded, and damage is noticed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from imitation.common.settings import UserError
from imitation.detectors import checkpoint
from imitation.detectors.checkpoint import (
    copy_checkpoint,
    is_checkpoint,
    load_checkpoint,
    read_info,
    save_checkpoint,
    set_operating_threshold,
)
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings

SETTINGS = DetectorSettings(
    backbone="resnet10", weights=None, features=16, width=128, height=64, score_floor=0.0
)
CATEGORIES = ("car", "truck", "person")


@pytest.fixture
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_detector(SETTINGS, len(CATEGORIES)).eval()


@pytest.fixture
def folder(model: torch.nn.Module, tmp_path: Path) -> Path:
    save_checkpoint(str(tmp_path / "best"), model.state_dict(), SETTINGS, CATEGORIES, {"steps": 3})
    return tmp_path / "best"


def test_a_loaded_checkpoint_detects_as_the_model_did(model: torch.nn.Module, folder: Path) -> None:
    predictor, info = load_checkpoint(str(folder), precision="fp32")
    image = np.random.default_rng(0).integers(0, 255, (64, 128, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = model([torch.from_numpy(image).permute(2, 0, 1) / 255])[0]
    found = predictor.predict([image])[0]
    np.testing.assert_allclose(found.boxes, expected["boxes"].numpy(), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(found.scores, expected["scores"].numpy(), rtol=1e-5)
    assert predictor.categories == CATEGORIES
    assert info.trained_on == {"steps": 3}
    assert info.preprocessing.mean == (0.485, 0.456, 0.406)
    assert info.preprocessing.colour_order == "RGB"
    assert info.versions["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_threshold_and_copy(folder: Path, tmp_path: Path) -> None:
    assert read_info(str(folder)).operating_threshold is None
    set_operating_threshold(str(folder), 0.4)
    copied = copy_checkpoint(str(folder), str(tmp_path / "copy"))
    assert copied.operating_threshold == 0.4
    assert copied.operating.by_category == {}
    assert load_checkpoint(str(tmp_path / "copy"))[1] == read_info(str(folder))
    told = set_operating_threshold(str(folder), 0.4, {copied.categories[0]: 0.25})
    assert read_info(str(folder)) == told
    assert told.operating.cutoff(told.categories)[0] == 0.25
    with pytest.raises(ValueError, match="less than or equal to 1"):
        set_operating_threshold(str(folder), 1.5)


def test_missing_damaged_and_mismatching_files_are_named(folder: Path, tmp_path: Path) -> None:
    path, weights = folder / "detector.json", folder / "weights.pt"
    with pytest.raises(UserError, match=r"no trained detector.*detector\.json is missing"):
        load_checkpoint(str(tmp_path / "nowhere"))
    text, data = path.read_text(), weights.read_bytes()

    weights.write_bytes(data[:-100])
    with pytest.raises(UserError, match=r"weights\.pt.*checksum"):
        load_checkpoint(str(folder))
    weights.unlink()
    with pytest.raises(UserError, match=r"weights\.pt"):
        load_checkpoint(str(folder))
    weights.write_bytes(data)

    values = json.loads(text)
    for changes, message in (
        ({"format": 99}, "format is 99"),
        ({"categories": []}, "categories"),
        ({"surprise": 1}, "surprise"),
        ({"categories": ["car"]}, "do not fit"),
        ({"detector": values["detector"] | {"features": 32}}, "do not fit"),
    ):
        path.write_text(json.dumps(values | changes))
        with pytest.raises(UserError, match=message):
            load_checkpoint(str(folder))
    path.write_text(text[:50])
    with pytest.raises(UserError, match=r"detector\.json"):
        load_checkpoint(str(folder))
    path.write_text(text)
    load_checkpoint(str(folder))


def test_an_interrupted_save_is_no_checkpoint(
    model: torch.nn.Module, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.storage, "write_bytes_atomic", stop)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(str(folder), model.state_dict(), SETTINGS, CATEGORIES, {})
    assert not is_checkpoint(str(folder))
