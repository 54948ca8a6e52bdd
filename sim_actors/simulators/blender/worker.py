# SPDX-License-Identifier: MIT
#
# This file runs inside Blender and uses its module `bpy`, which is under the GPL: so it is under a licence
# that is compatible with the GPL's every version. Nothing else of the project imports bpy or this file: it is
# started as a program, and speaks with the simulator by lines of JSON and files of numbers.
"""The end of the pipe that is Blender: triangles, light and a camera in, radiance and ids out.

    python worker.py                                       # where `import bpy` works (imitate setup blender)
    blender -b -P worker.py -- 3  3>&1 >/dev/null          # with a Blender of the system

Each line of stdin is a question, each line of stdout its answer (JSON, `messages.py` has both). Arrays lie in
.npz files in the folder that `hello` names. Axes: x right, y ahead, z up,
metres; the ground lies at z = 0, and the camera's pose says how it looks down.

Nothing of a scene outlives it, so that its pixels do not depend on what was rendered before.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from typing import Any

# Blender writes to stdout what it does, many lines a picture; what goes wrong it writes to stderr. The
# answers have a stdout of their own: the file descriptor that the last word names, or what stdout was so far.
_own = int(sys.argv[-1]) if "--" in sys.argv else os.dup(1)
_answers = os.fdopen(_own, "w", encoding="utf-8")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

PROTOCOL = 1
BACKENDS = ("OPTIX", "CUDA", "HIP", "METAL", "ONEAPI")


def answer(**said: Any) -> None:
    _answers.write(json.dumps(said) + "\n")
    _answers.flush()


try:
    import bpy
    import numpy as np
except Exception as error:  # a library that the system lacks is an ImportError or an OSError
    answer(protocol=PROTOCOL, error=f"{type(error).__name__}: {error}")
    sys.exit(3)


# ---------------------------------------------------------------- devices


def devices_of(backend: str) -> list[str]:
    """Names of the GPUs that Cycles can use by a backend; none where this Blender has no such backend."""
    preferences = bpy.context.preferences.addons["cycles"].preferences
    try:
        preferences.compute_device_type = backend
    except TypeError:
        return []
    if hasattr(preferences, "refresh_devices"):
        preferences.refresh_devices()
    else:
        preferences.get_devices()
    return [device.name for device in preferences.devices if device.type == backend]


def choose(device: str) -> str:
    """Makes Cycles render on "cpu", "auto" or one backend; what it is then. Raises ValueError."""
    if device != "cpu":
        wanted = BACKENDS if device == "auto" else (device.upper(),)
        for backend in wanted:
            if devices_of(backend):
                for one in bpy.context.preferences.addons["cycles"].preferences.devices:
                    one.use = one.type == backend
                return backend
        if device != "auto":
            raise ValueError(f"device: Cycles finds no {device} device here; auto takes the CPU then")
    return "CPU"


def denoise(denoiser: str) -> None:
    """Sets the denoiser. Raises ValueError where this Blender was built without it."""
    cycles = bpy.context.scene.cycles
    cycles.use_denoising = denoiser != "none"
    if cycles.use_denoising:
        try:
            cycles.denoiser = {"oidn": "OPENIMAGEDENOISE", "optix": "OPTIX"}[denoiser]
        except TypeError:
            raise ValueError(
                f"this Blender has no denoiser {denoiser} (Debian's is built without; optix needs an NVIDIA "
                "GPU): set simulate.options.denoiser=none, and more samples"
            ) from None
        cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
        # Of 26 CPU-seconds for 1242x375 px at 4 samples, Blender's default (ACCURATE) takes 14. FAST takes 3,
        # and the albedo that guides it has little noise here.
        cycles.denoising_prefilter = "FAST"


# ---------------------------------------------------------------- the scene


def picture(name: str, rows: np.ndarray) -> Any:
    """An image of floats from (height, width, 4), the first row on top."""
    height, width = rows.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=True, float_buffer=True, is_data=True)
    image.colorspace_settings.name = "Non-Color"
    image.alpha_mode = "CHANNEL_PACKED"
    image.pixels.foreach_set(np.ascontiguousarray(rows[::-1], dtype=np.float32).ravel())
    image.update()
    return image


class Graph:
    """A node tree, built by calls."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        tree.nodes.clear()

    def node(self, kinds: str | tuple[str, ...], inputs: Any = (), **attributes: Any) -> Any:
        """A node of the first kind that this Blender knows; `inputs` by number or name."""
        for kind in kinds if isinstance(kinds, tuple) else (kinds,):
            try:
                made = self.tree.nodes.new(kind)
                break
            except RuntimeError:
                continue
        else:
            raise RuntimeError(f"this Blender has no node {kinds}")
        for name, value in attributes.items():
            setattr(made, name, value)
        for name, value in dict(inputs).items():
            if hasattr(value, "is_output"):
                self.tree.links.new(value, made.inputs[name])
            else:
                made.inputs[name].default_value = value
        return made

    def math(self, operation: str, a: Any, b: Any = 0.0, c: Any = 0.0) -> Any:
        return self.node("ShaderNodeMath", {0: a, 1: b, 2: c}, operation=operation).outputs[0]

    def attribute(self, name: str) -> Any:
        return self.node("ShaderNodeAttribute", attribute_name=name)

    def mixed(self, factor: Any, first: Any, second: Any) -> Any:
        return self.node("ShaderNodeMixShader", {0: factor, 1: first, 2: second}).outputs[0]

    def chosen(self, factor: Any, first: Any, second: Any) -> Any:
        """`first` where factor is 0, `second` where it is 1; colours."""
        part = self.node("ShaderNodeMixRGB", {0: factor, 1: first, 2: second})
        return part.outputs[0]

    def window(self, image: Any, at: Any) -> Any:
        return self.node(
            "ShaderNodeTexImage", {"Vector": at}, image=image, interpolation="Closest", extension="EXTEND"
        )


def material_of(looks: Any, shown: Any) -> Any:
    """One material for all: what the projected pictures say where they show this very surface, what its
    vertices say elsewhere (hidden from the camera, or seen past an edge).

    looks: albedo, gloss; shown: number of the body, reflectance, 1 well inside of bodies.
    """
    material = bpy.data.materials.new("all")
    material.use_nodes = True
    g = Graph(material.node_tree)
    at = g.node("ShaderNodeTexCoord").outputs["Window"]
    look, seen = g.window(looks, at), g.window(shown, at)
    apart = g.node("ShaderNodeSeparateXYZ", {0: seen.outputs["Color"]})
    number, reflects, inside = apart.outputs
    plain, finish = g.attribute("plain"), g.attribute("finish")
    own = g.node("ShaderNodeSeparateXYZ", {0: finish.outputs["Vector"]}).outputs
    body = g.attribute("body").outputs["Fac"]
    match = g.math("LESS_THAN", g.math("ABSOLUTE", g.math("SUBTRACT", number, body)), 0.5)

    def either(first: Any, second: Any) -> Any:
        return g.math("ADD", first, g.math("MULTIPLY", match, g.math("SUBTRACT", second, first)))

    albedo = g.chosen(match, plain.outputs["Color"], look.outputs["Color"])
    gloss, reflectance, through = either(own[0], look.outputs["Alpha"]), either(own[1], reflects), own[2]
    # The embedded renderer's balance of matt and mirror: Schlick's, flattened by roughness (Lagarde), and
    # once more by the gloss: it is taken at the normal, and a rough surface mirrors at normals of its own.
    lack = g.math("POWER", g.node("ShaderNodeLayerWeight", {"Blend": 0.5}).outputs["Facing"], 5.0)
    rise = g.math("MAXIMUM", g.math("MULTIPLY", g.math("SUBTRACT", gloss, reflectance), gloss), 0.0)
    fresnel = g.math("MULTIPLY_ADD", rise, lack, reflectance)
    matt = g.node("ShaderNodeBsdfDiffuse", {"Color": albedo}).outputs[0]
    # What comes through a leaf is beside what it throws back, as the embedded renderer has it.
    behind = g.chosen(through, (0.0, 0.0, 0.0, 1.0), albedo)
    back = g.node("ShaderNodeBsdfTranslucent", {"Color": behind}).outputs[0]
    both = g.node("ShaderNodeAddShader", {0: matt, 1: back}).outputs[0]
    mirror = g.node(
        ("ShaderNodeBsdfAnisotropic", "ShaderNodeBsdfGlossy"),
        {"Roughness": g.math("MAXIMUM", g.math("SUBTRACT", 1.0, gloss), 0.03)},
        distribution="GGX",
    ).outputs[0]
    surface = g.mixed(fresnel, both, mirror)
    # The ground is body 0. What dips under it stays whole, as its labels are: the ground lets the camera
    # through there, and light from below.
    ground = g.math("LESS_THAN", body, 0.5)
    light_path = g.node("ShaderNodeLightPath").outputs["Is Camera Ray"]
    below = g.node("ShaderNodeNewGeometry").outputs["Backfacing"]
    open_to = g.math("MAXIMUM", below, g.math("MULTIPLY", light_path, inside))
    clear = g.node("ShaderNodeBsdfTransparent").outputs[0]
    surface = g.mixed(g.math("MULTIPLY", ground, open_to), surface, clear)
    g.node("ShaderNodeOutputMaterial", {"Surface": surface})
    return material


def identity_material() -> Any:
    """Each surface shines as its id."""
    material = bpy.data.materials.new("ids")
    material.use_nodes = True
    g = Graph(material.node_tree)
    shines = g.node("ShaderNodeEmission", {"Strength": g.attribute("identity").outputs["Fac"]}).outputs[0]
    g.node("ShaderNodeOutputMaterial", {"Surface": shines})
    return material


def mesh_of(name: str, data: dict[str, np.ndarray], prefix: str) -> Any:
    """An object of triangles, with what its vertices say of themselves."""
    points, triangles = data[f"{prefix}positions"], data[f"{prefix}triangles"]
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(points))
    mesh.vertices.foreach_set("co", points.astype(np.float32).ravel())
    count = len(triangles)
    mesh.loops.add(3 * count)
    mesh.loops.foreach_set("vertex_index", triangles.astype(np.int32).ravel())
    mesh.polygons.add(count)
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * count, 3, dtype=np.int32))
    with contextlib.suppress(
        AttributeError, TypeError, RuntimeError
    ):  # newer ones know it from the next start
        mesh.polygons.foreach_set("loop_total", np.full(count, 3, dtype=np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(count, dtype=bool))
    for attribute, kind, into in (
        ("plain", "FLOAT_COLOR", "color"),
        ("finish", "FLOAT_VECTOR", "vector"),
        ("body", "FLOAT", "value"),
        ("identity", "FLOAT", "value"),
    ):
        values = data[f"{prefix}{attribute}"].astype(np.float32)
        if kind == "FLOAT_COLOR":
            values = np.column_stack([values, np.ones(len(values), dtype=np.float32)])
        mesh.attributes.new(attribute, kind, "POINT").data.foreach_set(into, values.ravel())
    mesh.update(calc_edges=True)
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def lamp(
    name: str,
    kind: str,
    toward: Any,
    energy: float,
    colour: Any,
    at: Any = (0.0, 0.0, 0.0),
    **attributes: Any,
) -> None:
    from mathutils import Vector

    light = bpy.data.lights.new(name, kind)
    light.energy, light.color = energy, colour
    for key, value in attributes.items():
        setattr(light, key, value)
    made = bpy.data.objects.new(name, light)
    made.location = at
    made.rotation_mode = "QUATERNION"
    made.rotation_quaternion = Vector(toward).to_track_quat("-Z", "Y")
    bpy.context.scene.collection.objects.link(made)


def camera_of(lens: dict[str, Any], width: int, height: int) -> None:
    """The principal point may lie anywhere, and the focal lengths differ."""
    from mathutils import Matrix

    scene, camera = bpy.context.scene, bpy.data.cameras.new("camera")
    fx, fy, cx, cy = (lens[key] for key in ("fx", "fy", "cx", "cy"))
    camera.sensor_fit, camera.sensor_width = "HORIZONTAL", 36.0
    camera.lens = 36.0 * fx / width
    render = scene.render
    render.pixel_aspect_x, render.pixel_aspect_y = max(fy / fx, 1.0), max(fx / fy, 1.0)
    camera.shift_x = (width / 2 - cx) / width
    camera.shift_y = (cy - height / 2) / width * (fx / fy)
    camera.clip_start, camera.clip_end = lens["near"], lens["far"]
    made = bpy.data.objects.new("camera", camera)
    made.matrix_world = Matrix(lens["pose"])
    scene.collection.objects.link(made)
    scene.camera = made


def sky_of(rows: np.ndarray) -> None:
    """The world's light: an equirectangular picture."""
    world = bpy.data.worlds.new("sky")
    bpy.context.scene.world = world
    world.use_nodes = True
    g = Graph(world.node_tree)
    image = picture("sky", np.dstack([rows, np.ones(rows.shape[:2])]))
    at = g.node("ShaderNodeTexCoord").outputs["Generated"]
    sky = g.node("ShaderNodeTexEnvironment", {"Vector": at}, image=image)
    shines = g.node("ShaderNodeBackground", {"Color": sky.outputs["Color"], "Strength": 1.0})
    g.node("ShaderNodeOutputWorld", {"Surface": shines.outputs[0]})
    world.cycles.sampling_method = "MANUAL"
    world.cycles.sample_map_resolution = 512


# ---------------------------------------------------------------- rendering


def setup(asked: dict[str, Any], backend: str) -> None:
    scene = bpy.context.scene
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y = asked["width"], asked["height"]
    render.resolution_percentage = 100
    render.threads_mode, render.threads = "FIXED", asked["threads"]
    render.film_transparent = True
    render.use_persistent_data = False
    render.use_compositing = render.use_sequencer = False
    render.dither_intensity = 0.0
    files = render.image_settings
    files.file_format, files.color_mode = "OPEN_EXR", "RGBA"
    files.color_depth, files.exr_codec = "32", "NONE"
    scene.view_settings.view_transform = "Raw"
    cycles.device = "CPU" if backend == "CPU" else "GPU"
    cycles.samples = asked["samples"]
    cycles.use_adaptive_sampling = False
    cycles.seed = asked["seed"]
    cycles.max_bounces = asked["bounces"]
    cycles.diffuse_bounces = cycles.glossy_bounces = cycles.transmission_bounces = asked["bounces"]
    cycles.transparent_max_bounces = 8
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.blur_glossy = 1.0
    cycles.sample_clamp_indirect = asked["clamp"]
    cycles.pixel_filter_type, cycles.filter_width = "BLACKMAN_HARRIS", 1.5
    denoise(asked["denoiser"])


def rendered(path: str) -> np.ndarray:
    """The pixels (height, width, 4) float32 of the scene as it is, by way of a file: Blender shows its
    result nowhere else when it has no window."""
    scene = bpy.context.scene
    scene.render.filepath = os.path.abspath(path)  # 5.0 takes no relative one
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath, check_existing=False)
    image.colorspace_settings.name = "Non-Color"
    image.alpha_mode = "CHANNEL_PACKED"
    width, height = image.size
    pixels = np.empty(width * height * 4, dtype=np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    os.remove(scene.render.filepath)
    return pixels.reshape(height, width, 4)[::-1]


def rendering(asked: dict[str, Any], folder: str) -> dict[str, Any]:
    """Renders a scene: its light, and then its ids."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    backend = choose(asked["device"])
    with np.load(os.path.join(folder, asked["data"])) as stored:
        data = dict(stored)
    setup(asked, backend)
    camera_of(asked["camera"], asked["width"], asked["height"])
    looks, shown = picture("looks", data["looks"]), picture("shown", data["shown"])
    material = material_of(looks, shown)
    things = [mesh_of("bodies", data, "")] if len(data["triangles"]) else []
    ground = mesh_of("ground", data, "ground_")
    for thing in (*things, ground):
        thing.data.materials.append(material)
    sky_of(data["sky"])
    if asked["sun"]:
        sun = asked["sun"]
        lamp("sun", "SUN", sun["toward"], sun["strength"], sun["colour"], angle=sun["angle"])
    for number, one in enumerate(asked["lamps"]):
        lamp(
            f"lamp {number}", "SPOT", one["toward"], one["power"], one["colour"], one["at"],
            spot_size=one["angle"], spot_blend=one["blend"], shadow_soft_size=one["radius"],
        )  # fmt: skip
    light = rendered(os.path.join(folder, "light.exr"))

    ids = np.zeros(light.shape[:2], dtype=np.uint16)
    if things:
        cycles = bpy.context.scene.cycles
        ground.hide_render = True
        for thing in things:
            thing.data.materials.clear()
            thing.data.materials.append(identity_material())
        bpy.context.scene.world = None
        cycles.device = "CPU"
        cycles.samples, cycles.use_denoising, cycles.max_bounces = 1, False, 0
        cycles.filter_width = 0.01
        ids = np.rint(rendered(os.path.join(folder, "ids.exr"))[..., 0]).astype(np.uint16)
    path = os.path.join(folder, "rendered.npz")
    np.savez(path, light=light, ids=ids)
    return {"scene_id": asked["scene_id"], "data": path, "device": backend}


def main() -> None:
    folder, said = ".", dict[str, Any]()
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["ask"] == "bye":
            break
        try:
            if asked["ask"] == "hello":
                folder = asked["folder"]
                bpy.ops.wm.read_factory_settings(use_empty=True)
                said = {"protocol": PROTOCOL, "blender": bpy.app.version_string}
                said |= {"device": choose(asked["device"])}
                denoise(asked["denoiser"])
            else:
                said = rendering(asked, folder)
        except Exception as error:  # whatever it is, it is that scene's
            traceback.print_exc()
            place = traceback.extract_tb(error.__traceback__)[-1].lineno
            ours = isinstance(error, ValueError)
            what = str(error) if ours else f"{type(error).__name__}: {error} (worker.py, line {place})"
            said = {"scene_id": asked.get("scene_id"), "error": what}
            if asked["ask"] == "hello":
                said["protocol"] = PROTOCOL
        answer(**said)


main()
sys.stdout.flush()
os._exit(0)  # Blender's own end may wait for what it no longer needs
