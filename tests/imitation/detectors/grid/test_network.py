"""The grid detector: it learns, and its losses are what they should be."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from imitation.detectors.predictor import Predictor
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings, GridLossSettings
from imitation.training.batches import Batches, SamplePlan
from imitation.training.loop import start, train
from imitation.training.samples import ArraySource
from imitation.training.settings import AugmentSettings, TrainSettings

SMALL = DetectorSettings(backbone="resnet10", weights=None, features=16)


def target(boxes: list[list[float]], labels: list[int], **more: object) -> dict[str, Tensor]:
    values = {"boxes": torch.tensor(boxes).reshape(-1, 4), "labels": torch.tensor(labels, dtype=torch.long)}
    return values | more


@pytest.fixture
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_detector(SMALL, 2).train()


def matches(source: ArraySource, predictor: Predictor, threshold: float) -> tuple[int, int, int]:
    """Objects, detections above the threshold, and detections that match an object at IoU 0.5."""
    objects = detections = hits = 0
    for image, (boxes, labels, _, _) in zip(source.images, source.labels):
        found = predictor.predict([image])[0].above(threshold)
        objects += len(boxes)
        detections += len(found)
        for box, label in zip(boxes, labels):
            low = np.maximum(found.boxes[:, :2], box[:2])
            high = np.minimum(found.boxes[:, 2:], box[2:])
            inter = np.clip(high - low, 0, None).prod(axis=1)
            area = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1)
            union = area + (box[2:] - box[:2]).prod() - inter
            hits += bool(((inter / union >= 0.5) & (found.labels == label)).any())
    return objects, detections, hits


@pytest.mark.slow
def test_it_learns_a_handful_of_images_with_either_clustering(toy: Callable[[int, int], ArraySource]) -> None:
    source = toy(8, 0)
    settings = TrainSettings(steps=60, batch_size=4, warmup=5, augment=AugmentSettings(enabled=False))
    torch.manual_seed(0)
    detector = build_detector(DetectorSettings(width=128, height=96, features=32), 2)
    state = start(detector, settings)
    plan = SamplePlan(np.zeros(8), 4, seed=0)
    with Batches(source, plan, 128, 96, settings.augment, start=0, stop=settings.steps) as batches:
        train(state, batches, settings, torch.device("cpu"), freeze_batch_norm=True)
    losses = [row["loss"] for row in state.history]
    assert np.mean(losses[-5:]) < 0.3 * np.mean(losses[:5])

    for clustering in ("nms", "dbscan"):
        detector.settings = detector.settings.model_copy(update={"clustering": clustering})
        predictor = Predictor(detector, ("red", "blue"), 128, 96)
        objects, detections, hits = matches(source, predictor, 0.3)
        assert hits > 0.9 * objects, clustering
        assert hits > 0.9 * detections, clustering


def test_output_follows_torchvisions_convention(model: torch.nn.Module) -> None:
    images = [torch.rand(3, 64, 96), torch.rand(3, 50, 70)]  # two sizes: padded, and boxes stay inside each
    model.settings = SMALL.model_copy(update={"score_floor": 0.0})
    with torch.inference_mode():
        found = model.eval()(images)
    for image, output in zip(images, found):
        count = len(output["scores"])
        assert 0 < count <= SMALL.max_detections
        assert output["boxes"].shape == (count, 4)
        assert output["labels"].shape == output["occlusion"].shape == (count,)
        assert set(output["labels"].tolist()) <= {1, 2}
        assert ((output["scores"] >= 0) & (output["scores"] <= 1)).all()
        assert (output["scores"].diff() <= 0).all()
        assert (output["boxes"][:, 2] <= image.shape[2]).all()
        assert (output["boxes"][:, 3] <= image.shape[1]).all()


def test_losses_without_any_object_are_finite_and_reach_every_parameter(model: torch.nn.Module) -> None:
    losses = model([torch.rand(3, 64, 64)], [target([], [])])
    assert all(torch.isfinite(value) for value in losses.values())
    assert losses["box"] == losses["category"] == losses["occlusion"] == 0
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())  # or DDP would wait for it


def test_unknown_occlusion_and_ignored_objects_do_not_count(model: torch.nn.Module) -> None:
    image = torch.rand(3, 64, 64)
    box, region = [8.0, 8.0, 40.0, 40.0], [44.0, 0.0, 64.0, 64.0]
    unknown = model([image], [target([box], [1], occlusion=torch.tensor([torch.nan]))])
    known = model([image], [target([box], [1], occlusion=torch.tensor([0.7]))])
    assert unknown["occlusion"] == 0 < known["occlusion"]
    ignored = model([image], [target([box, region], [1, 0], ignore=torch.tensor([False, True]))])
    assert ignored["box"] == unknown["box"]
    assert ignored["coverage"] < unknown["coverage"]  # the region's cells are not held against it


def test_losses_divide_by_the_covered_cells_of_all_ranks(model: torch.nn.Module) -> None:
    """Two ranks' losses, each with its half of a batch, average to one worker's on the whole batch."""
    model.apply(lambda m: m.eval() if isinstance(m, torch.nn.BatchNorm2d) else None)
    images = [torch.rand(3, 64, 64) for _ in range(2)]
    targets = [
        target([[4.0, 4, 60, 60]], [1], occlusion=torch.tensor([0.2])),
        target([[10.0, 10, 30, 20], [40, 40, 60, 60]], [2, 1], occlusion=torch.tensor([0.9, torch.nan])),
    ]
    whole = model(images, targets)
    counts: list[Tensor] = []

    def remember(count: Tensor) -> Tensor:
        counts.append(count)
        return count

    model.mean_over_ranks = remember
    for image, one in zip(images, targets):
        model([image], [one])
    means = [(a + b) / 2 for a, b in zip(counts[:2], counts[2:])]  # of the two counts each rank sums up
    halves = []
    for image, one in zip(images, targets):
        upcoming = iter(means)
        model.mean_over_ranks = lambda _, upcoming=upcoming: next(upcoming)
        halves.append(model([image], [one]))
    for name, value in whole.items():
        torch.testing.assert_close((halves[0][name] + halves[1][name]) / 2, value)


def test_weights_of_losses_and_focal_modulation() -> None:
    torch.manual_seed(0)
    losses = GridLossSettings(coverage=2.0, overlap=0.0, focal_gamma=0.0)
    double = build_detector(SMALL.model_copy(update={"losses": losses}), 1).train()
    torch.manual_seed(0)
    single = build_detector(SMALL.model_copy(update={"losses": GridLossSettings(overlap=1.0)}), 1).train()
    single.load_state_dict(double.state_dict())
    image, one = [torch.rand(3, 64, 64)], [target([[8.0, 8, 40, 40]], [1])]
    a, b = double(image, one), single(image, one)
    torch.testing.assert_close(a["coverage"], 2 * b["coverage"])
    assert a["overlap"] == 0 < b["overlap"]
    single.settings = SMALL.model_copy(update={"losses": GridLossSettings(focal_gamma=2.0)})
    assert single(image, one)["coverage"] < b["coverage"]


def test_some_strides_only() -> None:
    model = build_detector(SMALL.model_copy(update={"strides": (4, 16)}), 3).eval()
    boxes, scores, occlusion = model.proposals(torch.rand(2, 3, 64, 96))
    cells = 16 * 24 + 4 * 6
    assert (boxes.shape, scores.shape, occlusion.shape) == ((2, cells, 4), (2, cells, 3), (2, cells))


def two_images() -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    images = [torch.rand(3, 64, 64) for _ in range(2)]
    one = target([[4.0, 4, 60, 60]], [1], occlusion=torch.tensor([0.2]))
    other = target([[10.0, 10, 30, 20], [40, 40, 60, 60]], [2, 1], occlusion=torch.tensor([0.9, torch.nan]))
    return images, [one, other]


def weighted(targets: list[dict[str, Tensor]], *weights: float) -> list[dict[str, Tensor]]:
    return [one | {"weight": torch.tensor(weight)} for one, weight in zip(targets, weights)]


def test_an_image_of_weight_two_counts_as_if_it_came_twice(model: torch.nn.Module) -> None:
    model.settings = SMALL.model_copy(update={"losses": GridLossSettings(overlap=1.0, focal_gamma=1.5)})
    model.apply(lambda m: m.eval() if isinstance(m, torch.nn.BatchNorm2d) else None)
    (a, b), (one, other) = two_images()
    twice = model([a, b, b], [one, other, other])
    heavy = model([a, b], weighted([one, other], 1.0, 2.0))
    plain = model([a, b], [one, other])
    for name, value in twice.items():
        torch.testing.assert_close(heavy[name], value)
        assert not torch.allclose(plain[name], value), name


def test_weighted_losses_are_means_over_weighted_cells(model: torch.nn.Module) -> None:
    """By hand: each image alone gives its mean and, by the count it divides by, its cells."""
    model.apply(lambda m: m.eval() if isinstance(m, torch.nn.BatchNorm2d) else None)
    images, targets = two_images()
    cells: list[Tensor] = []

    def remember(count: Tensor) -> Tensor:
        cells.append(count)
        return count

    model.mean_over_ranks = remember
    alone = [model([image], [one]) for image, one in zip(images, targets)]
    covered, known = cells[0::2], cells[1::2]
    model.mean_over_ranks = lambda count: count
    found = model(images, weighted(targets, 1.0, 0.25))
    for name, value in found.items():
        a, b = known if name == "occlusion" else covered
        expected = (a * alone[0][name] + 0.25 * b * alone[1][name]) / (a + 0.25 * b)
        torch.testing.assert_close(value, expected)


def test_only_the_weights_of_images_beside_each_other_matter(model: torch.nn.Module) -> None:
    model.apply(lambda m: m.eval() if isinstance(m, torch.nn.BatchNorm2d) else None)
    images, targets = two_images()
    for weight in (1.0, 0.3):
        found = model(images, weighted(targets, weight, weight))
        for name, value in model(images, targets).items():
            torch.testing.assert_close(found[name], value)
