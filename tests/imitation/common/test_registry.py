"""Things by name: ours, an installed distribution's, anybody's own."""

import os
import sys
from pathlib import Path

import pytest

from imitation.common.registry import Registry
from imitation.common.settings import UserError

SHAPES: Registry[type] = Registry(
    "shape", "draw.shape", {"path": "pathlib:Path", "fraction": "fractions:Fraction"}
)


def test_ours_is_imported_when_asked_for():
    sys.modules.pop("fractions", None)
    assert SHAPES.check("fraction") == "fraction"
    assert "fractions" not in sys.modules
    assert SHAPES.load("fraction").__name__ == "Fraction"
    assert list(SHAPES) == ["path", "fraction"]
    assert not SHAPES.is_own("path")


def test_own_by_import_path():
    assert SHAPES.check("collections:Counter") == "collections:Counter"
    assert SHAPES.is_own("collections:Counter")
    assert SHAPES.load("collections:Counter").__name__ == "Counter"


def test_unknown_says_the_nearest():
    with pytest.raises(ValueError, match="there is no shape 'fracton'; did you mean 'fraction'"):
        SHAPES.check("fracton")
    with pytest.raises(UserError, match=r"draw\.shape: there is no shape"):
        SHAPES.load("circle")


def test_another_distribution_adds_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[imitation_training.shapes]\nsquare = theirs.shapes:Square\npath = theirs.shapes:Square\n"
    )
    package = tmp_path / "theirs"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "shapes.py").write_text("class Square: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path / "before"))
    assert "square" not in SHAPES
    monkeypatch.syspath_prepend(str(tmp_path))

    assert "square" in SHAPES
    assert SHAPES.check("square") == "square"
    assert SHAPES.load("square").__name__ == "Square"
    assert SHAPES.load("path") is Path, "a name of ours cannot be taken"


def test_what_is_installed_meanwhile_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "late" not in SHAPES
    info = tmp_path / "late-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[imitation_training.shapes]\nlate = pathlib:Path\n")
    os.utime(tmp_path, ns=(0, tmp_path.stat().st_mtime_ns + 1))  # file systems count in milliseconds
    assert SHAPES.load("late") is Path
