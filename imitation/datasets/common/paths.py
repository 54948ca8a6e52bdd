"""Paths that a dataset's files name: followed inside the dataset's folder only."""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.common.texts import shown

DEEPEST = 20  # parts of a path that are looked for
TRIED = 20  # file names by which the folder of the images is found


def outside_reason(name: Any) -> str | None:
    """Why a relative path may not be followed, in a few words; None if it stays below its folder."""
    if not isinstance(name, str) or not name.strip():
        return "is no path"
    if "\0" in name or "://" in name:
        return "is no path inside the dataset's folder"
    plain = name.replace("\\", "/")
    if plain.startswith(("/", "~")) or plain[1:2] == ":":
        return "is an absolute path; it has to count from the dataset's folder"
    if ".." in plain.split("/"):
        return "leads out of its folder ('..'), which is not followed"
    return None


def inside(folder: str, name: str, where: str) -> str:
    """The path or URI of a file that the dataset names, below `folder`, spelled as on the disk.

    Raises `DataError` naming `where` for a path that is absolute, has "..", or leaves the folder through a
    symbolic link. The folder itself may be a link: its owner put it there.
    """
    if reason := outside_reason(name):
        raise DataError(where, f"the path {shown(name)} {reason}")
    uri = as_written(folder, name.replace("\\", "/"))
    if storage.is_local(uri):
        _, local = storage.resolve(uri)
        _, base = storage.resolve(folder)
        if not os.path.realpath(local).startswith(os.path.realpath(base).rstrip("/") + "/"):
            raise DataError(
                where, f"the path {shown(name)} leaves {base} through a symbolic link, not followed"
            )
    return uri


def as_written(folder: str, name: str) -> str:
    """Where a file lies below a folder, in the form of Unicode that its name has on the disk: a Mac writes
    letters and accents apart (NFD), a label file made elsewhere has them as one (NFC). On a local disk also
    with its ending in the other case (.JPG): some systems know none. As it is said where none is there."""
    uri = storage.join(folder, name)
    local = storage.is_local(uri)
    if (name.isascii() and not local) or _is_there(uri):
        return uri
    forms = dict.fromkeys([name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))])
    others = list(forms)[1:]
    for form in forms if local else ():
        stem, dot, ending = form.rpartition(".")
        if "/" not in ending:
            others += [stem + dot + ending.upper(), stem + dot + ending.lower()]
    tried = (storage.join(folder, other) for other in dict.fromkeys(others) if other != name)
    return next((other for other in tried if _is_there(other)), uri)


def tail_in(folder: str, name: str) -> str | None:
    """Of a path of another machine or place the longest last part that is there in `folder`; None where none
    is."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    for start in range(max(len(parts) - DEEPEST, 0), len(parts)):
        tail = "/".join(parts[start:])
        if not outside_reason(tail) and _is_there(as_written(folder, tail)):
            return tail
    return None


def _is_there(uri: str) -> bool:
    if storage.is_local(uri) and os.path.exists(storage.resolve(uri)[1]):  # asked of every image, so in haste
        return True
    try:
        return storage.exists(uri)
    except storage.StorageError as error:
        if error.errno == errno.ENAMETOOLONG:  # a label file may say anything
            return False
        raise


def refuse_link(uri: str, folder: str, root: str) -> None:
    """Raises `DataError` for a file below `folder` that a symbolic link leads to somewhere outside.

    Allowed are links to files below `folder` or below the dataset's `root`, each as it lies in truth: both
    may be links themselves, their owner put them there (`image_2` on another disk). Links of single files
    out of the dataset are not followed, since an archive from elsewhere can hold a link to any file.
    """
    if not storage.is_local(uri):
        return
    local, start = storage.resolve(uri)[1], storage.resolve(folder)[1]
    if os.path.dirname(local) == start and not os.path.islink(local):
        return  # as nearly always
    real = os.path.realpath(local)
    if not real.startswith((_real(start), _real(storage.resolve(root)[1]))):
        raise DataError(
            uri,
            f"is a symbolic link, not followed: it leads out of {folder}; put the file itself there (a copy "
            "or a hard link), or make the whole folder a link",
        )


def _real(folder: str) -> str:
    return os.path.realpath(folder).rstrip("/") + "/"


def _uri(folder: str, name: str) -> str:
    return storage.join(folder, storage.printable(name))


def files_below(folder: str, hidden: str = ".") -> tuple[list[str], list[DataError]]:
    """The files below a folder, sorted, and what could not be listed: folders that may not be read or that
    are symbolic links to somewhere outside, which are not followed. Nor are links to folders inside: what
    they lead to is listed at its own place. Names that begin with one of `hidden` are left out."""
    if not storage.is_local(folder):
        return storage.list_files(folder, recursive=True, hidden=hidden), []
    start = storage.resolve(folder)[1]
    files: list[str] = []
    faults: list[DataError] = []
    todo = [""]
    while todo:
        below = todo.pop()
        try:
            entries = sorted(os.listdir(os.path.join(start, below)))
        except OSError as error:
            faults.append(DataError(_uri(folder, below), f"cannot be listed: {error.strerror}"))
            continue
        for entry in entries:
            name, path = below + entry, os.path.join(start, below, entry)
            if entry.startswith(tuple(hidden)):
                continue
            if os.path.isfile(path):
                files.append(name)
            elif os.path.isdir(path) and not os.path.islink(path):
                todo.append(f"{name}/")
            elif os.path.isdir(path) and not f"{os.path.realpath(path)}/".startswith(_real(start)):
                what = f"is a symbolic link, not followed: it leads out of {folder}"
                faults.append(DataError(_uri(folder, name), f"{what}; put the folder itself there"))
    return [_uri(folder, name) for name in sorted(files)], faults


def image_places(root: str, here: str, endings: Iterable[str], names: Sequence[str]) -> str:
    """The folder that the file names of an annotation file count from.

    Candidates are folders called as one of the `endings` (train2017), `images` and `data`, then the
    folder `here` that the file lies in and the `root`; the first that has one of the first names wins,
    and if none has, `here`.
    """
    bases = list(dict.fromkeys([here, root if storage.is_folder(root) else here]))
    words = [word for word in dict.fromkeys(endings) if word]
    places = [storage.join(base, *parts) for base in bases for parts in _below(words)]
    return place_with([*places, *bases], names) or here


def place_with(places: Iterable[str], names: Sequence[str]) -> str | None:
    """The first of the folders that has one of the first file names; None if none has."""
    usable = [name for name in names[:TRIED] if not outside_reason(name)]
    for place in places:
        if storage.is_folder(place) and any(
            storage.exists(as_written(place, name.replace("\\", "/"))) for name in usable
        ):
            return place
    return None


def _below(words: Sequence[str]) -> Iterable[tuple[str, ...]]:
    for word in words:
        yield from ((word,), ("images", word), ("data", word), (word, "images"))
    yield from (("images",), ("data",))


_LISTS = {"valid": "val", "validation": "val", "minival": "val", "training": "train"}


def list_name(name: str) -> str:
    """What a dataset calls a list, in this project's word: "valid" and "validation" are `val`."""
    return _LISTS.get(name, name)
