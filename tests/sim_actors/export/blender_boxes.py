"""Run by Blender's Python: opens a file with Blender's own importer, and prints the boxes of its meshes as
Blender's camera sees them, as JSON. Arguments: the file, width, height, pixel aspect, and for glTF the crop.

SPDX-License-Identifier: MIT
"""

import json
import sys

import bpy
from bpy_extras.object_utils import world_to_camera_view


def main(path, width, height, aspect):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if path.endswith(".glb"):
        bpy.ops.import_scene.gltf(filepath=path)
    else:
        bpy.ops.wm.usd_import(filepath=path)
    scene = bpy.context.scene
    scene.camera = next(one for one in bpy.data.objects if one.type == "CAMERA")
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.pixel_aspect_x, render.pixel_aspect_y = max(aspect, 1.0), max(1.0 / aspect, 1.0)
    bpy.context.view_layer.update()
    found = {}
    for one in bpy.data.objects:
        if one.type == "MESH":
            at = [
                world_to_camera_view(scene, scene.camera, one.matrix_world @ v.co) for v in one.data.vertices
            ]
            xs, ys = [p.x * width for p in at], [(1 - p.y) * height for p in at]
            above = one
            while above.parent is not None and above.parent.name.startswith(("actor_", "prop_", "ground_")):
                above = above.parent
            box = [min(xs), min(ys), max(xs), max(ys), max(-p.z for p in at)]
            known = found.setdefault(above.name, box)
            found[above.name] = [*map(min, known[:2], box[:2]), *map(max, known[2:], box[2:])]
    ground = [one for one in bpy.data.objects if one.type == "MESH" and "ground" in one.name]
    level = max(abs((one.matrix_world @ v.co).z) for one in ground for v in one.data.vertices)
    suns = [one for one in bpy.data.objects if one.type == "LIGHT" and one.data.type == "SUN"]
    toward = [list(one.matrix_world.to_3x3().col[2]) for one in suns]
    print("FOUND " + json.dumps({"boxes": found, "ground": level, "suns": toward}), flush=True)


main(sys.argv[-4], int(sys.argv[-3]), int(sys.argv[-2]), float(sys.argv[-1]))
