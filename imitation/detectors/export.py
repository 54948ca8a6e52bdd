"""A detector's network as ONNX, up to its proposals before clustering."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from imitation.settings import UserError

OUTPUTS = ("boxes", "scores", "occlusion")


class _Proposals(nn.Module):
    model: Any

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        boxes, scores, occlusion = self.model.proposals(images)
        return boxes, scores, occlusion


def to_onnx(model: nn.Module, width: int, height: int, notes: dict[str, str]) -> bytes:
    """An ONNX file of `model.proposals` for `images` (batch, 3, height, width), with `notes` as metadata.

    Raises UserError for a model without that method, for a size that is not a multiple of 32, or if the
    packages of the extra `onnx` are not installed.
    """
    if not hasattr(model, "proposals"):
        raise UserError(
            f"{type(model).__name__} cannot be exported: that needs a method proposals(images) -> "
            "(boxes, scores, occlusion), as the grid detector has"
        )
    if width % 32 or height % 32:
        raise UserError(
            f"detector.width and detector.height: {width} x {height} cannot be exported; the exported "
            "network does not pad, so both must be multiples of 32"
        )
    try:
        import onnx
        import onnxscript  # noqa: F401  # torch's exporter needs it
    except ImportError as error:
        raise UserError(
            f"exporting needs the package {error.name}: install imitation-training[onnx]"
        ) from error
    images = torch.zeros(2, 3, height, width)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own exporter, about its own code
        program = torch.onnx.export(
            _Proposals(model).eval(),
            (images,),
            dynamo=True,
            input_names=["images"],
            output_names=list(OUTPUTS),
            dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(proto, notes)
    data: bytes = proto.SerializeToString()
    return data
