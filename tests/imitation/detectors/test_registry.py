"""Every way to get a detector, and what is said when there is none."""

import sys
import types
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from imitation.common.settings import UserError
from imitation.detectors.backbones import build_backbone
from imitation.detectors.registry import TORCHVISIONS, build_detector
from imitation.detectors.settings import DetectorSettings


@pytest.mark.parametrize("name", ["resnet10", "resnet18", "resnet50", "efficientnet_lite0"])
def test_backbones_give_the_strides_and_channels_they_promise(name: str) -> None:
    backbone = build_backbone(name, None).eval()
    with torch.inference_mode():
        features = backbone(torch.rand(1, 3, 64, 96))
    assert set(features) == set(backbone.channels) == {4, 8, 16, 32}
    for stride, map_ in features.items():
        assert map_.shape == (1, backbone.channels[stride], 64 // stride, 96 // stride)


def test_efficientnets_weights_come_with_its_package_and_the_normalisation_fits_them() -> None:
    trained = build_backbone("efficientnet_lite0", "DEFAULT").eval()
    noise = torch.rand(8, 3, 64, 64)
    # smooth, so that it looks more like a photo than white noise does
    images = nn.functional.avg_pool2d(noise.repeat_interleave(4, 2).repeat_interleave(4, 3), 5, 1, 2)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (trained.mean, trained.std))
    fresh = build_backbone("efficientnet_lite0", None).eval()
    assert not torch.equal(trained.stem[0].weight, fresh.stem[0].weight)
    norm = trained.stem[1]
    seen = trained.stem[0]((images - mean) / std)
    # the stem's means, in units of what it saw on ImageNet, lie within a few standard deviations
    assert ((seen.mean(dim=(0, 2, 3)) - norm.running_mean).abs() / norm.running_var.sqrt()).median() < 1


def test_resnet10_has_no_trained_weights() -> None:
    with pytest.raises(UserError, match="resnet10 has no pretrained weights"):
        build_backbone("resnet10", "DEFAULT")


def test_torchvisions_weights_are_loaded_by_its_own_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from torchvision.models import ResNet18_Weights, resnet18

    file = tmp_path / "checkpoints" / ResNet18_Weights.DEFAULT.url.rsplit("/", 1)[1]
    file.parent.mkdir()
    torch.manual_seed(3)
    network = resnet18(weights=None)
    torch.save(network.state_dict(), file)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    backbone = build_backbone("resnet18", "DEFAULT")
    assert torch.equal(backbone.stem[0].weight, network.conv1.weight)


def test_weights_that_cannot_be_fetched_are_a_persons_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from urllib.error import URLError

    def offline(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", offline)
    with pytest.raises(UserError, match=r"resnet18: its pretrained weights cannot be fetched.*no network"):
        build_backbone("resnet18", "DEFAULT")


@pytest.mark.parametrize(
    "name", ["fcos_resnet50_fpn", "ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_fpn"]
)
def test_torchvisions_detectors_train_and_predict(name: str) -> None:
    torch.manual_seed(0)
    model = build_detector(DetectorSettings(name=name, weights=None, width=96, height=64, score_floor=0.0), 2)
    targets = {
        "boxes": torch.tensor([[8.0, 8, 60, 50], [0, 0, 20, 20], [5, 5, 5, 9]]),
        "labels": torch.tensor([2, 0, 1]),
        "ignore": torch.tensor([False, True, False]),
        "occlusion": torch.tensor([torch.nan, torch.nan, 0.5]),
    }
    losses = model.train()([torch.rand(3, 64, 96)] * 2, [targets] * 2)
    total = sum(losses.values())
    assert torch.isfinite(total)
    total.backward()
    with torch.inference_mode():
        output = model.eval()([torch.rand(3, 64, 96)])[0]
    assert {"boxes", "labels", "scores"} <= output.keys()
    assert set(output["labels"].tolist()) <= {1, 2}


def test_input_sizes_reach_torchvisions_own_resizing() -> None:
    model = build_detector(DetectorSettings(name=TORCHVISIONS[0], weights=None, width=416, height=128), 1)
    assert (model.network.transform.min_size, model.network.transform.max_size) == ((128,), 416)


class Own(nn.Module):
    def __init__(self, settings: DetectorSettings, num_categories: int) -> None:
        super().__init__()
        self.size, self.num_categories = (settings.width, settings.height), num_categories


def test_anybodys_detector_by_import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("own_detectors")
    module.build, module.wrong = Own, lambda settings, num_categories: "a string"
    monkeypatch.setitem(sys.modules, "own_detectors", module)
    model = build_detector(DetectorSettings(name="own_detectors:build", width=64, height=32), 5)
    assert (model.size, model.num_categories) == ((64, 32), 5)
    with pytest.raises(UserError, match=r"own_detectors:wrong.*str, not a torch\.nn\.Module"):
        build_detector(DetectorSettings(name="own_detectors:wrong"), 5)
    for name in ("no_such_package:build", "own_detectors:absent"):
        with pytest.raises(UserError, match="cannot be imported"):
            build_detector(DetectorSettings(name=name), 5)


def test_unknown_names_and_impossible_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"no detector 'yolo'; known are grid, fcos_resnet50_fpn"):
        DetectorSettings(name="yolo")
    with pytest.raises(ValidationError, match="did you mean 'fcos_resnet50_fpn'"):
        DetectorSettings(name="fcos_resnet_50_fpn")
    with pytest.raises(UserError, match="no category"):
        build_detector(DetectorSettings(), 0)
    strides = [{"strides": wrong} for wrong in ((16, 8), (7,), ())]
    for wrong in ({"width": 416}, {"backbone": "vgg"}, *strides):
        with pytest.raises(ValidationError):
            DetectorSettings(**wrong)


def test_sizes_left_to_the_data() -> None:
    assert DetectorSettings(width=416, height=128).sized(1242, 375).width == 416
    left = DetectorSettings().sized(320, 96)
    assert (left.width, left.height) == (320, 96)
