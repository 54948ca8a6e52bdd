"""Which of EGL's devices is the GPU that this process was given?

Ray gives a process its GPUs through CUDA_VISIBLE_DEVICES. EGL does not heed it: it lists all devices of the
machine, in an order of its own, the software rasterizer among them. NVIDIA's driver tells of each EGL
device which CUDA device it is (EGL_NV_device_cuda), counted among those that the process may see.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Sequence

from sim_actors.simulators.opengl import torch_first
from sim_actors.simulators.opengl.preflight import LIBEGL, devices_of, extension

log = logging.getLogger(__name__)

_CUDA_DEVICE_NV = 0x323A


def device_index(device: int | str, libegl: str = LIBEGL) -> int:
    """The index of an EGL device: the number itself, or for "auto" the first GPU that this process was
    given, the first device where it was given none."""
    if isinstance(device, int):
        return device
    given = [item.strip() for item in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    given = [item for item in given if item and item not in ("-1", "NoDevFiles")]
    return choose(given, cuda_ordinals(libegl)) if given else 0


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
