"""The checkpoint: a folder with everything that is needed to use a trained detector.

    detector.json   settings, categories, preprocessing, operating threshold, what it was trained on, versions
    weights.pt      the state dict

`detector.json` is written last and names the weights by their SHA-256: a folder with it is whole. The
folder may lie on any storage of `imitation.common.storage`.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError

from imitation.common import storage
from imitation.common.formats.safe_loading import load_tensors
from imitation.common.settings import Settings, UserError
from imitation.detectors.registry import takes_backbone
from imitation.detectors.settings import DetectorSettings, Precision
from imitation.metrics.operating_point import Operating

if TYPE_CHECKING:
    from torch import Tensor

    from imitation.detectors.predictor import Predictor

FORMAT = 1
INFO, WEIGHTS = "detector.json", "weights.pt"


class Preprocessing(Settings):
    """What happens to an image before the network, which takes RGB in [0, 1] and normalises it itself."""

    width: int = Field(ge=1, description="network input width, px")
    height: int = Field(ge=1, description="network input height, px")
    colour_order: str = Field("RGB", description="order of the channels")
    scale: float = Field(1 / 255, description="factor from stored bytes to the network's input")
    resize: str = Field("bilinear, antialiased, aspect ratio not kept", description="how images are resized")
    mean: tuple[float, float, float] | None = Field(
        None, description="subtracted in the network; null: unknown"
    )
    std: tuple[float, float, float] | None = Field(
        None, description="divided by in the network; null: unknown"
    )


class CheckpointInfo(Settings):
    """The contents of detector.json."""

    format: int = Field(FORMAT, description="version of this layout")
    detector: DetectorSettings = Field(description="settings to build the network with")
    categories: tuple[str, ...] = Field(min_length=1, description="category of label i + 1")
    preprocessing: Preprocessing = Field(description="what happens to an image before the network")
    operating_threshold: float | None = Field(
        None, ge=0, le=1, description="score from which a detection counts; null until it is chosen"
    )
    operating_thresholds: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict,
        description="category -> its own score in place of that one (evaluate.operating_threshold)",
    )
    trained_on: dict[str, Any] = Field(default_factory=dict, description="data, steps, seed, final losses")
    versions: dict[str, str] = Field(default_factory=dict, description="of the libraries it was made with")
    weights_sha256: str = Field("", description="checksum of weights.pt")

    @property
    def operating(self) -> Operating | None:
        """Where the scores are cut; None until that is chosen."""
        if self.operating_threshold is None:
            return None
        return Operating(self.operating_threshold, self.operating_thresholds)


def save_checkpoint(
    folder: str,
    weights: Mapping[str, Tensor],
    detector: DetectorSettings,
    categories: Sequence[str],
    trained_on: Mapping[str, Any],
    operating_threshold: float | None = None,
) -> CheckpointInfo:
    """Writes a checkpoint; a reader sees the old one, an unfinished one (an error), or the new one.

    `detector` must have its width and height. Raises StorageError where the place cannot be written.
    """
    import torch

    if detector.width is None or detector.height is None:
        raise ValueError("a checkpoint's detector settings need width and height")
    buffer = io.BytesIO()
    torch.save({name: value.detach().cpu().contiguous() for name, value in weights.items()}, buffer)
    data = buffer.getvalue()
    mean, std = _normalisation(detector)
    info = CheckpointInfo(
        detector=detector,
        categories=tuple(categories),
        preprocessing=Preprocessing(width=detector.width, height=detector.height, mean=mean, std=std),
        operating_threshold=operating_threshold,
        trained_on=dict(trained_on),
        versions=_versions(),
        weights_sha256=hashlib.sha256(data).hexdigest(),
    )
    storage.make_folder(folder)
    storage.delete(storage.join(folder, INFO))  # from here until it is back, the folder is unfinished
    storage.write_bytes_atomic(storage.join(folder, WEIGHTS), data)
    storage.write_json(storage.join(folder, INFO), info.model_dump(mode="json"))
    return info


def set_operating_threshold(
    folder: str, threshold: float, by_category: Mapping[str, float] | None = None
) -> CheckpointInfo:
    """Stores the score from which a detection counts, in [0, 1], and those of categories with their own."""
    info = read_info(folder)
    told = {"operating_threshold": threshold, "operating_thresholds": dict(by_category or {})}
    info = CheckpointInfo.model_validate(info.model_dump() | told)
    storage.write_json(storage.join(folder, INFO), info.model_dump(mode="json"))
    return info


def copy_checkpoint(source: str, target: str) -> CheckpointInfo:
    """The same checkpoint in another folder (the best cycle's becomes the run's)."""
    info, data = read_info(source), _weights_bytes(source)
    storage.make_folder(target)
    storage.delete(storage.join(target, INFO))
    storage.write_bytes_atomic(storage.join(target, WEIGHTS), data)
    storage.write_json(storage.join(target, INFO), info.model_dump(mode="json"))
    return info


def is_checkpoint(folder: str) -> bool:
    """Whether a finished checkpoint lies there."""
    return storage.exists(storage.join(folder, INFO))


def read_info(folder: str) -> CheckpointInfo:
    """What detector.json says. Raises UserError naming the file and field that is missing or wrong."""
    path = storage.join(folder, INFO)
    if not storage.exists(path):
        raise UserError(
            f"{folder}: no trained detector here ({INFO} is missing); its training may not have finished"
        )
    values = storage.read_json(path)
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT:
        raise UserError(
            f"{path}: format is {found!r}, this version reads {FORMAT}; export it again with its own version"
        )
    try:
        return CheckpointInfo.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {key}: {first['msg']}, found {first['input']!r}") from error


def load_weights(folder: str) -> dict[str, Tensor]:
    """The state dict on the CPU. Raises UserError if weights.pt is missing or not the one that was saved."""
    info, data = read_info(folder), _weights_bytes(folder)
    if hashlib.sha256(data).hexdigest() != info.weights_sha256:
        raise UserError(
            f"{storage.join(folder, WEIGHTS)}: not the weights that {INFO} describes (the checksum differs): "
            "the file is damaged or from another training; restore it or train again"
        )
    where, do = storage.join(folder, WEIGHTS), "take the detector from a source you trust"
    weights = load_tensors(data, where, do)
    for name, value in weights.items():
        if not hasattr(value, "dtype"):
            raise UserError(f"{where}: {name!r} is no tensor but a {type(value).__name__!r}; {do}")
    return weights


def load_checkpoint(
    folder: str, device: str = "cpu", precision: Precision = "auto"
) -> tuple[Predictor, CheckpointInfo]:
    """The detector of a checkpoint, ready to predict on `device` in `precision`, and what detector.json says.

    Raises UserError for missing, damaged or mismatching files.
    """
    from imitation.detectors.predictor import Predictor
    from imitation.detectors.registry import build_detector

    info, weights = read_info(folder), load_weights(folder)
    # initial weights are not fetched: they would be replaced at once
    settings = info.detector.model_copy(update={"weights": None})
    model = build_detector(settings, len(info.categories))
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[:2][-1].strip()
        raise UserError(
            f"{folder}: the weights do not fit the detector that {INFO} describes: {first}"
        ) from error
    size = info.preprocessing
    return Predictor(model, info.categories, size.width, size.height, device, precision), info


def export_onnx(folder: str, path: str, raw: bool = False) -> None:
    """Writes the checkpoint's detector as an ONNX file: pictures in, detections out (docs/guide.md, "ONNX").

    Input `images`: uint8 (batch, height, width, 3), RGB, of any size. Outputs `boxes` (batch, D, 4) px of the
    picture, (x1, y1, x2, y2); `labels` (batch, D), 1-based, `scores` (batch, D), best first; rows that are
    left over are 0. Metadata: `categories`, `operating_threshold`, `input`, `outputs` and more; no path.

    With `raw` the network alone, up to its proposals before clustering: `imitation.detectors.export.onnx`.

    Raises UserError for a detector that cannot be exported, or if the packages of the extra `onnx` are not
    installed.
    """
    from imitation.detectors.export.onnx import to_onnx, to_raw_onnx

    predictor, info = load_checkpoint(folder)
    model, width, height = predictor.model, predictor.width, predictor.height
    if raw:
        data = to_raw_onnx(model, width, height, _onnx_notes(info, RAW_INPUT, RAW_OUTPUTS))
    else:
        notes = _onnx_notes(info, ONNX_INPUT, ONNX_OUTPUTS)
        data = to_onnx(model, info.detector, len(info.categories), width, height, notes)
    storage.write_bytes_atomic(path, data)


ONNX_INPUT = (
    "images: uint8 (batch, height, width, 3), RGB, 0 to 255, any size, the same for a whole batch; resizing "
    "and normalisation are inside"
)
ONNX_OUTPUTS = (
    "boxes: float32 (batch, D, 4), x1 y1 x2 y2 in px of the images; labels: int64 (batch, D), label i is "
    "category i - 1 of the list; scores: float32 (batch, D), falling; rows whose score is 0 hold nothing"
)
RAW_INPUT = (
    "images: float32 (batch, 3, {height}, {width}), RGB, 0 to 1, resized (bilinear, antialiased); "
    "normalisation is inside"
)
RAW_OUTPUTS = (
    "boxes: float32 (batch, N, 4), x1 y1 x2 y2 in px of the input; scores: float32 (batch, N, categories); "
    "occlusion: float32 (batch, N); left to do: drop scores up to score_floor, non-maximum suppression of "
    "each category at nms_iou"
)


def _onnx_notes(info: CheckpointInfo, images: str, outputs: str) -> dict[str, str]:
    """What the user of an ONNX file has to know, as its metadata; lists and numbers as JSON. Nothing of
    where it was trained."""
    detector, size = info.detector, info.preprocessing
    values = {
        "categories": list(info.categories),
        "network_size": [size.width, size.height],
        "score_floor": detector.score_floor,
        "nms_iou": detector.nms_iou,
        "max_detections": detector.max_detections,
        "weights_sha256": info.weights_sha256,
        **{name: value for name, value in info.model_dump().items() if name.startswith("operating_")},
    }
    words = {"input": images.format(width=size.width, height=size.height), "outputs": outputs}
    return {name: json.dumps(value) for name, value in values.items()} | words


def _weights_bytes(folder: str) -> bytes:
    return storage.read_bytes(storage.join(folder, WEIGHTS))


def _normalisation(
    detector: DetectorSettings,
) -> tuple[tuple[float, float, float] | None, tuple[float, float, float] | None]:
    if not takes_backbone(detector.name):
        return None, None
    from imitation.detectors.backbones import normalisation

    return normalisation(detector.backbone)


def _versions() -> dict[str, str]:
    names = ("torch", "torchvision", "numpy", "pillow", "imitation-training")
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "unknown"
    return versions
