"""Threads of torch wait without spinning, in every process that a command starts."""

import os

import pytest

from cluster.cli.main import main
from cluster.runtime.openmp import PASSIVE, wait_passively


def test_a_command_says_so_to_what_it_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in PASSIVE:
        monkeypatch.delenv(name, raising=False)
    assert main(["defaults"]) == 0
    assert {name: os.environ.get(name) for name in PASSIVE} == PASSIVE


def test_what_a_user_has_set_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    assert "GOMP_SPINCOUNT" not in os.environ
