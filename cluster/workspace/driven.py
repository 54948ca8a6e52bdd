"""How a run's driver ended, in the run's own folder: `driver.json`.

Written when a driver has the folder and when it lets go of it, so that a folder tells by itself whether its
run is finished, was stopped, failed, or was killed: then the end is missing, and nobody holds the lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from cluster.runtime.signals import PutOff
from imitation.common import storage
from imitation.common.settings import UserError

DRIVER = "driver.json"
How = Literal["finished", "stopped", "failed"]
REASON_MOST = 600  # characters of a reason that are kept


@dataclass(frozen=True)
class Driven:
    """The last driver of a run: when it began and ended (UTC, ISO 8601), how, and why it failed. `how` is
    None of one that has not come to its end."""

    started: str
    ended: str | None = None
    how: How | None = None
    reason: str | None = None


@contextmanager
def driven(uri: str, check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Inside the block a driver is at work in the folder, which it holds and has opened; how the block ends
    is written down. Whether that can be written changes nothing of how it ends. `check` refuses where another
    driver has taken the folder meanwhile (`RunLock.check`): its own file is left alone."""
    own = Driven(_now())
    storage.write_json(storage.join(uri, DRIVER), asdict(own))

    def end(how: How, reason: str | None = None) -> None:
        with suppress(UserError, OSError):  # the storage may be what failed
            check()
            ended = replace(own, ended=_now(), how=how, reason=reason)
            storage.write_json(storage.join(uri, DRIVER), asdict(ended))

    try:
        yield
    except BaseException as error:
        end(how_it_ended(error), _reason(error))
        raise
    end("finished")


def how_it_ended(error: BaseException) -> Literal["stopped", "failed"]:
    """By Ctrl-C, SIGTERM or a limit of its caller's, or by an error."""
    put_off = isinstance(error, PutOff) or not isinstance(error, Exception)  # Ctrl-C and SIGTERM are none
    return "stopped" if put_off else "failed"


def read_driven(uri: str) -> Driven | None:
    """What the folder of a run, a comparison or a sweep says of its last driver; None in folders of earlier
    versions, and where it cannot be understood."""
    place = storage.join(uri, DRIVER)
    if not storage.exists(place):
        return None
    with suppress(UserError, TypeError):
        told: Any = storage.read_json(place)
        return Driven(**{name: told.get(name) for name in Driven.__dataclass_fields__})
    return None


def _reason(error: BaseException) -> str | None:
    if how_it_ended(error) == "stopped":
        return str(error) or None if isinstance(error, PutOff) else None
    text = " ".join(str(error).split()) or type(error).__name__
    whole = text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
    return storage.without_secrets(whole)[:REASON_MOST]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
