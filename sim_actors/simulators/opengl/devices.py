"""Which of EGL's devices is the GPU that this process was given?

Ray gives a process its GPUs through CUDA_VISIBLE_DEVICES. EGL does not heed it: it lists all devices of the
machine, in an order of its own, the software rasterizer among them. NVIDIA's driver tells of each EGL
device which CUDA device it is (EGL_NV_device_cuda), counted among those that the process may see.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from sim_actors.simulators.opengl import torch_first
from sim_actors.simulators.opengl.preflight import LIBEGL, devices_of, extension

log = logging.getLogger(__name__)

_CUDA_DEVICE_NV = 0x323A
_LIMIT_S = 60.0
_CHILD = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from sim_actors.simulators.opengl.devices import describe
describe(sys.argv[2])
"""


def device_index(device: int | str) -> int:
    """The index of an EGL device: the number itself, or for "auto" the first GPU that this process was
    given, the first device where it was given none."""
    if isinstance(device, int):
        return device
    given = [item.strip() for item in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    given = [item for item in given if item and item not in ("-1", "NoDevFiles")]
    return choose(given, cuda_ordinals()) if given else 0


def described(device: int | str) -> str | None:
    """Which of EGL's devices that is, and what its driver calls itself; None where no context opens. Asked in
    another process: a driver that is opened stays in its process for good."""
    command = [sys.executable, "-c", _CHILD, json.dumps(sys.path), str(device)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def describe(device: str) -> None:
    """The other process: prints the device and its driver."""
    index = device_index(int(device) if device.isdecimal() else device)
    devices = len(devices_of(ctypes.CDLL(LIBEGL)))
    import moderngl

    options: dict[str, Any] = {"libgl": LIBEGL, "libegl": LIBEGL, "backend": "egl", "device_index": index}
    info = moderngl.create_context(standalone=True, require=330, **options).info
    print(f"EGL device {index} of {devices}, {info['GL_RENDERER']}, OpenGL {info['GL_VERSION']}")


def choose(given: Sequence[str], ordinals: Sequence[int | None]) -> int:
    """The index of the first GPU of `given` (CUDA_VISIBLE_DEVICES) among EGL devices with these CUDA
    ordinals (None: not NVIDIA's, or hidden from this process).

    Where no device has an ordinal (software rendering, another maker's GPU), it is the first device.
    """
    known = [ordinal for ordinal in ordinals if ordinal is not None]
    if not known:
        return 0
    wanted = 0  # ordinals count among the visible devices
    if len(set(known)) > len(given) and given[0].isdecimal():
        wanted = int(given[0])  # more than are visible: this driver counts them all
    matching = [index for index, ordinal in enumerate(ordinals) if ordinal == wanted]
    if len(matching) != 1:
        log.warning(
            "%d of the EGL devices with CUDA ordinals %s are GPU %s of this process: rendering on device %d; "
            "set renderer.device to another number if that is the wrong one",
            len(matching), list(ordinals), given[0], matching[0] if matching else 0,
        )  # fmt: skip
    return matching[0] if matching else 0


def cuda_ordinals(libegl: str = LIBEGL) -> list[int | None]:
    """Of each EGL device, in EGL's order, which CUDA device it is; None where the driver does not say.
    Empty where EGL cannot list devices."""
    torch_first.load()
    try:
        egl = ctypes.CDLL(libegl)
    except OSError:
        return []
    value_of = ctypes.POINTER(ctypes.c_ssize_t)
    attribute = extension(
        egl, "eglQueryDeviceAttribEXT", ctypes.c_uint, ctypes.c_void_p, ctypes.c_int, value_of
    )
    if attribute is None:
        return []
    ordinals: list[int | None] = []
    for device in devices_of(egl):
        value = ctypes.c_ssize_t(-1)
        known = attribute(device, _CUDA_DEVICE_NV, ctypes.byref(value)) and value.value >= 0
        ordinals.append(value.value if known else None)
    return ordinals
