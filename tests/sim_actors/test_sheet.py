import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imitation.common.settings import DataError
from imitation.data.contact_sheet import contact_sheet, gallery
from imitation.data.records import Frame
from tests.sim_actors.scenes import SIZE, street


def shot(colour: tuple[int, int, int]) -> Frame:
    buffer = io.BytesIO()
    Image.new("RGB", SIZE, colour).save(buffer, "PNG")
    return replace(street(), image=buffer.getvalue())


def test_real_stands_left_and_restaged_right(tmp_path: Path) -> None:
    path = tmp_path / "made" / "sheet.png"
    contact_sheet([(shot((90, 0, 0)), shot((0, 90, 0)))] * 2, path, cell_width=300)
    sheet = np.asarray(Image.open(path))
    assert sheet.shape[1] == 604
    assert tuple(sheet[90, 20]) == (90, 0, 0)
    assert tuple(sheet[90, 600]) == (0, 90, 0)
    assert sheet.shape[0] > 2 * 90


def test_gallery_lays_out_rows(tmp_path: Path) -> None:
    path = tmp_path / "gallery.jpg"
    gallery([shot((0, 0, 90))] * 3, path, columns=2, cell_width=200)
    assert Image.open(path).width == 404


def test_missing_pixels_name_the_frame(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="000042"):
        gallery([street()], tmp_path / "x.png")
