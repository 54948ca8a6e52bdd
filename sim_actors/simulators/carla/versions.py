"""Which version of CARLA answers at an endpoint, asked without CARLA's own client.

That client ends its process where what answers is no CARLA, or an older one: so its first question is asked
here, in the same words (msgpack-rpc: rpclib's, as CARLA 0.9.16's client sends it).
"""

from __future__ import annotations

import re
import socket
import time
from typing import Any

from imitation.common.settings import UserError
from sim_actors.simulators.carla.settings import address

OLDEST = (0, 9, 16)
"""The first whose instance camera shows actors' ids, and not the engine's own."""
UNREAL_5 = (0, 10)
"""From here on an instance camera shows no pedestrian."""
INSTALL = "pip install 'imitation-training[carla]'"
_MOST = 1 << 16  # bytes of an answer


def server_version(endpoint: str, timeout_s: float) -> str:
    """What the server says of itself, such as "0.9.16".

    Raises UserError where nobody answers in time, what answers is no CARLA, or one that is too old.
    """
    import msgpack

    number = 1
    # [request, its number, method, [metadata: not asynchronous]]
    question = msgpack.packb([0, number, "version", [[False]]])
    data, overdue = _exchanged(endpoint, question, timeout_s)
    try:
        unpacker = msgpack.Unpacker(max_buffer_size=_MOST)
        unpacker.feed(data)
        answer = unpacker.unpack()
        kind, echoed, error, result = answer
    except Exception:  # of bytes that are none of ours, msgpack may raise anything
        if not data:
            raise UserError(f"CARLA at {endpoint}: {overdue}") from None
        raise UserError(_strange(endpoint, data)) from None
    if error is not None:
        raise UserError(f"CARLA at {endpoint}: asked for its version, it answers: {error}")
    if (kind, echoed) != (1, number) or not isinstance(version := _value(result), str):
        raise UserError(_strange(endpoint, data))
    if parts(version) < OLDEST:
        raise UserError(
            f"CARLA at {endpoint} is version {version}; {'.'.join(map(str, OLDEST))} is the first whose "
            "instance camera shows which actor is which"
        )
    return version


def parts(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: (0, 9, 16) of "0.9.16-3-g1a2b3c4"; none: ()."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _value(result: Any) -> Any:
    """What a `carla::rpc::Response` holds: [[1, value]]; [[0, error]] is none."""
    match result:
        case [[1, value]]:
            return value
    return None


def _exchanged(endpoint: str, question: bytes, timeout_s: float) -> tuple[bytes, str]:
    """The bytes that came back, until they are an answer or no more come; and why there are none."""
    deadline = time.monotonic() + timeout_s
    data = b""
    try:
        with socket.create_connection(address(endpoint), timeout=timeout_s) as connection:
            connection.sendall(question)
            while len(data) < _MOST:
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                if not (more := connection.recv(_MOST)):
                    return data, "it closes the connection without an answer: is this CARLA's first port?"
                data += more
                if _whole(data):
                    break
    except TimeoutError:
        return data, f"no answer within {timeout_s:g} s (simulate.options.timeout_s): does the server run?"
    except OSError as error:
        why = error.strerror or str(error)
        return data, f"cannot be reached ({why}): does the server run there, with -carla-rpc-port=...?"
    return data, ""


def _whole(data: bytes) -> bool:
    import msgpack

    unpacker = msgpack.Unpacker(max_buffer_size=_MOST)
    unpacker.feed(data)
    try:
        unpacker.unpack()
    except msgpack.OutOfData:
        return False
    except Exception:  # it will not become one either
        return True
    return True


def _strange(endpoint: str, data: bytes) -> str:
    return f"what answers at {endpoint} is no CARLA server: its answer begins with {data[:24]!r}"
