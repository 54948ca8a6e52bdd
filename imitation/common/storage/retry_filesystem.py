"""A file system for libraries that read by themselves (Ray Data), as patient as
`imitation.common.storage`.
"""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from imitation.common import storage
from imitation.common.storage.retry import PatientReader, expect, patiently, refuse_if_away


def patient_filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a path or URI that is there, and the path inside it, for reading: what fails for a
    while is tried again, in every process that the file system is sent to. There, a local folder
    at `uri` is expected to stay (`imitation.common.storage.retry.expect`)."""
    fs, path = storage.resolve(uri)
    return pafs.PyFileSystem(_PatientHandler(fs, path if storage.is_local(uri) else "")), path


class _PatientHandler(pafs.FileSystemHandler):
    """Hands everything on to `fs`; `root` is a local folder that is known to exist, or none."""

    def __init__(self, fs: pafs.FileSystem, root: str) -> None:
        self._fs, self._root = fs, root

    def __reduce__(self) -> tuple[Any, tuple[pafs.FileSystem, str]]:
        return _arrived, (self._fs, self._root)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _PatientHandler) and (self._fs, self._root) == (other._fs, other._root)

    __hash__ = None  # type: ignore[assignment]

    def _local(self, path: str) -> str:
        return path if self._root else ""

    def get_type_name(self) -> str:
        return f"patient+{self._fs.type_name}"

    def normalize_path(self, path: str) -> str:
        return str(self._fs.normalize_path(path))

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        def attempt() -> list[pafs.FileInfo]:
            infos = self._fs.get_file_info(paths)
            for info in infos:
                if info.type == pafs.FileType.NotFound and self._root:
                    refuse_if_away(info.path)
            return list(infos)

        return patiently(paths[0] if paths else "", attempt, self._local(paths[0]) if paths else "")

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        base = selector.base_dir
        return patiently(base, lambda: list(self._fs.get_file_info(selector)), self._local(base))

    def open_input_file(self, path: str) -> pa.NativeFile:
        local = self._local(path)
        reader = patiently(
            path, lambda: PatientReader(path, lambda: self._fs.open_input_file(path), local), local
        )
        return pa.PythonFile(reader, mode="r")

    open_input_stream = open_input_file

    def _read_only(self, *args: Any, **options: Any) -> Any:
        raise io.UnsupportedOperation("a patient file system is for reading")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = delete_file = _read_only
    move = copy_file = open_output_stream = open_append_stream = _read_only


def _arrived(fs: pafs.FileSystem, root: str) -> _PatientHandler:
    """In the process that the file system was sent to."""
    if root:
        expect(root)
    return _PatientHandler(fs, root)
