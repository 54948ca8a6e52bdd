"""Which image a result of COCO's format speaks of: by id, or by file name where the ids are none.

COCO's `image_id` is the id that the annotation file gives an image. Tools that know no annotation file write
what they have: Ultralytics the file's stem (a number, where it is all digits) and the `file_name` beside it,
others a path, or the id as text or as a float. A file of results is read one way as a whole: what looks like
an id in some entries and like a name in others is a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

MOST = 10_000
"""Different images that are looked at to tell how a file names them, beyond those of the dataset."""

SUFFIXES = ("jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp")

Id = int | str
Way = Callable[[Any, Any], Id | None]


class OtherKeys(Exception):
    """Results name an image by something else than its id."""


class ImageNaming(NamedTuple):
    """How results name their images: `of(image_id, file_name)` is the id, None if there is no such image.
    `remark` is a sentence where that is not by COCO's ids as they stand."""

    of: Way
    remark: str | None = None


class ImageKeys:
    """The images of an annotation file: their ids (all whole numbers, or all text), and their file names."""

    def __init__(self, names: Mapping[Id, str | None]) -> None:
        self._ids = set(names)
        self._numbers = _unique((_whole(key), key) for key in names if isinstance(key, str))
        keys = [(key, name.replace("\\", "/")) for key, name in names.items() if name]
        self._files = _unique((alias, key) for key, name in keys for alias in _aliases(name))
        self._stems = _unique((_digits(_stem(name)), key) for key, name in keys)
        self.size = len(names)

    def by_id(self, image_id: Any, file_name: Any = None) -> Id | None:
        """The id as it stands: a float of a whole number is that number, as in JSON."""
        value = int(image_id) if isinstance(image_id, float) and image_id.is_integer() else image_id
        return value if type(value) in (int, str) and value in self._ids else None

    def by_text(self, image_id: Any, file_name: Any = None) -> Id | None:
        """As `by_id`, and "7" or "7.0" for 7, or 7 for "7"."""
        if (found := self.by_id(image_id)) is not None:
            return found
        number = _whole(image_id)
        if isinstance(image_id, str):
            return number if number in self._ids and image_id in (f"{number}", f"{number}.0") else None
        return str(number) if str(number) in self._ids else None

    def by_value(self, image_id: Any, file_name: Any = None) -> Id | None:
        """As `by_text`, and "007" for 7, or 7 for "007" where that is the only one."""
        if (found := self.by_text(image_id)) is not None:
            return found
        number = _whole(image_id)
        return number if number in self._ids else self._numbers.get(number)

    def by_name(self, image_id: Any, file_name: Any) -> Id | None:
        """By the result's own `file_name`: the whole path, else the name, else the stem."""
        return self._named(file_name)

    def by_stem(self, image_id: Any, file_name: Any = None) -> Id | None:
        """By an image_id that is a file's name, path or stem; a number is the stem of that value."""
        found = self._named(image_id)
        return found if found is not None else self._stems.get(_whole(image_id))

    def _named(self, name: Any) -> Id | None:
        if not isinstance(name, str) or not name:
            return None
        plain = name.replace("\\", "/")
        stem, dot, suffix = plain.rpartition(".")
        ways = [plain, plain.rpartition("/")[2]]
        if dot and suffix.lower() in SUFFIXES:  # the image may have been converted
            ways += [stem, stem.rpartition("/")[2]]
        return next((self._files[way] for way in ways if way in self._files), None)

    def plainly(self, image_id: Any, file_name: Any = None) -> Id:
        """As `by_id`. Raises OtherKeys where that is not sure: the results must be looked at as a whole."""
        if not self.plain(image_id, file_name):
            raise OtherKeys
        found = self.by_id(image_id)
        assert found is not None
        return found

    def plain(self, image_id: Any, file_name: Any) -> bool:
        """Whether an entry speaks of an image by its id, and no file name of it speaks against that."""
        found = self.by_id(image_id)
        other = self.by_name(image_id, file_name)
        return found is not None and other in (None, found)

    def naming(self, pairs: Iterable[tuple[Any, Any]]) -> ImageNaming:
        """How the results name their images, from the (image_id, file_name) of all entries: the first way
        that finds an image for every entry, else by id."""
        unique = list(dict.fromkeys(pairs))
        odd = next((pair for pair in unique if not self.plain(*pair)), None)
        if odd is None:
            return ImageNaming(self.by_id)
        value = (
            "is text and the ids are numbers"
            if isinstance(odd[0], str)
            else "is a number and the ids are text"
        )
        value += ": the results were matched by its value"
        # The text of an id is its digits; "0007" is rather the stem of 0007.jpg, where there is such a file.
        ways: tuple[tuple[Way, str], ...] = (
            (self.by_name, "is not the id of its file_name: the results were matched by file_name"),
            (self.by_id, "is not the id of its file_name: the results were matched by image_id"),
            (self.by_text, value),
            (self.by_stem, "is no id of an image: the results were matched by file name"),
            (self.by_value, value),
        )
        for way, remark in ways:
            if all(way(*pair) is not None for pair in unique):
                also = way == self.by_text and self._is_name_of_another(unique)
                more = "; as file names they would be other images" if also else ""
                return ImageNaming(way, f"image_id {_short(odd[0])!r} {remark}{more}")
        return ImageNaming(self.by_id)

    def _is_name_of_another(self, pairs: Iterable[tuple[Any, Any]]) -> bool:
        found = [(self.by_stem(*pair), self.by_text(*pair)) for pair in pairs]
        return all(stem is not None for stem, _ in found) and any(stem != text for stem, text in found)


def _short(value: Any) -> Any:
    return value[:60] if isinstance(value, str) else value


def _whole(value: Any) -> int | None:
    """The whole number that a value is, or says in digits."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        text = value.strip()
        text = text.removesuffix(".0")
        return _digits(text)
    return int(value) if abs(value) < 2**63 and int(value) == value else None  # NaN is below nothing


def _digits(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _stem(name: str) -> str:
    file = name.rpartition("/")[2]
    return file.rpartition(".")[0] or file


def _aliases(name: str) -> set[str]:
    """What an image may be called: its path, its name, and both without their suffix."""
    file = name.rpartition("/")[2]
    whole = name.removesuffix(file) + _stem(name)
    return {name, file, _stem(name), whole}


def _unique(pairs: Iterable[tuple[Any, Id]]) -> dict[Any, Id]:
    """Alias -> id; an alias of two images is none."""
    by_alias: dict[Any, Id] = {}
    doubles: set[Any] = set()
    for alias, key in pairs:
        if alias is not None and by_alias.setdefault(alias, key) != key:
            doubles.add(alias)
    return {alias: key for alias, key in by_alias.items() if alias not in doubles}
