"""The embedded simulator: scenes in, labelled frames out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from imitation.common.settings import UserError
from imitation.data.images import encode_like
from imitation.data.records import Camera, Frame, Object
from sim_actors.scene.records import Scene
from sim_actors.simulators.opengl import preflight
from sim_actors.simulators.opengl.assets.families import FAMILIES, SIMULATOR
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.meshes import CATALOG, body_mesh
from sim_actors.simulators.opengl.assets.user_bodies import install, own_bodies
from sim_actors.simulators.opengl.devices import described, device_index
from sim_actors.simulators.opengl.passes.composite import Relight, compose
from sim_actors.simulators.opengl.passes.context import Device
from sim_actors.simulators.opengl.passes.contrast import contrast
from sim_actors.simulators.opengl.passes.draw_list import stage
from sim_actors.simulators.opengl.passes.ground_truth import identities, measure
from sim_actors.simulators.opengl.passes.relabel import relabelled
from sim_actors.simulators.opengl.passes.sensor import develop, encode
from sim_actors.simulators.opengl.passes.shading import paint
from sim_actors.simulators.opengl.settings import RendererSettings
from sim_actors.simulators.opengl.supported import problems
from sim_actors.simulators.protocol import Simulator, Traits
from sim_actors.simulators.truth import Seen, label_of, rendered_frame

VERSION = "2"
"""Changes whenever the same scene may give other pixels."""


class OpenGLSimulator(Simulator, Traits):
    """Renders scenes with OpenGL 3.3 on EGL, on a GPU or with Mesa's software rasterizer.

    The context is made at the first `render`, and only the thread that made it may render:
    another one gets a RuntimeError, and so does a forked child. Deterministic in the scene on
    one machine and driver.
    """

    name = "opengl"
    version = VERSION
    settings_class = RendererSettings
    backdrops = True
    waits = False

    @staticmethod
    def preflight(settings: RendererSettings) -> str | None:
        """Why no display can be opened to render on, in a sentence; None if one can."""
        return preflight.problem()

    @staticmethod
    def here(settings: RendererSettings) -> str | None:
        """The device and the driver that it would render with."""
        return described(settings.device)

    @staticmethod
    def catalog(settings: RendererSettings) -> frozenset[str]:
        """Its own categories, and those of the bodies that the settings name, which are read."""
        return frozenset((*CATALOG, *OpenGLSimulator.bodies(settings)))

    @staticmethod
    def own_categories(settings: RendererSettings) -> tuple[str, ...]:
        """The categories of the bodies that the settings name."""
        return () if settings.bodies is None else tuple(own_bodies(settings.bodies))

    @staticmethod
    def bodies(settings: RendererSettings) -> Mapping[str, Sequence[str]]:
        """Category -> its models."""
        family = SIMULATOR if settings.bodies is None else install(settings.bodies)
        return {category: tuple(models) for category, models in family.bodies.items()}

    @staticmethod
    def body_size(category: str, model: str) -> tuple[float, float, float]:
        """Length, width and height of a body, m."""
        length, height, width = body_mesh("simulator", category, model).size
        return length, width, height

    def __init__(self, settings: RendererSettings | None = None) -> None:
        self.settings = settings or RendererSettings()
        if self.settings.bodies is not None:
            install(self.settings.bodies)
        self._device: Device | None = None
        self._closed = False

    def warm_up(self) -> None:
        """Opens the context, so that what is missing comes out now and not scene by scene."""
        self.render(Scene("warm-up", 32, 16, Camera(32.0, 32.0, 16.0, 8.0)))

    def supports(self, scene: Scene) -> list[str]:
        """Why this scene cannot be staged, a sentence each; empty if it can."""
        return problems(scene)

    def render(self, scene: Scene) -> Frame:
        """The labelled frame of a scene. See `sim_actors.simulators.protocol.Simulator.render`.

        Raises UserError for a scene that it does not support or where EGL is missing, RuntimeError
        when closed or called from another thread or process.
        """
        family, scale = self.family_of(scene), self.settings.supersampling
        if scene.backdrop is not None:
            return self.in_photo(scene, family)
        with self.open() as device:
            bodies = stage(scene, family)
            targets = paint(device, scene, family, bodies, scale)
            seen = measure(device, targets, scene, bodies, scale)
            pixels = develop(device, targets, scene, family, scale)
            ids = identities(targets, scale)
        image = encode(pixels, scene.sensor.jpeg_quality)
        return rendered_frame(scene, self.labels(seen, scene, pixels, ids), image)

    def identities(self, scene: Scene) -> np.ndarray:
        """Which labelled actor each pixel of a scene shows, (height, width) uint16: its index in
        `scene.actors` + 1, or 0. Raises as `render` does."""
        family, scale = self.family_of(scene), self.settings.supersampling
        with self.open() as device:
            if scene.backdrop is not None:
                return compose(device, scene, family, scale).ids
            return identities(paint(device, scene, family, stage(scene, family), scale), scale)

    def in_photo(self, scene: Scene, family: Family, relight: Relight | None = None) -> Frame:
        """A scene with a backdrop: the photo's own frame with the actors in it, and their labels after
        those of the photo. `relight`: another renderer's light on the actors."""
        assert scene.backdrop is not None
        photo = scene.backdrop.photo
        assert photo is not None
        assert photo.image is not None
        settings = self.settings
        with self.open() as device:
            drawn = compose(device, scene, family, settings.supersampling, relight)
        real = relabelled(
            photo.objects,
            drawn,
            scene.convention,
            settings.ignore_occlusion_above,
            settings.ignore_below_px,
        )
        return Frame(
            frame_id=scene.scene_id,
            width=scene.width,
            height=scene.height,
            objects=(*real, *self.labels(drawn.seen, scene, drawn.pixels, drawn.ids)),
            image=encode_like(drawn.pixels, photo.image),
            camera=photo.camera or scene.camera,
            conditions=photo.conditions,
        )

    def close(self) -> None:
        """Releases the context. Safe to call twice."""
        self._closed = True
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def family_of(self, scene: Scene) -> Family:
        """The asset family of a scene. Raises UserError for one that it does not support."""
        reasons = self.supports(scene)
        if reasons:
            raise UserError(f"scene {scene.scene_id!r} cannot be staged: {'; '.join(reasons)}")
        return FAMILIES[scene.family]

    def open(self) -> Device:
        """The device, opened when first asked for; a context manager around whatever is drawn with it."""
        if self._closed:
            raise RuntimeError("this OpenGLSimulator is closed; create another one")
        if self._device is None:
            s = self.settings
            self._device = Device(s.shadow_map, device_index(s.device), s.threads)
        return self._device

    def labels(
        self, seen: list[Seen], scene: Scene, pixels: np.ndarray, ids: np.ndarray
    ) -> tuple[Object, ...]:
        """The labels of what is seen: `pixels` (height, width, 3) uint8, `ids` as of `identities`."""
        least, most = self.settings.ignore_below_px, self.settings.ignore_occlusion_above
        return tuple(label_of(item, scene, least, most, self._dim(item, pixels, ids)) for item in seen)

    def _dim(self, seen: Seen, pixels: np.ndarray, ids: np.ndarray) -> bool:
        """Whether it cannot be told from what is around it."""
        least = self.settings.ignore_below_contrast
        return least > 0 and contrast(pixels, ids == seen.actor + 1, seen.visible_box) < least
