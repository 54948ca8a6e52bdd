"""Servers on loopback that answer the first question of a CARLA client, rightly or not."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgpack


def version(text: str) -> Callable[[bytes], bytes | None]:
    """As CARLA answers: [response, number, no error, [[1, value]]]."""
    return lambda question: msgpack.packb([1, msgpack.unpackb(question)[1], None, [[1, text]]])


def refusal(question: bytes) -> bytes:
    return msgpack.packb([1, msgpack.unpackb(question)[1], "rpclib: no such function", None])


def page(question: bytes) -> bytes:
    return b"HTTP/1.1 400 Bad Request\r\n\r\n"


def noise(question: bytes) -> bytes:
    return bytes(range(256))


def silence(question: bytes) -> bytes:
    return b""


def hanging_up(question: bytes) -> None:
    return None


@contextmanager
def answering(reply: Callable[[bytes], bytes | None], asked: list[bytes] | None = None) -> Iterator[str]:
    """A server, by its host:port; what it was asked comes into `asked`."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)

        def talk(connection: socket.socket) -> None:
            with connection:
                while question := connection.recv(1 << 16):
                    if asked is not None:
                        asked.append(question)
                    if (answer := reply(question)) is None:
                        return
                    connection.sendall(answer)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:  # closed
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
