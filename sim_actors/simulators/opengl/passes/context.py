"""The OpenGL context, its programs, and what is cached in it: meshes, textures, framebuffers."""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from importlib.resources import files
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

import moderngl
import numpy as np

from imitation.common.settings import UserError
from sim_actors.simulators.opengl import preflight, torch_first
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.meshes import MeshKey, mesh_of
from sim_actors.simulators.opengl.lighting.light import CASCADES
from sim_actors.simulators.opengl.passes.draw_list import INSTANCE_BYTES
from sim_actors.simulators.opengl.passes.textures import noise_field

FRAME_BINDING, INSTANCE_BINDING = 1, 2
SAMPLERS = (
    "shadow_map",
    "noise_map",
    "image",
    "sky_map",
    "mirror_map",
    "depth_map",
    "light_map",
    "glow_map",
    "photo",
)
UNIT = {name: unit for unit, name in enumerate(SAMPLERS)}
"""The texture unit of each sampler, the same in every program."""
GLOW_CELL = 8
"""Side of a texel of the glow around highlights, px."""

_OWN_VERTICES = ("surface", "depth", "ground", "sky", "contact", "occluder", "veil")
SIZES_KEPT = 4
"""Image sizes whose framebuffers are kept (a dataset mixes a few)."""


def shader_source(name: str, defines: Sequence[str] = ()) -> str:
    """A shader with its `#include` lines resolved and names defined after its `#version`."""
    text = (files("sim_actors.simulators.opengl") / "shaders" / name).read_text()
    text = re.sub(r"^#include (\S+)$", lambda match: shader_source(match.group(1)), text, flags=re.MULTILINE)
    version, _, rest = text.partition("\n")
    return text if not defines else "\n".join([version, *(f"#define {d}" for d in defines), rest])


class _Releasable(Protocol):
    def release(self) -> None: ...


K = TypeVar("K", bound=Hashable)
T = TypeVar("T", bound=_Releasable)


class _Recent(Generic[K, T]):
    """The last few GL objects used; older ones are released."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.items: OrderedDict[K, T] = OrderedDict()

    def get(self, key: K, make: Callable[[], T]) -> T:
        if key not in self.items:
            self.items[key] = make()
            while len(self.items) > self.limit:
                self.items.popitem(last=False)[1].release()
        self.items.move_to_end(key)
        return self.items[key]


class Targets:
    """Framebuffers for one image size: colour and id, the same colour without id, what a wet road
    mirrors, ambient occlusion, the glow of highlights, and the two stages of development."""

    def __init__(self, ctx: moderngl.Context, width: int, height: int, scale: int) -> None:
        size, cells = (width * scale, height * scale), (-(-width // GLOW_CELL), -(-height // GLOW_CELL))
        self._owned: list[moderngl.Framebuffer | moderngl.Texture | moderngl.Renderbuffer] = []

        def texture(size: tuple[int, int], components: int, dtype: str = "f2") -> moderngl.Texture:
            made = ctx.texture(size, components, dtype=dtype)
            made.repeat_x = made.repeat_y = False
            self._owned.append(made)
            return made

        def target(*colors: moderngl.Texture, depth: Any = None) -> moderngl.Framebuffer:
            made = ctx.framebuffer(list(colors), depth)
            self._owned.insert(0, made)
            return made

        self.color, self.ids = texture(size, 4), texture(size, 1, "u2")
        self.ids.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self.depth = ctx.depth_texture(size)
        self.depth.compare_func = ""
        self.depth.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self._owned.append(self.depth)
        self.scene = target(self.color, self.ids, depth=self.depth)
        self.overlay = target(self.color, depth=self.depth)
        self.mirror = texture((width, height), 4)
        below = ctx.depth_renderbuffer((width, height))
        self._owned.append(below)
        self.mirrored = target(self.mirror, depth=below)
        self.light = texture((width, height), 1, "f1")
        self.occluded = target(self.light)
        self.cells, self.glow = texture(cells, 4), texture(cells, 4)
        self.gathered, self.glowing = target(self.cells), target(self.glow)
        self.rows = texture((width, height * scale), 4)
        self.blurred = target(self.rows)
        self.pixels = texture((width, height), 4, "f1")
        self.developed = target(self.pixels)

    def release(self) -> None:
        for item in self._owned:  # framebuffers first
            item.release()


class _Sky:
    """A sky map on the device. It holds on to its array, so that no other takes its place in memory."""

    def __init__(self, ctx: moderngl.Context, radiance: np.ndarray) -> None:
        self.radiance = radiance
        rows = np.concatenate([radiance, np.ones_like(radiance[..., :1])], axis=-1)
        self.texture = ctx.texture(rows.shape[1::-1], 4, rows.astype(np.float16).tobytes(), dtype="f2")
        self.texture.repeat_x = self.texture.repeat_y = False
        self.texture.build_mipmaps()
        self.texture.filter = (moderngl.LINEAR_MIPMAP_NEAREST, moderngl.LINEAR)

    def release(self) -> None:
        self.texture.release()


class Atlas:
    """A one-byte framebuffer without depth."""

    def __init__(self, ctx: moderngl.Context, width: int, height: int) -> None:
        self.mask = ctx.texture((width, height), 1)
        self.target = ctx.framebuffer([self.mask])

    def release(self) -> None:
        self.target.release()
        self.mask.release()


class Device:
    """One OpenGL 3.3 context, bound to the process and thread that made it.

    Raises UserError, naming the Debian package, if EGL is missing.
    """

    def __init__(self, shadow_texels: int, device_index: int, threads: int | None) -> None:
        if threads is not None:  # read once, when Mesa's software rasterizer starts
            os.environ["LP_NUM_THREADS"] = str(threads)
        torch_first.load()
        reason = preflight.problem_here()
        if reason:
            raise UserError(reason)
        # Function addresses come from EGL itself, so libGL.so.1 is not needed.
        options: dict[str, Any] = {"libgl": preflight.LIBEGL, "libegl": preflight.LIBEGL}
        options |= {"backend": "egl", "device_index": device_index}
        try:
            self.ctx = moderngl.create_context(standalone=True, require=330, **options)
        except Exception as error:
            raise UserError(
                f"EGL device {device_index} gives no OpenGL 3.3 context ({error}); "
                f"with Mesa: {preflight.INSTALL}"
            ) from error
        self.owner = (os.getpid(), threading.get_ident())
        self._programs: dict[tuple[str, ...], moderngl.Program] = {}
        self._screens: dict[tuple[str, ...], moderngl.VertexArray] = {}
        corners = np.array([[-1, -1], [3, -1], [-1, 3]], dtype=np.float32)
        self.triangle = self.ctx.buffer(corners.tobytes())
        square = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], dtype=np.float32)
        self.square = self.ctx.buffer(square.tobytes())
        self.strips = self.ctx.buffer(reserve=4 * 2 * 4 * 4)
        self.frame = self.ctx.buffer(reserve=4096, dynamic=True)
        self.instances = self.ctx.buffer(reserve=INSTANCE_BYTES * 64, dynamic=True)
        self.shadow_texels = shadow_texels
        self.shadow_map = self.ctx.depth_texture((len(CASCADES) * shadow_texels, shadow_texels))
        self.shadow_map.compare_func = "<="
        self.shadow_map.repeat_x = self.shadow_map.repeat_y = False
        self.shadow_target = self.ctx.framebuffer(depth_attachment=self.shadow_map)
        self._meshes: dict[MeshKey, tuple[moderngl.Buffer, moderngl.Buffer]] = {}
        self._arrays: dict[tuple[object, ...], moderngl.VertexArray] = {}
        self._targets: _Recent[tuple[int, int, int], Targets] = _Recent(SIZES_KEPT)
        self._atlases: _Recent[tuple[int, int], Atlas] = _Recent(SIZES_KEPT)
        self._noise: dict[str, moderngl.Texture] = {}
        self._skies: _Recent[int, _Sky] = _Recent(SIZES_KEPT)

    def program(self, name: str, *defines: str) -> moderngl.Program:
        """A program by the name of its fragment shader, compiled for these defines.

        Variants rather than branches: llvmpipe runs both sides of every branch.
        """
        key = (name, *defines)
        if key not in self._programs:
            vertex = name if name in _OWN_VERTICES else "screen"
            program = self.ctx.program(
                vertex_shader=shader_source(f"{vertex}.vert", defines),
                fragment_shader=shader_source(f"{name}.frag", defines),
            )
            for block_name, binding in (("Frame", FRAME_BINDING), ("Instance", INSTANCE_BINDING)):
                block = program.get(block_name, None)
                if isinstance(block, moderngl.UniformBlock):
                    block.binding = binding
            for sampler, unit in UNIT.items():
                if sampler in program:
                    program[sampler] = unit
            self._programs[key] = program
        return self._programs[key]

    def screen(self, name: str, *defines: str) -> moderngl.VertexArray:
        """The vertex array of a pass that draws no mesh: sky, ground, contact, and what follows them."""
        key = (name, *defines)
        if key not in self._screens:
            buffer = {"ground": self.strips, "veil": self.strips, "contact": self.square}.get(
                name, self.triangle
            )
            self._screens[key] = self.ctx.vertex_array(self.program(*key), [(buffer, "2f", "in_corner")])
        return self._screens[key]

    def check_owner(self) -> None:
        """Raises RuntimeError in another process or thread: pixels read there would be wrong."""
        if self.owner != (os.getpid(), threading.get_ident()):
            raise RuntimeError(
                "this OpenGLSimulator belongs to another thread or process (an OpenGL context works only "
                "where it was made): create one simulator in each thread or process that renders"
            )

    def __enter__(self) -> Device:
        self.check_owner()
        self.ctx.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ctx.__exit__(kind, error, trace)

    def mesh(self, key: MeshKey, name: str, *defines: str) -> moderngl.VertexArray:
        """The vertex array of a mesh for the program "surface" or "depth"."""
        if key not in self._meshes:  # bounded by the catalog, so kept for good
            mesh = mesh_of(key)
            rows = np.column_stack([mesh.positions, mesh.normals, mesh.materials]).astype(np.float32)
            self._meshes[key] = self.ctx.buffer(rows.tobytes()), self.ctx.buffer(mesh.triangles.tobytes())
        variant = (key, name, *defines)
        if variant not in self._arrays:
            vertices, index = self._meshes[key]
            layout = ("3f 16x", "in_position")
            if name == "surface":
                layout = ("3f 3f 1f", "in_position", "in_normal", "in_material")  # type: ignore[assignment]
            program = self.program(name, *defines)
            self._arrays[variant] = self.ctx.vertex_array(program, [(vertices, *layout)], index_buffer=index)
        return self._arrays[variant]

    def targets(self, width: int, height: int, scale: int) -> Targets:
        """The framebuffers for images of a size; the last few sizes are kept."""
        return self._targets.get((width, height, scale), lambda: Targets(self.ctx, width, height, scale))

    def atlas(self, width: int, height: int) -> Atlas:
        """A one-byte framebuffer for silhouettes; the last few sizes are kept."""
        return self._atlases.get((width, height), lambda: Atlas(self.ctx, width, height))

    def use_family(self, family: Family) -> None:
        """Binds the family's noise field."""
        if family.name not in self._noise:
            field = noise_field(family.noise, family.noise_seed)
            texture = self.ctx.texture(field.shape[1::-1], 4, field.tobytes())
            texture.build_mipmaps()
            texture.filter = (moderngl.LINEAR_MIPMAP_NEAREST, moderngl.LINEAR)
            self._noise[family.name] = texture
        self._noise[family.name].use(UNIT["noise_map"])

    def use_sky(self, radiance: np.ndarray) -> None:
        """Binds a sky map (atmosphere.py) with its blurred copies; the last few are kept, by identity."""
        self._skies.get(id(radiance), lambda: _Sky(self.ctx, radiance)).texture.use(UNIT["sky_map"])

    def close(self) -> None:
        """Releases the context with everything in it; elsewhere than in its thread, only lets go."""
        if self.owner == (os.getpid(), threading.get_ident()):
            self.ctx.release()
