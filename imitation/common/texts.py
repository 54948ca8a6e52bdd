"""Text files as people and tools leave them: byte order marks, odd line ends, nesting without end."""

from __future__ import annotations

import codecs
import io
import json
import re
import reprlib
from contextlib import suppress
from typing import Any, Protocol

import numpy as np
import yaml

from imitation.common.settings import DataError, UserError

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SHOWN = 80  # characters of a value in a message
_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = _shown.maxlong = SHOWN
_shown.maxlevel = 3  # of lists in lists; each level may show six


def shown(value: Any) -> str:
    """`repr` of something that others wrote, cut at 80 characters: for messages. Text is cut in the middle
    and keeps its quotation marks."""
    try:
        text = _shown.repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return f"a whole number of more than {SHOWN} digits"
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def text_of(data: bytes, where: str) -> str:
    """UTF-8 bytes as text, or UTF-16 ones behind its byte order mark (Windows writes such files); the mark is
    passed over. Raises `DataError` naming the line."""
    if data.startswith(UTF_16):
        with suppress(UnicodeDecodeError):
            return data.decode("utf-16")
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        byte = error.object[error.start : error.start + 1]
        raise DataError(
            f"{where}:{line}", f"not UTF-8 text: {error.reason} {byte!r}; save it as UTF-8"
        ) from None


def lines_of(text: str) -> list[str]:
    """The lines of a text file, as an editor counts them. `str.splitlines` would begin a new one at a form
    feed and at seven further characters as well."""
    return [line.removesuffix("\n") for line in io.StringIO(text, newline=None)]


def parse_json(text: str, where: str) -> Any:
    """A JSON text's value. Raises `UserError` naming the line where it is not JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}:{error.lineno}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise UserError(f"{where}: not valid JSON: nested too deeply") from None
    except ValueError as error:  # a whole number of too many digits
        raise UserError(f"{where}: not valid JSON: {error}") from None


def parse_yaml(text: str, where: str) -> Any:
    """A YAML text's value, read safely. Raises `UserError` naming the line where it is not YAML."""
    try:
        return yaml.safe_load(text)
    except RecursionError:
        raise UserError(f"{where}: not valid YAML: nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or a number that there is not
        raise UserError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None


class Readable(Protocol):
    """What a streaming parser needs of a file."""

    def read(self, size: int = -1, /) -> bytes: ...


class ShallowJson:
    """A JSON file for a parser that streams, refused where it is nested more than 100 deep: ijson's memory
    grows with the square of the depth, and 200 kB of "[" would take all there is.

    `read` raises DataError naming `where`.
    """

    LIMIT = 100
    _STEPS = np.zeros(256, dtype=np.int8)
    _STEPS[list(b"[{")] = 1
    _STEPS[list(b"]}")] = -1

    def __init__(self, source: Readable, where: str) -> None:
        self._source, self._where = source, where
        self._depth, self._in_string, self._escape = 0, False, b""

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        text = re.sub(rb"\\.", b"  ", self._escape + data, flags=re.DOTALL)
        self._escape = b"\\" if text.endswith(b"\\") else b""  # the escaped character comes next
        values = np.frombuffer(text, dtype=np.uint8)
        if values.size:
            quotes = np.cumsum(values == ord('"'), dtype=np.uint8)  # it may run over: its last bit counts
            in_string = (quotes + np.uint8(self._in_string)) & 1
            steps = self._STEPS[values] * (1 - in_string).view(np.int8)
            depth = self._depth + np.cumsum(steps, dtype=np.int32)
            if depth.max() > self.LIMIT:
                raise DataError(self._where, f"not valid: its JSON is nested more than {self.LIMIT} deep")
            self._depth, self._in_string = int(depth[-1]), bool(in_string[-1])
        return data
