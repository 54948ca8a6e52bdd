"""Files on any storage: `storage.read_json(uri)`, `storage.join(folder, name)`, atomic writes.

Local paths, file://, s3:// and whatever pyarrow.fs or fsspec open. Every failure that stays is a
`StorageError`, a sentence for people.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imitation.common.storage.atomic import (
        check_writable,
        clear_unfinished,
        open_atomic,
        write_bytes_atomic,
        write_json,
    )
    from imitation.common.storage.errors import StorageError, data_errors, without_secrets
    from imitation.common.storage.files import (
        delete,
        exists,
        is_folder,
        list_files,
        list_folders,
        list_no_files,
        make_folder,
        open_input,
        printable,
        read_bytes,
        read_data_text,
        read_json,
        read_text,
        read_yaml,
        size_of,
    )
    from imitation.common.storage.uris import (
        absolute,
        beside,
        is_local,
        join,
        name_of,
        parent,
        relative,
        resolve,
        suffixed,
    )

__all__ = [
    "StorageError",
    "absolute",
    "beside",
    "check_writable",
    "clear_unfinished",
    "data_errors",
    "delete",
    "exists",
    "is_folder",
    "is_local",
    "join",
    "list_files",
    "list_folders",
    "list_no_files",
    "make_folder",
    "name_of",
    "open_atomic",
    "open_input",
    "parent",
    "printable",
    "read_bytes",
    "read_data_text",
    "read_json",
    "read_text",
    "read_yaml",
    "relative",
    "resolve",
    "size_of",
    "suffixed",
    "without_secrets",
    "write_bytes_atomic",
    "write_json",
]


def __getattr__(name: str) -> Any:
    """Loaded when it is asked for: who only imports `storage` needs no pyarrow."""
    for home in ("errors", "uris", "files", "atomic") if name in __all__ else ():
        found = vars(importlib.import_module(f"{__name__}.{home}"))
        if name in found:
            return globals().setdefault(name, found[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
