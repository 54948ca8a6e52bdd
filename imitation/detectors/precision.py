"""In which numbers a detector computes: float32, or bfloat16 where the processor has units for it.

bfloat16 here is torch's autocast: weights, losses and statistics stay float32, convolutions and matrix
products take bfloat16 inputs (Micikevicius et al., Mixed Precision Training, ICLR 2018; bfloat16 needs no
loss scaling: Kalamkar et al., A Study of BFLOAT16 for Deep Learning Training, 2019).
"""

from __future__ import annotations

import contextlib
from typing import Any, Literal

import torch

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


def resolve(precision: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """What `precision` comes to on this device. `auto` is bf16 on a GPU that has units for it. On a CPU it is
    fp32 even where `has_bf16`: what bf16 does to a detector's accuracy there was not measured over seeds."""
    if precision == "auto":
        return "bf16" if device.type == "cuda" and has_bf16(device) else "fp32"
    return precision


def autocast(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """The context in which a detector's forward pass (and its losses) run."""
    if resolve(precision, device) == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
