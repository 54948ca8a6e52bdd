"""The training loop: rates, resuming, averaging, what it reports."""

import copy
import io
import itertools

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from imitation.common.settings import UserError
from imitation.training.batches import Batches, SamplePlan
from imitation.training.loop import TrainState, learning_rate, start, train
from imitation.training.samples import ArraySource
from imitation.training.settings import AugmentSettings, TrainSettings

SETTINGS = TrainSettings(
    steps=12,
    batch_size=4,
    warmup=3,
    learning_rate=0.01,
    augment=AugmentSettings(enabled=False),
    report_every=5,
)


class Brightness(nn.Module):
    """Learns the number of objects from the image's brightness: a model of torchvision's convention."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 1)

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        wanted = torch.tensor([float(len(target["labels"])) for target in targets])
        found = self.head(self.backbone(torch.stack(images)).mean(dim=(2, 3)))[:, 0]
        return {"count": ((found - wanted) ** 2).mean(), "size": self.head.weight.square().sum() * 1e-4}


def source(count: int = 10) -> ArraySource:
    images, targets = [], []
    for number in range(count):
        objects = number % 4
        images.append(np.full((16, 16, 3), 20 + 60 * objects, dtype=np.uint8))
        boxes = np.array([[2.0, 2, 9, 9]] * objects, dtype=np.float32).reshape(-1, 4)
        targets.append((boxes, np.ones(objects, int), np.zeros(objects, bool), np.zeros(objects, np.float32)))
    return ArraySource(images, targets)


def run(
    state: TrainState, settings: TrainSettings = SETTINGS, stop: int | None = None, **more: object
) -> TrainState:
    plan = SamplePlan(np.zeros(10), settings.batch_size, seed=0)
    limits = {"start": state.step, "stop": stop or settings.steps}
    with Batches(source(), plan, 16, 16, settings.augment, **limits) as batches:
        return train(state, batches, settings, torch.device("cpu"), **more)


def fresh(settings: TrainSettings = SETTINGS) -> TrainState:
    torch.manual_seed(0)
    return start(Brightness(), settings)


def test_the_loss_falls_and_is_reported() -> None:
    events: list[dict] = []
    settings = SETTINGS.model_copy(update={"steps": 60, "learning_rate": 0.1})
    state = run(fresh(settings), settings, progress=events.append)
    assert [event["step"] for event in events] == list(range(5, 61, 5))
    assert events[-1]["steps"] == 60
    assert {"count", "size", "loss", "images_per_second"} <= events[0].keys()
    assert state.history[-1]["loss"] < 0.3 * state.history[0]["loss"]
    assert state.step == len(state.history) == 60


@pytest.mark.parametrize("changes", [{}, {"ema_decay": 0.9}, {"optimizer": "sgd"}])
def test_continuing_from_a_checkpoint_ends_in_the_same_weights(changes: dict) -> None:
    settings = SETTINGS.model_copy(update=changes)
    whole = run(fresh(settings), settings)
    half = run(fresh(settings), settings, stop=5)
    file = io.BytesIO()
    torch.save(half.as_dict(), file)
    file.seek(0)
    torch.manual_seed(99)
    resumed = start(Brightness(), settings)
    resumed.load(torch.load(file, weights_only=True))
    run(resumed, settings)
    assert resumed.history == whole.history
    ours, theirs = resumed.checkpoint_weights(), whole.checkpoint_weights()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_checkpoints_come_every_so_many_steps_but_not_at_the_end() -> None:
    at: list[int] = []
    settings = SETTINGS.model_copy(update={"checkpoint_every": 4})
    run(fresh(), settings, checkpoint=lambda state: at.append(state.step))
    assert at == [4, 8]


def test_warm_up_then_cosine() -> None:
    settings = TrainSettings(steps=110, warmup=10, learning_rate=1.0)
    rates = [learning_rate(settings, step) for step in range(110)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[60] == pytest.approx(0.5)
    assert rates[-1] < 0.001
    assert all(b <= a for a, b in itertools.pairwise(rates[9:]))
    short = TrainSettings(steps=6, warmup=100, learning_rate=1.0)  # warms up for a third at most
    assert [round(learning_rate(short, step), 2) for step in range(6)] == [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]


def test_a_backbone_rate_of_zero_leaves_the_backbone_as_it_was() -> None:
    settings = SETTINGS.model_copy(update={"backbone_rate": 0.0})
    state = fresh(settings)
    before = copy.deepcopy(state.model.state_dict())
    after = run(state, settings, freeze_batch_norm=True).model.state_dict()
    for name, value in before.items():
        assert torch.equal(value, after[name]) == name.startswith("backbone"), name


def test_frozen_batch_norms_keep_their_statistics() -> None:
    for frozen in (True, False):
        state = run(fresh(), freeze_batch_norm=frozen)
        assert (state.model.backbone[1].num_batches_tracked == 0) == frozen


def test_the_average_lags_behind_the_weights() -> None:
    settings = SETTINGS.model_copy(update={"ema_decay": 0.99})
    state = run(fresh(settings), settings)
    first, last = fresh(settings).model.head.weight, state.model.head.weight
    average = state.checkpoint_weights()["head.weight"]
    assert 0 < (average - first).norm() < (last - first).norm()
    assert run(fresh()).checkpoint_weights()["head.weight"].equal(run(fresh()).model.head.weight)


def test_a_loss_that_is_not_finite_says_what_to_lower() -> None:
    class Diverging(Brightness):
        def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
            return {"count": self.head.weight.sum() * torch.inf}

    with pytest.raises(UserError, match=r"train\.learning_rate"):
        run(start(Diverging(), SETTINGS))


def test_impossible_settings_are_refused() -> None:
    for wrong, message in (
        ({"batch_size": 9, "num_workers": 2}, "multiple of num_workers"),
        ({"synthetic_share": 1.2}, "less than or equal"),
        ({"optimiser": "sgd"}, "Extra inputs"),
    ):
        with pytest.raises(ValidationError, match=message):
            TrainSettings(**wrong)
