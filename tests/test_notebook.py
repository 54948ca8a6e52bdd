"""The notebook runs from top to bottom, shows its pictures, and is committed without any output."""

import base64
import io
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

TOUR = Path(__file__).resolve().parent.parent / "examples" / "tour.ipynb"


def test_no_output_is_committed() -> None:
    for cell in nbformat.read(TOUR, 4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
def test_it_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(TOUR, 4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pictures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 3  # the data, the re-staged frames, both side by side
    for picture in pictures:
        assert np.asarray(Image.open(io.BytesIO(base64.b64decode(picture)))).std() > 20  # something is drawn
    text = "".join(output.get("text", "") for output in outputs)
    assert "missed Car" in text
    assert len(list((tmp_path / "restaged").glob("*-v*.json"))) == 3
