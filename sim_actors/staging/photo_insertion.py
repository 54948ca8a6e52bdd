"""Where a photo has room: new actors in the neighbourhood of a failure, set into the frame itself.

A place is free if it lies on the road that the labels fit (for people, on its sidewalk too), no farther
than the farthest labelled thing, overlaps no labelled footprint, covers no ignored region, and looks
like road where it is seen. What hides behind labelled things is judged by the labels alone.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imitation.data.images import load_frame_image, read_image_bytes
from imitation.data.records import Box, Convention, Cuboid, Frame, Object
from imitation.requests import Likeness
from sim_actors.scene.appearance import dark, draw_colour
from sim_actors.scene.backdrop import Backdrop, Look, Occluder, digest_of
from sim_actors.scene.footprint import Footprint, overlaps_any
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Actor, Environment, Scene, Sensor
from sim_actors.scene.roads import beside, place, road_yaw, to_road, wrap
from sim_actors.scene.sizes import SIZES, SizePrior, size_prior
from sim_actors.staging.photo_light import LUMINANCE, Photo
from sim_actors.staging.restage import RestageSettings, restage, staged_objects

GAP = 0.4
"""Least distance between a new actor and what stands there, m."""

MOST_ACTORS = 3
_TRIES = 150
_CLOSE = 60  # so many tries near what failed, then anywhere
_REACH = (15.0, 60.0)  # m: the farthest place of a frame whose labels are all near, and of any
_SPREAD = 0.35  # of the logarithm of a new actor's depth, about that of what it resembles
_LEAST_HEIGHT = 12.0  # px
_MOST_HIDDEN = 0.8  # of a new actor, by labelled things before it
_MOST_COVERED = 0.6  # of a labelled thing, by new actors before it
_MOST_CUT = 0.6  # of a new actor, by the image's edge
# Riders along the kerb show their backs. Many real ones ride on paths far beside the road and show their
# sides, but no photo says where such a path is: this share of new ones turns anywhere, on road and pavement.
_TURNED = 0.5
# Of the tries near what failed elsewhere: where it stood in its own image, on whatever ground.
_AS_THERE = 0.5
_OCCLUDED, _CUT = 0.3, 0.15  # shares from which on what a new actor resembles is hidden, or cut off


def stage_in_photo(
    parent: Frame,
    original: Frame,
    *,
    scene_id: str,
    seed: int,
    convention: Convention,
    settings: RestageSettings,
    focus: Collection[int],
    categories: Sequence[str],
    likenesses: Sequence[Likeness] = (),
    family: str = "simulator",
) -> Scene | None:
    """The parent frame itself with new actors: one for each of the `likenesses`, or else one to three; None
    if no free place is found.

    `parent` calls its objects as the simulator does, `original` as its dataset does, and comes with its
    image. New actors are as `likenesses` say (categories by the simulator's names); without these of the
    failing objects' categories (`focus`, indices of the parent's objects; without: of any object's, or
    else of `categories`), of about their size, near their depth. Those of failing objects that are
    occluded or cut off tend to be, too. `categories` are what can be staged, by the simulator's names.

    Raises DataError for an image or label that cannot be read.
    """
    data = read_image_bytes(original)
    original = replace(original, image=data, image_uri=None)
    pixels = load_frame_image(original)
    bare = settings.model_copy(update={"density": 0.0})
    known = restage(parent, scene_id=scene_id, seed=seed, convention=convention, settings=bare, family=family)
    occluders = tuple(
        Occluder(i, actor.category, actor.cuboid, actor.seed)
        for i, actor in zip(staged_objects(parent), known.actors)
    )
    photo = Photo(pixels, known.camera, known.road, [obj.box for obj in parent.objects])
    look = photo.look()
    rng = np.random.default_rng([seed, 1])
    light = _light(known.environment, look, rng)
    room = _Room(known, parent, occluders, photo, rng, settings.leaning_far)
    lights = dark(light.hour)
    for likeness in likenesses:
        room.add(_Model.of_likeness(likeness, known.camera.fy), lights)
    if not likenesses:
        models = _models(parent, {item.index: item.cuboid for item in occluders}, focus, categories)
        for k in range(int(rng.integers(1, MOST_ACTORS + 1))):
            room.add(models[k % len(models)], lights)
    if not room.actors:
        return None
    shaded = tuple(k for k, spots in enumerate(room.spots) if photo.shade(spots))
    return replace(
        known,
        actors=tuple(room.actors),
        props=(),
        focus=tuple(range(len(room.actors))),
        environment=light,
        sensor=_sensor(look, data, rng),
        backdrop=Backdrop(
            frame_id=parent.frame_id,
            digest=digest_of(data),
            occluders=occluders,
            look=look,
            shadow=float(rng.uniform(0.85, 1.0)),
            shaded=shaded,
            photo=original,
        ),
    )


@dataclass(frozen=True)
class _Model:
    """What a new actor is to be like: `depth` m (None: wherever there is room), where `cuboid` says beside
    which labelled thing of the photo and of what size."""

    category: str
    depth: float | None = None
    occluded: bool = False
    cut: bool = False
    cuboid: Cuboid | None = None
    across: float | None = None

    @classmethod
    def of_object(cls, obj: Object, cuboid: Cuboid | None) -> _Model:
        depth = None if cuboid is None or cuboid.z <= 1.0 else cuboid.z
        hidden = (obj.occlusion_level or 0) in (1, 2) or (obj.occlusion or 0.0) > _OCCLUDED
        return cls(obj.category, depth, hidden, (obj.truncation or 0.0) > _CUT, cuboid)

    @classmethod
    def of_likeness(cls, likeness: Likeness, focal: float) -> _Model:
        """A whole object of known height stands where that height takes so many px (`focal` px)."""
        depth = likeness.distance_m
        hidden, cut = likeness.occlusion > _OCCLUDED, likeness.truncation > _CUT
        if depth is None and likeness.height_px and not (hidden or cut):
            depth = focal * _prior(likeness.category).height / likeness.height_px
        return cls(likeness.category, depth, hidden, cut, across=likeness.across)


def _prior(category: str) -> SizePrior:
    return size_prior(category) or SIZES["misc"]


def _models(
    parent: Frame, cuboids: Mapping[int, Cuboid], focus: Collection[int], categories: Sequence[str]
) -> list[_Model]:
    """What to add more of: the labelled objects to resemble, or else categories."""
    known = {category.lower() for category in categories}
    fit = [
        (i, _Model.of_object(obj, cuboids.get(i)))
        for i, obj in enumerate(parent.objects)
        if obj.category.lower() in known and not obj.ignore
    ]
    chosen = [model for i, model in fit if i in focus] or [model for _, model in fit]
    return chosen or [_Model(category) for category in categories]


def _light(base: Environment, look: Look, rng: np.random.Generator) -> Environment:
    """The frame's own weather and hour, as far as they are known; by day the road tells sun from shade.

    Where the sun stands is not known: it is drawn.
    """
    azimuth, morning, afternoon = (
        float(rng.uniform(*r)) for r in ((-math.pi, math.pi), (9, 11.5), (12.5, 16))
    )
    if base.weather != "clear" or dark(base.hour):
        return replace(base, sun_azimuth=azimuth)
    hour = morning if rng.random() < 0.5 else afternoon
    red, _, blue = look.ground
    level = float(np.array(look.ground) @ LUMINANCE)
    # A road in one light: in the shade that is the blue of the sky, and little of it.
    shade = look.contrast == 1.0 and (blue > 1.12 * red or level < 0.12)
    weather = "overcast" if shade else base.weather
    return replace(base, sun_azimuth=azimuth, hour=hour, weather=weather)


def _sensor(look: Look, data: bytes, rng: np.random.Generator) -> Sensor:
    """The sensor of new actors: what the photo shows of its own; its lens is left as it is."""
    return Sensor(
        exposure=float(rng.uniform(-0.2, 0.2)),
        blur=float(rng.uniform(0.4, 0.65)),
        noise=look.noise,  # photons': about even in what is stored, and that is where it was measured
        read_noise=0.1 * look.noise,
        vignette=0.0,
        bloom=0.0,
        aberration=0.0,
        jpeg_quality=0 if data.startswith(b"\x89PNG") else 92,
    )


class _Room:
    """Adds actors one by one where the photo has room."""

    def __init__(
        self,
        known: Scene,
        parent: Frame,
        occluders: Sequence[Occluder],
        photo: Photo,
        rng: np.random.Generator,
        leaning_far: float,
    ) -> None:
        self._leaning_far = leaning_far
        self.rng, self.photo, self.camera, self.road = rng, photo, known.camera, known.road
        self.size = (parent.width, parent.height)
        self.actors: list[Actor] = []
        self.spots: list[np.ndarray] = []
        self._cuboids = {item.index: item.cuboid for item in occluders}
        self._regions = [obj.box for i, obj in enumerate(parent.objects) if i not in self._cuboids]
        self._standing = [Footprint.of(item.cuboid, GAP) for item in occluders]
        self._standing.append(Footprint(0.0, -0.5, 5.0, 2.0, math.pi / 2))  # the car that carries the camera
        self._labelled = [
            (item.cuboid.z, box)
            for item in occluders
            if (box := projected_box(item.cuboid, self.camera).clipped(*self.size)).area > 0
        ]
        self._new: list[tuple[float, Box]] = []
        farthest = max((item.cuboid.z for item in occluders), default=0.0)
        self.far = min(max(farthest, _REACH[0]), _REACH[1])

    def add(self, model: _Model, lights: bool) -> None:
        """One actor; none if no free place is found in `_TRIES`."""
        prior, old = _prior(model.category), model.cuboid
        base = (
            (prior.length, prior.width, prior.height) if old is None else (old.length, old.width, old.height)
        )
        length, width, height = (float(side * self.rng.uniform(0.93, 1.07)) for side in base)
        colour, seed = draw_colour(self.rng, prior.kind, model.category), int(self.rng.integers(2**31))
        for attempt in range(_TRIES):
            near = model if attempt < _CLOSE else None
            there = near is not None and near.across is not None and self.rng.random() < _AS_THERE
            x, z, yaw = (self._as_there if there else self._propose)(prior, length, near)
            cuboid = Cuboid(x, ground_y(self.camera, z), z, length, width, height, wrap(yaw))
            if not self._free(cuboid, prior, anywhere=there):
                continue
            self.actors.append(
                Actor(model.category, cuboid, colour, seed=seed, lights=lights and prior.kind == "vehicle")
            )
            self.spots.append(_ground_spots(cuboid, 0.3))
            self._standing.append(Footprint.of(cuboid, GAP))
            self._new.append((z, projected_box(cuboid, self.camera).clipped(*self.size)))
            return

    def _free(self, cuboid: Cuboid, prior: SizePrior, anywhere: bool) -> bool:
        """`anywhere`: beside the road too, whatever the ground looks like."""
        footprint = Footprint.of(cuboid)
        if cuboid.z > self.far or cuboid.z - footprint.radius < 1.0:
            return False
        reach = self.road.sidewalk if prior.kind in ("person", "rider", "other") else 0.4
        out = [beside(self.road, *to_road(self.road, *corner)) for corner in footprint.corners()]
        if (max(out) > reach and not anywhere) or overlaps_any(footprint, self._standing):
            return False
        whole = projected_box(cuboid, self.camera)
        box = whole.clipped(*self.size)
        if box.height < _LEAST_HEIGHT or box.area < (1 - _MOST_CUT) * whole.area:
            return False
        if any(box.common(region) > 0 for region in self._regions):
            return False
        hidden = self._hidden(cuboid.z, box)
        if hidden is None:
            return False
        if anywhere:
            return True
        seen, good = self.photo.like_road(_ground_spots(cuboid, 0.6))
        return good > 0.85 if seen > 0.15 else hidden > 0.3

    def _hidden(self, z: float, box: Box) -> float | None:
        """The share of a new box that what stands before it hides; None where it, or what it would
        hide itself, would be hidden too much."""
        hidden = 0.0
        for depth, other in (*self._labelled, *self._new):
            common = box.common(other)
            if depth < z:
                hidden = max(hidden, common / box.area)
            elif common > _MOST_COVERED * other.area:
                return None
        return hidden if hidden <= _MOST_HIDDEN else None

    def _as_there(self, prior: SizePrior, length: float, like: _Model | None) -> tuple[float, float, float]:
        """About as far, and as far to the side of the image or of its mirror image, as what it resembles."""
        assert like is not None
        assert like.across is not None
        rng, near = self.rng, 4.5 + length / 2
        depth = like.depth or float(rng.uniform(near, 0.9 * self.far))
        z = max(depth * math.exp(float(rng.uniform(-_SPREAD, _SPREAD + self._leaning_far))), near)
        column = (0.5 + float(rng.choice((-1, 1))) * like.across) * self.size[0]
        x = (column - self.camera.cx) / self.camera.fx * z + float(rng.normal(0, 1.0))
        return x, z, self._lane(prior, to_road(self.road, x, z)[0])[1]

    def _propose(self, prior: SizePrior, length: float, like: _Model | None) -> tuple[float, float, float]:
        """x, z (m) and yaw (rad) to try."""
        rng = self.rng
        if like is not None and like.cut and rng.random() < 0.5:
            z = float(rng.uniform(3.0, 6.0 + length))
            column = float(rng.choice((0, self.size[0]))) + float(rng.uniform(-0.04, 0.04)) * self.size[0]
            return (column - self.camera.cx) / self.camera.fx * z, z, self._lane(prior, z)[1]
        if like is not None and like.occluded and self._cuboids and rng.random() < 0.5:
            front = list(self._cuboids.values())[int(rng.integers(len(self._cuboids)))]
            z = front.z + (front.length + length) / 2 + float(rng.uniform(0.5, 6.0))
            return front.x * z / max(front.z, 1.0) + float(rng.normal(0, 1.2)), z, self._lane(prior, z)[1]
        near = 4.5 + length / 2
        if like is not None and like.depth is not None:
            spread = float(rng.uniform(-_SPREAD, _SPREAD + self._leaning_far))
            z = min(like.depth, 0.9 * self.far) * math.exp(spread)
            z = max(z + float(rng.uniform(-1.5, 1.5)), near)
            old = like.cuboid
            if old is not None and rng.random() < 0.35:  # beside it, and turned as it is
                return old.x + float(rng.normal(0, 2.5)), z, old.yaw + float(rng.normal(0, 0.08))
        else:
            z = near + (self.far - near) * float(rng.random()) ** 1.3
        across, yaw = self._lane(prior, z)
        return *place(self.road, z, across), yaw

    def _lane(self, prior: SizePrior, along: float) -> tuple[float, float]:
        """Where across the road (m right of its centre), `along` m down it, and the yaw there."""
        rng, road = self.rng, self.road
        away = road_yaw(road, along)
        side = 1 if rng.random() < 0.5 else -1
        kerb = side * road.half
        if prior.kind in ("person", "other"):
            across = kerb + side * float(rng.uniform(-0.5, max(road.sidewalk - 0.5, 0.0)))
            if rng.random() < 0.3:
                across = float(rng.uniform(-1, 1)) * road.half
            return across, float(rng.uniform(-math.pi, math.pi))
        if prior.kind == "rider":
            if rng.random() < _TURNED:
                edge = road.half + road.sidewalk
                return float(rng.uniform(-edge, edge)), float(rng.uniform(-math.pi, math.pi))
            across = kerb - side * float(rng.uniform(0.5, 1.4))
            wobble = 0.08
        else:
            lane = int(rng.integers(road.lanes))
            across = (lane + 0.5 - road.lanes / 2) * road.lane_width + float(rng.normal(0, 0.25))
            wobble = 0.03
        oncoming = across < -0.5 and road.median == 0
        return across, away + float(rng.normal(0, wobble)) + (math.pi if oncoming else 0.0)


def _ground_spots(cuboid: Cuboid, margin: float) -> np.ndarray:
    """(25, 2): points of a footprint `margin` m larger than the cuboid's, m right and ahead."""
    corners = np.array(Footprint.of(cuboid, margin).corners())
    share = np.linspace(0, 1, 5)
    left = corners[0] + share[:, None] * (corners[1] - corners[0])
    right = corners[3] + share[:, None] * (corners[2] - corners[3])
    spots: np.ndarray = (left[:, None] + share[None, :, None] * (right - left)[:, None]).reshape(-1, 2)
    return spots
