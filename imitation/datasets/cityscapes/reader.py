"""Cityscapes: a JSON file of polygons an image, in folders of lists and cities.

Format: Cordts et al., "The Cityscapes dataset for semantic urban scene understanding", CVPR 2016, and
cityscapesScripts. Labels are the first of `gtBbox3d/` (Gaehlert et al., 2020), `gtBboxCityPersons/` (Zhang et
al., 2017), `gtFine/` and `gtCoarse/` that is there, or what `data.options.labels` names:
LABELS/{train,val}/CITY/CITY_SEQUENCE_FRAME_gtFine_polygons.json; images are
leftImg8bit/{train,val}/CITY/..._leftImg8bit.png. The labels of `test` are withheld (its files hold none), so
it is not read.

Boxes of polygons are around what was drawn, which is what is visible but for thin things in front.
CityPersons and Cityscapes 3D have boxes of their own, visible and whole; the latter has cuboids and the
camera. A city is a sequence: its frames were recorded on one drive or two.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal, NamedTuple

from pydantic import Field

from imitation.common import storage
from imitation.common.settings import DataError, Settings, UserError
from imitation.common.texts import parse_json
from imitation.data.images import SUFFIXES
from imitation.data.records import Frame
from imitation.datasets.base import DatasetReader
from imitation.datasets.cityscapes.labels import parse
from imitation.datasets.cityscapes.mender import CityscapesMender
from imitation.datasets.common.paths import refuse_link
from imitation.datasets.common.roles import Splits
from imitation.datasets.common.stored import list_called
from imitation.datasets.common.validation import FrameChecker

LabelSet = Literal["gtBbox3d", "gtBboxCityPersons", "gtFine", "gtCoarse"]
ENDINGS: dict[LabelSet, str] = {
    "gtBbox3d": "_gtBbox3d.json",
    "gtBboxCityPersons": "_gtBboxCityPersons.json",
    "gtFine": "_gtFine_polygons.json",
    "gtCoarse": "_gtCoarse_polygons.json",
}


class CityscapesOptions(Settings):
    """What can be set of Cityscapes alone."""

    labels: LabelSet | None = Field(None, description="which labels are read; null: the first that is there")
    images: str = Field("leftImg8bit", description="the folder of the images")
    further: list[str] = Field(
        [], description="labels without instances whose polygons are objects, too (traffic light, ...)"
    )


class _Listed(NamedTuple):
    """One list: its label files by frame id, the city of each, and what belongs to no frame."""

    labels: dict[str, str]
    cities: dict[str, str]
    strays: list[DataError]


class CityscapesReader(DatasetReader):
    """Cityscapes (see the module). Classes are the labels with instances; groups are ignored."""

    kind = "cityscapes"
    name = "Cityscapes"
    title = "Cityscapes labels"
    convention = "visible"
    Options = CityscapesOptions
    Mender = CityscapesMender
    options: CityscapesOptions

    @classmethod
    def signs(cls, root: str) -> str | None:
        if not storage.is_folder(root):
            return None
        found = [name for name in ENDINGS if storage.is_folder(storage.join(root, name))]
        return f"{found[0]}/" if found else None

    @cached_property
    def _set(self) -> LabelSet:
        for name in ENDINGS if self.options.labels is None else (self.options.labels,):
            if storage.is_folder(storage.join(self.root, name)):
                return name
        wanted = self.options.labels or ", ".join(ENDINGS)
        raise UserError(f"{self.root}: no folder {wanted}: not Cityscapes' labels")

    @cached_property
    def _listed(self) -> dict[str | None, _Listed]:
        found: dict[str | None, _Listed] = {}
        for folder in storage.list_folders(storage.join(self.root, self._set)):
            name = list_called(storage.name_of(folder).removesuffix("_extra"))
            if name is None or name == "test":
                continue
            self._list(folder, found.setdefault(name, _Listed({}, {}, [])))  # train_extra is of train
        if not any(listed.labels for listed in found.values()):
            ending = ENDINGS[self._set]
            raise UserError(f"{self.root}: no {self._set}/{{train,val}}/CITY/*{ending}: no labels to be read")
        return found if len(found) > 1 else {None: next(iter(found.values()))}

    def _list(self, folder: str, listed: _Listed) -> None:
        ending = ENDINGS[self._set]
        for city in storage.list_folders(folder):
            for uri in storage.list_files(city, ending):
                frame_id = storage.name_of(uri).removesuffix(ending)
                if frame_id in listed.labels:
                    what = f"this frame stands in {listed.labels[frame_id]}, too"
                    listed.strays.append(DataError(uri, what))
                    continue
                listed.labels[frame_id] = uri
                listed.cities[frame_id] = storage.name_of(city)
            for uri in storage.list_no_files(city, ending):
                listed.strays.append(DataError(uri, "is called like a label file, but is no file"))

    def _cut(self) -> Splits:
        found = {name: {i: listed.cities[i] for i in listed.labels} for name, listed in self._listed.items()}
        return self._by_lists_or_seed(found, self.root)

    def _frame(self, split: str, frame_id: str, check: FrameChecker) -> Frame:
        listed = self._listed[self._list_of(split)]
        uri = listed.labels[frame_id]
        city = storage.parent(uri)
        refuse_link(uri, city, self.root)
        try:
            said = parse_json(storage.read_data_text(uri, "label file"), uri)
        except UserError as error:
            raise (
                error if isinstance(error, DataError) else DataError(uri, _without(str(error), uri))
            ) from None
        size, objects, camera = parse(said, self.options.further, self.left_out, uri, check.bad)
        image = self._image(uri, frame_id)
        frame = Frame(
            frame_id,
            *size,
            objects,
            sequence=listed.cities[frame_id],
            image_uri=image,
            camera=camera,
            conditions={"location": listed.cities[frame_id]},
        )
        return check.passed(frame, uri)

    def _image(self, label: str, frame_id: str) -> str:
        city = storage.parent(label)
        below = storage.relative(city, storage.join(self.root, self._set))
        folder = storage.join(self.root, self.options.images, *below.split("/"))
        for suffix in (".png", *SUFFIXES):
            uri = storage.join(folder, f"{frame_id}_{self.options.images}{suffix}")
            if storage.exists(uri):
                refuse_link(uri, folder, self.root)
                return uri
        raise DataError(
            label, f"its image is not there: {folder} has no {frame_id}_{self.options.images}.png"
        )


def _without(said: str, uri: str) -> str:
    return said.removeprefix(uri).lstrip(": ")
