"""Who may ask, and what a page may do: in front of every route.

- Only GET and HEAD: there is nothing to change.
- The Host header must be this machine's own name or an address: a page of somebody else's whose name was made
  to lead here (DNS rebinding) is refused.
- Where a token is demanded it comes once in the address, and from then on in a cookie that no script reads.
- A page loads nothing but what is served here, sends nothing, and is shown in no other's frame.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
COOKIE, TOKEN = "imitate-ui", "token"
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of files that runs have written: without an origin, so that nothing in them reads what is served here."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address: "localhost", 127.0.0.1, ::1."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def guard(host: str, token: str | None) -> Callable[..., Awaitable[web.StreamResponse]]:
    """The middleware of a server that listens on `host`; with a `token`, who has none is turned away."""
    names = {"localhost", host.lower()}
    if not is_loopback(host):
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await _answer(request, handler, names, is_loopback(host), token)
        except web.HTTPException as refused:
            for name, value in HEADERS.items():
                refused.headers.setdefault(name, value)
            raise
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return guarded


async def _answer(
    request: web.Request, handler: Handler, names: set[str], local: bool, token: str | None
) -> web.StreamResponse:
    if not _known_host(request.headers.get("Host", ""), names, local):
        raise web.HTTPMisdirectedRequest(
            text="this name does not lead here: use the address that was printed\n"
        )
    if request.method not in ("GET", "HEAD"):
        raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD"])
    if token is not None and not _equal(request.cookies.get(COOKIE, ""), token):
        if not _equal(request.query.get(TOKEN, ""), token):
            raise web.HTTPUnauthorized(text="a token is needed: use the address that imitate ui printed\n")
        kept = request.rel_url.without_query_params(TOKEN)
        redirect = web.HTTPSeeOther(kept.with_scheme("").with_host("") if kept.is_absolute() else str(kept))
        redirect.set_cookie(COOKIE, token, httponly=True, samesite="Strict", path="/")
        raise redirect
    return await handler(request)


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _known_host(header: str, names: set[str], local: bool) -> bool:
    """A name of ours, or an address (a name that is not ours is what rebinding needs); on loopback alone, an
    address of loopback."""
    host = (
        header.rpartition(":")[0]
        if header.rpartition(":")[2].isdigit() and header.count(":") == 1
        else header
    )
    if header.startswith("["):
        host = header[1:].partition("]")[0]
    if host.lower() in names:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or not local
