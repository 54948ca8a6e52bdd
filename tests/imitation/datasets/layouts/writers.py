"""Every layout with its writer."""

from collections.abc import Callable
from pathlib import Path

from tests.imitation.datasets.layouts.content import Lists
from tests.imitation.datasets.layouts.write_driving import (
    write_bdd100k,
    write_cityscapes,
    write_nuimages,
    write_nuscenes,
)
from tests.imitation.datasets.layouts.write_hubs import write_huggingface, write_imagefolder, write_openimages
from tests.imitation.datasets.layouts.write_tools import (
    write_cvat,
    write_fiftyone,
    write_fiftyone_detections,
    write_labelstudio,
)

WRITERS: dict[str, tuple[str, Callable[[Path, Lists], None]]] = {
    "bdd100k": ("bdd100k", write_bdd100k),
    "cityscapes": ("cityscapes", write_cityscapes),
    "cvat": ("cvat", write_cvat),
    "fiftyone": ("fiftyone", write_fiftyone),
    "fiftyone-detections": ("fiftyone", write_fiftyone_detections),
    "huggingface": ("huggingface", write_huggingface),
    "imagefolder": ("huggingface", write_imagefolder),
    "labelstudio": ("labelstudio", write_labelstudio),
    "nuimages": ("nuimages", write_nuimages),
    "nuscenes": ("nuscenes", write_nuscenes),
    "openimages": ("openimages", write_openimages),
}
"""Layout -> its kind, and what writes it."""
