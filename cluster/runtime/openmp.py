"""Threads of torch that wait without spinning.

At a barrier OpenMP's threads spin for a while, which is quickest where each has a processor of its own. Where
two trainings share one, each waits for threads that the other keeps from running, and both crawl.
`benchmarks/sharing.py` measures both: waiting costs a training alone some per cent.
"""

from __future__ import annotations

import os

PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}


def wait_passively() -> None:
    """For this process and those that it starts. OpenMP reads it once, when torch is imported: before that.
    Where a user has set either, both are theirs."""
    if not PASSIVE.keys() & os.environ.keys():
        os.environ.update(PASSIVE)
