import numpy as np
import pytest
from PIL import Image

from imitation.drawing import IGNORE, caption, category_colour, draw_detections, draw_objects, grid
from imitation.records import Box, Object


def blank() -> Image.Image:
    return Image.new("RGB", (100, 60))


def test_box_lies_on_its_edges_and_nowhere_inside() -> None:
    drawn = np.asarray(draw_objects(blank(), [Object("Car", Box(10, 20, 50, 40))], names=False, width=1))
    colour = category_colour("car")
    lit = np.argwhere((drawn == colour).all(axis=2))
    assert lit.min(axis=0).tolist() == [20, 10]
    assert lit.max(axis=0).tolist() == [39, 49]
    assert not drawn[21:39, 11:49].any()


def test_ignored_is_grey_and_under_the_others() -> None:
    box = Box(10, 20, 50, 40)
    car, region = Object("Car", box), Object("DontCare", Box(5, 20, 50, 40), ignore=True)
    drawn = np.asarray(draw_objects(blank(), [car, region], names=False, width=1))
    assert tuple(drawn[30, 5]) == IGNORE
    assert tuple(drawn[20, 30]) == category_colour("Car")


def test_input_image_stays_untouched() -> None:
    image = blank()
    draw_objects(image, [Object("Car", Box(1, 1, 20, 20))])
    assert not np.asarray(image).any()


def test_detections_need_one_label_and_score_each() -> None:
    with pytest.raises(ValueError, match="zip"):
        draw_detections(blank(), [Box(1, 1, 5, 5)], ["car"], [])
    drawn = draw_detections(blank(), [Box(30, 30, 60, 50)], ["car"], [0.5], colour=(255, 0, 0))
    assert tuple(np.asarray(drawn)[40, 30]) == (255, 0, 0)


def test_colours_ignore_case_and_tell_kitti_apart() -> None:
    names = ["Car", "Van", "Truck", "Pedestrian", "Cyclist"]
    assert len({category_colour(name) for name in names}) == len(names)
    assert category_colour("TRAM") == category_colour("tram")


def test_grid_holds_every_cell_and_caption_adds_a_strip() -> None:
    cells = [Image.new("RGB", (20, 10), (k, k, k)) for k in (50, 100, 150)]
    sheet = grid(cells, 2, gap=2)
    assert sheet.size == (42, 22)
    assert [sheet.getpixel(at)[0] for at in ((5, 5), (30, 5), (5, 15))] == [50, 100, 150]
    assert caption(cells[0], "a very long caption that cannot fit", height=12).size == (20, 22)
    with pytest.raises(ValueError, match="no images"):
        grid([], 2)
