"""Settings of training, apart from its code: reading a configuration imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from imitation.common.settings import Settings
from imitation.detectors.settings import Precision


class AugmentSettings(Settings):
    """Ranges of the random changes to a training image. `enabled: false` only resizes."""

    enabled: bool = Field(True, description="false: images are only resized to the network's input size")
    flip: float = Field(0.5, ge=0, le=1, description="probability of mirroring left and right")
    scale_min: float = Field(0.8, gt=0.1, le=4, description="smallest magnification (below 1: a grey border)")
    scale_max: float = Field(1.5, gt=0.1, le=4, description="largest magnification (above 1: a crop)")
    aspect: float = Field(0.1, ge=0, le=0.5, description="width over height changes by up to this share")
    min_visible: float = Field(
        0.3, ge=0, le=1, description="an object of which less than this share is left in the crop is ignored"
    )
    brightness: float = Field(0.3, ge=0, le=0.9, description="brightness factor within 1 +- this")
    contrast: float = Field(0.3, ge=0, le=0.9, description="contrast factor within 1 +- this")
    saturation: float = Field(0.3, ge=0, le=1, description="saturation factor within 1 +- this")
    tint: float = Field(0.05, ge=0, le=0.5, description="each colour channel's gain within 1 +- this")

    @model_validator(mode="after")
    def _ordered(self) -> AugmentSettings:
        if self.scale_min > self.scale_max:
            raise ValueError(f"scale_min {self.scale_min} is above scale_max {self.scale_max}")
        return self


class TrainSettings(Settings):
    """One training: fixed steps of a fixed global batch."""

    steps: int = Field(150, ge=1, description="optimizer steps")
    batch_size: int = Field(8, ge=1, le=4096, description="images a step, over all workers together")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="adamw or sgd (with momentum 0.9)")
    learning_rate: float = Field(2e-3, gt=0, le=10, description="peak learning rate")
    backbone_rate: float = Field(
        0.3, ge=0, le=1, description="the backbone's learning rate as a share of the rest's; 0 freezes it"
    )
    weight_decay: float = Field(
        1e-4, ge=0, le=1, description="decoupled weight decay (not on norms and biases)"
    )
    warmup: int = Field(
        20,
        ge=0,
        description="steps of linear warm-up before the cosine decay to zero; at most a third of steps",
    )
    clip_norm: float = Field(10.0, gt=0, description="gradients are scaled down to this total norm")
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="a checkpoint holds an exponential moving average of the weights; 0: the last ones",
    )
    freeze_batch_norm: bool | None = Field(
        None, description="keep batch norms' statistics; null: where the backbone starts from trained weights"
    )
    augment: AugmentSettings = Field(AugmentSettings(), description="random changes to the images")
    synthetic_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of synthetic images in a batch, once there are any; null: their share of the data",
    )
    schedule: Literal["mixed", "pretrain"] = Field(
        "mixed",
        description="mixed: real and synthetic images together; pretrain: first synthetic ones alone, then "
        "real ones alone; the steps are the same in all",
    )
    pretrain_share: float = Field(
        0.5, gt=0, lt=1, description="pretrain: share of the steps that see synthetic images"
    )
    real_last: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the steps, at the end, that see real images alone, once there are synthetic or "
        "repeated ones; mixed alone: pretrain ends so anyway",
    )
    synthetic_weight: float = Field(
        1.0,
        gt=0,
        le=10,
        description="weight of a synthetic image's losses beside a real one's in the same batch; "
        "the grid detector's alone",
    )
    synthetic_boxes: Literal["convention", "amodal", "visible"] = Field(
        "convention",
        description="what boxes of synthetic objects train: as data.convention says, around the whole object "
        "(clipped to the image), or around its visible part",
    )
    warm_start: bool = Field(
        False, description="start from the weights of the cycle before; false: from scratch, with equal steps"
    )
    warm_steps: int | None = Field(
        None,
        ge=1,
        description="with warm_start: optimizer steps after those of the cycle before; null: steps",
    )
    decode_threads: int = Field(
        2, ge=1, le=64, description="threads that decode and augment ahead of the steps"
    )
    cache_mb: int = Field(256, ge=0, description="MB of decoded images kept in memory, a worker")
    precision: Precision = Field(
        "auto",
        description="numbers of the forward pass: fp32, or bf16 (torch's autocast; weights stay float32; "
        "faster on CPUs with AMX or AVX512_BF16); auto: bf16 where every worker has units for it, on CPUs "
        "for the grid detector alone",
    )
    threads: int | None = Field(
        None,
        ge=1,
        description="torch's CPU threads, a worker; null: the machine's CPUs, divided among its workers",
    )
    num_workers: int = Field(1, ge=1, description="Ray Train workers; each takes its slice of every batch")
    use_gpu: bool | Literal["auto"] = Field("auto", description="auto: where the Ray cluster has one")
    checkpoint_every: int = Field(
        100, ge=0, description="steps between checkpoints that a killed training continues from; 0: none"
    )
    max_restarts: int = Field(
        3,
        ge=0,
        description="restarts of a training whose workers die, without a new checkpoint between them",
    )
    report_every: int = Field(5, ge=1, description="steps between progress reports")

    @model_validator(mode="after")
    def _consistent(self) -> TrainSettings:
        if self.batch_size % self.num_workers:
            raise ValueError(
                f"batch_size {self.batch_size} is the batch of all workers together: "
                f"it must be a multiple of num_workers {self.num_workers}"
            )
        if self.warm_steps is not None and not self.warm_start:
            raise ValueError(
                f"warm_steps is {self.warm_steps}, but warm_start is false: every training starts from "
                "scratch and takes `steps`; set warm_start to true, or leave warm_steps null"
            )
        if self.schedule == "pretrain" and self.real_last:
            raise ValueError(
                f"real_last is {self.real_last:g}, but schedule pretrain ends on real images alone anyway; "
                "set pretrain_share"
            )
        if self.schedule == "pretrain" and self.synthetic_share is not None:
            raise ValueError(
                f"synthetic_share is {self.synthetic_share:g}, but with schedule pretrain no batch is "
                "shared; leave it null, or set schedule to mixed"
            )
        return self

    def steps_of(self, cycle: int) -> int:
        """Optimizer steps of a cycle's detector (not of a fold's): a warm start goes on from earlier ones."""
        return self.warm_steps or self.steps if self.warm_start and cycle else self.steps

    def pretrain_steps(self) -> int:
        """Steps that see synthetic images alone, where there are any; at least 1 is left for real ones."""
        if self.schedule == "mixed":
            return 0
        return min(max(1, round(self.pretrain_share * self.steps)), self.steps - 1)

    def mixed_steps(self) -> int | None:
        """Steps after which real images are seen alone, where there are others; None: none are."""
        return self.steps - round(self.real_last * self.steps) if self.real_last else None
