"""Can this machine render? Python's standard library only, so it runs before any installation.

    python3 sim_actors/simulators/opengl/preflight.py

exits with 0 and prints the renderer's platform, or with 1 and one sentence that names the missing
Debian package. EGL's device platform (EGL_EXT_platform_device) is what the renderer itself uses.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from typing import Any

LIBEGL = "libEGL.so.1"
INSTALL = "sudo apt-get install libegl1 libgl1-mesa-dri"

_PLATFORM_DEVICE = 0x313F
_OPENGL_API = 0x30A2
_MOST = 64  # devices of one machine
_LIMIT_S = 60.0  # a driver that does not answer by then is broken


def problem(libegl: str = LIBEGL) -> str | None:
    """Why no EGL display can be opened on this machine, as one sentence that names the package to install,
    or None if one can. `libegl` is the file name of the EGL library.

    Another process tries it: a driver that is opened stays in its process for good, and Mesa's must not
    get into one that may load torch later (torch_first.py). A driver that crashes or hangs is a sentence.
    """
    command = [sys.executable, "-I", "-S", __file__, libegl]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        return f"{libegl} did not open a display within {_LIMIT_S:g} s: its driver hangs. Mend the driver"
    said = done.stdout.strip()
    if done.returncode == 0 or (done.returncode == 1 and said):
        return said if done.returncode else None
    why = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
    return f"Opening an EGL display with {libegl} ended its process ({why[0]}): its driver is broken. Mend it"


def problem_here(libegl: str = LIBEGL) -> str | None:
    """As `problem`, tried in this very process, which renders anyway."""
    try:
        egl = ctypes.CDLL(libegl)
    except OSError:
        return (
            f"The simulator needs the EGL library {libegl}, which is not installed "
            f"(Debian package libegl1); run: {INSTALL}"
        )
    if not _display_opens(egl):
        return (
            f"{libegl} is there but no EGL display with OpenGL opens: no driver was found "
            f"(Debian package libgl1-mesa-dri, or the GPU's own driver); run: {INSTALL}"
        )
    return None


def extension(egl: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Callable[..., Any] | None:
    """A function of an EGL extension, of these ctypes types; None where the library has none of that name."""
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    egl.eglGetProcAddress.argtypes = [ctypes.c_char_p]
    address = egl.eglGetProcAddress(name.encode())
    return ctypes.CFUNCTYPE(result, *arguments)(address) if address else None


def devices_of(egl: ctypes.CDLL) -> list[int | None]:
    """EGL's devices, in its order; empty where it cannot list them."""
    pointers, number = ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int)
    query = extension(egl, "eglQueryDevicesEXT", ctypes.c_uint, ctypes.c_int, pointers, number)
    found, count = (ctypes.c_void_p * _MOST)(), ctypes.c_int(0)
    if query is None or not query(_MOST, found, ctypes.byref(count)):
        return []
    return list(found[: count.value])


def _display_opens(egl: ctypes.CDLL) -> bool:
    pointer = ctypes.c_void_p
    get_display = extension(egl, "eglGetPlatformDisplayEXT", pointer, ctypes.c_uint, pointer, pointer)
    if get_display is None:
        return False
    egl.eglInitialize.argtypes = [pointer, pointer, pointer]
    for device in devices_of(egl):
        display = get_display(_PLATFORM_DEVICE, device, None)
        # Not terminated again: a display is one per device and process, and terminating it would take
        # away the contexts of every simulator in this process.
        if display and egl.eglInitialize(display, None, None) and egl.eglBindAPI(_OPENGL_API):
            return True
    return False


def main() -> int:
    reason = problem_here(*sys.argv[1:2])
    print(reason or "EGL opens a display: the simulator can render here.")
    return 1 if reason else 0


if __name__ == "__main__":
    raise SystemExit(main())
