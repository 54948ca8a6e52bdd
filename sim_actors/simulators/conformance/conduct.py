"""Does a simulator do as it says? What it refuses, what it leaves behind, and what a frame costs."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median

import psutil

from imitation.common.contracts import Found
from sim_actors.scene.records import Environment
from sim_actors.simulators.conformance.bench import Bench, Check, Mistaken, NotStaged, noted, right, wrong
from sim_actors.simulators.contract import checked_reasons, pixels_changed, truth_changed

NOWHERE = "no-such-category"
LEAK_MB = 1.0
"""Growth a frame, MB: more is a leak, where it goes on through all renders."""
_MOST, _FEWEST, _ENOUGH_S = 24, 6, 4.0  # renders whose cost is measured


def empty(bench: Bench) -> Found:
    """A scene without actors: a picture without labels."""
    frame = bench.frame(bench.scene("empty"))
    if frame.objects:
        return wrong(
            f"{len(frame.objects)} objects, the first a {frame.objects[0].category!r}, for a scene without",
            "none",
            "actors of the scene before, or of the engine's own level, are labelled",
            objects=len(frame.objects),
        )
    return right("a picture without labels", objects=0)


def promises(bench: Bench) -> Found:
    """What `supports` accepts, `render` renders: weathers, night, several categories."""
    environments = [
        Environment(weather="clear"),
        Environment(weather="fog", haze=0.02),
        Environment(weather="rain", wetness=0.8),
        Environment(weather="snow", snow=0.8),
        Environment(weather="clear", hour=22.0),
    ]
    refused: dict[str, None] = {}
    for index, environment in enumerate(environments):
        category = bench.categories[index % len(bench.categories)]
        scene = bench.scene(f"promise-{index}", bench.actor(-1.5, 12, category=category), bench.actor(2, 9))
        try:
            bench.frame(scene.replace(environment=environment))
        except NotStaged as reason:
            refused[str(reason)] = None
    if refused:
        return noted(f"not supported: {'; '.join(refused)}", refused=len(refused))
    return right("weathers, night and its categories, as supports() says", refused=0)


def category(bench: Bench) -> Found:
    """A category that nobody has is refused before anything is rendered."""
    catalog = bench.spec.catalog()
    if catalog is not None:
        return right(f"the catalog names what it has: {len(catalog)} categories", catalog=len(catalog))
    scene = bench.scene("category", replace(bench.actor(0, 9), category=NOWHERE))
    if reasons := checked_reasons(bench.simulator.supports(scene), bench.simulator.name):
        return right(f"refused: {'; '.join(reasons)}")
    try:
        frame = bench.frame(scene)
    except Mistaken as error:
        return wrong(
            f"{NOWHERE!r} fails only while it is rendered: {error}",
            "a sentence of supports(), or a catalog",
            "a missing asset is found by the engine and not before",
        )
    if not frame.objects:
        return wrong(
            f"a {NOWHERE!r} is accepted and comes back without a label",
            "a sentence of supports(), or a catalog",
            "what it has no asset for is left out in silence",
        )
    return noted("it stages whatever it is asked for, and has no catalog")


def restart(bench: Bench) -> Found:
    """Closed, twice, and started again, it renders a scene as before."""
    scene = bench.pair()
    bench.frame(scene)  # what a frame late gives is the scene before's, which is another check's
    before = bench.frame(scene)
    bench.restart()
    again = bench.frame(scene)
    if changed := truth_changed(before, again):
        return wrong(
            f"started again, it labels a scene otherwise: {changed}",
            "the same labels",
            "something of the process before is left, or chance is not drawn from scene.seed",
        )
    if changed := pixels_changed(before, again):
        return noted(f"started again: the same labels, but {changed}")
    return right("closed, closed again, started: the same bytes and labels")


def cost(bench: Bench) -> Found:
    """Seconds, CPU-seconds and memory of a frame, its own processes counted too."""
    bench.frame(bench.pair())
    seconds, cpu_s, memory, growth = _measured(bench)
    frames = len(seconds)
    if growth > LEAK_MB:  # a garbage collector may not have begun: a leak goes on
        more, cpu_s, memory, growth = _measured(bench)
        frames += len(more)
    numbers = {
        "seconds": median(seconds),
        "cpu_seconds": cpu_s,
        "mb": memory,
        "mb_a_frame": growth,
        "frames": frames,
    }
    if growth > LEAK_MB:
        return wrong(
            f"memory grows by {growth:.1f} MB a frame over {frames} renders of one scene",
            "none that goes on",
            "meshes, textures, pictures or spawned actors are kept after their frame",
            **numbers,
        )
    return right(f"{median(seconds):.3f} s and {cpu_s:.3f} CPU-s a frame, {memory:.0f} MB", **numbers)


def _measured(bench: Bench) -> tuple[list[float], float, float, float]:
    """Of renders of one scene: the seconds of each, CPU-seconds a frame, memory at the end in MB, and its
    growth in MB a frame: between their thirds, the lesser of both."""
    scene = bench.pair()
    seconds: list[float] = []
    memory: list[float] = []
    cpu, _ = _used()
    began = time.perf_counter()
    while len(seconds) < _MOST and (len(seconds) < _FEWEST or time.perf_counter() - began < _ENOUGH_S):
        start = time.perf_counter()
        bench.frame(scene)
        seconds.append(time.perf_counter() - start)
        memory.append(_used()[1])
    count = len(seconds)
    low, middle, high = (median(memory[count * k // 3 : count * (k + 1) // 3]) for k in range(3))
    growth = min(middle - low, high - middle) / (count / 3)
    return seconds, (_used()[0] - cpu) / count, memory[-1], growth


def _used() -> tuple[float, float]:
    """CPU-seconds so far and memory in MB, of this process and of all that it started."""
    seconds, memory = 0.0, 0
    here = psutil.Process()
    for process in (here, *here.children(recursive=True)):
        try:
            times = process.cpu_times()
            seconds += times.user + times.system
            memory += process.memory_info().rss
        except psutil.Error:  # it has ended
            continue
    return seconds, memory / 1e6


CONDUCT_CHECKS = (
    Check("empty scene", empty, 1, labels=False),
    Check("supports and render", promises, 5, labels=False),
    Check("unknown category", category, 1, labels=False),
    Check("close and restart", restart, 3, labels=False),
    Check("cost of a frame", cost, 2 * _MOST, labels=False),
)
