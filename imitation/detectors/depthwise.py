"""Depthwise convolutions whose bfloat16 gradient is fast on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Depthwise(nn.Conv2d):
    """One filter a channel (Chollet, Xception, CVPR 2017), with padding of its own for each side:
    (left, right, top, bottom), px, of zeros. Its weights are named as `nn.Conv2d` names them."""

    def __init__(self, weight: nn.Parameter, stride: int, sides: tuple[int, int, int, int]) -> None:
        left, right, top, bottom = sides
        even = left == right and top == bottom
        super().__init__(
            len(weight), len(weight), weight.shape[2], stride, padding=(top, left) if even else 0,
            groups=len(weight), bias=False, device="meta",
        )  # fmt: skip
        self.weight = weight
        self.sides = None if even else sides

    def forward(self, x: Tensor) -> Tensor:
        if self.sides is not None:
            x = F.pad(x, self.sides)
        mixed = x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()
        if mixed and (self.weight.requires_grad or x.requires_grad):
            narrow = torch.get_autocast_dtype("cpu")
            found: Tensor = _Mixed.apply(x.to(narrow), self.weight, self.stride, self.padding)
            return found
        return super().forward(x)


class _Mixed(torch.autograd.Function):
    """Forward in the numbers of `x`, backward in float32. oneDNN has no fast bfloat16 kernel for the gradient
    of a 5x5 or a stride-2 depthwise convolution on a CPU: 2 to 60 times the time of float32, and three
    quarters of a training's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Any, padding: Any) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight.to(x.dtype), None, stride, padding, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            gradients[0].float(), x.float(), weight, None, ctx.stride, ctx.padding, [1, 1],
            False, [0, 0], len(weight), wanted,
        )  # fmt: skip
        return None if of_x is None else of_x.to(x.dtype), of_weight, None, None
