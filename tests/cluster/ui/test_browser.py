"""The page as people see it, in a real browser: it follows a run by itself, wide and on a phone."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.ui.app import make_app
from cluster.ui.serve import listen
from cluster.workspace.lock import RunLock
from tests.cluster.ui.browser import BROWSER, browser
from tests.cluster.ui.made import make_storage, set_work

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no browser (chromium) is at hand to show the page"),
]
PAGES = ("", "run/done", "run/broken", "run/cmp")


@contextmanager
def served(runs: Path) -> Iterator[str]:
    """A server on loopback in a thread of its own; its address."""
    ready, address = threading.Event(), []
    loop = asyncio.new_event_loop()

    def tell(found: str) -> None:
        address.append(found)
        ready.set()

    task = loop.create_task(listen(make_app(str(runs)), "127.0.0.1", 0, None, tell))

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(60)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()


def test_it_follows_a_run_without_being_loaded_anew(tmp_path):
    runs = make_storage(tmp_path / "runs")

    async def look(address: str) -> None:
        async with browser(tmp_path / "profile") as page:
            await page.resize(1280, 900)
            await page.open(f"{address}run/broken")
            await page.value("window.mark = 'the same page'")
            await page.value("document.querySelector('details').open = true")
            set_work(runs / "broken", 60)
            with RunLock(str(runs / "broken")):
                await page.until("document.querySelector('#now progress')?.value === 0.4")
                set_work(runs / "broken", 120)
                await page.until("document.querySelector('#now progress')?.value === 0.8")
            await page.until("!document.querySelector('#now')")
            assert await page.value("window.mark") == "the same page"
            assert await page.value("document.querySelector('details').open")
            assert await page.value("document.getElementById('beat').textContent") == "live"
            assert page.errors == []
            await page.value("window.fetch = () => Promise.reject(new Error('gone'))")
            await page.until("document.getElementById('beat').textContent.startsWith('no answer for')")

    with served(runs) as address:
        asyncio.run(look(address))


def test_every_page_fits_a_phone_and_shows_its_pictures(tmp_path):
    runs = make_storage(tmp_path / "runs")

    async def look(address: str) -> None:
        async with browser(tmp_path / "profile") as page:
            for width in (1280, 390):
                await page.resize(width, 900)
                for name in PAGES:
                    await page.open(f"{address}{name}")
                    await page.value(
                        "document.querySelectorAll('img').forEach((i) => { i.loading = 'eager' })"
                    )
                    await page.until("[...document.images].every((i) => i.complete)")
                    assert await page.value("document.documentElement.scrollWidth") == width, name
                    assert await page.value("[...document.images].every((i) => i.naturalWidth > 0)"), name
                    font = await page.value("getComputedStyle(document.body).fontFamily")
                    assert font.startswith("system-ui"), "the style sheet is not there"
            assert page.errors == [], "nothing is refused by the page's own policy"
            await page.open(f"{address}run/done")
            assert await page.value("document.images.length") == 3
            await page.value("document.querySelector('a.button').click()")
            await page.until("document.title === 'report'")
            assert await page.value("self.origin") == "null", "a report reads nothing of what is served here"

    with served(runs) as address:
        asyncio.run(look(address))
