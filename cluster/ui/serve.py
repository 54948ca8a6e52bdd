"""The server of the page: on this machine alone, or elsewhere with a token."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence

from aiohttp import web

from cluster.ui.app import make_app
from cluster.ui.guard import TOKEN, is_loopback
from imitation.common.errors import UserError


def serve(place: str, host: str, port: int, token: bool, pictures: Sequence[str]) -> None:
    """Prints the address and answers until Ctrl-C, which passes. Raises UserError where nothing can be
    served."""
    secret = secrets.token_urlsafe(24) if token or not is_loopback(host) else None
    app = make_app(place, host, secret, pictures)
    asyncio.run(listen(app, host, port, secret, lambda address: print(address, flush=True)))


async def listen(
    app: web.Application, host: str, port: int, secret: str | None, ready: Callable[[str], object]
) -> None:
    """Listens until it is cancelled; `ready` gets the address, token included, once it does."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            why = error.strerror or error
            raise UserError(
                f"{host}:{port} cannot be listened on: {why}; --port 0 takes one that is free"
            ) from None
        bound = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{bound}/" + (f"?{TOKEN}={secret}" if secret else ""))
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
