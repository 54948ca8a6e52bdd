"""What to learn, what went wrong, what to ask a simulator for. No Ray, no renderer.

The names below are what code of your own needs; each is loaded when it is asked for.
"""

from typing import TYPE_CHECKING

from imitation.common.lazy import public

if TYPE_CHECKING:
    from imitation.common.errors import DataError as DataError
    from imitation.common.errors import UserError as UserError
    from imitation.common.settings import Settings as Settings
    from imitation.data.categories import CategoryMap as CategoryMap
    from imitation.data.images import encode_png as encode_png
    from imitation.data.records import Box as Box
    from imitation.data.records import Camera as Camera
    from imitation.data.records import Cuboid as Cuboid
    from imitation.data.records import Frame as Frame
    from imitation.data.records import Object as Object
    from imitation.data.records import Origin as Origin
    from imitation.datasets.base import DatasetReader as DatasetReader
    from imitation.datasets.parquet.files import read_frames as read_frames
    from imitation.datasets.parquet.files import write_frames as write_frames
    from imitation.datasets.registry import open_dataset as open_dataset
    from imitation.evaluation.detections import Detections as Detections
    from imitation.evaluation.failures import Failure as Failure
    from imitation.evaluation.failures import read_failures as read_failures
    from imitation.loop import imitate as imitate
    from imitation.policies.base import Mined as Mined
    from imitation.policies.base import Policy as Policy
    from imitation.requests import Request as Request

__getattr__, __dir__ = public(
    __name__,
    {
        "Box": "imitation.data.records",
        "Camera": "imitation.data.records",
        "CategoryMap": "imitation.data.categories",
        "Cuboid": "imitation.data.records",
        "DataError": "imitation.common.errors",
        "DatasetReader": "imitation.datasets.base",
        "Detections": "imitation.evaluation.detections",
        "Failure": "imitation.evaluation.failures",
        "Frame": "imitation.data.records",
        "Mined": "imitation.policies.base",
        "Object": "imitation.data.records",
        "Origin": "imitation.data.records",
        "Policy": "imitation.policies.base",
        "Request": "imitation.requests",
        "Settings": "imitation.common.settings",
        "UserError": "imitation.common.errors",
        "encode_png": "imitation.data.images",
        "imitate": "imitation.loop",
        "open_dataset": "imitation.datasets.registry",
        "read_failures": "imitation.evaluation.failures",
        "read_frames": "imitation.datasets.parquet.files",
        "write_frames": "imitation.datasets.parquet.files",
    },
)
