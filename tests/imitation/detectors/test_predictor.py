"""Images of any size in, detections in their own pixels out."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from imitation.common.settings import DataError
from imitation.detectors.predictor import Predictor


class BrightBox(nn.Module):
    """Finds the bounding box of the pixels above a half: its boxes are known."""

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        found = []
        for image in images:
            assert image.shape == (3, 64, 128)
            rows, columns = (image[0] > 0.5).nonzero(as_tuple=True)
            box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
            found.append({"boxes": box[None], "labels": torch.tensor([1]), "scores": torch.tensor([0.5])})
        return found


def test_boxes_come_back_in_each_images_own_pixels() -> None:
    predictor = Predictor(BrightBox(), ("bright",), 128, 64)
    images, boxes = [], []
    sizes = ((256, 64), (128, 64), (640, 320))
    for (width, height), box in zip(sizes, ((40, 8, 120, 48), (3, 5, 77, 60), (100, 50, 300, 250))):
        image = np.zeros((height, width, 3), dtype=np.uint8)
        image[box[1] : box[3], box[0] : box[2]] = 255
        images.append(image)
        boxes.append(box)
    found = predictor.predict(images, batch_size=2)
    assert len(found) == 3
    for detections, box, image in zip(found, boxes, images):
        tolerance = max(image.shape[1] / 128, image.shape[0] / 64)  # one pixel of the network's input
        np.testing.assert_allclose(detections.boxes, [box], atol=tolerance)
        assert detections.labels.dtype == np.int64
        assert np.isnan(detections.occlusion).all()  # this model says nothing of it
    assert predictor.predict([]) == []


@pytest.mark.parametrize(
    "image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32)]
)
def test_what_is_no_image_is_refused_by_its_position(image: np.ndarray) -> None:
    good = np.full((64, 128, 3), 255, dtype=np.uint8)
    with pytest.raises(DataError, match="image 1"):
        Predictor(BrightBox(), ("bright",), 128, 64).predict([good, image])
