"""Processor, memory, disks and limits of this machine, or of the container that this process is in."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from cluster.config.schema import Config
from cluster.runtime.ray_errors import check_socket_room
from cluster.workspace.processor import CPUINFO, processor
from imitation.common import storage
from imitation.common.contracts import Contract, Found, Step
from imitation.common.settings import UserError

GIB = 2**30
MEMORY = 3 * GIB  # free; the default run's processes hold up to 5 GB together where there is that much
DISK = 2 * GIB  # free, for a run's folder
OBJECTS = 2 * GIB  # of /dev/shm; Ray's objects lie there
FULL = 0.95  # of a disk: from there on Ray puts nothing on it (RAY_local_fs_capacity_threshold)
FILES = 4096  # open at once; Ray's processes have a connection to each other
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
"""What torch and the software renderer are built for: words of /proc/cpuinfo."""


def contract(config: Config) -> Contract:
    """What is looked at."""
    yield Step("Python and system")
    yield Found(f"Python {platform.python_version()}, {platform.platform(terse=True)}, {sys.executable}")
    for what, look in (
        ("processor", _processor),
        ("memory", _memory),
        ("shared memory", _shared_memory),
        ("open files", _open_files),
        ("temporary files", _temporary),
        ("home and token", _home),
    ):
        yield Step(what)
        yield from look()
    yield Step("the run's folder")
    yield from _storage(config.run.storage)


def _processor() -> Iterator[Found]:
    cores, there = usable_cores(), os.cpu_count() or 1
    count = f"{cores:g} of {there} cores" if cores < there else f"{there} cores"
    flags = [flag for flag in FLAGS if flag in _flags()]
    yield Found(f"{processor()}, {count}{', ' + ', '.join(flags) if flags else ''}", numbers={"cores": cores})
    if platform.machine() in ("x86_64", "AMD64") and _flags() and "avx2" not in flags:
        yield Found("no AVX2: training and software rendering are several times slower", note=True)
    if cores < 2:
        yield Found("fewer than two cores: simulators and readers wait for each other", note=True)


def usable_cores() -> float:
    """Cores that this process may use, by its affinity and its control group."""
    cores = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _read("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdecimal() and quota[1].isdecimal():
        cores = min(cores, int(quota[0]) / int(quota[1]))
    return cores


def _flags() -> frozenset[str]:
    lines = _read(str(CPUINFO)).splitlines()
    words = (line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features")))
    return frozenset(next(words, "").split())


def _memory() -> Iterator[Found]:
    memory = psutil.virtual_memory()
    total, free, where = memory.total, memory.available, ""
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    if limit.isdecimal() and int(limit) < total:
        used = _read("/sys/fs/cgroup/memory.current").strip()
        total, where = int(limit), " (the limit of this process's control group)"
        free = min(free, total - int(used)) if used.isdecimal() else min(free, total)
    text = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free{where}"
    numbers = {"free_gib": free / GIB, "total_gib": total / GIB}
    if free < MEMORY:
        text += f"; a default run takes {MEMORY / GIB:.0f} to 5: end something, or simulate.actors=1"
    yield Found(text, note=free < MEMORY, wrong=total < 2 * GIB, numbers=numbers)


def _shared_memory() -> Iterator[Found]:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        yield Found("there is no /dev/shm; Ray keeps its objects in temporary files")
        return
    usage = shutil.disk_usage(folder)
    text = f"/dev/shm: {usage.free / GIB:.1f} of {usage.total / GIB:.1f} GiB free"
    if few := usage.free < OBJECTS:
        text += "; Ray keeps its objects in /tmp instead, which is slower. In Docker: --shm-size=4g"
    yield Found(text, note=few, numbers={"free_gib": usage.free / GIB})


def _open_files() -> Iterator[Found]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = soft != resource.RLIM_INFINITY and soft < FILES
    shown = ["unlimited" if limit == resource.RLIM_INFINITY else f"{limit}" for limit in (soft, hard)]
    text = f"{shown[0]} at once ({shown[1]} if asked for)"
    if few:
        text += "; with many workers Ray runs out of them: ulimit -n 65536 first"
    yield Found(text, note=few, numbers={} if soft == resource.RLIM_INFINITY else {"limit": soft})


def _temporary() -> Iterator[Found]:
    try:
        check_socket_room()
    except UserError as error:
        yield Found(str(error), wrong=True)
        return
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    usage = shutil.disk_usage(folder)
    text = f"{folder}: {usage.free / GIB:.1f} of {usage.total / GIB:.1f} GiB free"
    if full := 1 - usage.free / usage.total > FULL:
        text += f"; above {FULL:.0%} Ray puts no objects there: make room, or name another disk: RAY_TMPDIR"
    yield Found(text, note=full, numbers={"free_gib": usage.free / GIB})


def _home() -> Iterator[Found]:
    if given := [name for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH") if os.environ.get(name)]:
        yield Found(f"Ray's token is that of {given[0]}")
        return
    try:
        folder = Path.home()
    except RuntimeError:
        folder = None
    if folder is not None and os.access(folder, os.W_OK | os.X_OK):
        yield Found(f"Ray's token is kept in {folder / '.ray' / 'auth_token'}")
    else:
        yield Found(
            f"nothing can be written into the home folder {folder}: Ray's token is kept in its processes' "
            "environment, and what torch downloads needs TORCH_HOME",
            note=True,
        )


def _storage(uri: str) -> Iterator[Found]:
    if not storage.is_local(uri):
        yield Found(f"{uri} is not on this machine: a run tries it first of all")
        return
    folder = Path(storage.resolve(uri)[1])
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    usage = shutil.disk_usage(there)
    text = f"{folder}: {usage.free / GIB:.1f} of {usage.total / GIB:.1f} GiB free"
    numbers = {"free_gib": usage.free / GIB}
    if not os.access(there, os.W_OK | os.X_OK):
        yield Found(f"nothing can be written into {there}: name another folder, run.storage=...", wrong=True)
    elif usage.free < DISK / 4:
        text += ": too little for a run; make room, or set run.storage"
        yield Found(text, wrong=True, numbers=numbers)
    elif usage.free < DISK:
        yield Found(f"{text}: enough for a small run only", note=True, numbers=numbers)
    else:
        yield Found(text, numbers=numbers)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
