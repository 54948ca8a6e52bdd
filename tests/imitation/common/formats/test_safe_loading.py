"""Hostile files: each holds code that would leave a file behind, and is refused with a sentence."""

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from imitation.common.formats.safe_loading import load_tensors
from imitation.common.settings import DataError, UserError
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import read_frames, read_ids, write_frames
from imitation.datasets.parquet.store import FrameStore
from imitation.detectors.checkpoint import load_checkpoint, read_info, save_checkpoint
from imitation.detectors.settings import DetectorSettings
from imitation.evaluation.detection_files import read_detections

ROOT = Path(__file__).resolve().parents[4]
PICKLED = "ray.data.arrow_pickled_object"


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture
def boom(tmp_path: Path) -> Path:
    """What a bomb leaves if it goes off; a bomb that cannot would prove nothing."""
    proof = tmp_path / "proof"
    pickle.loads(pickle.dumps(Bomb(proof))).close()  # noqa: S301
    assert proof.exists()
    return tmp_path / "boom"


def checkpoint(folder: Path) -> str:
    from imitation.detectors.registry import build_detector

    settings = DetectorSettings(backbone="resnet10", weights=None, features=16, width=64, height=32)
    save_checkpoint(str(folder), build_detector(settings, 2).state_dict(), settings, ["a", "b"], {})
    return str(folder)


def swap_weights(folder: str, data: bytes) -> None:
    """Other weights in a checkpoint, with the checksum that belongs to them."""
    (Path(folder) / "weights.pt").write_bytes(data)
    info = read_info(folder).model_dump(mode="json")
    info["weights_sha256"] = hashlib.sha256(data).hexdigest()
    (Path(folder) / "detector.json").write_text(json.dumps(info))


@pytest.mark.parametrize("form", ["zip", "old", "plain pickle", "among tensors"])
def test_a_bomb_in_a_checkpoints_weights(tmp_path, boom, form):
    folder = checkpoint(tmp_path / "checkpoint")
    file = tmp_path / "bomb.pt"
    if form == "plain pickle":
        file.write_bytes(pickle.dumps(Bomb(boom)))
    elif form == "among tensors":
        torch.save({"weight": torch.zeros(2), "extra": Bomb(boom)}, file)
    else:
        torch.save(Bomb(boom), file, _use_new_zipfile_serialization=form == "zip")
    swap_weights(folder, file.read_bytes())
    why = "it is no plain file" if form == "plain pickle" else r"it asks for Python code, \S+, which is never"
    with pytest.raises(UserError, match=rf"weights\.pt: not a file of weights alone: {why}"):
        load_checkpoint(folder)
    assert not boom.exists()


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "cannot be read"),
        (b"PK\x03\x04 nothing", "cannot be read"),
        (b"\x80\x02}q\x00.", "not a file of weights"),
    ],
)
def test_damaged_weights(tmp_path, data, named):
    folder = checkpoint(tmp_path / "checkpoint")
    swap_weights(folder, data)
    with pytest.raises(UserError, match=named) as caught:
        load_checkpoint(folder)
    assert len(str(caught.value).splitlines()) == 1


def test_weights_that_are_no_tensors(tmp_path):
    folder = checkpoint(tmp_path / "checkpoint")
    file = tmp_path / "list.pt"
    torch.save({"backbone": [1, 2]}, file)
    swap_weights(folder, file.read_bytes())
    with pytest.raises(UserError, match="'backbone' is no tensor but a 'list'"):
        load_checkpoint(folder)


def test_what_was_saved_is_loaded(tmp_path):
    file = tmp_path / "state.pt"
    torch.save({"spec": "a", "state": {"step": 3, "model": {"w": torch.ones(2)}, "average": None}}, file)
    loaded = load_tensors(file.read_bytes(), str(file), "")
    assert loaded["state"]["step"] == 3
    assert torch.equal(loaded["state"]["model"]["w"], torch.ones(2))


def frames_file(folder: Path) -> pa.Table:
    image = b"\x89PNG"
    uri = str(folder / "good.parquet")
    write_frames([Frame("a", 8, 8, (Object("car", Box(1, 1, 5, 5)),), image=image)], uri)
    return pq.read_table(uri)


def hostile(folder: Path, boom: Path, place: str) -> str:
    """A frame's Parquet file with a bomb as Ray Data writes pickled objects: a column of bytes whose
    field says, in its metadata, that they are of the extension type."""
    table = frames_file(folder)
    bombs = pa.array([pickle.dumps(Bomb(boom))], pa.large_binary())
    told = {b"ARROW:extension:name": PICKLED.encode(), b"ARROW:extension:metadata": b""}
    if place == "conditions":  # a struct of conditions is turned into Python values
        inner = pa.field("weather", pa.large_binary(), metadata=told)
        column, field = (
            pa.StructArray.from_arrays([bombs], fields=[inner]),
            pa.field("conditions", pa.struct([inner])),
        )
    else:
        column, field = bombs, pa.field(place, pa.large_binary(), metadata=told)
    at = table.schema.get_field_index(place)
    table = table.append_column(field, column) if at < 0 else table.set_column(at, field, column)
    uri = folder / f"{place}.parquet"
    pq.write_table(table, uri)
    return str(uri)


@pytest.mark.parametrize("place", ["conditions", "sequence", "image", "frame_id", "something_else"])
def test_pickled_objects_in_a_datasets_parquet(tmp_path, boom, place):
    uri = hostile(tmp_path, boom, place)
    for read in (lambda: list(read_frames(uri)), lambda: read_ids(uri), lambda: FrameStore(uri)):
        with pytest.raises(DataError, match=rf"{place}' holds pickled Python objects \({PICKLED}\)"):
            read()
    assert not boom.exists()


RAY = """
import sys
import pyarrow.parquet as pq
import ray.data
from imitation.datasets.parquet.files import read_frames
from imitation.datasets.parquet.store import FrameStore
from imitation.common.settings import DataError

*uris, boom = sys.argv[1:]
for uri in uris:
    assert "ArrowPythonObjectType" in str(pq.read_schema(uri)), "Ray Data has registered the type"
    for read in (lambda: list(read_frames(uri)), lambda: FrameStore(uri).frame(0)):
        try:
            read()
        except DataError as error:
            assert "holds pickled Python objects" in str(error), error
        else:
            raise AssertionError(uri)
"""


def test_pickled_objects_where_ray_data_knows_their_type(tmp_path, boom):
    """In a process that has imported Ray Data, Arrow itself unpickles such a column's values."""
    uris = [hostile(tmp_path, boom, place) for place in ("conditions", "sequence", "something_else")]
    done = subprocess.run(
        [sys.executable, "-c", RAY, *uris, str(boom)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not boom.exists()


def test_pickled_objects_in_an_evaluation(tmp_path, boom):
    uri = hostile(tmp_path, boom, "something_else")
    with pytest.raises(DataError, match="holds pickled Python objects"):
        list(read_detections(uri))
    assert not boom.exists()


@pytest.mark.parametrize(
    "text",
    [
        "run: !!python/object/apply:builtins.open [{boom}, w]",
        "run: !!python/object/new:builtins.open [{boom}, w]",
        "!!python/object/apply:os.system ['touch {boom}']",
    ],
)
def test_code_in_yaml(tmp_path, boom, text):
    from cluster.config.parse import load
    from imitation.data.splits import SplitSettings
    from imitation.datasets.registry import open_dataset

    file = tmp_path / "config.yaml"
    file.write_text(text.format(boom=boom))
    with pytest.raises(UserError, match=r"config\.yaml: not valid YAML: could not determine a constructor"):
        load(file)
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "data.yaml").write_text(text.format(boom=boom))
    with pytest.raises(UserError, match="not valid YAML"):
        open_dataset("yolo", str(tmp_path / "yolo"), SplitSettings(), {}).splits()
    with pytest.raises(UserError):
        load(ROOT / "ray_config.yaml", [text.format(boom=boom).replace("run: ", "run.name=", 1)])
    assert not boom.exists()


@pytest.mark.parametrize(
    "name", ["../../secret.png", "/etc/passwd", "file:///etc/passwd", "s3://bucket/x.png"]
)
def test_a_coco_file_leads_nowhere_else(tmp_path, name):
    from imitation.data.splits import SplitSettings
    from imitation.datasets.registry import open_dataset

    root = tmp_path / "coco"
    root.mkdir()
    annotations = {
        "images": [{"id": i, "file_name": name, "width": 8, "height": 8} for i in range(3)],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}
        ],
        "categories": [{"id": 1, "name": "{0.__class__}"}],
    }
    (root / "all.json").write_text(json.dumps(annotations))
    dataset = open_dataset("coco", str(root), SplitSettings(), {})
    with pytest.raises(DataError):
        list(dataset.frames("train", None))


def test_torch_is_told_to_load_weights_alone_everywhere():
    """A call that leaves `weights_only` out can be turned by an environment variable."""
    for file in (
        path for room in ("imitation", "cluster", "sim_actors") for path in (ROOT / room).rglob("*.py")
    ):
        for call in file.read_text().split("torch.load(")[1:]:
            assert "weights_only=True" in call.split("\n")[0], file
