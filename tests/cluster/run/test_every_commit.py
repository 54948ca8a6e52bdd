"""A driver killed with SIGKILL at every place where a run commits something, and continued each time.

The run is the real one (`cluster.run.main_job.run`) on toys for rendering, training and judging, so that a
life of the driver takes a fraction of a second and all places can be tried: `light_run.py`. Two moments of
every file: it is written and has no name yet; it has its name.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[3]

# Each life of the driver is a forked process that kills itself at the first (moment, file) that no life
# before it was killed at. What forks has imported everything and started no thread.
DRIVER = """
import os, random, signal, sys, time
from pathlib import Path
import torch, sklearn.cluster, matplotlib.pyplot  # what lives need, once
from tests.cluster.light_run import run

folder, name, journal, *options = sys.argv[1:]
known = set()

def reach(moment, path):
    place = f"{moment} {os.path.relpath(path, os.path.join(folder, name))}"
    if ".probe-" in path or place in known:
        return
    with open(journal, "a") as file:
        file.write(f"{place}\\n")
    os.kill(os.getpid(), signal.SIGKILL)

def life():
    replace = os.replace

    def hooked_replace(source, target):
        reach("written", target)
        replace(source, target)
        reach("renamed", target)

    os.replace = hooked_replace
    # another machine, whose clock is years off; and the files' times tell nothing
    rng, clock = random.Random(lives), time.time
    skew = rng.uniform(-1e8, 1e8)
    time.time = lambda: clock() + skew
    for path in Path(folder, name).rglob("*"):
        os.utime(path, (rng.uniform(1e8, 2e9),) * 2)
    run(folder, name, *options)

sys.stdout.flush()
lives = 0
while True:
    lives += 1
    if os.path.exists(journal):
        known = set(open(journal).read().splitlines())
    pid = os.fork()
    if pid == 0:
        life()
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status):
        code = os.WEXITSTATUS(status)
        print("lives", lives, "code", code, flush=True)
        sys.exit(code)
    assert os.WTERMSIG(status) == signal.SIGKILL, status
"""


RUN = "import sys; from tests.cluster.light_run import run; run(*sys.argv[1:])"


PATH = "tests.cluster.light_run"
MIXED = [
    f"simulate.simulator=[{{name: '{PATH}:Painter', weight: 0.3}}, {{name: '{PATH}:Picky', weight: 0.7}}]"
]


def drive(folder: Path, name: str, journal: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", DRIVER, str(folder), name, str(journal), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def contents(folder: Path) -> dict[str, object]:
    """What a run holds, by file, without what tells of the clock, the process and the run's name."""
    found: dict[str, object] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        if "tensorboard" in path.parts:
            continue  # its files are named by the time; what they hold is test_tracking.py's
        if path.name == "time.json":
            found[name] = path.name
        elif path.suffix == ".parquet":
            found[name] = repr(pq.read_table(path).to_pydict())  # nan differs from itself
        elif path.suffix == ".json":
            found[name] = timeless(json.loads(path.read_text()), folder.name)
        elif path.suffix in (".html", ".yaml"):
            found[name] = path.name
        else:
            found[name] = path.read_bytes() if path.suffix == ".pt" else path.name
    return found


TIMES = {"seconds", "work_seconds", "cpu_seconds", "frames_per_second", "started", "peak_mb", "reused",
         "rendered", "seconds_total", "peak_memory_mb", "busy_seconds", "render_seconds", "time",
         "ended", "training_seconds"}  # fmt: skip


def timeless(value: object, name: str) -> object:
    if isinstance(value, dict):
        return {k: timeless(v, name) for k, v in value.items() if k not in TIMES}
    if isinstance(value, list):
        return [timeless(item, name) for item in value]
    return value.replace(name, "NAME") if isinstance(value, str) else value


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(tmp_path_factory.mktemp("runs"))


def whole(folder: Path, *options: str) -> Path:
    """A run that nothing disturbs."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder), "undisturbed", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "undisturbed"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_driver_killed_at_every_commit_with_another_clock_each_time_ends_with_the_same_run(
    undisturbed: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    done = drive(tmp_path, "disturbed", journal)
    assert done.returncode == 0, done.stderr[-3000:]
    places = journal.read_text().splitlines()
    assert len(set(places)) == len(places)
    expected, found = contents(undisturbed), contents(tmp_path / "disturbed")
    committed = {name for name in expected if not Path(name).name.startswith(".")}
    for name in committed:
        for moment in ("written", "renamed"):
            assert f"{moment} {name}" in places, f"no life ended there: {moment} {name}"
    assert found.keys() == expected.keys(), "nothing is missing, nothing unfinished is left"
    for name in expected:
        assert found[name] == expected[name], name
    assert f"lives {len(places) + 1} code 0" in done.stdout


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_with_several_simulators_too_a_driver_killed_at_every_commit_ends_with_the_same_run(
    tmp_path: Path,
) -> None:
    expected = whole(tmp_path, *MIXED)
    done = drive(tmp_path, "disturbed", tmp_path / "journal", *MIXED)
    assert done.returncode == 0, done.stderr[-3000:]
    assert contents(tmp_path / "disturbed") == contents(expected)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_whose_storage_vanishes_again_and_again_is_the_same_run(
    undisturbed: Path, tmp_path: Path
) -> None:
    share = tmp_path / "share"
    driver = subprocess.Popen(
        [sys.executable, "-c", RUN, str(share), "away"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (share / "away" / "data" / "val").exists():
        assert driver.poll() is None
        time.sleep(0.01)
    vanished = 0
    while driver.poll() is None and vanished < 6:
        share.rename(tmp_path / "unmounted")
        vanished += 1
        time.sleep(0.4)
        (tmp_path / "unmounted").rename(share)
        time.sleep(1.0)
    _, said = driver.communicate()
    assert driver.returncode == 0, said
    assert vanished >= 2
    assert said.count("No such file or directory; trying again") >= 1
    assert said.count("; trying again") == said.count("is back after"), "each outage is said once"
    assert contents(share / "away") == contents(undisturbed)
