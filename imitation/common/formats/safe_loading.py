"""Data that others wrote is read and never run: what may hold pickled Python objects is refused."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from imitation.common.settings import DataError, UserError

# extension types of Arrow whose values, or whose definition, are pickles
PICKLED = ("ray.data.arrow_pickled_object", "arrow.py_extension_type")
_NAME = b"ARROW:extension:name"


def refuse_pickles(schema: pa.Schema, uri: str) -> None:
    """Raises `DataError` for a Parquet file with a column of pickled Python objects, at any depth.

    Where Ray Data has been imported, turning such a column into Python values would unpickle them.
    """
    for field in schema:
        for name in _extensions(field):
            if name in PICKLED:
                raise DataError(
                    uri,
                    f"column {field.name!r} holds pickled Python objects ({name}), which may run code when "
                    "they are read; write the file without it",
                )


def _extensions(field: pa.Field) -> Iterator[str]:
    """The names of the extension types in a field, registered in this process or not."""
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        yield kind.extension_name
        kind = kind.storage_type
    elif field.metadata and _NAME in field.metadata:
        yield field.metadata[_NAME].decode("utf-8", "replace")
    for index in range(kind.num_fields):
        yield from _extensions(kind.field(index))


def load_tensors(data: bytes, where: str, what_to_do: str) -> dict[str, Any]:
    """What `torch.save` wrote of a dict of tensors and plain values, on the CPU. Raises UserError for bytes
    that are damaged, or that name any other Python code, which is not run."""
    import torch

    try:
        loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # what an unpickler raises about broken bytes is anything
        code = re.search(r"(?:GLOBAL|Unsupported (?:global|class)[^\n]*?)\s+([\w.]+)", str(error))
        why = f"it asks for Python code, {code[1]}, which is never run" if code else _brief(error)
        raise UserError(f"{where}: not a file of weights alone: {why}; {what_to_do}") from None
    if not isinstance(loaded, dict):
        raise UserError(f"{where}: not a file of weights: it holds a {type(loaded).__name__!r}; {what_to_do}")
    return loaded


def _brief(error: Exception) -> str:
    first = str(error).strip().splitlines()[:1] or [""]
    if first[0].startswith("Weights only load failed"):  # and pages of advice to load it with its code
        return "it is no plain file of tensors"
    return f"it cannot be read ({first[0][:120] or type(error).__name__})"
