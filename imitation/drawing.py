"""Boxes and captions on images, with Pillow alone."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw, ImageFont

from imitation.records import Box, Object

Rgb = tuple[int, int, int]

IGNORE: Rgb = (150, 150, 150)

# Okabe and Ito's palette: told apart by colour-blind readers too.
_NAMED: dict[str, Rgb] = {
    "car": (86, 180, 233),
    "van": (0, 158, 115),
    "truck": (230, 159, 0),
    "pedestrian": (240, 228, 66),
    "cyclist": (255, 110, 70),
}
_OTHERS: tuple[Rgb, ...] = (
    (204, 121, 167),
    (90, 120, 255),
    (120, 220, 160),
    (255, 170, 200),
    (190, 150, 255),
)


def category_colour(category: str) -> Rgb:
    """The colour of a category, the same in every picture, whatever its case."""
    name = category.lower()
    return _NAMED.get(name) or _OTHERS[zlib.crc32(name.encode()) % len(_OTHERS)]


def draw_objects(
    image: Image.Image, objects: Iterable[Object], *, names: bool = True, width: int | None = None
) -> Image.Image:
    """A copy of the image (RGB) with the objects' boxes in their categories' colours; ignored ones grey.

    `names` writes the category at each box; `width` is the line's, px (None: by the image's size).
    """
    canvas, pen = _start(image)
    for obj in sorted(objects, key=lambda o: not o.ignore):
        colour = IGNORE if obj.ignore else category_colour(obj.category)
        _box(pen, obj.box, colour, width or _line(image), obj.category if names and not obj.ignore else "")
    return canvas


def draw_detections(
    image: Image.Image,
    boxes: Sequence[Box],
    labels: Sequence[str],
    scores: Sequence[float],
    *,
    colour: Rgb | None = None,
    width: int | None = None,
) -> Image.Image:
    """A copy of the image (RGB) with detections, each captioned with its label and score in [0, 1].

    `colour` overrides the categories' own. Raises ValueError if the three differ in length.
    """
    canvas, pen = _start(image)
    for box, label, score in zip(boxes, labels, scores, strict=True):
        _box(pen, box, colour or category_colour(label), width or _line(image), f"{label} {score:.2f}")
    return canvas


def caption(image: Image.Image, text: str, *, height: int = 16) -> Image.Image:
    """The image with a line of text (cut to fit) on a dark strip above it, `height` px."""
    canvas = Image.new("RGB", (image.width, image.height + height), (24, 24, 24))
    canvas.paste(image.convert("RGB"), (0, height))
    font = ImageFont.load_default(height * 0.7)
    while text and font.getlength(text) > image.width - 6:
        text = text[:-1]
    ImageDraw.Draw(canvas).text((3, height / 2), text, fill=(235, 235, 235), font=font, anchor="lm")
    return canvas


def grid(images: Sequence[Image.Image], columns: int, *, gap: int = 4) -> Image.Image:
    """Images in rows of `columns`, `gap` px apart, each cell as large as the largest image.

    Raises ValueError for no images.
    """
    if not images:
        raise ValueError("there are no images to lay out")
    width, height = max(i.width for i in images), max(i.height for i in images)
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), (60, 60, 60))
    for k, image in enumerate(images):
        sheet.paste(image, ((k % columns) * (width + gap), (k // columns) * (height + gap)))
    return sheet


def _start(image: Image.Image) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    canvas = image.convert("RGB") if image.mode != "RGB" else image.copy()
    return canvas, ImageDraw.Draw(canvas)


def _line(image: Image.Image) -> int:
    return max(1, round(max(image.size) / 600))


def _box(pen: ImageDraw.ImageDraw, box: Box, colour: Rgb, width: int, text: str) -> None:
    pen.rectangle(
        (box.x1, box.y1, max(box.x1, box.x2 - 1), max(box.y1, box.y2 - 1)), outline=colour, width=width
    )
    if not text:
        return
    font = ImageFont.load_default(9 + 2 * width)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    wide, high = right - left + 2, bottom - top + 2
    x = max(box.x1, 0)
    y = box.y1 - high if box.y1 >= high else max(box.y1, 0)
    pen.rectangle((x, y, x + wide, y + high), fill=colour)
    pen.text((x + 1 - left, y + 1 - top), text, fill=(0, 0, 0), font=font)
