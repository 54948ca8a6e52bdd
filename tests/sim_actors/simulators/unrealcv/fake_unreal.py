"""A server that speaks UnrealCV's protocol and renders with the embedded renderer: it stands in for Unreal.

Written after the plugin's sources (unrealcv/unrealcv, branch 5.2), and apart from our client: it shares no
code with `sim_actors.simulators.unrealcv`. Rotators, axes and units are Unreal's own formulas. As the plugin
does, it serves one client at a time and lets others wait in the listener's queue, works through at most 32
requests in a tick, matches numbers without exponents, lets the camera follow its pawn with the next tick
only, and shows in the mask only what was painted.

    python -m tests.sim_actors.simulators.unrealcv.fake_unreal PORT [PORT ...]
"""

from __future__ import annotations

import contextlib
import queue
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

from tests.sim_actors.simulators.unrealcv.fake_level import World


class FakeUnreal:
    """The server: `port` once it runs. A context manager. `fault` may change what a command answers: it is
    given the connection, the number and the command, and returns whether it has answered itself."""

    def __init__(
        self,
        world: World | None = None,
        port: int = 0,
        fault: Callable[[socket.socket, int, str], bool] | None = None,
        greeting: bytes = b"connected to Town10",
    ) -> None:
        self.world, self.fault, self.greeting = world or World(), fault, greeting
        self.asked: list[str] = []
        self.served = 0
        self._requests: queue.Queue[tuple[socket.socket, int, str] | None] = queue.Queue()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(8)
        self.port = self._listener.getsockname()[1]
        self._ends = threading.Event()
        self._connection: socket.socket | None = None
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._serve, self._play)]

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> FakeUnreal:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ends.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        self._requests.put(None)
        for thread in self._threads:
            thread.join(20)

    def _serve(self) -> None:
        """One client after another."""
        while not self._ends.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._connection = connection
                self.served += 1
                connection.sendall(_framed(self.greeting))
                while (payload := _payload(connection)) is not None:
                    match = re.search(r"(\d{1,}):(.*)", payload.decode())
                    assert match is not None
                    self._requests.put((connection, int(match[1]), match[2]))
            self._connection = None

    def _play(self) -> None:
        """The game's thread: ticks, each with up to 32 requests."""
        while True:
            request = self._requests.get()
            for _ in range(32):
                if request is None:
                    if self.world.renderer is not None:
                        self.world.renderer.close()
                    return
                connection, number, command = request
                self.asked.append(command)
                with contextlib.suppress(OSError):
                    if self.fault is None or not self.fault(connection, number, command):
                        connection.sendall(_framed(b"%d:" % number + self.world.answer(command)))
                try:
                    request = self._requests.get_nowait()
                except queue.Empty:
                    break
            else:
                self._requests.queue.appendleft(request)
            self.world.tick()


def _framed(payload: bytes) -> bytes:
    return struct.pack("<II", 0x9E2B83C1, len(payload)) + payload


def _payload(connection: socket.socket) -> bytes | None:
    data = b""
    wanted = 8
    while len(data) < wanted:
        more = connection.recv(wanted - len(data))
        if not more:
            return None
        data += more
        if len(data) == 8:
            magic, size = struct.unpack("<II", data)
            if magic != 0x9E2B83C1 or not size:
                return None
            wanted = 8 + size
    return data[8:]


def main() -> None:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(FakeUnreal(port=int(port))) for port in sys.argv[1:] or ["0"]]
        print(*(server.port for server in servers), flush=True)
        while sys.stdin.read(1):
            time.sleep(0.01)


if __name__ == "__main__":
    main()
