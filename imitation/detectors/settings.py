"""Settings of the detector, apart from its code: reading a configuration imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from imitation.common.settings import Settings
from imitation.detectors.registry import DETECTORS, TORCHVISIONS

BACKBONES = ("resnet10", "resnet18", "resnet34", "resnet50", "efficientnet_lite0")
GRID_STRIDES = (4, 8, 16, 32)
Precision = Literal["auto", "fp32", "bf16"]
"""Numbers of a forward pass (`imitation.detectors.precision`)."""


class GridLossSettings(Settings):
    """Weights of the grid detector's losses (each is summed over cells, divided by covered cells)."""

    coverage: float = Field(1.0, ge=0, description="weight of the coverage loss (binary cross-entropy)")
    box: float = Field(1.0, ge=0, description="weight of the L1 loss on box distances")
    overlap: float = Field(
        0.0, ge=0, description="weight of a generalised-IoU loss on the same boxes; 0: the paper's L1 alone"
    )
    category: float = Field(1.0, ge=0, description="weight of the class loss (binary cross-entropy)")
    occlusion: float = Field(0.2, ge=0, description="weight of the occlusion loss (binary cross-entropy)")
    focal_gamma: float = Field(
        0.0, ge=0, le=5, description="coverage loss times |target - p|^gamma; 0: plain cross-entropy"
    )


class DetectorSettings(Settings):
    """Which detector, at which input size, and how its proposals become detections."""

    name: str = Field(
        "grid",
        description=f"grid, one of torchvision's ({', '.join(TORCHVISIONS)}), "
        "or your own 'package.module:factory'",
    )
    backbone: Literal[BACKBONES] = Field(  # type: ignore[valid-type]
        "efficientnet_lite0", description="feature extractor of the grid detector"
    )
    weights: Literal["DEFAULT"] | None = Field(
        "DEFAULT", description="DEFAULT: the backbone starts from ImageNet weights; null: random ones"
    )
    trainable_layers: int | None = Field(
        None,
        ge=0,
        le=5,
        description="layers of the backbone that are trained, counted from its last, as torchvision counts "
        "them (5: all; 4: all but the stem; 0: none); the others keep their weights and batch statistics; "
        "null: the detector's own: of a backbone with trained weights 2 of grid's and 3 of torchvision's, of "
        "one with random weights all",
    )
    width: int | None = Field(None, ge=32, le=8192, description="network input width, px; null: the data's")
    height: int | None = Field(None, ge=32, le=8192, description="network input height, px; null: the data's")
    max_width: int = Field(
        640, ge=32, le=8192, description="where width is null: the data's size, but no wider than this, px"
    )
    strides: tuple[int, ...] = Field((8, 16, 32), description="output grids, px a cell: some of 4, 8, 16, 32")
    features: int = Field(64, ge=8, le=512, multiple_of=8, description="channels of the grids' features")
    shrink: float = Field(
        0.5, gt=0, le=1, description="the centre part of a box (share of each side) whose cells are covered"
    )
    losses: GridLossSettings = Field(GridLossSettings(), description="loss weights of the grid detector")
    clustering: Literal["nms", "dbscan"] = Field(
        "nms", description="how proposals become detections: non-maximum suppression or density clustering"
    )
    score_floor: float = Field(0.05, ge=0, lt=1, description="proposals below this score are dropped")
    nms_iou: float = Field(
        0.5, gt=0, le=1, description="nms: a proposal overlapping a better one more is dropped"
    )
    dbscan_iou: float = Field(
        0.7, gt=0, lt=1, description="dbscan: proposals overlapping this much are neighbours"
    )
    dbscan_weight: float = Field(
        0.1, gt=0, description="dbscan: a proposal is a cluster's core if its neighbours' scores sum to this"
    )
    max_detections: int = Field(
        100, ge=1, le=10_000, description="so many detections of an image are kept, the best"
    )

    @field_validator("name")
    @classmethod
    def _known_name(cls, value: str) -> str:
        return DETECTORS.check(value)

    @field_validator("strides")
    @classmethod
    def _known_strides(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or list(value) != sorted(set(value)) or not set(value) <= set(GRID_STRIDES):
            raise ValueError(f"must be rising numbers out of {GRID_STRIDES}, found {value}")
        return value

    @model_validator(mode="after")
    def _sizes_together(self) -> DetectorSettings:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together: give both or neither")
        return self

    def sized(self, width: int, height: int) -> DetectorSettings:
        """The same settings with the input size filled in where it was left to the data: the data's own
        (width, height, px), scaled down to `max_width`, each side the nearest multiple of 32."""
        if self.width is not None:
            return self
        scale = min(1.0, self.max_width / width)
        fitted = {"width": width, "height": height}
        return self.model_copy(
            update={name: max(32, round(size * scale / 32) * 32) for name, size in fitted.items()}
        )
