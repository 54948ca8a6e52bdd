"""Actors set into made-up photos: what stays, what is hidden, what is dark, what the labels say."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from imitation.common.settings import UserError
from imitation.data.images import decode_image
from imitation.data.records import Box, Frame, Object
from sim_actors.scene.backdrop import Backdrop, Look, Occluder, digest_of
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Actor, Environment, Scene
from sim_actors.simulators.opengl.assets.family import Film
from sim_actors.simulators.opengl.lighting.photo_matching import undeveloped
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from tests.sim_actors.photos import encoded, road_pixels
from tests.sim_actors.simulators.opengl.staged import CAMERA, HEIGHT, WIDTH, actor, scene

SUNNY = Environment(hour=11.0, sun_azimuth=2.2)
NEAR, FAR = (0.5, 8.0), (1.2, 16.0)  # x, z, m: one behind the other


def photo(*things: Actor, level: int | None = 0, pixels: np.ndarray | None = None) -> Frame:
    """A photo of the road on which these things stand."""
    empty = Frame("photo", WIDTH, HEIGHT, camera=CAMERA)
    objects = tuple(
        Object(
            one.category,
            projected_box(one.cuboid, CAMERA).clipped(WIDTH, HEIGHT),
            cuboid=one.cuboid,
            occlusion_level=level,
        )
        for one in things
    )
    return replace(empty, objects=objects, image=encoded(road_pixels(empty) if pixels is None else pixels))


def set_into(frame: Frame, *actors: Actor, light: Environment = SUNNY, **fields: object) -> Scene:
    assert frame.image is not None
    occluders = tuple(
        Occluder(i, obj.category, obj.cuboid) for i, obj in enumerate(frame.objects) if obj.cuboid is not None
    )
    backdrop = Backdrop(
        frame.frame_id, digest_of(frame.image), occluders, Look((0.18, 0.18, 0.18), 4.0, 0.008), photo=frame
    )
    return scene(*actors, environment=light, backdrop=replace(backdrop, **fields))  # type: ignore[arg-type]


def pixels_of(frame: Frame) -> np.ndarray:
    assert frame.image is not None
    return decode_image(frame.image, "frame")


def changed(drawn: Frame, original: Frame) -> np.ndarray:
    return (pixels_of(drawn) != pixels_of(original)).any(axis=2)


def test_untouched_pixels_keep_their_bytes(simulator: OpenGLSimulator) -> None:
    original = photo(actor("Car", *NEAR))
    empty = simulator.render(set_into(original))
    assert np.array_equal(pixels_of(empty), pixels_of(original))
    assert empty.objects == original.objects
    staged = set_into(original, actor("Pedestrian", -3.0, 9.0))
    drawn = simulator.render(staged)
    touched = np.argwhere(changed(drawn, original))
    assert len(touched) > 50
    # The whole left half of the picture at most: shadow and actor are near -3 m.
    assert touched[:, 1].max() < WIDTH * 0.45
    assert touched[:, 0].min() > 10
    ids = simulator.identities(staged)
    assert changed(drawn, original)[ids == 1].mean() > 0.98


def test_the_same_scene_gives_the_same_bytes_also_from_its_lineage(simulator: OpenGLSimulator) -> None:
    original = photo(actor("Car", *FAR))
    staged = set_into(original, actor("Car", *NEAR))
    once = simulator.render(staged)
    simulator.render(set_into(original, actor("Truck", -2.0, 7.0), actor("Van", 2.5, 9.0)))
    again = Scene.from_json(staged.to_json())
    assert again.backdrop is not None
    assert simulator.render(again.replace(backdrop=again.backdrop.of(original))) == once
    with pytest.raises(UserError, match="the photo of frame 'photo' is not with the scene"):
        simulator.render(again)


def test_an_actor_behind_a_labelled_car_is_hidden_by_it(simulator: OpenGLSimulator) -> None:
    original = photo(actor("Car", *NEAR))
    drawn = simulator.render(set_into(original, actor("Car", *FAR)))
    alone = simulator.render(set_into(photo(), actor("Car", *FAR)))
    assert drawn.objects[0] == original.objects[0]
    hidden, free = drawn.objects[1], alone.objects[0]
    assert hidden.occlusion is not None
    assert hidden.occlusion > 0.15
    assert free.occlusion == pytest.approx(0, abs=0.02)
    assert hidden.amodal_box == pytest.approx(free.amodal_box, abs=1.01)
    assert hidden.visible_box is not None
    assert free.visible_box is not None
    assert hidden.visible_box.area < free.visible_box.area
    # As much as the renderer says of two rendered cars.
    both = simulator.render(scene(actor("Car", *FAR), actor("Car", *NEAR), environment=SUNNY))
    assert hidden.occlusion == pytest.approx(both.objects[0].occlusion or 0, abs=0.02)


def test_an_actor_before_a_labelled_car_covers_it_and_its_label_says_so(simulator: OpenGLSimulator) -> None:
    original = photo(actor("Car", *FAR))
    drawn = simulator.render(set_into(original, actor("Car", *NEAR)))
    old, new = original.objects[0], drawn.objects[0]
    both = simulator.render(scene(actor("Car", *FAR), actor("Car", *NEAR), environment=SUNNY))
    assert new.occlusion == pytest.approx(both.objects[0].occlusion or 0, abs=0.02)
    assert new.occlusion_level == (1 if (new.occlusion or 0) < 0.5 else 2)
    assert new.box == old.box
    assert new.visible_box is not None
    assert new.visible_box.width < old.box.width
    assert not new.ignore
    assert new.cuboid == old.cuboid


def test_a_label_of_visible_parts_shrinks(simulator: OpenGLSimulator) -> None:
    original = photo(actor("Car", *FAR), level=None)
    staged = set_into(original, actor("Car", *NEAR)).replace(convention="visible")
    new = simulator.render(staged).objects[0]
    assert new.occlusion_level is None
    assert new.box == new.visible_box
    assert new.box.width < original.objects[0].box.width


def test_what_is_hidden_almost_whole_is_ignored(simulator: OpenGLSimulator) -> None:
    original = photo(actor("Pedestrian", 0.4, 20.0))
    drawn = simulator.render(set_into(original, actor("Truck", 0.3, 9.0)))
    new = drawn.objects[0]
    assert new.ignore
    assert (new.occlusion or 0) > 0.9  # a foot may show under the truck
    assert new.occlusion_level == 2
    assert new.box == original.objects[0].box


def test_regions_and_hidden_before_stay(simulator: OpenGLSimulator) -> None:
    region = Object("DontCare", Box(5, 20, 40, 30), ignore=True)
    original = photo(actor("Car", *FAR), level=3)
    original = replace(original, objects=(region, *original.objects))
    drawn = simulator.render(set_into(original, actor("Car", *NEAR)))
    assert drawn.objects[0] == region
    assert drawn.objects[1].occlusion_level == 3
    assert [obj.category for obj in drawn.objects] == ["DontCare", "Car", "Car"]


def test_things_without_a_body_hide_as_blocks(simulator: OpenGLSimulator) -> None:
    zeppelin = replace(actor("Car", *NEAR), category="Zeppelin")
    drawn = simulator.render(set_into(photo(zeppelin), actor("Car", *FAR)))
    assert (drawn.objects[1].occlusion or 0) > 0.2


def brightness(frame: Frame) -> np.ndarray:
    return pixels_of(frame).astype(float).mean(axis=2)


def ground_of(simulator: OpenGLSimulator, staged: Scene) -> np.ndarray:
    """Where no actor is, nor its blurred edge."""
    mask = Image.fromarray((simulator.identities(staged) > 0).astype(np.uint8) * 255)
    grown: np.ndarray = np.asarray(mask.filter(ImageFilter.MaxFilter(7))) == 0
    return grown


def test_the_sun_throws_a_shadow_beside_the_actor_alone(simulator: OpenGLSimulator) -> None:
    original = photo()
    staged = set_into(original, actor("Van", -1.0, 9.0))
    ground = ground_of(simulator, staged)
    ratio = (brightness(simulator.render(staged)) / brightness(original))[ground]
    assert (ratio < 0.7).sum() > 40
    assert ratio.max() == 1.0
    dull = simulator.render(staged.replace(environment=Environment(weather="overcast")))
    weak = (brightness(dull) / brightness(original))[ground]
    assert 10 < (weak < 0.9).sum() < (ratio < 0.9).sum()


def test_shade_grows_no_darker(simulator: OpenGLSimulator) -> None:
    """The lit road has 0.18 of full light, the shade a quarter of that: sRGB 60."""
    taken = []
    for grey in (60, 118):
        original = photo(pixels=np.full((HEIGHT, WIDTH, 3), grey, np.uint8))
        staged = set_into(original, actor("Van", -1.0, 9.0))
        dull = staged.replace(environment=Environment(weather="overcast"))
        ground = ground_of(simulator, staged)
        lost = brightness(simulator.render(dull)) - brightness(simulator.render(staged))
        taken.append(lost[ground].sum() / grey)
    assert taken[0] < 0.3 * taken[1]


def test_an_actor_in_a_photographed_shadow_is_out_of_the_sun(simulator: OpenGLSimulator) -> None:
    original = photo()
    staged = set_into(original, actor("Van", -1.0, 9.0, color=(0.6, 0.6, 0.6)))
    ids = simulator.identities(staged)
    sun = brightness(simulator.render(staged))
    assert staged.backdrop is not None
    shade = brightness(simulator.render(staged.replace(backdrop=replace(staged.backdrop, shaded=(0,)))))
    assert shade[ids == 1].mean() < 0.8 * sun[ids == 1].mean()


@pytest.mark.parametrize("grey", [60, 118, 180])
def test_exposure_follows_the_photo(simulator: OpenGLSimulator, grey: int) -> None:
    original = photo(pixels=np.full((HEIGHT, WIDTH, 3), grey, np.uint8))
    level = ((grey / 255 + 0.055) / 1.055) ** 2.4
    look = Look((level,) * 3, 1.0, 0.004)
    box = actor("Truck", 0.0, 9.0, color=(0.17, 0.17, 0.17), yaw=1.57)
    staged = set_into(original, box, light=Environment(weather="overcast"), look=look)
    body = brightness(simulator.render(staged))[simulator.identities(staged) == 1]
    # The sides of a grey body see less of the sky than the road does, but are of its order.
    assert 0.35 * grey < np.median(body) < 1.25 * grey


@pytest.mark.parametrize("level", [0.01, 0.2, 0.6, 0.95])
def test_film_is_inverted(level: float) -> None:
    film = Film()
    a, b, c, d, e = film.curve
    x = undeveloped(level, film)
    assert (a * x * x + b * x) / (c * x * x + d * x + e) == pytest.approx(level)


def test_a_jpeg_stays_a_jpeg_of_its_kind(simulator: OpenGLSimulator) -> None:
    original = photo()
    data = encoded(pixels_of(original), "JPEG", quality=71)
    frame = replace(original, image=data)
    drawn = simulator.render(set_into(frame, actor("Car", *NEAR)))
    assert drawn.image is not None
    with Image.open(io.BytesIO(drawn.image)) as new, Image.open(io.BytesIO(data)) as old:
        assert new.format == "JPEG"
        assert new.quantization == old.quantization  # type: ignore[attr-defined]
    off = np.abs(pixels_of(drawn).astype(int) - pixels_of(frame).astype(int))
    assert np.median(off) <= 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"photo": None}, "is not with the scene"),
        ({"shadow": 2.0}, "backdrop.shadow"),
        ({"look": Look(contrast=0.5)}, "backdrop.look"),
        ({"photo": replace(photo(), width=100)}, "the photo is 100x64 px"),
    ],
)
def test_what_cannot_be_a_backdrop_is_said(
    simulator: OpenGLSimulator, change: dict[str, object], said: str
) -> None:
    (reason,) = simulator.supports(set_into(photo(), **change))  # type: ignore[arg-type]
    assert said in reason
