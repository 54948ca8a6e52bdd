"""Which Ray is joined, and what people are told where none can be."""

import signal
import sys

import pytest
import ray

from cluster import signals
from cluster.config import load_defaults
from cluster.ray_session import start_ray
from imitation.settings import UserError


@pytest.fixture
def init(monkeypatch) -> list[dict]:
    """What `ray.init` is called with; it is not run."""
    calls: list[dict] = []
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: calls.append(options))
    return calls


def test_without_an_address_a_cluster_of_somebody_else_is_not_joined(init):
    start_ray(load_defaults())
    assert init[0]["address"] == "local"
    assert init[0]["num_cpus"] >= 4
    assert init[0]["dashboard_host"] == "127.0.0.1"


def test_a_jobs_cluster_is_joined(init, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    start_ray(load_defaults())
    assert init[0]["address"] == "10.0.0.1:6379"
    assert "num_cpus" not in init[0], "a running cluster has the CPUs that it has"


def test_a_dashboards_address_is_told_apart(init, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://10.0.0.1:8265")
    with pytest.raises(UserError, match="is a dashboard's address, which takes jobs: imitate submit"):
        start_ray(load_defaults())
    assert init == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ray.exceptions.AuthenticationError("InvalidAuthToken"),
            "asks for its token: set RAY_AUTH_MODE=token",
        ),
        (ConnectionError("refused"), "no Ray cluster answers at '10.0.0.1:6379': refused"),
    ],
)
def test_a_cluster_that_cannot_be_joined_is_one_sentence(init, monkeypatch, error, said):
    def fails(**options):
        raise error

    monkeypatch.setattr(ray, "init", fails)
    with pytest.raises(UserError, match=said):
        start_ray(load_defaults(["ray.address=10.0.0.1:6379"]))


def rays_own(number, frame):
    """The handler that `ray.init` puts in the place of ours."""
    sys.exit(number)


def test_sigterm_is_ours_after_ray_has_started_and_while_it_starts(init, monkeypatch):
    def starts(**options):
        signal.signal(signal.SIGTERM, rays_own)
        if "address" in options and options["address"] != "local":
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(ray, "init", starts)
    with signals.terminable():
        start_ray(load_defaults())
        with pytest.raises(signals.Terminated):
            signal.raise_signal(signal.SIGTERM)
    with signals.terminable(), pytest.raises(signals.Terminated):
        start_ray(load_defaults(["ray.address=10.0.0.1:6379"]))
    assert signal.getsignal(signal.SIGTERM) is not rays_own
