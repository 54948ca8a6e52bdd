"""In which numbers a detector computes: float32, or bfloat16 where the processor has units for it.

bfloat16 here is torch's autocast: weights, losses and statistics stay float32, convolutions and matrix
products take bfloat16 inputs (Micikevicius et al., Mixed Precision Training, ICLR 2018; bfloat16 needs no
loss scaling: Kalamkar et al., A Study of BFLOAT16 for Deep Learning Training, 2019).
"""

from __future__ import annotations

import contextlib
from typing import Any, Literal

import torch
from torch import nn

from imitation.detectors.settings import Precision


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware: a CUDA device from Ampere on, a CPU with AMX or
    AVX512_BF16. Elsewhere torch emulates it, which is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    said = torch.cpu.get_capabilities()
    return bool(said.get("amx_bf16") or said.get("avx512_bf16"))


def resolve(precision: Precision, device: torch.device, model: nn.Module) -> Literal["fp32", "bf16"]:
    """What `precision` comes to for this detector on this device. `auto` is bf16 where the device has units
    for it; on a CPU, whose bfloat16 kernels are not all fast or even there, only for a detector that says
    `bf16_on_cpu = True`, as the grid detector does."""
    if precision != "auto":
        return precision
    known = device.type == "cuda" or getattr(model, "bf16_on_cpu", False)
    return "bf16" if known and has_bf16(device) else "fp32"


def autocast(
    precision: Precision, device: torch.device, model: nn.Module
) -> contextlib.AbstractContextManager[Any]:
    """The context in which the forward pass of `model` (and its losses) run."""
    if resolve(precision, device, model) == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
