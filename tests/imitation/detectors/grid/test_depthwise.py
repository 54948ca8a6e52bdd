"""Depthwise convolutions: torch's own are the oracle."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from imitation.detectors.depthwise import Depthwise


def pair(channels: int, size: int, stride: int, sides: tuple[int, int, int, int]) -> tuple[Depthwise, Tensor]:
    rng = torch.Generator().manual_seed(channels + size)
    weight = nn.Parameter(torch.randn(channels, 1, size, size, generator=rng))
    x = torch.randn(2, channels, 9, 11, generator=rng).contiguous(memory_format=torch.channels_last)
    return Depthwise(weight, stride, sides), x


def reference(conv: Depthwise, x: Tensor, sides: tuple[int, int, int, int]) -> Tensor:
    return F.conv2d(F.pad(x, sides), conv.weight, None, conv.stride, 0, 1, len(conv.weight))


@settings(max_examples=25)
@given(
    st.integers(1, 4), st.sampled_from([3, 5]), st.sampled_from([1, 2]),
    st.tuples(*[st.integers(0, 2)] * 4),
)  # fmt: skip
def test_is_the_convolution_of_the_padded_image(channels, size, stride, sides):
    conv, x = pair(channels, size, stride, sides)
    torch.testing.assert_close(conv(x), reference(conv, x, sides))


@pytest.mark.parametrize("stride", [1, 2])
def test_in_bfloat16_the_gradient_is_that_of_the_same_convolution_in_float32(stride):
    sides = (1, 2, 1, 2)
    conv, x = pair(6, 5, stride, sides)
    x = x.bfloat16().requires_grad_()  # so that both see the same numbers
    conv.weight.data = conv.weight.data.bfloat16().float()
    with torch.autocast("cpu", torch.bfloat16):
        found = conv(x)
    assert found.dtype == torch.bfloat16
    towards = torch.ones_like(found)
    found.backward(towards)
    assert x.grad is not None
    assert conv.weight.grad is not None
    assert x.grad.dtype == torch.bfloat16
    assert conv.weight.grad.dtype == torch.float32

    exact = x.detach().float().requires_grad_()
    wanted = torch.autograd.grad(reference(conv, exact, sides), [exact, conv.weight], towards.float())
    torch.testing.assert_close(x.grad.float(), wanted[0], rtol=1e-2, atol=1e-2)  # rounded to 8 bits
    torch.testing.assert_close(conv.weight.grad, wanted[1])  # not rounded at all


def test_frozen_weights_still_pass_the_gradient_on():
    conv, x = pair(3, 3, 1, (1, 1, 1, 1))
    conv.requires_grad_(False)
    x.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        conv(x).float().sum().backward()
    assert x.grad is not None
    assert conv.weight.grad is None
