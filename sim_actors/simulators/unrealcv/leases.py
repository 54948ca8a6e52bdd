"""Which worker holds which endpoint.

The plugin itself serves one client at a time, and lets others wait without a greeting. So the connection
that was greeted is the lease: nobody else can have one, on whatever machine; and where a worker dies,
however suddenly, its system closes the connection and the endpoint is free. No list of leases can be wrong.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Sequence

from imitation.common.texts import shown
from sim_actors.simulators.unrealcv.client import GREETING, HEAD, Client, UnrealError, payload_size
from sim_actors.simulators.unrealcv.settings import UnrealSettings, address

NEXT_S = 0.3  # patience with an endpoint before the next one is tried beside it
AGAIN_S = 1.0  # between tries of one that refuses
_BUSY = (
    "it takes connections, but does not greet: UnrealCV serves one client at a time, and another one has it "
    "(a worker, another run, a client that was left open)"
)


def leased(settings: UnrealSettings) -> Client:
    """A connection to the first endpoint that is free. Raises UnrealError that says of each why it is not,
    when none has been for `lease_timeout_s`."""
    ends = settings.endpoints
    begin = os.getpid() % len(ends)  # else all workers of a pool would wait for the same one
    tries = [_Try(endpoint) for endpoint in (*ends[begin:], *ends[:begin])]
    now = time.monotonic()
    deadline = now + settings.lease_timeout_s
    for place, each in enumerate(tries):
        each.due = now + place * NEXT_S
    try:
        while (now := time.monotonic()) < deadline and not all(each.hopeless for each in tries):
            for each in tries:
                each.begin(now)
            with selectors.DefaultSelector() as ready:
                for each in tries:
                    if each.socket is not None:
                        wanted = selectors.EVENT_READ if each.connected else selectors.EVENT_WRITE
                        ready.register(each.socket, wanted, each)
                for key, _ in ready.select(max(0.0, min(0.1, deadline - now))):
                    if (greeting := key.data.go_on(time.monotonic())) is not None:
                        return key.data.client(greeting, settings.request_timeout_s)
    finally:
        for each in tries:
            each.close()
    said = "; ".join(f"{each.endpoint}: {each.why or _BUSY}" for each in tries)
    raise UnrealError(
        f"no Unreal of simulate.options.endpoints is free within {settings.lease_timeout_s:g} s "
        f"(lease_timeout_s): {said}"
    )


def missing(endpoints: Sequence[str], seconds: float = 2.0) -> str | None:
    """Why none of the endpoints can be reached, in a sentence; None if one takes a connection."""
    said = []
    for endpoint in endpoints:
        try:
            with socket.create_connection(address(endpoint), seconds):
                return None
        except OSError as error:
            said.append(f"{endpoint}: {error.strerror or error}")
    return (
        f"no Unreal listens at simulate.options.endpoints ({'; '.join(said)}): start the game, or play "
        "the level in the editor, with the UnrealCV plugin (docs/unreal.md)"
    )


class _Try:
    """One endpoint: not tried yet, being connected, waiting to be greeted, or `hopeless`: no UnrealCV at
    all."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self.connected, self.hopeless = endpoint, False, False
        self.socket: socket.socket | None = None
        self.why, self.due, self._data = "", 0.0, b""

    def begin(self, now: float) -> None:
        """Connects, when it is time to."""
        if self.socket is not None or self.hopeless or now < self.due:
            return
        self._data, self.connected = b"", False
        try:
            host, port = address(self.endpoint)
            family, kind, proto, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self.socket = socket.socket(family, kind, proto)
            self.socket.setblocking(False)
            if (code := self.socket.connect_ex(place)) not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
        except OSError as error:
            self._fail(now, error.strerror or str(error))

    def go_on(self, now: float) -> str | None:
        """What there is to read; the greeting, once all of it has come."""
        assert self.socket is not None
        try:
            if not self.connected:
                if code := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(code, os.strerror(code))
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connected, self.why = True, ""
                return None
            more = self.socket.recv(self._wanted() - len(self._data))
            if not more:
                raise OSError(
                    errno.EPIPE,
                    "it closes connections without a greeting, as UnrealCV does while it has a client",
                )
            self._data += more
            if len(self._data) < self._wanted():
                return None
        except OSError as error:
            self._fail(now, error.strerror or str(error))
            return None
        except UnrealError as error:
            self.hopeless = True
            self._fail(now, str(error))
            return None
        text = self._data[HEAD.size :].decode(errors="replace")
        if not text.startswith(GREETING):
            self.hopeless = True
            self._fail(now, f"it greets with {shown(text)}, and UnrealCV with '{GREETING} to ...'")
            return None
        return text

    def client(self, greeting: str, timeout_s: float) -> Client:
        """The connection, which is no longer closed with this."""
        assert self.socket is not None
        taken, self.socket = self.socket, None
        taken.setblocking(True)
        return Client(taken, self.endpoint, greeting, timeout_s)

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def _wanted(self) -> int:
        """How many bytes the greeting has, as far as is known."""
        if len(self._data) < HEAD.size:
            return HEAD.size
        return HEAD.size + payload_size(self._data[: HEAD.size], self.endpoint)

    def _fail(self, now: float, why: str) -> None:
        self.close()
        self.why, self.due = why, now + AGAIN_S
