"""Run folders that share their beginning: a run's real data and baseline may lie in another run's folder.

Such a run has a `base.json` that names the other folder, its base, counted from its own: so both can be
moved together. Its `data/` and `cycle-000/` are the base's; nothing is copied.
"""

from __future__ import annotations

import posixpath
from typing import Any

from imitation.common import storage
from imitation.common.names import cycle_folder

BASE_FILE = "base.json"
SHARED = ("data", cycle_folder(0))
"""What a run takes from its base."""


def base_of(folder: str) -> str | None:
    """The folder that holds a run's data and baseline; None if its own does.

    Raises UserError for a `base.json` that cannot be read.
    """
    uri = storage.join(folder, BASE_FILE)
    if not storage.exists(uri):
        return None
    told: Any = storage.read_json(uri)
    return _beside(folder, str(told["base"]))


def remember_base(folder: str, base: str) -> None:
    """Writes the `base.json` of a run's folder. Both are absolute paths or URIs."""
    storage.write_json(storage.join(folder, BASE_FILE), {"base": _relative(base, folder)})


def shared_place(place: str) -> str:
    """A folder in a run ("runs/a/cycle-000") as it is, or in the run's base where it lies there."""
    whole = storage.absolute(place.rstrip("/"))
    if storage.name_of(whole) not in SHARED or storage.exists(whole):
        return place
    base = base_of(storage.parent(whole))
    return place if base is None else storage.join(base, storage.name_of(whole))


def _split(uri: str) -> tuple[str, str, str]:
    """Scheme and host, path, options: ("s3://", "bucket/runs", "?region=...") or ("", "/runs", "")."""
    whole, mark, query = uri.partition("?") if "://" in uri else (uri, "", "")
    scheme, colon, path = whole.rpartition("://")
    return scheme + colon, path, mark + query


def _relative(uri: str, folder: str) -> str:
    """`uri` counted from `folder`; as it is where they lie in different places altogether."""
    (scheme, path, _), (other, start, _) = _split(uri), _split(folder)
    if scheme != other or path.lstrip("/").split("/")[0] != start.lstrip("/").split("/")[0]:
        return uri
    return posixpath.relpath(posixpath.join("/", path), posixpath.join("/", start))


def _beside(folder: str, path: str) -> str:
    if "://" in path or path.startswith("/"):
        return path
    scheme, start, query = _split(folder)
    return scheme + posixpath.normpath(posixpath.join(start, path)) + query
