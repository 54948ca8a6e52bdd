"""Torch's compiler and Mesa in one process: the compiler's library has to be there first.

Mesa's software rasterizer brings LLVM (libLLVM) and makes its symbols visible to whatever is loaded later.
Triton, which torchvision and `torch.compile` import, has an LLVM of its own in its library. Loaded after
Mesa it finds the symbols of the wrong LLVM, and the process dies of a segmentation fault; loaded before, both
keep to their own. So whoever opens EGL calls `load` before. It maps the library and imports nothing:
25 ms and 2 MiB of private memory, and neither triton nor torch is in `sys.modules` afterwards.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
import sys
from pathlib import Path

log = logging.getLogger(__name__)

_LIBRARY = "triton._C.libtriton"
_loaded: list[ctypes.CDLL] = []


def load() -> None:
    """Loads triton's library, where triton is installed, unless this process has it. Does nothing more
    where it cannot be loaded: then triton cannot be imported either. Safe to call any number of times."""
    if _loaded or _LIBRARY in sys.modules:
        return
    path = _library()
    if path is None:
        return
    # Somebody else may have opened EGL here. Then the library is told to look into itself first; not
    # always, because it would pass over a memory allocator that was preloaded for the whole process.
    late = _is_mapped("libLLVM")
    mode = ctypes.DEFAULT_MODE | (getattr(os, "RTLD_DEEPBIND", 0) if late else 0)
    try:
        _loaded.append(ctypes.CDLL(str(path), mode=mode))
    except OSError as error:
        log.debug("triton's library was not loaded: %s", error)


def _library() -> Path | None:
    """Where triton's library lies, without importing triton; None where there is none."""
    try:
        spec = importlib.util.find_spec("triton")
    except (ImportError, ValueError):  # something half-installed, or a stand-in module without a spec
        return None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted((Path(folder) / "_C").glob("libtriton*.so")):
            return path
    return None


def _is_mapped(name: str) -> bool:
    try:
        return name in Path("/proc/self/maps").read_text()
    except OSError:
        return False
