"""The API reference builds without a warning and has every public name, each with its own words."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("imitation", "sim_actors", "cluster")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    built = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "reference.py"), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert built.returncode == 0, built.stderr[-2000:]
    assert built.stdout.strip() == str(folder / "index.html")
    return folder


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_in_the_reference(pages: Path, package: str) -> None:
    sections = re.split(r'<section id="', (pages / f"{package}.html").read_text(encoding="utf-8"))[1:]
    shown = {section.split('"')[0]: section for section in sections}
    public = dir(importlib.import_module(package))
    assert set(public) <= set(shown)
    silent = [name for name in public if '<div class="docstring">' not in shown[name]]
    assert not silent, "these have no docstring"
