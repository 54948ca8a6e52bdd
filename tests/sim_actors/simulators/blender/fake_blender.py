"""A Blender that is none: it speaks the worker's protocol and shows triangles by a rasterizer of its own.

What it knows of cameras and axes is what `worker.py` says of them, and nothing of the simulator's code. It is
started as `blender -b ... -P worker.py -- 3`; the environment variable FAKE_FAULT names the one thing that it
does wrong, or else a scene's name does so for its answer.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

FAULT = os.environ.get("FAKE_FAULT", "")
LOG = os.environ.get("FAKE_LOG")
ANSWERS = os.fdopen(int(sys.argv[-1]) if "--" in sys.argv else os.dup(1), "w")
os.dup2(2 if "--" not in sys.argv else 1, 1)  # `python -I worker.py`: stdout is the answers'
print("Blender 4.5.0\nRead prefs", flush=True)  # as the real one does


def say(**answer: object) -> None:
    print(json.dumps(answer), file=ANSWERS, flush=True)


def ids_of(data, lens, width, height):
    """The identity at each pixel's centre: the nearest triangle there."""
    ids, depth = np.zeros((height, width), np.uint16), np.full((height, width), np.inf)
    points = np.column_stack([data["positions"].astype(np.float64), np.ones(len(data["positions"]))])
    right, up, back, _ = np.linalg.inv(lens["pose"]) @ points.T  # Blender's cameras look along -z
    ahead = -back
    x = lens["cx"] + lens["fx"] * right / ahead
    y = lens["cy"] - lens["fy"] * up / ahead
    for a, b, c in data["triangles"]:
        if min(ahead[a], ahead[b], ahead[c]) < lens["near"]:
            continue
        area = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])
        left, right = max(int(min(x[a], x[b], x[c])), 0), min(int(max(x[a], x[b], x[c])) + 1, width)
        top, bottom = max(int(min(y[a], y[b], y[c])), 0), min(int(max(y[a], y[b], y[c])) + 1, height)
        if left >= right or top >= bottom or abs(area) < 1e-12:
            continue
        u, v = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
        first = ((x[b] - u) * (y[c] - v) - (x[c] - u) * (y[b] - v)) / area
        second = ((x[c] - u) * (y[a] - v) - (x[a] - u) * (y[c] - v)) / area
        third = 1 - first - second
        inverse = first / ahead[a] + second / ahead[b] + third / ahead[c]
        here = (first >= 0) & (second >= 0) & (third >= 0)
        z = np.where(here, 1 / np.where(here, inverse, 1), np.inf)
        window = (slice(top, bottom), slice(left, right))
        nearer = z < depth[window]
        depth[window] = np.where(nearer, z, depth[window])
        ids[window] = np.where(nearer, np.uint16(data["identity"][a]), ids[window])
    return ids


def rendered(asked, folder):
    fault = FAULT or asked["scene_id"]
    width, height = asked["width"], asked["height"]
    with np.load(Path(folder) / asked["data"]) as stored:
        data = dict(stored)
    looks = data["looks"].astype(np.float32)
    light = np.ones((height, width, 4), np.float32)
    light[..., :3] = looks[::2, ::2, :3] * 2
    ids = ids_of(data, asked["camera"], width, height)
    if fault == "no numbers":
        light[0, 0, 0] = np.nan
    if fault == "another size":
        light = light[:-1]
    if fault == "wrong ids":
        ids[0, 0] = 999
    path = Path(folder) / "rendered.npz"
    np.savez(path, light=light, ids=ids)
    if fault == "no file":
        path.unlink()
    if fault == "half a file":
        path.write_bytes(path.read_bytes()[:2000])
    scene_id = "another" if fault == "another scene" else asked["scene_id"]
    return {"scene_id": scene_id, "data": str(path), "device": "CPU"}


if LOG:
    with open(LOG, "a") as log:
        print(os.getpid(), file=log)
starts = len(Path(LOG).read_text().split()) if LOG else 1
if FAULT == "hangs at start":
    time.sleep(600)
if FAULT == "prints":
    print("Blender quit", file=ANSWERS, flush=True)
folder, renders = "", 0
for line in sys.stdin:
    asked = json.loads(line)
    if asked["ask"] == "bye":
        break
    if asked["ask"] == "hello":
        folder = asked["folder"]
        version = f"4.5.{starts}" if FAULT == "updated" else "4.5.0 fake"
        if FAULT == "no bpy":
            say(protocol=1, error="ModuleNotFoundError: No module named 'bpy'")
        elif FAULT == "a library":
            say(protocol=1, error="ImportError: libSM.so.6: cannot open shared object file: No such file")
        elif FAULT == "another protocol":
            say(protocol=7, blender=version, device="CPU")
        else:
            say(protocol=1, blender=version, device="CPU")
        continue
    renders += 1
    if FAULT in ("dies", "updated") and starts == 1 and renders == 2:
        print("Segmentation fault in the kernel", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if FAULT == "out of memory" and renders == 2:
        say(scene_id=asked["scene_id"], error="RuntimeError: System is out of GPU memory (worker.py, line 1)")
        continue
    say(**rendered(asked, folder))
