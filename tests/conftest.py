"""Fixtures shared by all floors' tests, and how they are spread over worker processes."""

import gc
import os
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Otherwise each process that a test starts compiles all of PyTorch and Ray anew: 12 s of a processor, not 4.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the processors; read when numpy and torch load
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Importing PyTorch, Ray and 300 files of tests makes a million objects, none of them garbage: looking through
# them again and again is a fifth of the processor time.
gc.disable()
pytest_plugins = ["tests.processor_time"]
ROOT = Path(__file__).resolve().parent.parent

TURNS = 10  # of CI, until each long test has run

# No test is about the clock: a busy machine takes longer, and is no defect.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--turn", type=int, metavar="N", help=f"one part in {TURNS} of the tests: N % {TURNS}")
    parser.addoption("--minutes", type=float, metavar="M", help="start no further test after M minutes")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Whatever starts a Ray is slow: the quick tests do without."""
    if "ray_session" in getattr(item, "fixturenames", ()):
        item.add_marker("slow")


@pytest.hookimpl(trylast=True)  # of what -m and -k have left
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Ten turns, one after the other, hold each test once; ten later what was last is first. A turn's tests
    are neighbours: what a file's tests share is made once."""
    if (turn := config.getoption("turn")) is not None:
        first, end = (len(items) * part // TURNS for part in (turn % TURNS, turn % TURNS + 1))
        config.hook.pytest_deselected(items=[*items[:first], *items[end:]])
        kept = items[first:end]
        begin = turn // TURNS % max(len(kept), 1)
        items[:] = [*kept[begin:], *kept[:begin]]


def pytest_collection_finish() -> None:
    gc.freeze()  # what is there stays
    gc.set_threshold(20_000, 20, 20)  # looked for every 700 objects, garbage takes 4% of the processor time
    gc.enable()


STARTED = time.monotonic()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = item.config.getoption("minutes")
    if minutes is not None and time.monotonic() - STARTED > 60 * minutes:
        pytest.skip(f"its turn comes another time: {minutes:g} minutes are over")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests run in one worker, in the order of the folders; those that share a Ray in one, too."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    @cache  # it is asked for each test that ends
    def scope(file: str) -> str:
        shares_ray = "ray_session" in (config.rootpath / file).read_text(encoding="utf-8")
        return "tests that share a Ray" if shares_ray else file

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid.split("::", 1)[0])

    config.option.loadscopereorder = False  # the longest stand first: cluster's
    return ByFile(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real frames (not part of the project). Tests that need it skip without it."""
    path = Path(os.environ.get("IMITATION_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"real data is not at hand: {path} does not exist (set IMITATION_DATA)")
    return path
