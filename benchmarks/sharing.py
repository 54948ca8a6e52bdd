"""Two trainings on one machine: at once against one after the other, with threads that spin and that wait.

    python benchmarks/sharing.py [--steps 8 --repeats 5]

Each training is a process of its own with all of the machine's threads, as two runs that are started by hand:
the grid detector at 416 x 128, 8 images a step, tensors from memory. Its clock runs from its first step after
a warm-up to its last. The ways take turns; medians. Prints a table, then one JSON object as the last line.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cluster.runtime.openmp import PASSIVE

WAYS = {"spinning": {}, "waiting": PASSIVE}


def child(steps: int) -> None:
    """One training; says that it is ready, waits for a line, trains, and prints its seconds."""
    import torch

    from imitation.detectors.registry import build_detector
    from imitation.detectors.settings import DetectorSettings

    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(0)
    model = build_detector(DetectorSettings(weights=None, width=416, height=128), 2).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    images = [torch.rand(3, 128, 416) for _ in range(8)]
    box = torch.tensor([[20.0, 20, 90, 80], [200, 40, 260, 90]])
    targets = [{"boxes": box, "labels": torch.tensor([1, 2])}] * 8

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        sum(model(images, targets).values()).backward()
        optimizer.step()

    step()
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    print(time.perf_counter() - began, flush=True)


def seconds(steps: int, count: int, environment: dict[str, str]) -> float:
    """Seconds until `count` trainings at once are done."""
    plain = {name: value for name, value in os.environ.items() if name not in PASSIVE}
    words = [sys.executable, __file__, "--child", "--steps", str(steps)]
    running = [
        subprocess.Popen(
            words, env=plain | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    for each in running:
        assert each.stdout is not None
        each.stdout.readline()
    for each in running:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    return max(float(each.communicate()[0]) for each in running)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.steps)
        return
    taken: dict[str, dict[str, list[float]]] = {way: {"alone": [], "two": []} for way in WAYS}
    for _ in range(options.repeats):
        for way, environment in WAYS.items():
            taken[way]["alone"].append(seconds(options.steps, 1, environment))
            taken[way]["two"].append(seconds(options.steps, 2, environment))
    result = {}
    print(f"{'threads':10} {'alone, s':>9} {'two at once, s':>15} {'against one after the other':>28}")
    for way, found in taken.items():
        alone, two = statistics.median(found["alone"]), statistics.median(found["two"])
        result[way] = {"alone_s": alone, "two_s": two, "ratio": two / (2 * alone)}
        print(f"{way:10} {alone:9.2f} {two:15.2f} {two / (2 * alone):28.2f}")
    result["alone"] = {"ratio": result["waiting"]["alone_s"] / result["spinning"]["alone_s"]}
    print(f"alone, waiting takes {result['alone']['ratio']:.2f} times as long as spinning")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
