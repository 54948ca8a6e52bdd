"""One right toy simulator, and it broken in one way each: the conformance check has to name them."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from mmap import mmap

from examples.simulator import Boxes, BoxesSettings
from imitation.data.images import encode_png, load_frame_image
from imitation.data.records import Box, Cuboid, Frame, Object
from sim_actors.scene.records import Scene
from sim_actors.simulators.conformance.labels import _upright


class Right(Boxes):
    """The example's boxes, with what is seen of them where nothing hides it."""

    catalog = staticmethod(lambda settings: None)

    def supports(self, scene: Scene) -> list[str]:
        strange = {actor.category for actor in scene.actors} - set(Boxes.catalog(BoxesSettings()))
        return [f"no asset for {name}" for name in sorted(strange)]

    def render(self, scene: Scene) -> Frame:
        frame = super().render(scene)
        return with_objects(frame, [replace(obj, visible_box=obj.box) for obj in frame.objects])


class Modest(Right):
    """Labels boxes and nothing else, by day: what it lacks is not wrong."""

    def supports(self, scene: Scene) -> list[str]:
        night = ["no night here"] if scene.environment.hour > 20 else []
        return [*super().supports(scene), *night]

    def render(self, scene: Scene) -> Frame:
        frame = super().render(scene)
        return with_objects(frame, [Object(obj.category, obj.box) for obj in frame.objects])


def with_objects(frame: Frame, objects: list[Object]) -> Frame:
    return replace(frame, objects=tuple(objects))


class _Misread(Right):
    """Stages other cuboids than the scene's, and labels where they are seen, with the scene's cuboids."""

    def misread(self, cuboid: Cuboid) -> Cuboid:
        raise NotImplementedError

    def render(self, scene: Scene) -> Frame:
        actors = [replace(actor, cuboid=self.misread(actor.cuboid)) for actor in scene.actors]
        frame = super().render(scene.replace(actors=tuple(actors)))
        theirs = {actor.cuboid: ours.cuboid for actor, ours in zip(actors, scene.actors)}
        return with_objects(frame, [replace(obj, cuboid=theirs[obj.cuboid]) for obj in frame.objects])


class Mirrored(_Misread):
    def misread(self, cuboid):
        return replace(cuboid, x=-cuboid.x, yaw=math.pi - cuboid.yaw)


class Degrees(_Misread):
    def misread(self, cuboid):
        return replace(cuboid, yaw=math.radians(cuboid.yaw))


class Clockwise(_Misread):
    def misread(self, cuboid):
        return replace(cuboid, yaw=-cuboid.yaw)


class Centimetres(_Misread):
    def misread(self, cuboid):
        size = {name: getattr(cuboid, name) / 100 for name in ("length", "width", "height")}
        return replace(cuboid, **size)


class Afloat(_Misread):
    def misread(self, cuboid):
        return replace(cuboid, y=cuboid.y - cuboid.height / 2)


class OtherFocal(Right):
    def render(self, scene):
        camera = scene.camera
        frame = super().render(scene.replace(camera=replace(camera, fx=camera.fx * 1.6, fy=camera.fy * 1.6)))
        return replace(frame, camera=camera)


class NoPrincipalPoint(Right):
    def render(self, scene):
        camera = replace(scene.camera, cx=scene.width / 2, cy=scene.height / 2)
        return replace(super().render(scene.replace(camera=camera)), camera=scene.camera)


class Stale(Right):
    """Labels of the frame before."""

    before: tuple[Object, ...] | None = None

    def render(self, scene):
        frame = super().render(scene)
        before, self.before = self.before, frame.objects
        return frame if before is None or not before or not frame.objects else replace(frame, objects=before)


class StalePicture(Right):
    before: bytes | None = None

    def render(self, scene):
        frame = super().render(scene)
        before, self.before = self.before, frame.image
        return frame if before is None else replace(frame, image=before)


class Capsules(Right):
    def render(self, scene):
        frame = super().render(scene)
        found = []
        for obj in frame.objects:
            whole = _upright(obj.cuboid, scene.camera)
            box = whole.clipped(scene.width, scene.height)
            found.append(replace(obj, box=box, visible_box=box, amodal_box=whole))
        return with_objects(frame, found)


class ClippedAmodal(Right):
    def render(self, scene):
        frame = super().render(scene)
        return with_objects(frame, [replace(obj, amodal_box=obj.box) for obj in frame.objects])


class VisibleBeyond(Right):
    def render(self, scene):
        frame = super().render(scene)
        grown = [Box(max(o.box.x1 - 9, 0), *o.box[1:]) for o in frame.objects]
        return with_objects(frame, [replace(o, visible_box=b) for o, b in zip(frame.objects, grown)])


class InsideShare(Right):
    """Truncation is the share inside."""

    def render(self, scene):
        frame = super().render(scene)
        return with_objects(frame, [replace(obj, truncation=1 - obj.truncation) for obj in frame.objects])


class SwappedDepth(Right):
    def render(self, scene):
        frame = super().render(scene)
        shares = [obj.occlusion for obj in frame.objects][::-1]
        return with_objects(frame, [replace(o, occlusion=s) for o, s in zip(frame.objects, shares)])


class VisibleShare(Right):
    """Whatever is hidden at all is hidden wholly."""

    def render(self, scene):
        frame = super().render(scene)
        return with_objects(
            frame, [replace(obj, occlusion=1.0 if obj.occlusion > 0.2 else 0.0) for obj in frame.objects]
        )


class Doubled(Right):
    """A screen with two pixels for one."""

    def render(self, scene):
        frame = super().render(scene)
        pixels = load_frame_image(frame).repeat(2, axis=0).repeat(2, axis=1)
        return replace(frame, width=2 * frame.width, height=2 * frame.height, image=encode_png(pixels))


class OwnIds(Right):
    def render(self, scene):
        return replace(super().render(scene), frame_id="0001")


class Shuffled(Right):
    def render(self, scene):
        frame = super().render(scene)
        return with_objects(frame, sorted(frame.objects, key=lambda obj: -obj.box.area))


class Restless(Right):
    renders = 0

    def render(self, scene):
        self.renders += 1
        frame, by = super().render(scene), 3.0 * (self.renders % 2)
        return with_objects(
            frame,
            [replace(o, amodal_box=Box(*(v + by for v in o.amodal_box))) for o in frame.objects],
        )


class Fixed(Right):
    """The picture never shows what the labels say."""

    def render(self, scene):
        return replace(super().render(scene), image=super().render(scene.replace(actors=())).image)


class Leaking(Right):
    def __init__(self, settings):
        super().__init__(settings)
        self.kept = []

    def render(self, scene):
        fresh = mmap(-1, 2_000_000)  # of the heap it might be memory that this process had freed before
        fresh.write(b"\1" * len(fresh))
        self.kept.append(fresh)
        return super().render(scene)


class Haunted(Right):
    """What it once staged stays in its labels where nothing new comes."""

    before: tuple[Object, ...] = ()

    def render(self, scene):
        frame = super().render(scene)
        self.before = frame.objects or self.before
        return replace(frame, objects=self.before)


class Promising(Right):
    def render(self, scene):
        if scene.environment.weather == "snow":
            raise KeyError("snow shader")
        return super().render(scene)


class Credulous(Right):
    def supports(self, scene):
        return []

    def render(self, scene):
        if reasons := super().supports(scene):
            raise FileNotFoundError(reasons[0])
        return super().render(scene)


class OnceOnly(Right):
    starts = 0

    def __init__(self, settings):
        super().__init__(settings)
        if OnceOnly.starts:
            raise OSError("address already in use")
        OnceOnly.starts += 1


class Hangs(Right):
    def render(self, scene):
        if "hidden" in scene.scene_id:
            time.sleep(600)
        return super().render(scene)
