"""The scenes of frames that were rendered: each frame holds the JSON of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from cluster.workspace.run_folder import CONFIG_FILE, Workspace, read_config
from imitation.common import storage
from imitation.common.names import cycle_of
from imitation.common.settings import DataError, UserError
from imitation.data.records import Frame
from imitation.datasets.export_sources import parquet_sources
from imitation.datasets.parquet.files import read_frames
from sim_actors.scene.records import Scene

PHOTOS = ("train", "mine")
"""The splits whose frames may be backdrops."""

_ORIGIN = ("frame_id", "origin")


def is_run(place: str) -> bool:
    """Whether a place is the folder of a run."""
    return storage.exists(Workspace(place).path(CONFIG_FILE))


def bodies_of_run(place: str) -> str | None:
    """The manifest of the user's bodies that a run's scenes name, where it has one."""
    found = read_config(Workspace(place).path(CONFIG_FILE)).get("renderer", {}).get("bodies")
    return None if found is None else str(found)


def places_of(place: str) -> list[str]:
    """Where a run's rendered frames lie, a folder a cycle, in their order; or, of what is no run, the Parquet
    files. Raises UserError where there is nothing."""
    if not is_run(place):
        return [source.uri for source in parquet_sources(place)]
    return [
        uri
        for folder in storage.list_folders(Workspace(place).uri)
        if cycle_of(storage.name_of(folder)) is not None
        and storage.exists(uri := storage.join(folder, "synthetic"))
        and storage.list_files(uri, ".parquet")
    ]


def recorded(places: Iterable[str]) -> Iterator[tuple[str, Scene]]:
    """Frame ids and scenes of all rendered frames, backdrops without their photos. Raises DataError for a
    scene that cannot be read."""
    for uri in places:
        for frame in read_frames(uri, _ORIGIN):
            if frame.origin is not None:
                try:
                    yield frame.frame_id, Scene.from_json(frame.origin.scene)
                except ValueError as error:
                    raise DataError(f"{uri}: frame {frame.frame_id}", f"its scene: {error}") from None


def photos_of_run(place: str, wanted: set[str]) -> Iterator[Frame]:
    """Those frames of a run's data that may be backdrops and are wanted."""
    workspace = Workspace(place)
    for split in PHOTOS:
        if storage.exists(uri := workspace.split(split)):
            yield from (frame for frame in read_frames(uri) if frame.frame_id in wanted)


def with_photo(scene: Scene, photos: Mapping[str, Frame], where: str) -> Scene:
    """A scene with the photo of its backdrop, if it has one. `where` names the place of the photos in errors.
    Raises UserError where it is missing, DataError where it is another than it was."""
    if scene.backdrop is None:
        return scene
    photo = photos.get(scene.backdrop.frame_id)
    if photo is None:
        raise UserError(
            f"{where}: there is no frame {scene.backdrop.frame_id!r}, whose photo a scene is set into"
        )
    return replace(scene, backdrop=scene.backdrop.of(photo))
