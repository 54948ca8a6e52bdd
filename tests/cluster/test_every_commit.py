"""A driver killed with SIGKILL at every place where a run commits something, and continued each time.

The run is the real one (`cluster.run.run`) on toys for rendering, training and judging, so that a life of
the driver takes a fraction of a second and all places can be tried: `light_run.py`. Two moments of every
file: it is written and has no name yet; it has its name.
"""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]

# Each life of the driver is a forked process that kills itself at the first (moment, file) that no life
# before it was killed at. What forks has imported everything and started no thread.
DRIVER = """
import os, signal, sys
import torch, sklearn.cluster, matplotlib.pyplot  # what lives need, once
from tests.cluster.light_run import run

folder, name, journal = sys.argv[1:]
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
    run(folder, name)

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


UNDISTURBED = "import sys; from tests.cluster.light_run import run; run(*sys.argv[1:])"


def drive(folder: Path, name: str, journal: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", DRIVER, str(folder), name, str(journal)],
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
        if path.suffix == ".parquet":
            found[name] = repr(pq.read_table(path).to_pydict())  # nan differs from itself
        elif path.suffix == ".json":
            found[name] = timeless(json.loads(path.read_text()), folder.name)
        elif path.suffix in (".html", ".yaml"):
            found[name] = path.name
        else:
            found[name] = path.read_bytes() if path.suffix == ".pt" else path.name
    return found


TIMES = {"seconds", "work_seconds", "cpu_seconds", "frames_per_second", "started", "peak_mb", "reused",
         "rendered", "seconds_total", "peak_memory_mb"}  # fmt: skip


def timeless(value: object, name: str) -> object:
    if isinstance(value, dict):
        return {k: timeless(v, name) for k, v in value.items() if k not in TIMES}
    if isinstance(value, list):
        return [timeless(item, name) for item in value]
    return value.replace(name, "NAME") if isinstance(value, str) else value


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_driver_killed_at_every_commit_ends_with_the_same_run(tmp_path: Path) -> None:
    whole = subprocess.run(
        [sys.executable, "-c", UNDISTURBED, str(tmp_path), "undisturbed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert whole.returncode == 0, whole.stderr
    journal = tmp_path / "journal"
    done = drive(tmp_path, "disturbed", journal)
    assert done.returncode == 0, done.stderr[-3000:]
    places = journal.read_text().splitlines()
    assert len(set(places)) == len(places)
    expected, found = contents(tmp_path / "undisturbed"), contents(tmp_path / "disturbed")
    committed = {name for name in expected if not Path(name).name.startswith(".")}
    for name in committed:
        for moment in ("written", "renamed"):
            assert f"{moment} {name}" in places, f"no life ended there: {moment} {name}"
    assert found.keys() == expected.keys(), "nothing is missing, nothing unfinished is left"
    for name in expected:
        assert found[name] == expected[name], name
    assert f"lives {len(places) + 1} code 0" in done.stdout
