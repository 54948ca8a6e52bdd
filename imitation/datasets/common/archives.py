"""Archives in a dataset's place: exports come as one, and are read unpacked."""

from __future__ import annotations

from imitation.common import storage

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!")
SHOWN = 3


def archives_at(root: str) -> str | None:
    """What to do about an archive that is `root`, or about those in a folder; None where there is none.

    They are not unpacked here: names in them may lead anywhere, and a small one may hold more than the disk.
    """
    if not storage.is_folder(root):
        if root.lower().endswith(ENDINGS) or _is_packed(root):
            folder = root.removesuffix(".zip") if root.endswith(".zip") else f"{root}-unpacked"
            how = f"unzip {root} -d {folder}" if root.lower().endswith(".zip") else "unpack it"
            return f"{root}: is an archive, which is read unpacked; {how}, and give that folder"
        return None
    found = [storage.name_of(uri) for uri in storage.list_files(root) if uri.lower().endswith(ENDINGS)]
    if not found:
        return None
    more = f", ... ({len(found)} in all)" if len(found) > SHOWN else ""
    return (
        f"{root}: holds archives ({', '.join(found[:SHOWN])}{more}), which are read unpacked; unpack them "
        "there, and ask again"
    )


def _is_packed(uri: str) -> bool:
    try:
        with storage.open_input(uri) as source:
            return bool(source.read(4).startswith(_MAGIC))
    except storage.StorageError:
        return False
