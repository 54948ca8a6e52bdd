"""A program on a pipe that does one thing wrong, the one that its first argument names.

Its second argument is what else it answers, JSON. With the standard library alone, as anybody's might be.
"""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

FAULT, LABELS = sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}


def say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


if FAULT == "no start":
    print("the licence server said no", file=sys.stderr)
    sys.exit(3)
if FAULT == "prints":
    print("Loading shaders ... done")
if FAULT == "garbage":
    sys.stdout.buffer.write(b"\xff\xfe\x00 hello\n")
if FAULT == "half a line":
    print('{"protocol": 1, "na', end="", flush=True)
    sys.exit(0)
if FAULT == "hangs at start":
    print("waiting for a display", file=sys.stderr, flush=True)
    time.sleep(600)
if FAULT == "huge line":
    while True:
        sys.stdout.write("x" * 65536)

if FAULT in ("ignores bye", "leaves a child"):
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if FAULT == "leaves a child":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(LABELS["pids"]).write_text(str(child.pid))

asked = 0
for line in sys.stdin:
    question = json.loads(line)
    scene_id = question.get("scene", {}).get("scene_id")
    if question["ask"] == "hello":
        hello = {"protocol": 1, "name": "odd", "version": "7", "categories": ["car", "Cone"]}
        if FAULT == "supports":
            hello |= {"supports": True}
        if "starts" in LABELS:
            with open(LABELS["starts"], "a") as log:
                print(os.getpid(), file=log)
        say(hello | LABELS.get("hello", {}))
    elif question["ask"] == "supports":
        say({"scene_id": scene_id, "reasons": ["the fog machine is broken"]})
    elif question["ask"] == "bye" and FAULT not in ("ignores bye", "leaves a child"):
        break
    elif question["ask"] == "render":
        asked += 1
        if FAULT == "dies" and scene_id == "s001":
            print("Segmentation fault in the paint shop: größer", file=sys.stderr, flush=True)
            os.kill(os.getpid(), 9)
        if FAULT == "hangs" and scene_id == "s001" and len(Path(LABELS["starts"]).read_text().split()) == 1:
            time.sleep(600)  # the first of its processes only
        if FAULT == "floods stderr":
            print("x" * 3_000_000 + "\nlast words", file=sys.stderr, flush=True)
            os._exit(4)
        if FAULT == "another scene" and asked == 2:
            scene_id = "s000"
        size = question["scene"]["width"], question["scene"]["height"]
        picture = b"P6 %d %d 255\n" % size + bytes([128]) * (3 * size[0] * size[1])
        answer = {"scene_id": scene_id, "image_base64": base64.b64encode(picture).decode()}
        answer |= {"objects": [{"actor": 0, "amodal_box": [2, 4, 8, 7], "visible_box": [2, 4, 8, 7]}]}
        say({key: value for key, value in (answer | LABELS.get("render", {})).items() if value is not None})
if FAULT in ("ignores bye", "leaves a child"):
    time.sleep(600)
