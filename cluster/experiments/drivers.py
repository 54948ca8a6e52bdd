"""What the driver of a run among many prints, sent to the process that watches them all."""

from __future__ import annotations

import io
from typing import Any

import ray


class _Lines(io.TextIOBase):
    """Sends whole lines to the sweep's mailbox, each with the trial's label before it."""

    def __init__(self, mailbox: str | None, label: str) -> None:
        self._label = label
        self._rest = ""
        self._mailbox: Any = None
        if mailbox is not None:
            self._mailbox = ray.get_actor(mailbox)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip() and self._mailbox is not None:
                self._mailbox.put.remote({"line": f"[{self._label}] {line}"})
        return len(text)
