"""The simulator `blender`: staged and labelled by the embedded world's rules, lit by Cycles."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from imitation.common.settings import UserError
from imitation.data.records import Camera, Frame
from sim_actors.scene.records import Scene
from sim_actors.simulators.blender import light as lighting
from sim_actors.simulators.blender.messages import Hello, Rendered, read
from sim_actors.simulators.blender.picture import on_bodies, radiance
from sim_actors.simulators.blender.settings import BlenderSettings
from sim_actors.simulators.blender.triangles import (
    bodies_as_triangles,
    ground_as_triangles,
    pictures,
)
from sim_actors.simulators.blender.worker_process import greet, refusal, start, told
from sim_actors.simulators.command.program import Program
from sim_actors.simulators.geometry.axes import world_from_camera
from sim_actors.simulators.geometry.lights import lights_of
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.lighting.light import FAR, NEAR, illuminate
from sim_actors.simulators.opengl.lighting.photo_matching import Match
from sim_actors.simulators.opengl.passes.albedo import Bare, bare
from sim_actors.simulators.opengl.passes.draw_list import Body, stage
from sim_actors.simulators.opengl.passes.ground_truth import measured
from sim_actors.simulators.opengl.passes.sensor import develop, encode
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.protocol import Simulator, Traits
from sim_actors.simulators.truth import rendered_frame

VERSION = "1"
"""Changes whenever the same scene may give other pixels from the same Blender."""
PROJECTED = 2
"""Samples of the projected pictures per pixel and axis."""


class BlenderSimulator(Simulator, Traits):
    """Renders scenes with Blender's Cycles, in a process of its own (`worker.py`).

    The embedded renderer stages a scene, draws its surfaces without light (`passes/albedo.py`), and is the
    camera and the film; Blender traces the light, and says what each pixel shows. A Blender that dies costs
    its scene another try: a fresh one is started for the next.
    """

    name = "blender"
    settings_class = BlenderSettings
    backdrops = True
    waits = False

    @staticmethod
    def preflight(settings: BlenderSettings) -> str | None:
        """Why it cannot render here, in a sentence; None if it can. Starts Blender, once in a process."""
        if why := OpenGLSimulator.preflight(settings.renderer()):
            return why
        return refusal(settings.model_dump_json())

    @staticmethod
    def here(settings: BlenderSettings) -> str | None:
        """Blender's version, and what it computes on."""
        return told(settings.model_dump_json())

    @staticmethod
    def catalog(settings: BlenderSettings) -> frozenset[str]:
        """As the embedded renderer's, whose bodies it shows."""
        return OpenGLSimulator.catalog(settings.renderer())

    @staticmethod
    def own_categories(settings: BlenderSettings) -> tuple[str, ...]:
        """The categories of the bodies that the settings name."""
        return OpenGLSimulator.own_categories(settings.renderer())

    @staticmethod
    def bodies(settings: BlenderSettings) -> Mapping[str, Sequence[str]]:
        """Category -> its models."""
        return OpenGLSimulator.bodies(settings.renderer())

    @staticmethod
    def body_size(category: str, model: str) -> tuple[float, float, float]:
        """Length, width and height of a body, m."""
        return OpenGLSimulator.body_size(category, model)

    def __init__(self, settings: BlenderSettings | None = None) -> None:
        """Starts Blender. Raises UserError, with its own words, where it does not start."""
        self.settings = settings or BlenderSettings()
        self._staging = OpenGLSimulator(self.settings.renderer())
        self._folder = tempfile.TemporaryDirectory(prefix="imitation-blender-")
        self._worker: Program | None = None
        self._closed = False
        try:
            self._blender = self._start().blender
        except BaseException:  # whatever ends the start, the process and its folder must not stay
            self.close()
            raise
        self.version = f"{VERSION}, Blender {self._blender}"

    def warm_up(self) -> None:
        """Renders a scene of a few pixels, so that what is missing comes out now and not scene by scene."""
        self.render(Scene("warm-up", 32, 16, Camera(32.0, 32.0, 16.0, 8.0)))

    def supports(self, scene: Scene) -> list[str]:
        """Why this scene cannot be staged, a sentence each; empty if it can."""
        return self._staging.supports(scene)

    def render(self, scene: Scene) -> Frame:
        """The labelled frame of a scene. Raises UserError for a scene that it does not support, and for
        whatever goes wrong in Blender."""
        family, staging = self._staging.family_of(scene), self._staging
        if scene.backdrop is not None:
            return staging.in_photo(scene, family, partial(self._relit, scene))
        with staging.open() as device:
            bodies = stage(scene, family)
            surfaces = bare(device, scene, family, bodies, PROJECTED)
            lit, ids = self._traced(scene, family, bodies, surfaces)
            seen = measured(device, ids, scene, bodies)
            targets = device.targets(scene.width, scene.height, 1)
            rows = radiance(lit, surfaces, scene, illuminate(scene.environment, scene.camera, family))
            targets.color.write(rows.astype(np.float16).tobytes(), alignment=1)
            pixels = develop(device, targets, scene, family, 1)
        image = encode(pixels, scene.sensor.jpeg_quality)
        return rendered_frame(scene, staging.labels(seen, scene, pixels, ids), image)

    def identities(self, scene: Scene) -> np.ndarray:
        """Which labelled actor each pixel of a scene shows, (height, width) uint16: its index in
        `scene.actors` + 1, or 0. Raises as `render` does."""
        family = self._staging.family_of(scene)
        if scene.backdrop is not None:
            return self._staging.identities(scene)
        with self._staging.open() as device:
            bodies = stage(scene, family)
            return self._traced(scene, family, bodies, bare(device, scene, family, bodies, PROJECTED))[1]

    def close(self) -> None:
        """Ends Blender. Safe to call twice."""
        self._closed = True
        self._end()
        self._staging.close()
        self._folder.cleanup()

    def _relit(
        self, scene: Scene, matched: Match, sunny: Sequence[Body], shaded: Sequence[Body]
    ) -> np.ndarray:
        """The radiance (height, width, 3) of bodies in a photo's light. Those in a photographed shadow get
        none of the sun, in a rendering of their own."""
        bodies, family = [*sunny, *shaded], matched.family
        light = illuminate(scene.environment, scene.camera, family)
        surfaces = bare(self._staging.open(), scene, family, bodies, PROJECTED)  # its context is current
        found = np.zeros((scene.height, scene.width, 3), dtype=np.float32)
        number = surfaces.number[::PROJECTED, ::PROJECTED]
        for group, shines in ((sunny, True), (shaded, False)):
            if group:
                lit, _ = self._traced(scene, family, bodies, surfaces, in_photo=True, shines=shines)
                own = (number > len(sunny)) != shines
                found = np.where(own[..., None], on_bodies(lit, surfaces, scene, light), found)
        return found

    def _traced(
        self,
        scene: Scene,
        family: Family,
        bodies: Sequence[Body],
        surfaces: Bare,
        in_photo: bool = False,
        shines: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Radiance and coverage (height, width, 4) float32, and ids (height, width). `in_photo`: the ground
        throws light back but is not seen, and there is as much of the sky as the photo says."""
        to_world = world_from_camera(scene.camera)
        lights = lights_of(scene, family, to_world, lighting.SKY_ROWS)
        below = ground_as_triangles(scene, family, lighting.ground_albedo(scene, family))
        arrays = {
            **bodies_as_triangles(bodies, family, to_world),
            **{f"ground_{key}": value for key, value in below.items()},
            **pictures(surfaces, ground_is_seen=not in_photo),
            "sky": lighting.sky(lights) * (lights.fill if in_photo else 1.0),
        }
        np.savez(Path(self._folder.name) / "scene.npz", **arrays)  # type: ignore[arg-type]
        settings, camera = self.settings, scene.camera
        answer = self._asked(
            {
                "ask": "render",
                "scene_id": scene.scene_id,
                "data": "scene.npz",
                "width": scene.width,
                "height": scene.height,
                "camera": {
                    "fx": camera.fx,
                    "fy": camera.fy,
                    "cx": camera.cx,
                    "cy": camera.cy,
                    "pose": _looking(to_world).tolist(),
                    "near": NEAR,
                    "far": FAR,
                },
                "sun": lighting.sun(lights) if shines else None,
                "lamps": lighting.lamps(family, lights, to_world),
                "samples": settings.samples,
                "denoiser": settings.denoiser,
                "bounces": settings.bounces,
                "clamp": settings.clamp_indirect,
                "device": settings.device,
                "threads": settings.threads,
                "seed": scene.seed & 0x7FFFFFFF,
            },
            scene,
        )
        return self._arrays(answer, scene)

    def _asked(self, question: Mapping[str, Any], scene: Scene) -> Rendered:
        worker = self._running()
        try:
            answer = read(Rendered, worker.ask(question), worker.who)
            if answer.scene_id != scene.scene_id:
                raise UserError(
                    f"{worker.who}: asked for {scene.scene_id!r}, it answered for {answer.scene_id!r}"
                )
        except UserError:
            self._end(polite=False)  # what it answers next may be for another scene
            raise
        if answer.error is not None:
            raise UserError(f"{worker.who}, scene {scene.scene_id!r}: {answer.error}")
        return answer

    def _arrays(self, answer: Rendered, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        who, size = self._running().who, (scene.height, scene.width)
        try:
            with np.load(answer.data) as stored:
                light, ids = stored["light"], stored["ids"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise UserError(f"{who}: its answer {answer.data!r} cannot be read: {error}") from None
        if light.shape != (*size, 4) or ids.shape != size or int(ids.max()) > len(scene.actors):
            raise UserError(
                f"{who}: for {scene.width}x{scene.height} px and {len(scene.actors)} actors its light is "
                f"{light.shape}, its ids {ids.shape} up to {int(ids.max(initial=0))}"
            )
        if not np.isfinite(light).all():
            raise UserError(f"{who}: its light has values that are no numbers")
        return light, ids

    def _running(self) -> Program:
        if self._closed:
            raise RuntimeError("this BlenderSimulator is closed; create another one")
        if self._worker is None and (again := self._start().blender) != self._blender:
            self._end()
            raise UserError(f"started again, Blender is {again}, and was {self._blender} before")
        assert self._worker is not None
        return self._worker

    def _start(self) -> Hello:
        self._worker = start(self.settings)
        try:
            return greet(self._worker, self._folder.name, self.settings)
        except UserError:
            self._end(polite=False)
            raise

    def _end(self, polite: bool = True) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close(polite)


def _looking(to_world: np.ndarray) -> np.ndarray:
    """(4, 4): the axes of a camera as Blender has them (x right, y up, looking along -z) to the world."""
    return to_world @ np.diag([1.0, -1.0, -1.0, 1.0])
