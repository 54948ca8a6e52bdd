"""What a Hugging Face dataset says of its columns: the names of its classes.

They stand among a Parquet file's metadata (key `huggingface`), in the YAML at the head of the dataset's
README.md (`dataset_info`), or in `dataset_infos.json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from imitation.common import storage
from imitation.common.settings import UserError
from imitation.common.texts import parse_json, parse_yaml

CATEGORIES = (
    *("category", "categories", "category_id", "category_ids", "label", "labels", "class", "classes"),
    *("class_id", "class_label", "category_name", "label_id"),
)
DEEPEST = 30


def class_names(schema: pa.Schema | None, folders: list[str]) -> dict[str, list[str]]:
    """Column or field -> the names of its classes, in the order of their numbers: of a Parquet file's
    `schema` if it says any, else of the first folder's README.md or `dataset_infos.json` that does."""
    if schema is not None and (text := (schema.metadata or {}).get(b"huggingface")):
        where = "the key 'huggingface' of its metadata"
        if found := dict(_classes(parse_json(text.decode("utf-8", "replace"), where), "", 0)):
            return found
    for folder in folders:
        for name, read in (("README.md", _front_matter), ("dataset_infos.json", storage.read_json)):
            if storage.exists(uri := storage.join(folder, name)) and (
                found := dict(_classes(read(uri), "", 0))
            ):
                return found
    return {}


def _front_matter(uri: str) -> Any:
    """The YAML between the first two lines of three dashes; None where there is none to be read."""
    try:
        text = storage.read_text(uri)
        head, dashes, rest = text.partition("---\n")
        return parse_yaml(rest.partition("\n---")[0], uri) if dashes and not head.strip() else None
    except UserError:
        return None


def _classes(value: Any, called: str, deep: int) -> Iterator[tuple[str, list[str]]]:
    """The classes anywhere in a tree of features, each with the nearest name above it."""
    if deep > DEEPEST:
        return
    if isinstance(value, list):
        for one in value:
            yield from _classes(one, called, deep + 1)
    if not isinstance(value, Mapping):
        return
    names = value.get("names")
    labels = value.get("class_label")
    if value.get("_type") == "ClassLabel" and isinstance(names, list):
        yield called, [str(name) for name in names]
    elif isinstance(labels, Mapping) and (listed := _in_order(labels.get("names"))):
        yield called, listed
    else:
        own = value.get("name")
        called = own if isinstance(own, str) else called
        for key, below in value.items():
            passed = key in ("feature", "features", "dtype", "sequence", "struct", "list", "info")
            yield from _classes(
                below, called if passed else key if isinstance(key, str) else called, deep + 1
            )


def _in_order(names: Any) -> list[str]:
    """Names by their numbers, "0" first, or a list of them; none where they are something else."""
    if isinstance(names, list):
        return [str(name) for name in names]
    try:
        numbered = {int(number): str(name) for number, name in dict(names or {}).items()}
    except (TypeError, ValueError):
        return []
    return [numbered.get(number, str(number)) for number in range(max(numbered, default=-1) + 1)]
