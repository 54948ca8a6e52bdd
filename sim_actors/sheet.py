"""Contact sheets: real frames beside their re-staged ones, to judge by eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from imitation.drawing import caption, draw_objects, grid
from imitation.images import load_frame_image
from imitation.records import Frame


def contact_sheet(
    pairs: Sequence[tuple[Frame, Frame]],
    path: str | Path,
    *,
    source: str = "real",
    cell_width: int = 620,
    names: bool = False,
) -> None:
    """Writes one picture (PNG or JPEG, by the path's suffix): a row a pair, real left, re-staged right,
    boxes drawn (ignored ones grey), captioned with frame ids. Folders are made as needed. `source`
    is what the left frames are called ("real", "stand-in").

    Raises ValueError for no pairs, DataError for a frame whose image cannot be read.
    """
    cells = []
    for real, staged in pairs:
        cells += [frame_cell(real, f"{real.frame_id}  ({source})", cell_width, names=names)]
        cells += [frame_cell(staged, f"{staged.frame_id}  ({_kind(staged)})", cell_width, names=names)]
    _write(cells, 2, path)


def gallery(
    frames: Sequence[Frame], path: str | Path, *, columns: int = 2, cell_width: int = 620, names: bool = False
) -> None:
    """Writes one picture of frames in rows of `columns`, boxes drawn, captioned with frame ids."""
    _write([frame_cell(frame, frame.frame_id, cell_width, names=names) for frame in frames], columns, path)


def frame_cell(frame: Frame, text: str, width: int, *, names: bool = False) -> Image.Image:
    """A frame's image with its boxes and a caption, scaled to `width` px."""
    drawn = draw_objects(Image.fromarray(load_frame_image(frame)), frame.objects, names=names)
    scaled = drawn.resize(
        (width, max(1, round(drawn.height * width / drawn.width))), Image.Resampling.LANCZOS
    )
    return caption(scaled, text)


def _kind(frame: Frame) -> str:
    """How a frame came to be, as far as its lineage says."""
    in_photo = frame.origin is not None and '"backdrop":{' in frame.origin.scene
    return "set into the photo" if in_photo else "re-staged"


def _write(cells: Sequence[Image.Image], columns: int, path: str | Path) -> None:
    sheet = grid(cells, columns)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
