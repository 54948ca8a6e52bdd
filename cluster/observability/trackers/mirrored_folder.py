"""A local folder for libraries that write to local disks alone, and its copy beside the run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from imitation.common import storage


class MirroredFolder:
    """`path` is local. If the run lies on local storage it is the folder itself; else it is a temporary
    one, and `push` copies what has changed to the run's storage."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._pushed: dict[Path, tuple[int, int]] = {}
        if storage.is_local(uri):
            self.path = Path(storage.resolve(uri)[1])
        else:
            self._scratch = tempfile.TemporaryDirectory(prefix="imitation-track-", ignore_cleanup_errors=True)
            self.path = Path(self._scratch.name)

    def push(self) -> None:
        """Raises StorageError; what was not copied is tried again by the next push."""
        if self._scratch is None:
            return
        for file in sorted(self.path.rglob("*")):
            if not file.is_file() or file.is_symlink():
                continue
            state = file.stat()
            stamp = (state.st_size, state.st_mtime_ns)
            if self._pushed.get(file) != stamp:
                target = storage.join(self.uri, *file.relative_to(self.path).parts)
                storage.write_bytes_atomic(target, file.read_bytes())
                self._pushed[file] = stamp

    def close(self) -> None:
        if self._scratch is not None:
            self._scratch.cleanup()
