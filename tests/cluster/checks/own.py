"""Policies, simulators and detectors of somebody's own that go wrong; named by import path."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tests.sim_actors.simulators.toy_simulators import ToySimulator

PATH = "tests.cluster.checks.own"


class Policy:
    name = "own"

    def __init__(self, settings):
        np.random.seed(7)  # noqa: NPY002 (its own affair)
        print("a policy may print")

    def request(self, mined, *, cycle, budget, rng):
        return []


class Exits(Policy):
    def request(self, mined, *, cycle, budget, rng):
        print("licence expired", flush=True)
        os._exit(3)


class Killed(Policy):
    def request(self, mined, *, cycle, budget, rng):
        os.kill(os.getpid(), signal.SIGKILL)


class Hangs(ToySimulator):
    """Starts a helper, as those that drive an engine do, and never gives a picture."""

    def __init__(self, pids: str) -> None:
        super().__init__()
        helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(pids).write_text(f"{os.getpid()} {helper.pid}")

    def render(self, scene):
        time.sleep(600)


def tensor_in_evaluation(settings, num_categories):
    import torch

    class Detector(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(2))

        def forward(self, images, targets=None):
            return {"loss": (self.weight - 1).square().sum()} if self.training else torch.zeros(2, 6)

    return Detector()
