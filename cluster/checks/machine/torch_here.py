"""Torch: whether it computes here, and on which GPUs."""

from __future__ import annotations

import os
import shutil

from cluster.config.schema import Config
from imitation.common.contracts import Contract, Found, Step

GIB = 2**30
NVIDIA = "/dev/nvidiactl"


def contract(config: Config) -> Contract:
    """What is tried."""
    yield Step("torch", 180.0)
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    yield Found(f"{torch.__version__}, {torch.get_num_threads()} threads, built for {capability}")
    yield Step("torchvision", 180.0)
    from torchvision.ops import nms

    nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)  # its own library, fit for this torch
    yield Found("its operators work with this torch")
    yield Step("GPU", 120.0)
    if not torch.cuda.is_available():
        yield _no_gpu(torch.version.cuda, needed=config.train.use_gpu is True)
        return
    for index in range(torch.cuda.device_count()):
        device = torch.device("cuda", index)
        about = torch.cuda.get_device_properties(device)
        half = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no bf16"
        one = float(torch.ones(8, 8, device=device).mm(torch.ones(8, 8, device=device))[0, 0])
        yield Found(
            f"{index}: {about.name}, {about.total_memory / GIB:.0f} GiB, {half}, CUDA {torch.version.cuda}",
            wrong=one != 8.0,
            numbers={"memory_gib": about.total_memory / GIB, "bf16": float(half == "bf16")},
        )


def _no_gpu(built_for: str | None, needed: bool) -> Found:
    there = os.path.exists(NVIDIA) or shutil.which("nvidia-smi") is not None
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        why = f"CUDA_VISIBLE_DEVICES is {hidden!r}, which hides all"
    elif there and built_for is None:
        why = "there is an NVIDIA GPU, but this torch is built without CUDA: make setup TORCH=cuda"
    elif there:
        why = f"there is an NVIDIA GPU, but its driver is too old for CUDA {built_for}, or broken: nvidia-smi"
    else:
        why = "there is none; training and detectors run on the processor"
    return Found(
        f"train.use_gpu is true, but {why}" if needed else why, note=there and not needed, wrong=needed
    )
