"""Metrics as Prometheus would scrape them from a real Ray, and what that Ray listens on."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from cluster.config.simulate import SimulateSettings
from cluster.observability.prometheus import COUNTERS, GAUGES, TAGS, Telemetry, _PoolWatcher, pool_figures
from cluster.simulation.blame import Verdicts
from cluster.simulation.crew import Crew
from cluster.simulation.pool import SimulatorPool
from cluster.simulation.work_queue import PoolCounts
from sim_actors.simulators.registry import SimulatorSpec

ROOT = Path(__file__).resolve().parents[3]

DRIVER = """
import json, sys, time, urllib.request
from dataclasses import asdict
from pathlib import Path
from cluster.config.parse import load_defaults
from cluster.simulation.crew import Crew
from cluster.simulation.pool import SimulatorPool
from sim_actors.simulators.registry import SimulatorSpec
from cluster.observability.console import Reporter
from cluster.runtime.ray_session import start_ray
from cluster.simulation.stream import simulate
from cluster.config.simulate import SimulateSettings
from cluster.observability.prometheus import Telemetry
from cluster.observability.callbacks import Watch
from imitation.training.settings import TrainSettings
from sim_actors.simulators.registry import SimulatorSpec
from tests.cluster.listening import listening
from tests.sim_actors.simulators.toy_simulators import PATH, make_jobs

folder = Path(sys.argv[1])
watch = Watch(Reporter(), Telemetry("the run"))
watch.telemetry.add("frames_rendered", 100, "before Ray runs")
start_ray(load_defaults([]))
import ray
(node,) = ray.nodes()

def scraped():
    url = f"http://127.0.0.1:{node['MetricsExportPort']}/metrics"
    return urllib.request.urlopen(url, timeout=10).read().decode()

options = {
    "markers": str(folder), "crash_once": ["s003", "s004"], "hang": ["s006"], "raises": ["s007"],
    "unsupported": ["s008"], "delay_s": 0.02,
}
settings = SimulateSettings(actors=2, cpus_per_actor=0.5, scene_timeout_s=3, frames_per_file=8)
reports = []
with SimulatorPool(SimulatorSpec(PATH, options), settings) as pool:
    for number, count in enumerate((24, 5)):
        with watch.rendering("rendering", count, pool, cycle=1) as progress:
            reports.append(simulate(make_jobs(count), str(folder / f"frames-{number}"), pool, progress))
    with watch.training("training", 2, "main", TrainSettings(steps=20, batch_size=4)) as progress:
        for step in (15, 20):  # one that continues: its first report is of the five steps up to 15
            progress({"step": step, "steps": 20, "images_per_second": 8.0, "loss": 0.25})
    with watch.evaluating("evaluating", 10) as progress:
        for done in (4, 10):
            progress(done)
    sockets = listening()
    deadline = time.monotonic() + 60
    while "imitation_frames_evaluated_total" not in (text := scraped()) and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(2.5)  # twice the interval of reporting: what was counted last is there as well
    text = scraped()
counts = pool.counts
print(json.dumps({"text": text, "reports": [r.to_json() for r in reports], "sockets": sockets}))
"""


def samples(text: str) -> dict[tuple[str, str, str], float]:
    """(name without prefix, stage, kind) -> value, of the run's own metrics."""
    found: dict[tuple[str, str, str], float] = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"ray_imitation_(\w+)\{(.*)\} (\S+)", line):
            tags = dict(re.findall(r'(\w+)="([^"]*)"', match[2]))
            assert tags["run"] == "the run"
            key = (match[1], tags["stage"], tags.get("kind") or tags.get("detector", ""))
            assert key not in found
            found[key] = float(match[3])
    return found


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="reads Linux's /proc")
def test_prometheus_and_sockets_of_a_real_ray(tmp_path):
    environment = os.environ | {"RAY_metrics_report_interval_ms": "1000", "RAY_USAGE_STATS_ENABLED": "0"}
    environment.pop("RAY_ADDRESS", None)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=380, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    found = samples(told["text"])
    reports = told["reports"]

    def total(name: str) -> int:
        return sum(report[name] for report in reports)

    def counted(name: str, kind: str = "") -> float:
        return found.get((name, "simulate", kind), 0.0)

    assert total("rendered") == 21 + 5  # of the first 24 three are set aside, none of the second 5
    assert counted("frames_rendered_total") == total("rendered")
    assert counted("scenes_retried_total") == total("retries") > 0
    assert counted("scenes_set_aside_total") == sum(len(report["set_aside"]) for report in reports) == 3
    assert counted("scene_failures_total", "crashed") == total("crashes") == 2
    assert counted("scene_failures_total", "hung") == total("hangs") == 2
    assert counted("scene_failures_total", "raised") == total("errors") == 2
    assert counted("scene_failures_total", "unsupported") == 1
    assert counted("scene_failures_total", "lost") == total("lost") == 0
    assert counted("simulators_started_total") >= 2 + 2 + 1  # the crashed and the first hung were replaced
    assert counted("simulators") == 0.0, "after the stage no simulator is at work for it"
    assert found[("training_steps_total", "train", "main")] == 10
    assert found[("training_images_total", "train", "main")] == 40
    assert found[("training_loss", "train", "main")] == 0.25
    assert found[("frames_evaluated_total", "evaluate", "")] == 10
    assert found[("cycle", "", "")] == 2.0
    assert ("frames_rendered_total", "before Ray runs", "") not in found

    everywhere = [what for what in told["sockets"] if not what["loopback"]]
    assert everywhere == [], "a Ray started here listens on the loopback interface alone"
    assert len(told["sockets"]) >= 5, "the head, the raylet, the workers and the agents were seen"


class Counting(Telemetry):
    """Adds up what it is told."""

    def __init__(self) -> None:
        super().__init__("x")
        self.told: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, value: float = 1, stage: str = "", **tags: str) -> None:
        self.told[(name, tags.get("kind", ""))] += int(value)


class Pool:
    """What the watcher sees of a pool, without actors."""

    totals = SimulatorPool.totals

    def __init__(self, verdicts: Verdicts) -> None:
        crew = Crew(SimulatorSpec("toy:x"), SimulateSettings())
        crew.verdicts = verdicts
        self.crews = {"toy:x": crew}

    def pids(self) -> list[int]:
        return []


def test_a_stage_that_renders_several_times_is_counted_once():
    """Each rendering begins new counts; the watcher may look before, between and after, or not at all."""
    verdicts = Verdicts("toy", SimulateSettings())
    pool = Pool(verdicts)
    verdicts.counts.rendered = 7  # of an earlier stage
    telemetry = Counting()
    watcher = _PoolWatcher(telemetry, pool, "simulate")
    verdicts.begin([])
    watcher.look()
    for rendered in (5, 3, 2):
        verdicts.counts.rendered = rendered
        verdicts.counts.failed("hung")
        if rendered != 3:
            watcher.look()
        verdicts.begin([])
    watcher.look()
    assert telemetry.told[("frames_rendered", "")] == 10
    assert telemetry.told[("scene_failures", "hung")] == 3


def test_without_ray_nothing_happens():
    code = (
        "import sys; from cluster.observability.prometheus import Telemetry; t = Telemetry('x'); "
        "t.add('frames_rendered', 1); t.set('cycle', 1); assert 'ray' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_all_of_a_pools_counts_are_metrics_that_exist():
    figures = pool_figures(PoolCounts())
    assert {name for name, _ in figures} <= COUNTERS.keys()
    assert {kind for name, kind in figures if name == "scene_failures"} == {
        "crashed", "hung", "raised", "unsupported", "lost",
    }  # fmt: skip
    for description, tags in (COUNTERS | GAUGES).values():
        assert description
        assert not set(tags) & set(TAGS)


def test_every_metric_is_in_the_documentation():
    page = (ROOT / "docs" / "observing.md").read_text()
    for name in COUNTERS:
        assert f"`ray_imitation_{name}_total" in page
    for name in GAUGES:
        assert f"`ray_imitation_{name}`" in page


def test_a_count_of_nothing_is_not_sent():
    telemetry = Telemetry("x")
    telemetry._metric = lambda name: pytest.fail("a metric was made")
    telemetry.add("frames_rendered", 0)
