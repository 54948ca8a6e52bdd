"""The loop's view of other ranks: torch.distributed, or nothing for a single worker."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from imitation.detectors.precision import resolve
from imitation.detectors.settings import Precision


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

    def agreed(self, precision: Precision, device: torch.device, model: nn.Module) -> Precision:
        """The precision of all ranks: bf16 by `auto` only where each of them has it."""
        resolved = resolve(precision, device, model)
        willing = torch.tensor(float(resolved == "bf16"), device=device)
        return "bf16" if float(self.mean(willing)) == 1.0 else "fp32"

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Gives every rank rank 0's buffers (batch norm statistics, which ranks gather apart)."""
        if self.world_size == 1:
            return
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)

    def gathered(self, known: dict[str, str]) -> dict[str, str]:
        """The values of all ranks, on every rank."""
        if self.world_size == 1:
            return known
        parts: list[dict[str, str]] = [{}] * self.world_size
        dist.all_gather_object(parts, known)
        return {key: value for part in parts for key, value in part.items()}

    def disagreement(self, model: nn.Module) -> float:
        """The largest difference of any weight of any rank from rank 0's: 0.0 if all went well."""
        if self.world_size == 1:
            return 0.0
        largest = torch.zeros((), device=next(model.parameters()).device)
        for parameter in model.parameters():
            mine = parameter.detach()
            theirs = mine.clone()
            dist.broadcast(theirs, src=0)
            largest = largest.maximum((mine - theirs).abs().max())
        dist.all_reduce(largest, op=dist.ReduceOp.MAX)
        return float(largest)


def pick_device(use_gpu: bool) -> torch.device:
    """The CUDA device of this process (a launcher shows each worker only its own), or the CPU."""
    return torch.device("cuda", torch.cuda.current_device()) if use_gpu else torch.device("cpu")
