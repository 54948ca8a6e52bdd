"""Folders of pictures and label files that are called as their owner likes: `imgs` and `anns`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from imitation.common import storage
from imitation.common.texts import lines_of
from imitation.data.images import SUFFIXES

MOST = 20  # folders and files of one folder that are looked at


class OwnFolders(NamedTuple):
    """The folders, from the root, and the words of a first row of the labels."""

    images: str
    labels: str
    words: list[str]


def own_folders(root: str, ending: str = ".txt") -> OwnFolders | None:
    """Two folders (in the root, or in one that both share) of which one has pictures and the other label
    files of their names; None where there are none. Looks at the beginning of a few files."""
    if not storage.is_folder(root):
        return None
    pictures: list[str] = []
    texts: list[str] = []
    for folder in _folders(root):
        names = [storage.name_of(uri) for uri in storage.list_files(folder)[:MOST]]
        if any(name.lower().endswith(SUFFIXES) for name in names):
            pictures.append(folder)
        if any(name.endswith(ending) for name in names):
            texts.append(folder)
    for labels in texts:
        for uri in storage.list_files(labels, ending)[:MOST]:
            words = next((line.split() for line in lines_of(storage.read_text(uri)) if line.strip()), [])
            stem = storage.name_of(uri).removesuffix(ending)
            for images in pictures if words else ():
                there = (storage.join(images, stem + suffix) for suffix in SUFFIXES)
                if images != labels and _alike(root, images, labels) and any(map(storage.exists, there)):
                    return OwnFolders(storage.relative(images, root), storage.relative(labels, root), words)
    return None


def _folders(root: str) -> Iterator[str]:
    for folder in storage.list_folders(root)[:MOST]:
        yield folder
        yield from storage.list_folders(folder)[:MOST]


def _alike(root: str, images: str, labels: str) -> bool:
    """Whether the two paths differ in the name of one folder."""
    one, other = (storage.relative(place, root).split("/") for place in (images, labels))
    return len(one) == len(other) and sum(a != b for a, b in zip(one, other)) == 1
