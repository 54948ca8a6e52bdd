"""`imitate predict` on pictures and folders of them, and `imitate --version`."""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster.cli.commands.measure.predict import found_pictures
from cluster.cli.main import main
from imitation.common.settings import UserError
from tests.cluster.cli.test_main import checkpoint  # noqa: F401 (a fixture)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Pictures in a folder and in folders of its, what is none, and what is hidden."""
    folder = tmp_path / "album"
    rng = np.random.default_rng(0)
    for name in ("b.png", "a.JPG", "night/a.jpeg", ".hidden.png", ".thumbs/c.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(
            folder / name, format="PNG" if name.endswith("png") else "JPEG"
        )
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_a_folder_is_searched_through_and_drawn_as_it_lies(checkpoint, album, tmp_path, capsys):  # noqa: F811
    assert main(["predict", str(checkpoint), str(album), "--out", str(tmp_path / "drawn")]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    names = ["a.JPG", "b.png", "night/a.jpeg"]
    assert [entry["image"] for entry in told] == [str(album / name) for name in names]
    assert all((entry["width"], entry["height"]) == (60, 40) for entry in told)
    drawn = {str(path.relative_to(tmp_path / "drawn")) for path in (tmp_path / "drawn").rglob("*.png")}
    assert drawn == {"a.png", "b.png", "night/a.png"}
    assert "predicting: done in" in said.err
    assert "3/3" in said.err


def test_a_picture_that_cannot_be_read_does_not_take_the_others_with_it(checkpoint, album, capsys):  # noqa: F811
    (album / "b.png").write_bytes(b"no png")
    assert main(["predict", str(checkpoint), str(album), str(album / "a.JPG")]) == 1
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert [Path(entry["image"]).name for entry in told if "error" in entry] == ["b.png"]
    assert len([entry for entry in told if "detections" in entry]) == 3
    assert f"not read: {album / 'b.png'}" in said.err


def test_what_is_no_place_for_pictures_is_told(album, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: holds no picture"):
        list(found_pictures([str(tmp_path / "empty")]))
    with pytest.raises(UserError, match=r"nowhere: there is no such picture or folder"):
        list(found_pictures([str(tmp_path / "nowhere")]))
    with pytest.raises(UserError, match=r"would both be drawn as a\.png"):
        list(found_pictures([str(album), str(album / "night")]))


def test_the_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"imitate {version('imitation-training')}\n"
