"""The contact sheet of a probe: a row a failure, a column a factor, framed by what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imitation.data.images import encode_png, load_frame_image
from imitation.data.records import Box, Frame
from imitation.diagnosis.counterfactuals import FOUND, judged
from imitation.report.words import kind_name, mode_name

TILE = (168, 112)  # px
HEAD, FOOT, EDGE, GAP = 26, 20, 4, 6
DARK, LIGHT, GREY = (24, 24, 24), (235, 235, 235), (120, 120, 120)
GREEN, RED = (92, 230, 120), (255, 84, 60)
CONTEXT = 3.0  # of the object's box


@dataclass(frozen=True)
class Shown:
    """A picture with the object in question (px; None: it is not to be seen), and its fate there."""

    frame: Frame
    box: Box | None
    fate: str


@dataclass(frozen=True)
class Line:
    """One failure: the frame that it is of, and by column what became of it; a word where there is none."""

    mode: str
    original: Shown
    cells: Mapping[str, Shown | str]


def probe_sheet(lines: Sequence[Line], columns: Sequence[str]) -> bytes:
    """The sheet as PNG: the frame with the failure, then a column each. Green frames: found; red: not; grey,
    without a picture: the factor says nothing, and why. Raises ValueError for no line."""
    if not lines:
        raise ValueError("there is no failure to show")
    wide, high = TILE[0] + GAP, TILE[1] + FOOT + GAP
    heads = ["the failure", *columns]
    sheet = Image.new("RGB", (len(heads) * wide + GAP, HEAD + len(lines) * (high + HEAD - 6) + GAP), DARK)
    pen = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(14), ImageFont.load_default(12)
    for k, name in enumerate(heads):
        pen.text((GAP + k * wide, HEAD / 2), _cut(name, font, TILE[0]), fill=LIGHT, font=font, anchor="lm")
    y = HEAD
    for line in lines:
        pen.text((GAP, y + 10), mode_name(line.mode), fill=GREY, font=small, anchor="lm")
        y += HEAD - 6
        for k, cell in enumerate([line.original, *(line.cells[name] for name in columns)]):
            sheet.paste(_cell(cell, small), (GAP + k * wide, y))
        y += high
    return encode_png(np.asarray(sheet))


def _cell(cell: Shown | str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    if isinstance(cell, str):
        tile = Image.new("RGB", (TILE[0], TILE[1] + FOOT), DARK)
        pen = ImageDraw.Draw(tile)
        pen.rectangle((0, 0, TILE[0] - 1, TILE[1] - 1), outline=(60, 60, 60))
        pen.text((TILE[0] / 2, TILE[1] / 2), cell, fill=GREY, font=font, anchor="mm")
        return tile
    image = Image.fromarray(load_frame_image(cell.frame))
    box = cell.box or Box(0, 0, image.width, image.height)
    part = _around(box, image.width, image.height)
    crop = image.crop((round(part.x1), round(part.y1), round(part.x2), round(part.y2)))
    scale = min(TILE[0] / crop.width, TILE[1] / crop.height)
    crop = crop.resize((max(1, round(crop.width * scale)), max(1, round(crop.height * scale))))
    tile = Image.new("RGB", (TILE[0], TILE[1] + FOOT), DARK)
    x0, y0 = (TILE[0] - crop.width) // 2, (TILE[1] - crop.height) // 2
    tile.paste(crop, (x0, y0))
    pen = ImageDraw.Draw(tile)
    colour = GREEN if cell.fate == FOUND else RED if judged(cell.fate) else GREY
    if cell.box is not None:
        at = [(cell.box.x1 - part.x1) * scale + x0 - 2, (cell.box.y1 - part.y1) * scale + y0 - 2]
        at += [(cell.box.x2 - part.x1) * scale + x0 + 2, (cell.box.y2 - part.y1) * scale + y0 + 2]
        pen.rectangle(at, outline=colour)
    pen.rectangle((0, 0, TILE[0] - 1, TILE[1] - 1), outline=colour, width=EDGE)
    pen.text((2, TILE[1] + FOOT / 2), kind_name(cell.fate), fill=colour, font=font, anchor="lm")
    return tile


def _around(box: Box, width: int, height: int) -> Box:
    """The part of an image around a box, at the tile's proportions, inside the image."""
    high = max(CONTEXT * box.height, CONTEXT * box.width * TILE[1] / TILE[0], 24.0)
    wide = high * TILE[0] / TILE[1]
    high, wide = min(high, float(height)), min(wide, float(width))
    x = min(max((box.x1 + box.x2 - wide) / 2, 0.0), width - wide)
    y = min(max((box.y1 + box.y2 - high) / 2, 0.0), height - high)
    return Box(x, y, x + wide, y + high)


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text
