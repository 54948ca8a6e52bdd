"""The wire: commands to the UnrealCV plugin and its answers, over TCP.

Every message is a frame: the magic number 0x9E2B83C1 and the payload's length, both 32 bits and
little-endian, then the payload. The server greets with "connected to PROJECT". A request is "NUMBER:COMMAND",
its reply "NUMBER:BODY", in the order of the requests. A body is text, "ok" or bytes (a PNG file), and
"error ..." where the command failed (unrealcv/unrealcv, plugin of the branch 5.2: TcpServer.cpp,
UnrealcvServer.cpp and ExecStatus.cpp of Private/Server).
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence

from imitation.common.settings import UserError
from imitation.common.texts import shown

MAGIC = 0x9E2B83C1
MAX_BYTES = 1 << 28  # of one answer
AT_ONCE = 32
"""Requests on their way: as many as the plugin handles in one of the engine's ticks; of more, its answers
might fill the connection while it does not read."""
GREETING = "connected"
HEAD = struct.Struct("<II")


class UnrealError(UserError):
    """What is wrong with an engine at the other end, or with what it answers."""


def framed(payload: bytes) -> bytes:
    """A payload as it goes over the wire."""
    return HEAD.pack(MAGIC, len(payload)) + payload


def payload_size(head: bytes, who: str) -> int:
    """The length of the payload after these 8 bytes. Raises UnrealError where they begin no frame."""
    magic, size = HEAD.unpack(head)
    if magic != MAGIC:
        raise UnrealError(f"{who}: {shown(head)} begins no message of UnrealCV: what listens there?")
    if size > MAX_BYTES:
        raise UnrealError(f"{who}: it announces an answer of {size:,} bytes; {MAX_BYTES:,} are the most")
    return size


class Client:
    """A connection that was greeted. Whatever goes wrong on it is an UnrealError, and it is closed then: what
    would be read next might answer another question."""

    def __init__(self, connection: socket.socket, endpoint: str, greeting: str, timeout_s: float) -> None:
        self.who, self.greeting = f"UnrealCV at {endpoint}", greeting
        self._socket, self._timeout_s, self._number = connection, timeout_s, 0

    def ask(self, command: str) -> bytes:
        """The answer to a command."""
        return self.ask_all([command])[0]

    def tell(self, command: str) -> str:
        """The answer to a command, which is text."""
        return self.ask(command).decode(errors="replace").strip()

    def ask_all(self, commands: Sequence[str], lenient: bool = False) -> list[bytes]:
        """The answers to commands, in their order. `lenient`: the error of one is its answer, and not
        raised."""
        answers: list[bytes] = []
        try:
            for first in range(0, len(commands), AT_ONCE):
                some = commands[first : first + AT_ONCE]
                numbers = range(self._number, self._number + len(some))
                self._number += len(some)
                messages = (framed(f"{n}:{command}".encode()) for n, command in zip(numbers, some))
                self._socket.settimeout(self._timeout_s)
                self._socket.sendall(b"".join(messages))
                for number, command in zip(numbers, some):
                    answers.append(self._answer(number, command, lenient))
        except OSError as error:
            self.close()
            raise UnrealError(f"{self.who}: the connection broke: {error.strerror or error}") from None
        except BaseException:  # even Ctrl-C: answers that nobody took would be those of the next requests
            self.close()
            raise
        return answers

    def close(self) -> None:
        """Gives the endpoint back. Safe to call twice."""
        self._socket.close()

    def _answer(self, number: int, command: str, lenient: bool) -> bytes:
        deadline = time.monotonic() + self._timeout_s
        size = payload_size(self._read(HEAD.size, deadline, command), self.who)
        head, colon, body = self._read(size, deadline, command).partition(b":")
        if not colon or head != str(number).encode():
            raise UnrealError(
                f"{self.who}: asked {command!r} as number {number}, it answered {shown(head[:80])}: does "
                "something else use this connection?"
            )
        if body.startswith(b"error") and not lenient:
            raise UnrealError(f"{self.who}: {command!r}: {body.decode(errors='replace').strip()}")
        return body

    def _read(self, size: int, deadline: float, command: str) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                more = self._socket.recv(min(size - len(data), 1 << 20))
            except TimeoutError:
                raise UnrealError(
                    f"{self.who}: no answer to {command!r} within {self._timeout_s:g} s "
                    "(simulate.options.request_timeout_s): is the engine's window minimised, or a level "
                    "loading?"
                ) from None
            if not more:
                raise UnrealError(f"{self.who}: it closed the connection instead of answering {command!r}")
            data += more
        return bytes(data)
