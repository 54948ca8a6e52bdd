"""What the loop needs to know of other ranks: torch.distributed, or nothing for a single worker."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Distributed:
    """This process's place among the ranks of a training. The process group is the launcher's."""

    rank: int = 0
    world_size: int = 1

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model with gradients averaged over the ranks."""
        if self.world_size == 1:
            return model
        return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all ranks of a detached tensor."""
        if self.world_size == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.world_size

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Gives every rank rank 0's buffers (batch norm statistics, which ranks gather apart)."""
        if self.world_size == 1:
            return
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


def pick_device(use_gpu: bool) -> torch.device:
    """The CUDA device of this process (a launcher shows each worker only its own), or the CPU."""
    return torch.device("cuda", torch.cuda.current_device()) if use_gpu else torch.device("cpu")
