"""Pages laid out by a headless Chromium, which tells what a script of the test found in its title."""

import html
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

PHONE = 390
"""Width of a phone, px."""
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


def told_by(pages: Iterable[str], width: int, script: str, folder: Path) -> str:
    """What `script` sets as the title once each page has been laid out in a frame of this width, px. Skips
    the test where no browser is at hand."""
    if BROWSER is None:
        pytest.skip("no browser (chromium) is at hand to lay pages out")
    frames = "".join(
        f'<iframe style="width:{width}px;height:800px" srcdoc="{html.escape(page)}"></iframe>'
        for page in pages
    )
    wrapper = folder / "wrapper.html"
    wrapper.write_text(
        f"<!DOCTYPE html><meta charset=utf-8><title>none</title>{frames}<script>{script}</script>"
    )
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            "--hide-scrollbars",
            *(f"--user-data-dir={folder / 'profile'}", "--dump-dom", wrapper.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title, done.stderr[-500:]
    assert title[1] != "none", done.stderr[-500:]
    return html.unescape(title[1])


def widths(pages: Iterable[str], width: int, folder: Path) -> list[int]:
    """How wide each page is as a whole, px, in a window of this width: more, where it scrolls sideways."""
    script = (
        "onload=()=>{document.title=[...document.querySelectorAll('iframe')]"
        ".map(f=>f.contentDocument.documentElement.scrollWidth).join(' ')}"
    )
    return [int(each) for each in told_by(pages, width, script, folder).split()]
