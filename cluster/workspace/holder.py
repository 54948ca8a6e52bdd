"""Whether a driver holds a run now, found out by looking: nothing is written, and no driver is kept
waiting."""

from __future__ import annotations

import errno
import fcntl
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from cluster.workspace.lock import BEAT_S, LEASE, LOCK, PATIENCE, Lease, machine, on_own_disk, read_lease
from imitation.common import storage
from imitation.common.settings import UserError


class Looker:
    """Looks at locks and leases. A lease is alive as long as its count goes on: one look cannot tell, so what
    was seen is remembered from look to look, as `RunLock` does that would take the run over."""

    def __init__(
        self, beat_s: float = BEAT_S, patience: int = PATIENCE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.beat_s, self.patience = beat_s, patience
        self._clock = clock
        self._seen: dict[str, tuple[Lease, float, bool]] = {}

    def held(self, uri: str) -> bool | None:
        """Whether a driver holds the folder; None where a lease is there and has to be looked at again, some
        beats later. Raises StorageError where the storage cannot be read."""
        path = Path(storage.resolve(uri)[1]) if storage.is_local(uri) else None
        locked = None if path is None else _locked(path / LOCK)
        if locked or (path is not None and locked is False and on_own_disk(path)):
            return bool(locked)
        try:
            lease = read_lease(storage.join(uri, LEASE))
        except storage.StorageError:
            raise
        except UserError:  # not a lease: nobody counts in it
            return False
        if lease is None:
            self._seen.pop(uri, None)
            return False
        return self._beats(uri, lease)

    def settled(self, uris: Iterable[str], sleep: Callable[[float], None] = time.sleep) -> dict[str, bool]:
        """As `held`, of many; where leases are among them this takes until each has counted on, at most as
        long as a driver would wait that takes over (`patience` beats)."""
        found = {uri: self.held(uri) for uri in uris}
        for _ in range(self.patience + 1):
            unknown = [uri for uri, held in found.items() if held is None]
            if not unknown:
                break
            sleep(self.beat_s)
            found |= {uri: self.held(uri) for uri in unknown}
        return {uri: bool(held) for uri, held in found.items()}

    def _beats(self, uri: str, lease: Lease) -> bool | None:
        if (lease.host, lease.machine) == (socket.gethostname(), machine()) and not Path(
            f"/proc/{lease.pid}"
        ).exists():
            return False
        now = self._clock()
        before = self._seen.get(uri)
        if before is None:
            self._seen[uri] = (lease, now, False)
            return None
        known, since, counted = before
        if (lease.nonce, lease.count) != (known.nonce, known.count):
            self._seen[uri] = (lease, now, True)
            return True
        if now - since >= self.beat_s * self.patience:
            return False
        return True if counted else None


def _locked(path: Path) -> bool | None:
    """Whether somebody has the lock of the file system; None where it has no such locks."""
    try:
        with path.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError as error:
        return True if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return False
