"""Which numbers a detector computes in, and which of its layers are trained."""

from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from imitation.detectors import precision
from imitation.detectors.backbones import Backbone, build_backbone
from imitation.detectors.precision import autocast, has_bf16, resolve
from imitation.detectors.predictor import Predictor
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings
from imitation.training.batches import Batches, SamplePlan
from imitation.training.distributed import Distributed
from imitation.training.loop import start, train
from imitation.training.samples import ArraySource
from imitation.training.settings import TrainSettings

CPU = torch.device("cpu")
SIZE = (64, 32)
SETTINGS = TrainSettings(steps=3, batch_size=2, warmup=1, learning_rate=1e-3)


def detector(**changes: Any) -> DetectorSettings:
    given = {"backbone": "resnet10", "weights": None, "features": 16, "width": SIZE[0], "height": SIZE[1]}
    return DetectorSettings(**(given | changes))


def trained(numbers: str, settings: DetectorSettings | None = None) -> tuple[torch.nn.Module, list[dict]]:
    torch.manual_seed(0)
    model = build_detector(settings or detector(), 1)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8) for _ in range(4)]
    box = np.array([[8.0, 4, 40, 28]], np.float32)
    targets = [(box, np.ones(1, int), np.zeros(1, bool), np.zeros(1, np.float32))] * 4
    train_settings = SETTINGS.model_copy(update={"precision": numbers})
    plan = SamplePlan(np.zeros(4), 2, seed=0)
    with Batches(ArraySource(images, targets), plan, *SIZE, SETTINGS.augment, start=0, stop=3) as batches:
        state = train(start(model, train_settings), batches, train_settings, CPU)
    return model, state.history


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"amx_bf16": False, "avx512_bf16": True}, True),
        ({"avx512_f": True, "amx_bf16": False}, False),
        ({}, False),
    ],
)
def test_the_processor_says_whether_it_has_units(
    said: dict[str, bool], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: said)
    assert has_bf16(CPU) is wanted


@pytest.mark.parametrize("has", [True, False])
def test_auto_is_bf16_where_there_are_units_and_on_a_cpu_for_who_says_so(
    has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: has)
    grid, other = build_detector(detector(), 1), torch.nn.Conv2d(3, 4, 3)
    assert resolve("auto", torch.device("cuda"), other) == ("bf16" if has else "fp32")
    assert resolve("auto", CPU, grid) == ("bf16" if has else "fp32")
    assert resolve("auto", CPU, other) == "fp32"
    for asked in ("fp32", "bf16"):
        assert resolve(asked, CPU, other) == Distributed().agreed(asked, CPU, other) == asked


def test_the_forward_pass_takes_the_numbers_asked_for() -> None:
    layer = torch.nn.Conv2d(3, 4, 3)
    for numbers, wanted in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with torch.inference_mode(), autocast(numbers, CPU, layer):
            assert layer(torch.zeros(1, 3, 8, 8)).dtype == wanted


def test_bf16_trains_to_nearly_the_same_losses_and_to_the_same_weights_each_time() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        exact, (first, *_) = trained("fp32")
        model, history = trained("bf16")
        again, _ = trained("bf16")
    finally:
        torch.set_num_threads(threads)
    assert history[0]["loss"] == pytest.approx(first["loss"], rel=0.03)
    assert history[0] != first
    for name, value in model.state_dict().items():
        assert value.dtype in (torch.float32, torch.int64), name
        assert torch.equal(value, again.state_dict()[name]), name
    moved = [p for p, q in zip(model.parameters(), exact.parameters()) if not torch.equal(p, q)]
    assert moved, "bf16 left no trace: nothing was cast"


def test_a_predictor_computes_as_it_is_told() -> None:
    torch.manual_seed(0)
    model = build_detector(detector(score_floor=0.0), 1)
    image = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    found = {p: Predictor(model, ["car"], *SIZE, precision=p).predict([image])[0] for p in ("fp32", "bf16")}
    assert found["bf16"].scores.dtype == np.float32
    assert not np.array_equal(found["fp32"].scores, found["bf16"].scores)
    assert found["bf16"].scores[:5] == pytest.approx(found["fp32"].scores[:5], rel=0.05)


@pytest.mark.parametrize("name", ["resnet10", "resnet18", "efficientnet_lite0"])
def test_the_last_layers_are_trained_the_first_are_not(name: str) -> None:
    whole = build_backbone(name, None)
    layers = whole.layers()
    assert len(layers) == 5
    held = [parameter for layer in layers for module in layer for parameter in module.parameters()]
    assert {id(p) for p in held} == {id(p) for p in whole.parameters()}, "a layer is in none of the five"
    for trainable in range(6):
        backbone = build_backbone(name, None, trainable).train()
        for number, layer in enumerate(backbone.layers()):
            kept = number < 5 - trainable
            for module in layer:
                assert all(p.requires_grad is not kept for p in module.parameters())
                assert module.training is not kept


def test_without_a_word_trained_weights_are_kept_in_the_first_layers() -> None:
    def trained_layers(weights: str | None, layers: int | None) -> int:
        backbone = build_backbone("efficientnet_lite0", weights, layers)
        return sum(next(layer[0].parameters()).requires_grad for layer in backbone.layers())

    assert trained_layers("DEFAULT", None) == 2
    assert trained_layers(None, None) == 5, "random weights are trained, all of them"
    assert trained_layers("DEFAULT", 5) == 5


def test_frozen_layers_keep_weights_and_statistics() -> None:
    torch.manual_seed(0)
    before = build_detector(detector(trainable_layers=2), 1).backbone
    after = trained("fp32", detector(trainable_layers=2))[0].backbone
    assert isinstance(before, Backbone)
    assert isinstance(after, Backbone)
    for number, (old, new) in enumerate(zip(before.layers(), after.layers())):
        values = [
            (a, b) for x, y in zip(old, new) for a, b in zip(x.state_dict().values(), y.state_dict().values())
        ]
        same = [torch.equal(a, b) for a, b in values]
        assert all(same) if number < 3 else not any(same[:1]), number


@pytest.mark.parametrize("layers", [None, 0, 2])
def test_torchvision_is_told_in_its_own_word(layers: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    name, given = "ssdlite320_mobilenet_v3_large", {}

    def factory(**options: Any) -> torch.nn.Module:
        given.update(options)
        return torch.nn.Identity()

    monkeypatch.setattr(torchvision.models.detection, name, factory)
    build_detector(DetectorSettings(name=name, weights=None, trainable_layers=layers), 1)
    assert given.get("trainable_backbone_layers") == layers
