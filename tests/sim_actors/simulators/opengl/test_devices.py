"""Which EGL device belongs to the GPU that Ray gave. No machine with several GPUs was at hand: the choice
is tested on lists as drivers report them, the query on whatever EGL is here."""

import ctypes

import pytest

from sim_actors.simulators.opengl import devices
from sim_actors.simulators.opengl.devices import choose, cuda_ordinals, device_index
from sim_actors.simulators.opengl.preflight import LIBEGL


@pytest.mark.parametrize(
    ("given", "ordinals", "index"),
    [
        (["2"], [None, None, 0, None, None], 2),  # the others are hidden, the last is Mesa's
        (["0"], [0, None], 0),
        (["3"], [None, 0], 1),  # EGL's order is not CUDA's
        (["2", "3"], [None, None, 1, 0], 3),  # of several the first
        (["2"], [0, 1, 2, 3, None], 2),  # a driver that does not heed CUDA_VISIBLE_DEVICES
        (["2"], [3, 2, 1, 0], 1),
        (["GPU-5a7e"], [None, 0], 1),  # named by UUID
        (["0"], [None], 0),  # Mesa alone, as in a container without the driver's graphics part
        (["0"], [], 0),
    ],
)
def test_the_gpu_that_was_given_is_found_in_egls_order(given, ordinals, index, caplog):
    assert choose(given, ordinals) == index
    assert not caplog.records


@pytest.mark.parametrize("ordinals", [[0, 0, 0], [1, None]])
def test_a_driver_that_contradicts_itself_is_reported(ordinals, caplog):
    assert choose(["2"], ordinals) == 0
    assert "set renderer.device" in caplog.text


@pytest.mark.parametrize("given", [None, "", "-1", "NoDevFiles"])
def test_without_a_gpu_given_it_is_the_first_device(given, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    monkeypatch.setattr(devices, "cuda_ordinals", lambda: [None, None, 0])
    assert device_index("auto") == 0


def test_auto_asks_and_a_number_is_itself(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    monkeypatch.setattr(devices, "cuda_ordinals", lambda: [None, 0])
    assert device_index("auto") == 1
    assert device_index(3) == 3


def test_the_query_lists_the_devices_of_this_machine():
    egl = ctypes.CDLL(LIBEGL)
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    address = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    count = ctypes.c_int(0)
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))
    assert query(address)(0, None, ctypes.byref(count))
    assert len(cuda_ordinals()) == count.value >= 1
    assert cuda_ordinals("libEGL-of-nobody.so.1") == []
