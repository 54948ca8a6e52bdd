"""A run's folder: what is finished stays finished.

Every stage writes its own files and then commits one small JSON, `<folder>/stage-<name>.json`,
atomically. A committed stage is never run again: the same command continues after it.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from cluster.config.schema import Config
from cluster.workspace.processor import processor
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.names import cycle_folder
from imitation.common.settings import UserError
from imitation.common.storage import retry
from imitation.common.storage.run_folder import SHARED, base_of, remember_base

CONFIG_FILE, RUN_JSON = "config.yaml", "run.json"
SUMMARY, REPORT = "summary.json", "report.html"
TRIALS = "trials"
"""Where the runs of a sweep or a comparison lie in its folder."""
_STAGE = "stage-"
# Settings that do not change what a run computes: they may differ when it continues.
FREE_KEYS = (
    "run.storage",
    "run.name",
    "run.storage_patience_s",
    "ray",
    "report",
    "sweep",
    "compare",
    "tracking",
    "simulate.actors",
    "simulate.cpus_per_actor",
    "simulate.gpus_per_actor",
    "simulate.placement_timeout_s",
    "evaluate.actors",
    "evaluate.max_attempts",
    "train.checkpoint_every",
    "train.max_restarts",
)


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}; an empty dict stays a value."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def covers(prefix: str, key: str) -> bool:
    """Whether a key is the named one, or lies in the named section."""
    return key == prefix or key.startswith(prefix + ".")


def differences(before: dict[str, Any], after: dict[str, Any], free: Iterable[str] = FREE_KEYS) -> list[str]:
    """What differs between two plain configurations, as "key was ..., now ..."; `free` keys may."""
    old, new = (
        {key: value for key, value in flatten(plain).items() if key != "simulate.each"}
        for plain in (before, after)
    )
    free = tuple(free)
    return [
        f"{key} was {old.get(key)!r}, now {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not any(covers(prefix, _setting(key)) for prefix in free)
    ]


def _setting(key: str) -> str:
    """The setting that a key of `simulate.each` stands in for: what is free of all is so of each."""
    return f"simulate.{key.rpartition('.')[2]}" if key.startswith("simulate.each.") else key


def read_config(uri: str) -> dict[str, Any]:
    """The plain configuration that a run, a sweep or a comparison was begun with, in today's names and with
    the settings that have come since."""
    begun = old_names.settings(yaml.safe_load(storage.read_bytes(uri)))
    return _with_later(begun, Config())


def _with_later(begun: Mapping[str, Any], now: BaseModel, prefix: str = "") -> dict[str, Any]:
    plain = now.model_dump(mode="json")
    result = dict(begun)
    for name, value in now:
        given = begun.get(name)
        if isinstance(value, BaseModel) and isinstance(given, Mapping):
            result[name] = _with_later(given, value, f"{prefix}{name}.")
        elif name not in begun:
            result[name] = old_names.before(f"{prefix}{name}", plain[name])
    return result


class Workspace:
    """The folder of one run at `uri` (local path or any storage that pyarrow or fsspec opens).

    Its `data/` and `cycle-000/` may lie in another run's folder, its `base`: they are read there and
    never written. `open` remembers the base in the folder; later it need not be given.
    """

    def __init__(self, uri: str, base: str | None = None, check: Callable[[], None] = lambda: None) -> None:
        """`check` is called before anything is committed, and may refuse (`RunLock.check`)."""
        self.uri = storage.absolute(storage.suffixed(uri, ""))
        self._given_base = None if base is None else storage.absolute(storage.suffixed(base, ""))
        self.check = check

    @cached_property
    def base(self) -> str | None:
        """The folder that `data/` and `cycle-000/` lie in; None: this one."""
        return self._given_base or base_of(self.uri)

    def path(self, *parts: str) -> str:
        """The path or URI of something in the run, wherever it lies."""
        home = self.base if self._shared("/".join(parts)) else None
        return storage.join(home or self.uri, *parts)

    def split(self, name: str) -> str:
        """Where the real frames of a split lie."""
        places = [self.path("data", spelling) for spelling in old_names.spellings(name)]
        return next((uri for uri in places if storage.exists(uri)), places[0])

    def borrows(self, path: str) -> bool:
        """Whether it lies in the base, which others read too."""
        return self.base is not None and self._shared(path)

    @staticmethod
    def _shared(path: str) -> bool:
        return path.split("/", 1)[0] in SHARED

    def open(self, config: dict[str, Any]) -> bool:
        """Creates the folder, or reopens it. True if it continues an earlier run.

        A run that ended before its data was prepared (its `data.root` was wrong, say) is begun anew where
        the settings differ: nothing was computed from it.
        Raises UserError when the folder cannot be written, or holds a run of another configuration;
        the message names the keys that differ.
        """
        storage.check_writable(self.uri)
        if storage.is_local(self.uri):
            retry.expect(storage.resolve(self.uri)[1])
        known = self.path(CONFIG_FILE)
        if not storage.exists(known):
            return self._begin(config)
        if self.base != base_of(self.uri):
            raise UserError(
                f"{self.uri} holds a run on another baseline, {base_of(self.uri) or 'its own'}; "
                f"give the one on {self.base} another run.name"
            )
        changes = differences(read_config(known), config)
        if changes and self.base is None and not storage.exists(self.path("data", "stage-prepare.json")):
            storage.delete(self.path("data"))
            return self._begin(config)
        if changes:
            raise UserError(
                f"{self.uri} holds a run of another configuration ({'; '.join(changes[:8])}). "
                "Give the new run another run.name, or the old settings to continue the old one."
            )
        storage.clear_unfinished(self.uri)
        storage.write_bytes_atomic(known, yaml.safe_dump(config, sort_keys=False).encode())
        return True

    def _begin(self, config: dict[str, Any]) -> bool:
        # the configuration last: where it exists, the folder of the run is complete
        if self.base is not None:
            remember_base(self.uri, self.base)
        storage.write_json(self.path(RUN_JSON), environment())
        storage.write_bytes_atomic(self.path(CONFIG_FILE), yaml.safe_dump(config, sort_keys=False).encode())
        return False

    def relative(self, uri: str) -> str:
        """A path of this run as one in its folder ("data/train"): the run's folder can be moved."""
        for home in (self.uri, self.base):
            if home is not None and not (path := storage.relative(uri, home)).startswith(".."):
                return path
        raise ValueError(f"{uri} is not in {self.uri}")

    def stage(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The committed result of a stage ("cycle-000/train"), running `work` if there is none.

        `work` returns plain JSON data. Its wall time is added as `seconds` (a `seconds` of its own
        becomes `work_seconds`); a reused result says so with `reused`. Raises UserError for a stage
        of the base that is not committed: the base is shared, and this run must not write there.
        """
        folder, _, leaf = name.rpartition("/")
        path = self.path(folder, f"{_STAGE}{leaf}.json") if folder else self.path(f"{_STAGE}{leaf}.json")
        if storage.exists(path):
            return old_names.read_json(path) | {"reused": True}
        if self.borrows(name):
            raise UserError(f"{self.base}: its stage {name!r} is not finished; finish that baseline first")
        start = time.monotonic()
        result = work()
        if "seconds" in result:
            result["work_seconds"] = result.pop("seconds")
        result["seconds"] = round(time.monotonic() - start, 3)
        self.check()
        storage.write_json(path, result)
        return result | {"reused": False}

    def committed(self, folder: str) -> dict[str, dict[str, Any]]:
        """The committed stages of a folder ("cycle-000"), by name; none where there is no such folder."""
        place = self.path(folder)
        names = storage.list_files(place, ".json") if storage.exists(place) else []
        return {
            name.removeprefix(_STAGE).removesuffix(".json"): old_names.read_json(uri)
            for uri in names
            if (name := storage.name_of(uri)).startswith(_STAGE)
        }

    def cycles(self, first: int = 0) -> Iterator[dict[str, dict[str, Any]]]:
        """The committed stages of each cycle that was evaluated, from `first` on."""
        cycle = first
        while storage.exists(self.path(cycle_folder(cycle), f"{_STAGE}evaluate.json")):
            yield self.committed(cycle_folder(cycle))
            cycle += 1


def environment() -> dict[str, Any]:
    """Versions, machine and commit: what a reader of the results needs to know."""
    packages = ("imitation-training", "ray", "torch", "torchvision", "numpy", "pyarrow", "moderngl")
    try:
        here = Path(__file__).resolve().parents[2]
        git = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        git = None
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": git,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs ({processor()})",
        "packages": {"python": platform.python_version()} | {name: _version(name) for name in packages},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except ImportError:
        return None
