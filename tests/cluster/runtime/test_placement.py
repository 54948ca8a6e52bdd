"""Stages that ask for what the cluster does not have say so, and do not wait for ever."""

import logging
import threading
import time

import pytest
import ray

from cluster.config.evaluate import EvaluateSettings
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from cluster.runtime import placement
from cluster.runtime.placement import possible, shown, wait_for_room, watched
from cluster.training.launchers import LocalLauncher, TorchLauncher
from cluster.training.train_loop import TrainSpec
from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.detectors.settings import DetectorSettings
from imitation.training.settings import TrainSettings

pytestmark = pytest.mark.usefixtures("ray_session")  # 4 CPUs, no GPU


def test_what_is_free_is_not_waited_for_and_free_again(caplog):
    for _ in range(3):
        wait_for_room([{"CPU": 2, "GPU": 0}, {"CPU": 2}], "a stage", 60)
    assert caplog.records == []


def test_what_the_cluster_does_not_have_is_named_and_given_up(monkeypatch, caplog):
    monkeypatch.setattr(placement, "SAY_AFTER_S", 0.2)
    with caplog.at_level(logging.WARNING), pytest.raises(UserError) as error:
        wait_for_room([{"CPU": 1, "GPU": 1}], "evaluation", 0.6)
    assert "evaluation asks for 1 x (1 CPU + 1 GPU)" in str(error.value)
    assert "the cluster has 4 CPU" in str(error.value)
    assert "0 GPU (0 free), and no single node holds that much" in str(error.value)
    assert len([r for r in caplog.records if "waiting for it" in r.getMessage()]) == 1, "said once"


def test_what_others_hold_is_waited_for(monkeypatch):
    monkeypatch.setattr(placement, "SAY_AFTER_S", 0.2)

    @ray.remote(num_cpus=3)
    class Holder:
        def pid(self) -> int:
            return 1

    holder = Holder.remote()
    ray.get(holder.pid.remote())
    with pytest.raises(UserError, match=r"4 CPU \(1 free\)"):
        wait_for_room([{"CPU": 2}], "a stage", 0.5)
    timer = threading.Timer(1.0, ray.kill, [holder])
    timer.start()
    wait_for_room([{"CPU": 2}], "a stage", 60)
    timer.join()


def test_an_evaluation_that_no_node_can_hold_ends_with_a_sentence(tmp_path):
    parts = [EvaluationPart(str(tmp_path / "nothing"), "test", ("main",))]
    settings = EvaluateSettings(gpus_per_actor=1)
    with pytest.raises(UserError, match=r"evaluate\.gpus_per_actor.* asks for 1 x \(1 CPU \+ 1 GPU\)"):
        evaluate(
            parts, {}, CategoryMap.identity(("car",)), str(tmp_path / "out.parquet"), settings,
            placement_timeout_s=0.5,
        )  # fmt: skip
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("launcher", [TorchLauncher(9, False, 0.5), LocalLauncher(True, 0.5)])
def test_a_training_that_no_cluster_can_hold_ends_with_a_sentence(launcher, tmp_path):
    settings = TrainSettings(batch_size=9)
    spec = TrainSpec(str(tmp_path / "x"), CategoryMap.identity(("car",)), DetectorSettings(), settings)
    with pytest.raises(UserError, match=r"training \(train\..*\) asks for (9 x \(1 CPU\)|1 x \(0\.5 GPU\))"):
        launcher.run({"spec": spec}, lambda event: None)


def test_a_stream_is_handed_on_and_its_errors_too():
    def stream():
        yield 1
        yield 2
        raise UserError("broken")

    items = watched(stream, [{"CPU": 1}], "x", 60)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(UserError, match="broken"):
        next(items)


def test_a_stream_that_is_left_is_closed():
    closed = threading.Event()

    def stream():
        try:
            yield from range(1000)
        finally:
            closed.set()

    items = watched(stream, [{"CPU": 1}], "x", 60)
    assert next(items) == 0
    items.close()
    assert closed.wait(30)


def test_a_silent_stream_goes_on_while_a_node_could_hold_its_processes_and_ends_where_none_can(
    monkeypatch, caplog
):
    monkeypatch.setattr(placement, "SILENCE_S", 0.05)

    def slow():
        time.sleep(0.5)
        yield "late"

    with caplog.at_level(logging.WARNING):
        assert list(watched(slow, [{"CPU": 1}], "evaluation", 0.1)) == ["late"]
    assert "nothing has come for" in caplog.text
    with pytest.raises(UserError, match=r"evaluation asks for 1 x \(64 CPU\).* no single node holds"):
        list(watched(slow, [{"CPU": 64}], "evaluation", 0.1))


def test_resources_in_words():
    assert (
        shown([{"CPU": 1, "GPU": 0.5}] * 2 + [{"CPU": 1.0, "GPU": 0}]) == "2 x (1 CPU + 0.5 GPU), 1 x (1 CPU)"
    )
    assert possible([{"CPU": 4}])
    assert not possible([{"CPU": 4}, {"llama": 1}])
