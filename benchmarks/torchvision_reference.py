"""The input pipeline of torchvision's detection references, which other benchmarks measure ours against."""

from __future__ import annotations

import io
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from imitation.data.categories import CategoryMap
from imitation.data.records import Frame


class Reference(Dataset[Any]):
    """Frames as torchvision's detection references prepare them (references/detection/presets.py), with about
    the crops and colours of `AugmentSettings`."""

    def __init__(
        self, frames: list[Frame], categories: CategoryMap, width: int, height: int, count: int
    ) -> None:
        self._frames, self._categories, self._count = frames, categories, count
        self._changes = v2.Compose(
            [
                v2.ToImage(),
                v2.RandomPhotometricDistort(p=1.0),
                v2.RandomResizedCrop(
                    (height, width),
                    scale=(1 / 1.5**2, 1.0),
                    ratio=(0.9 * width / height, 1.1 * width / height),
                    antialias=True,
                ),
                v2.RandomHorizontalFlip(0.5),
                v2.ToDtype(torch.float32, scale=True),
                v2.SanitizeBoundingBoxes(),
            ]
        )

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        frame = self._frames[index % len(self._frames)]
        image = Image.open(io.BytesIO(frame.image or b"")).convert("RGB")
        boxes = tv_tensors.BoundingBoxes(  # type: ignore[call-overload]
            [list(obj.box) for obj in frame.objects], format="XYXY", canvas_size=(frame.height, frame.width)
        )
        labels = torch.tensor([self._categories.label(obj.category) for obj in frame.objects])
        changed: tuple[torch.Tensor, dict[str, torch.Tensor]]
        changed = self._changes(image, {"boxes": boxes, "labels": labels})
        return changed


def pairs(samples: list[Any]) -> tuple[Any, ...]:
    """torchvision's collate_fn."""
    return tuple(zip(*samples))


def reference_loader(
    frames: list[Frame],
    categories: CategoryMap,
    width: int,
    height: int,
    batch: int,
    batches: int,
    workers: int,
) -> DataLoader[Any]:
    dataset = Reference(frames, categories, width, height, batch * batches)
    return DataLoader(
        dataset, batch, shuffle=True, num_workers=workers, collate_fn=pairs, persistent_workers=workers > 0
    )
