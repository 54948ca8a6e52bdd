"""The routes: pages of what `Board` puts together, pictures, and the few files of a run that may be
fetched."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.resources
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources.abc import Traversable
from typing import Any

import jinja2
from aiohttp import web
from markupsafe import Markup

from cluster.inventory.entries import STATES_MEAN
from cluster.inventory.sizes import size_text
from cluster.ui.board import FILES, Board
from cluster.ui.guard import REPORT_POLICY, guard
from cluster.ui.pictures import Pictures
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.errors import UserError
from imitation.common.wording import counted, duration
from imitation.report.page import environment as report_environment
from imitation.report.table import points

SEEN_AGAIN = "private, max-age=86400"  # a rendered frame of an id never changes
STATIC = {"ui.css": "text/css", "live.js": "text/javascript"}


def make_app(
    place: str, host: str = "127.0.0.1", token: str | None = None, pictures: Sequence[str] = ()
) -> web.Application:
    """The application over a run storage, for a server that listens on `host`; `pictures` are places outside
    of it whose pictures may be shown. Raises UserError where there is no such storage."""
    routes = _Routes(Board(place), tuple(storage.absolute(each) for each in pictures))
    app = web.Application(middlewares=[guard(host, token)])
    app.router.add_get("/", routes.index)
    app.router.add_get("/run/{name:.+}", routes.page)
    app.router.add_get("/frame/{cycle:[0-9]+}/{name:.+}", routes.frame)
    app.router.add_get("/failure/{cycle:[0-9]+}/{name:.+}", routes.failure)
    app.router.add_get("/file/{file}/{name:.+}", routes.file)
    app.router.add_get("/static/{file}", routes.static)
    return app


class _Routes:
    def __init__(self, board: Board, allowed: tuple[str, ...]) -> None:
        if not storage.is_folder(board.place):
            raise UserError(f"{storage.without_secrets(board.place)}: no folder of runs here (run.storage)")
        self.board = board
        self.pictures = Pictures(board.place, allowed)
        self.pages = _environment()
        self._drawing = asyncio.Semaphore(2)  # pictures at once: a page asks for twenty

    async def index(self, request: web.Request) -> web.Response:
        return await self._told(request, "index.html.j2", await asyncio.to_thread(_tried, self.board.index))

    async def page(self, request: web.Request) -> web.Response:
        shown = await asyncio.to_thread(_tried, self.board.page, request.match_info["name"])
        if shown is None:
            raise web.HTTPNotFound(text="there is no run, comparison or sweep of this name\n")
        return await self._told(
            request, f"{'run' if shown['entry'].kind == 'run' else 'many'}.html.j2", shown
        )

    async def _told(self, request: web.Request, name: str, shown: dict[str, Any]) -> web.Response:
        """The page, or with `?part` only what changes, told by its ETag."""
        part = "part" in request.query
        template = self.pages.get_template(name)
        text = await asyncio.to_thread(template.render, **shown, part=part, now=datetime.now(UTC))
        tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'
        if part and request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.Response(text=text, content_type="text/html", headers={"ETag": tag})

    async def frame(self, request: web.Request) -> web.Response:
        return await self._picture(request, self.pictures.frame)

    async def failure(self, request: web.Request) -> web.Response:
        return await self._picture(request, self.pictures.failure)

    async def _picture(self, request: web.Request, draw: Any) -> web.Response:
        name, cycle, which = (
            request.match_info["name"],
            int(request.match_info["cycle"]),
            request.query.get("id", ""),
        )
        uri = await asyncio.to_thread(_tried, self.board.find, name)
        if uri is None:
            raise web.HTTPNotFound(text="there is no run of this name\n")
        async with self._drawing:
            data = await asyncio.to_thread(_tried, draw, Workspace(uri), cycle, which)
        if data is None:
            raise web.HTTPNotFound(text="there is no such picture\n")
        return web.Response(body=data, content_type="image/jpeg", headers={"Cache-Control": SEEN_AGAIN})

    async def file(self, request: web.Request) -> web.Response:
        name, file = request.match_info["name"], request.match_info["file"]
        uri = await asyncio.to_thread(_tried, self.board.find, name)
        if uri is None or file not in FILES:
            raise web.HTTPNotFound(text="there is no such file\n")
        place = storage.join(uri, file)
        if not await asyncio.to_thread(storage.exists, place):
            raise web.HTTPNotFound(text="there is no such file\n")
        data = await asyncio.to_thread(_tried, storage.read_bytes, place)
        headers = {"Content-Security-Policy": REPORT_POLICY}
        return web.Response(body=data, content_type=FILES[file][1], charset="utf-8", headers=headers)

    async def static(self, request: web.Request) -> web.Response:
        file = request.match_info["file"]
        if file not in STATIC:
            raise web.HTTPNotFound(text="there is no such file\n")
        return web.Response(text=_own(file), content_type=STATIC[file], charset="utf-8")


def _tried(work: Any, *arguments: Any) -> Any:
    """What `work` gives. Storage that is away is an answer too, in the words that commands have for it."""
    try:
        return work(*arguments)
    except UserError as error:
        raise web.HTTPServiceUnavailable(text=f"{storage.without_secrets(str(error))}\n") from None


def _own(name: str) -> str:
    text = (importlib.resources.files("cluster.ui") / "pages" / name).read_text(encoding="utf-8")
    if name == "ui.css":
        text = (importlib.resources.files("imitation.report") / "report.css").read_text(
            encoding="utf-8"
        ) + text
    return text


def _text(file: Traversable) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _environment() -> jinja2.Environment:
    """The reports' own environment, with the pages of this folder."""
    environment = report_environment()
    folder = importlib.resources.files("cluster.ui") / "pages"
    own = jinja2.FunctionLoader(lambda name: _text(folder / name))
    assert environment.loader is not None
    environment.loader = jinja2.ChoiceLoader([own, environment.loader])
    environment.filters |= {
        "size": size_text,
        "counted": counted,
        "ago": _ago,
        "percent": "{:.0%}".format,
        "signed": _signed,
    }
    environment.globals |= {"states_mean": STATES_MEAN, "sparkline": sparkline}
    return environment


def _signed(fraction: float) -> str:
    return points(fraction, sign=True)


def _ago(moment: str | None, now: datetime) -> str:
    """How long a moment (UTC, ISO 8601) is ago: "3 h 20 min ago", and a date where that is days."""
    if moment is None:
        return "–"
    then = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    seconds = max(0.0, (now - then).total_seconds())
    if seconds >= 86_400:
        return then.strftime("%d %b %Y, %H:%M UTC")
    return "now" if seconds < 60 else f"{duration(seconds - seconds % 60)} ago"


def sparkline(values: Sequence[float | None], width: int = 84, height: int = 22) -> Markup:
    """A small line of values, from 0 to their greatest; a dot on the last."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if not known:
        return Markup("")
    top = max(value for _, value in known) or 1.0
    across = (width - 8) / max(1, len(values) - 1)
    points = [(4 + place * across, height - 4 - (height - 8) * value / top) for place, value in known]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" width="{w}" height="{h}" aria-hidden="true" '
        'focusable="false"><polyline points="{line}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="2.6"/></svg>'
    ).format(w=width, h=height, line=line, x=x, y=y)
