"""A simulator that is a program on a pipe: boxes, with Pillow. It imports nothing of ours. From this folder:

imitate check simulator simulate.simulator=command "simulate.options={command: [python, pipe_boxes.py]}"
"""

import json
import math
import os
import sys

from PIL import Image, ImageDraw

CATEGORIES = ["car", "truck", "pedestrian"]  # what it can stage


def corners(c):
    """The 8 corners of a cuboid: x right, y down, z forward, m; x, y, z are the middle of its bottom."""
    for i in (-0.5, 0.5):
        for j in (-0.5, 0.5):
            dx, dz = i * c["length"], j * c["width"]
            x = c["x"] + math.cos(c["yaw"]) * dx + math.sin(c["yaw"]) * dz
            z = c["z"] - math.sin(c["yaw"]) * dx + math.cos(c["yaw"]) * dz
            yield from ((x, c["y"], z), (x, c["y"] - c["height"], z))


def render(scene, folder):
    size, camera = (scene["width"], scene["height"]), scene["camera"]
    picture, ids = Image.new("RGB", size, (150, 170, 200)), Image.new("L", size)  # ids: index + 1
    ImageDraw.Draw(picture).rectangle((0, camera["cy"], *size), fill=(90, 90, 90))
    objects = []
    far_first = sorted(enumerate(scene["actors"]), key=lambda pair: -pair[1]["cuboid"]["z"])
    for index, actor in far_first:
        points = list(corners(actor["cuboid"]))
        if min(z for _, _, z in points) < 0.2:
            continue  # it reaches behind the lens
        xs = [camera["fx"] * x / z + camera["cx"] for x, _, z in points]
        ys = [camera["fy"] * y / z + camera["cy"] for _, y, z in points]
        whole = min(xs), min(ys), max(xs), max(ys)
        x1, x2 = (min(max(round(edge), 0), size[0]) for edge in whole[::2])
        y1, y2 = (min(max(round(edge), 0), size[1]) for edge in whole[1::2])
        if x1 < x2 and y1 < y2:
            colour = tuple(round(255 * min(max(share, 0), 1) ** 0.45) for share in actor["color"])
            picture.paste(colour, (x1, y1, x2, y2))
            ids.paste(index + 1, (x1, y1, x2, y2))
            pixels = (x2 - x1) * (y2 - y1)  # that it would show with nothing before it
            label = {"actor": index, "amodal_box": whole, "pixels": pixels, "cuboid": actor["cuboid"]}
            objects.append(label)
    paths = {name: os.path.join(folder, f"{name}.png") for name in ("image", "ids")}
    picture.save(paths["image"])
    ids.save(paths["ids"])
    return {**paths, "objects": objects}


folder = ""
for line in sys.stdin:
    question = json.loads(line)
    if question["ask"] == "hello":
        folder = question["folder"]  # ours to write into; removed at the end
        answer = {"protocol": 1, "name": "pipe-boxes", "version": "1", "categories": CATEGORIES}
    elif question["ask"] == "render":
        answer = {"scene_id": question["scene"]["scene_id"], **render(question["scene"], folder)}
    else:  # bye
        break
    print(json.dumps(answer), flush=True)
