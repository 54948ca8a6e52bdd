"""A detector as an ONNX file: pictures of any size in, detections in their own pixels out.

The middle is the network, exported by PyTorch for one input size (`grid/candidates.py`); what comes before it
and after it is written in ONNX itself (`graph.py`), since PyTorch's exporter cannot trace non-maximum
suppression over a batch.
"""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from imitation.common.settings import UserError
from imitation.detectors.grid.candidates import Candidates, candidates_of
from imitation.detectors.registry import takes_backbone
from imitation.detectors.settings import DetectorSettings

if TYPE_CHECKING:
    import onnx

RAW_OUTPUTS = ("boxes", "scores", "occlusion")


def to_onnx(
    model: nn.Module,
    settings: DetectorSettings,
    categories: int,
    width: int,
    height: int,
    notes: dict[str, str],
) -> bytes:
    """An ONNX file that finds what `model` finds, with `notes` as metadata. The model knows so many
    categories; `width` and `height` are its input size, px.

    Input `images`: uint8 (batch, height, width, 3), RGB, as a picture is decoded, any size. Outputs, D being
    `settings.max_detections` at most, best first, rows that are left over all 0: `boxes` float32 (batch, D,
    4), px of `images`, (x1, y1, x2, y2); `labels` int64 (batch, D), 1-based; `scores` float32 (batch, D); of
    a detector that tells it `occlusion` float32 (batch, D).

    Raises UserError for a detector or a clustering that cannot be exported, and if the packages of the
    extra `onnx` are not installed.
    """
    if settings.clustering == "dbscan" and takes_backbone(settings.name):
        raise UserError(
            "detector.clustering: 'dbscan' cannot be exported, ONNX has no density clustering; export the "
            "network alone (imitate export-model --raw) and cluster its proposals yourself"
        )
    onnx = _packages()
    from imitation.detectors.export.graph import around

    candidates = candidates_of(model, settings, categories, width, height)
    network = _network(candidates, width, height, candidates.outputs)
    whole = around(network, candidates, settings.nms_iou, settings.max_detections)
    onnx.checker.check_model(whole)
    return _finished(whole, notes)


def to_raw_onnx(model: nn.Module, width: int, height: int, notes: dict[str, str]) -> bytes:
    """The network alone as ONNX, up to its proposals before clustering, with `notes` as metadata.

    Input `images`: float32 (batch, 3, height, width), RGB in [0, 1], at the network's size; it normalises
    them itself. Outputs, for N cells and C categories: `boxes` (batch, N, 4) px of the input, (x1, y1, x2,
    y2); `scores` (batch, N, C), `occlusion` (batch, N).

    Raises UserError for a model without a `proposals` method, for a size that is not a multiple of 32, or
    if the packages of the extra `onnx` are not installed.
    """
    if not hasattr(model, "proposals"):
        raise UserError(
            f"{type(model).__name__} has no proposals to export: that needs a method proposals(images) -> "
            "(boxes, scores, occlusion), as the grid detector has"
        )
    if width % 32 or height % 32:
        raise UserError(
            f"detector.width and detector.height: {width} x {height} cannot be exported; the exported "
            "network does not pad, so both must be multiples of 32"
        )
    _packages()
    return _finished(_network(_Proposals(model), width, height, RAW_OUTPUTS), notes)


class _Proposals(nn.Module):
    model: Any

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        boxes, scores, occlusion = self.model.proposals(images)
        return boxes, scores, occlusion


def _packages() -> Any:
    """The module `onnx`."""
    try:
        import onnx
        import onnxscript  # noqa: F401  # torch's exporter needs it
    except ImportError as error:
        raise UserError(
            f"exporting needs the package {error.name}: install imitation-training[onnx] (here: make setup "
            "EXTRAS=onnx)"
        ) from error
    return onnx


def _network(
    module: Candidates | _Proposals, width: int, height: int, outputs: tuple[str, ...]
) -> onnx.ModelProto:
    images = torch.zeros(2, 3, height, width)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own exporter, about its own code
        program = torch.onnx.export(
            module.eval(),
            (images,),
            dynamo=True,
            input_names=["images"],
            output_names=list(outputs),
            dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
            verbose=False,
        )
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    return proto


def _finished(proto: onnx.ModelProto, notes: dict[str, str]) -> bytes:
    """The file's bytes. torch writes the stack of each operation, with the paths of this machine, into it:
    they are taken out."""
    import onnx

    for graph in (proto.graph, *proto.functions):
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
    for value in (*proto.graph.value_info, *proto.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""
    for part in (proto, proto.graph, *proto.graph.input, *proto.graph.output, *proto.functions):
        del part.metadata_props[:]
    onnx.helper.set_model_props(proto, notes)
    data: bytes = proto.SerializeToString()
    return data
