"""One driver a run folder, on any storage.

On this machine's own disks a file lock (flock), which the system drops with the process. A network file
system may not pass such locks on, and an object store has none: there a lease besides, `.lock.json`, in
which the holder counts up every few seconds. Nobody compares clocks: whoever finds a lease watches, by
its own, whether the count goes on.

A lease cannot stop a driver that was suspended for longer than its rivals wait: once resumed, it works on
until its next beat (at most `BEAT_S`), sees that the run was taken, and stops with an error.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from imitation.common import storage
from imitation.common.settings import UserError

LOCK, LEASE = ".lock", ".lock.json"
BEAT_S = 3.0
PATIENCE = 8  # beats without a change until a holder counts as dead
LOOKS, LOOK_S = 10, 0.02  # tries at a file lock that is taken, and seconds between them
OWN_DISKS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay", "vfat"})


@dataclass(frozen=True)
class Lease:
    """Who holds a run: `count` goes up while it lives; `machine` tells kernels and containers apart."""

    nonce: str
    count: int
    host: str
    machine: str
    pid: int
    job: str | None

    @classmethod
    def own(cls) -> Lease:
        host = socket.gethostname()
        return cls(uuid.uuid4().hex, 0, host, machine(), os.getpid(), _job())

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" + (f", job {self.job}" if self.job else "")


class RunLock:
    """A context manager that one driver at a time can enter; `check` says whether it still may go on.

    Raises UserError naming the holder, and on leaving, if the run was taken by another driver meanwhile;
    the main thread's work is then interrupted. `say` gets a sentence on a wait. `leased`: whether a lease is
    kept; by default wherever the file lock alone may not do. Taking over from a killed driver on another
    machine takes `patience` beats of `beat_s` seconds; one of this machine is known to be dead at once.
    """

    def __init__(
        self,
        uri: str,
        say: Callable[[str], None] = lambda text: None,
        beat_s: float = BEAT_S,
        patience: int = PATIENCE,
        leased: bool | None = None,
    ) -> None:
        self.uri = uri
        self.path = Path(storage.resolve(uri)[1]) if storage.is_local(uri) else None
        self.say, self.beat_s, self.patience, self._leased = say, beat_s, patience, leased
        self._lease_uri = storage.join(uri, LEASE)
        self._handle: Any = None
        self._own = Lease.own()
        self._taken_by: str | None = None
        self._ended = threading.Event()
        self._closing = threading.Lock()
        self._in_main = False
        self._thread = threading.Thread(target=self._beat, name="run-lock", daemon=True)

    def __enter__(self) -> RunLock:
        storage.check_writable(self.uri)
        if self.path is not None:
            self._lock_file(self.path)
        if self._leased is None:
            self._leased = self.path is None or not on_own_disk(self.path)
        if self._leased:
            try:
                self._take()
            except BaseException:  # Ctrl-C too must leave no lock behind
                self._release()
                self._unlock_file()
                raise
            self._in_main = threading.current_thread() is threading.main_thread()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leased:
            with self._closing:
                self._ended.set()
            self._thread.join(10 * self.beat_s)
            if self._taken_by is None:
                self._release()
        self._unlock_file()
        if self._taken_by is not None and (kind is None or issubclass(kind, KeyboardInterrupt)):
            raise self._taken() from None

    def check(self) -> None:
        """Raises UserError if another driver has taken the run; to be called just before a commit."""
        if self._leased and not self._still_ours():
            raise self._taken()

    # The lock of the file system.

    def _lock_file(self, folder: Path) -> None:
        self._handle = (folder / LOCK).open("a+")
        try:
            _flock(self._handle)
        except OSError as error:
            self._handle.seek(0)
            holder = self._handle.read().strip()
            self._unlock_file()
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                self._leased = True  # this file system has no such locks (ENOLCK, ENOTSUP)
                return
            raise self._in_use(holder or "another process") from None
        self._handle.truncate(0)
        self._handle.write(str(self._own))
        self._handle.flush()

    def _unlock_file(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    # The lease.

    def _take(self) -> None:
        holder = self._read()
        if holder is not None and not self._known_dead(holder):
            self._watch(holder)
        self._write()
        if self._handle is None:  # of two that came at once, the one that wrote last stays
            self._ended.wait(self.beat_s)
            holder = self._read()
            if holder is None or holder.nonce != self._own.nonce:
                raise self._in_use(str(holder or "another process"))

    def _watch(self, holder: Lease) -> None:
        """Returns once the holder counts as dead. Raises UserError if its count changes."""
        self.say(f"watching up to {self.beat_s * self.patience:g} s whether {holder} still holds this run")
        for _ in range(self.patience):
            self._ended.wait(self.beat_s)
            now = self._read()
            if now is None:
                return
            if (now.nonce, now.count) != (holder.nonce, holder.count):
                raise self._in_use(str(now))

    def _known_dead(self, holder: Lease) -> bool:
        """Whether the holder was on this machine, and we have its file lock or its process is gone."""
        if (holder.host, holder.machine) != (self._own.host, self._own.machine):
            return False
        return self._handle is not None or not Path(f"/proc/{holder.pid}").exists()

    def _beat(self) -> None:
        while not self._ended.wait(self.beat_s):
            try:
                if not self._still_ours():
                    break
                self._own = replace(self._own, count=self._own.count + 1)
                self._write()
            except UserError:  # the storage is away for a while: the next beat tries again
                continue
        with self._closing:
            if self._taken_by is not None and self._in_main and not self._ended.is_set():
                _interrupt_main()

    def _still_ours(self) -> bool:
        holder = self._read()
        if holder is None or holder.nonce != self._own.nonce:
            self._taken_by = str(holder or "another driver, which has ended since")
        return self._taken_by is None

    def _release(self) -> None:
        try:
            if self._still_ours():
                storage.delete(self._lease_uri)
        except UserError:  # the next driver waits until it sees that nobody counts
            pass

    def _read(self) -> Lease | None:
        return read_lease(self._lease_uri)

    def _write(self) -> None:
        storage.write_json(self._lease_uri, asdict(self._own))

    # What people are told.

    def _in_use(self, holder: str) -> UserError:
        return UserError(
            f"{storage.without_secrets(self.uri)} is in use by {holder}. Wait for it, stop it, or choose "
            "another run.name."
        )

    def _taken(self) -> UserError:
        return UserError(
            f"{storage.without_secrets(self.uri)} was taken by {self._taken_by}: this driver had shown no "
            "life for so long that it counted as dead. What it had committed is kept."
        )


def _flock(handle: Any) -> None:
    """Takes the lock, or raises OSError. Who only looks whether a run is held has it for a moment
    (`cluster.workspace.holder`); that is waited for."""
    for attempt in range(LOOKS):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES) or attempt == LOOKS - 1:
                raise
        time.sleep(LOOK_S)


def read_lease(uri: str) -> Lease | None:
    """The lease in a file; None where there is no file. Raises UserError for what is no lease, StorageError
    where it cannot be read."""
    try:
        return Lease(**json.loads(storage.read_bytes(uri)))
    except storage.StorageError as error:
        if error.errno != errno.ENOENT:
            raise
        return None
    except (ValueError, TypeError) as error:
        raise UserError(f"{uri}: is no lease of a run ({error}); delete it") from None


def on_own_disk(folder: Path) -> bool:
    """Whether a folder lies on a disk of this machine, by the kernel's list of mounts; if in doubt, no."""
    try:
        device = os.stat(folder).st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            if before.split()[2] == wanted:
                return after.split()[0] in OWN_DISKS
    except (OSError, IndexError):
        pass
    return False


def machine() -> str:
    """What tells machines apart: this boot of this kernel, and the container's own numbering of processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return uuid.uuid4().hex


def _job() -> str | None:
    """The submission id of the Ray job that this process is the entry point of."""
    job_config = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    job = job_config.get("metadata", {}).get("job_submission_id")
    return None if job is None else str(job)


def _interrupt_main() -> None:
    """As Ctrl-C would; by SIGTERM where it is handled, for a shell's background jobs ignore SIGINT."""
    main = threading.main_thread().ident
    for number in (signal.SIGTERM, signal.SIGINT):
        if main is not None and callable(signal.getsignal(number)):
            signal.pthread_kill(main, number)
            return
