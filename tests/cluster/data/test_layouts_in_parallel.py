"""Layouts of all sorts read by tasks of Ray Data: packed label files, tables, rows of Parquet, lines."""

from pathlib import Path

import numpy as np
import pytest

from cluster.data.parallel_reading import read_parallel
from imitation.common.settings import DataError
from imitation.datasets.registry import open_dataset
from tests.imitation.datasets.layouts.content import two_lists, write_json
from tests.imitation.datasets.layouts.writers import WRITERS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("layout", ["bdd100k", "huggingface", "imagefolder", "nuscenes"])
def test_tasks_read_what_one_process_does(layout: str, ray_session: None, tmp_path: Path) -> None:
    kind, write = WRITERS[layout]
    write(tmp_path, two_lists(np.random.default_rng(0), 12))
    if layout == "bdd100k":  # a problem has to come back as well
        label = {"category": "car", "box2d": {"x1": 1, "y1": 2, "x2": "wide", "y2": 4}}
        rows = [{"name": "a00000.jpg", "labels": [label]}, {"name": "a00001.jpg", "labels": []}]
        write_json(tmp_path / "labels/det_20/det_train.json", rows)
    reader = open_dataset(kind, str(tmp_path))
    alone: list[DataError] = []
    together: list[DataError] = []
    expected = list(reader.frames("train", alone.append))
    found = list(read_parallel(reader, "train", together.append, chunk=3, verify_images=True, num_cpus=0.5))
    assert found == expected
    assert [str(error) for error in together] == [str(error) for error in alone]
    assert len(alone) == (layout == "bdd100k")
