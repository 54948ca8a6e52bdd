"""The datasets by name: which class reads and writes a kind of data, and knows what is to be known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from imitation.common import storage
from imitation.common.registry import Registry
from imitation.common.settings import Settings, UserError
from imitation.common.texts import shown
from imitation.data.splits import SplitSettings
from imitation.datasets.common.archives import archives_at

if TYPE_CHECKING:
    from imitation.datasets.base import DatasetReader

SEEN = 8  # names of a folder that a message lists
DATASETS: Registry[type[DatasetReader]] = Registry(
    "dataset",
    "data.kind",
    {
        "world": "imitation.datasets.world:StandInWorld",
        "kitti": "imitation.datasets.kitti.reader:KittiReader",
        "waymo": "imitation.datasets.waymo.reader:WaymoReader",
        "coco": "imitation.datasets.coco.reader:CocoReader",
        "yolo": "imitation.datasets.yolo.reader:YoloReader",
        "voc": "imitation.datasets.voc.reader:VocReader",
        "huggingface": "imitation.datasets.huggingface.reader:HuggingFaceReader",
        "bdd100k": "imitation.datasets.bdd100k.reader:Bdd100kReader",
        "nuimages": "imitation.datasets.nuimages.reader:NuImagesReader",
        "nuscenes": "imitation.datasets.nuscenes.reader:NuScenesReader",
        "cvat": "imitation.datasets.cvat.reader:CvatReader",
        "labelstudio": "imitation.datasets.labelstudio.reader:LabelStudioReader",
        "openimages": "imitation.datasets.openimages.reader:OpenImagesReader",
        "cityscapes": "imitation.datasets.cityscapes.reader:CityscapesReader",
        "fiftyone": "imitation.datasets.fiftyone.reader:FiftyOneReader",
        "parquet": "imitation.datasets.parquet.reader:ParquetReader",
    },
)


def dataset_of(kind: str) -> type[DatasetReader]:
    """The class of a kind of data. Raises `UserError` naming the nearest kind for an unknown one, and for an
    import path that leads to something else."""
    from imitation.datasets.base import DatasetReader

    reader = DATASETS.load(kind)
    if not (isinstance(reader, type) and issubclass(reader, DatasetReader)):
        raise UserError(
            f"data.kind: {kind!r} is no dataset; give a subclass of imitation.datasets.base.DatasetReader"
        )
    return reader


AUTO = "auto"


def recognized(root: str) -> str:
    """The kind of data that lies at `root`, by what each kind knows of its own. Raises `UserError` where
    there is nothing, or nothing that is known, or where it could be one of several."""
    if not storage.exists(root):
        raise UserError(f"{root}: there is nothing there; give the folder (or file) of a dataset")
    place = storage.absolute(root)
    signs = {kind: said for kind in DATASETS if (said := dataset_of(kind).signs(place))}
    signs = signs or {kind: said for kind in DATASETS if (said := dataset_of(kind).hints(place))}
    if len(signs) == 1:
        return next(iter(signs))
    if packed := archives_at(place):
        raise UserError(packed)
    kinds = ", ".join(kind for kind in DATASETS if not dataset_of(kind).stand_in)
    if signs:
        found = "; ".join(f"{kind} ({said})" for kind, said in signs.items())
        raise UserError(f"{root}: could be {found}; say which as data.kind")
    folders = storage.list_folders(place)[:SEEN] if storage.is_folder(place) else []
    here = folders + (storage.list_files(place)[:SEEN] if storage.is_folder(place) else [])
    names = ", ".join(shown(storage.name_of(uri)) for uri in here[:SEEN])
    below = {folder: kind for folder in folders for kind in DATASETS if dataset_of(kind).signs(folder)}
    if below:
        found = ", ".join(f"{folder} ({kind})" for folder, kind in below.items())
        raise UserError(f"{root}: is no dataset itself, but holds {found}; give one of these")
    raise UserError(
        f"{root}: is no dataset of a kind that is known ({kinds}); "
        + (f"there are {names}" if here else "nothing is in it, or it is another file")
        + ". docs/guide.md has the layouts; data.kind says which it is meant to be"
    )


def title_of(kind: str) -> str:
    """What reports call a kind of data: they may be of a dataset that is not installed here."""
    return dataset_of(kind).title if kind in DATASETS else kind


def options_of(dataset: type[DatasetReader], options: Mapping[str, Any]) -> Settings:
    """A dataset's own options, checked. Raises `UserError` naming the option."""
    try:
        return dataset.Options.model_validate(options)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = ", ".join(dataset.Options.model_fields) or "none"
            raise UserError(
                f"data.options.{key}: {dataset.name} data has no such option; it has {known}"
            ) from None
        said = problem["msg"].removeprefix("Value error, ")
        raise UserError(f"data.options.{key} is {shown(problem['input'])}: {said}") from None


def open_dataset(
    kind: str,
    root: str,
    settings: SplitSettings | None = None,
    options: Mapping[str, Any] | None = None,
) -> DatasetReader:
    """The reader for a kind of data, by name or import path; `options` are the kind's own (Waymo:
    `cameras`). Raises `UserError` naming the nearest kind for an unknown one, the option, or the root if
    there is nothing there."""
    dataset = dataset_of(kind)
    checked = options_of(dataset, options or {})
    if dataset.stand_in:
        raise UserError(
            f"data.kind is {kind!r}, an {dataset.title.lower()} that is rendered for each run and has no "
            "folder to read; name a dataset: data.kind=kitti data.root=FOLDER"
        )
    if not storage.exists(root):
        raise UserError(
            f"{root}: there is nothing there; give the folder (or file) of a {dataset.kind} dataset"
        )
    if not storage.is_folder(root) and (packed := archives_at(storage.absolute(root))):
        raise UserError(packed)
    return dataset(root, SplitSettings() if settings is None else settings, checked)
