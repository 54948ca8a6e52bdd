"""A run that is stopped ends: nothing is started after it, and no process outlives it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cluster.leftovers import left, mark
from tests.cluster.run.test_main_job import ROOT, command

HINT = "imitate: stopped; the same command continues the run"
PATIENCE_S = 400


def drive(storage: Path, name: str, env: dict[str, str], *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(storage, name, *options),
        cwd=ROOT,
        env=os.environ | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop(driver: subprocess.Popen[str], env: dict[str, str]) -> None:
    """Sends SIGTERM, and looks at what was said and what is left."""
    driver.send_signal(signal.SIGTERM)
    _, said = driver.communicate(timeout=PATIENCE_S)
    if driver.returncode == -signal.SIGTERM:  # it had not begun to listen
        assert said == ""
    else:
        assert driver.returncode == 143, said
        assert said.strip().splitlines()[-1] == HINT, said
        assert "Traceback" not in said
        assert said.count("starting Ray") <= 1, said
    assert left(env) == {}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_stopped_while_it_evaluates_nothing_starts_again(tmp_path):
    env = mark()
    driver = drive(tmp_path, "stopped", env, "world.test=200", "loop.cycles=0")
    told = tmp_path / "stopped" / "cycle-000"
    until = time.monotonic() + PATIENCE_S
    while not list(told.glob("evaluation/*detections.parquet*")):
        assert driver.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    assert not (told / "stage-evaluate.json").exists()
    stop(driver, env)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("after_s", np.random.default_rng(13).uniform(0.0, 45.0, 10).round(1))
def test_stopped_at_a_random_moment_it_leaves_no_process(after_s, tmp_path):
    env = mark()
    driver = drive(tmp_path, "run", env)
    until = time.monotonic() + after_s
    while driver.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    if driver.poll() is None:
        stop(driver, env)
    else:  # it has come to its end before
        assert driver.returncode == 0, driver.communicate()[1]
        assert left(env) == {}


SWALLOWED = """
import signal, sys, time
from cluster.cli.main import main
from cluster.runtime.signals import Terminated

class Held:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

def run(args):
    held = Held()
    del held
    time.sleep(60)

import cluster.cli.commands.run.loop
cluster.cli.commands.run.loop.run = run
sys.exit(main(["run", "ray_config.yaml"]))
"""


def test_a_stop_that_arrives_in_a_finalizer_is_not_lost():
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (143, HINT)
