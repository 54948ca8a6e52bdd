"""Bytes on storage."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pyarrow.fs as pafs

from imitation.common import storage


def file_sizes(uri: str) -> dict[str, int]:
    """Path counted from a folder -> bytes, of all files in it and below, hidden ones too; links are not
    followed, and a file that goes meanwhile is left out. Empty where there is no folder."""
    fs, path = storage.resolve(uri)
    if storage.is_local(uri):
        return dict(_local(path))
    if not storage.exists(uri):
        return {}
    infos = fs.get_file_info(pafs.FileSelector(path, recursive=True))
    return {info.path[len(path) :].strip("/"): info.size for info in infos if info.is_file}


def _local(path: str) -> Iterator[tuple[str, int]]:
    for folder, _, names in os.walk(path):
        for name in names:
            whole = os.path.join(folder, name)
            try:
                yield os.path.relpath(whole, path), os.lstat(whole).st_size
            except OSError:
                continue


def size_text(size: float) -> str:
    """ "812 B", "4.2 MB", "1.3 GB": decimal units, as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit in ("B", "kB") or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
