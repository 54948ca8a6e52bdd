"""Ray, from its start to its end: one of our own, or a running cluster that is joined.

Code that needs Ray calls `start_ray`; nothing else starts one. By itself Ray would start at the first call of
its API, also after it was shut down, from a thread that still runs: that is turned off here.
"""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.config.schema import Config
from cluster.config.sections import RaySettings
from cluster.runtime.ray_address import Cluster, check_answers, cluster_address, named_cluster, no_answer
from cluster.runtime.ray_errors import check_socket_room, in_short, why_not_started
from cluster.runtime.signals import handlers_kept
from imitation.common.settings import UserError
from imitation.common.storage import retry
from imitation.common.storage.errors import without_secrets

if TYPE_CHECKING:
    import psutil

__all__ = ["MIN_CPUS", "cluster_address", "end_ray", "start_no_more", "start_ray"]

MIN_CPUS = 4  # logical: stages take turns, so a two-core machine may promise more than it has
PATIENT = {"RAY_agent_register_timeout_ms": 120_000, "RAY_raylet_start_wait_time_s": 120}
"""How long the second try of a start waits for Ray's processes; Ray's own limits are 15 to 30 s."""
PORT_WAIT_S = 120  # the same, for the head's port
STARTED_BY = "IMITATION_TRAINING_RAY"  # in the environment of each process of a Ray of our own
GONE_S = 10.0  # seconds for the processes of an ended Ray; then they are killed


class _State:
    """Of this process."""

    ours = False  # `start_ray` has started or joined the Ray that runs
    over = False  # a stop has come: nothing may start any more


def start_ray(config: Config) -> None:
    """Connects to the cluster that the configuration or RAY_ADDRESS names, or starts one here.

    Says which cluster is joined and why, and gives up after 30 s. Raises UserError if no cluster can be
    joined at that address, if it asks for another token, or if no Ray can be started here.
    """
    retry.allow(config.run.storage_patience_s)
    _prepare(config.ray.quiet)
    import ray

    if ray.is_initialized():
        return
    if _State.over:
        raise UserError("stopped: no Ray is started any more")
    cluster = named_cluster(config.ray)
    options: dict[str, Any] = {"ignore_reinit_error": True}
    if config.ray.quiet:
        options |= {"logging_level": logging.ERROR, "log_to_driver": False}
    _State.ours = True  # from here on there may be something to end
    if cluster is not None:
        _join(config.ray, cluster, options, config.run.storage_patience_s)
    else:
        _start(config.ray, options)


def _prepare(quiet: bool) -> None:
    """Sets the variables that Ray reads on import, and turns off what an imported Ray has turned on."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    os.environ.setdefault("RAY_DATA_PARQUET_FOOTER_NUM_ACTORS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
    if quiet:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    from ray._private import auto_init_hook

    auto_init_hook.enable_auto_connect = False


def _join(settings: RaySettings, cluster: Cluster, options: dict[str, Any], patience_s: float) -> None:
    import ray

    address = without_secrets(cluster.address)
    print(f"joining the Ray cluster at {address} ({cluster.why})", file=sys.stderr, flush=True)
    if cluster_address(settings) == "auto":
        from ray._private.authentication import authentication_token_setup

        if settings.quiet:
            authentication_token_setup.logger.setLevel(logging.ERROR)
        authentication_token_setup.maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    check_answers(cluster)
    options = options | {"address": cluster.address}
    if patience_s != retry.PATIENCE_S:
        options |= {"runtime_env": {"env_vars": {retry.VARIABLE: os.environ[retry.VARIABLE]}}}
    try:
        with handlers_kept(), _chatter_held_back() if settings.quiet else nullcontext():
            ray.init(**options)
    except ray.exceptions.AuthenticationError:
        raise UserError(
            f"the Ray cluster at {address} asks for its token: set RAY_AUTH_MODE=token, and "
            "RAY_AUTH_TOKEN_PATH to the file with it (on the head's machine, `ray get-auth-token` prints it)"
        ) from None
    except ConnectionError as error:
        raise no_answer(cluster, " ".join(str(error).split())[:300]) from None


def _start(settings: RaySettings, options: dict[str, Any]) -> None:
    """A Ray of our own; a machine too slow for Ray's time limits gets a second try with longer ones."""
    import ray

    print("starting Ray", file=sys.stderr, flush=True)
    check_socket_room()
    options = options | {
        "address": "local",  # without it, a cluster that somebody else runs on this machine is joined
        "num_cpus": settings.num_cpus or max(os.cpu_count() or 1, MIN_CPUS),
        "include_dashboard": settings.dashboard,
        "dashboard_host": "127.0.0.1",
        "_metrics_export_port": settings.metrics_port,
    }
    _on_loopback_alone()
    _token_without_home()
    os.environ[STARTED_BY] = secrets.token_hex(8)
    for last in (False, True):
        try:
            with handlers_kept(), _chatter_held_back() if settings.quiet else nullcontext():
                ray.init(**options)
                return
        except Exception as error:  # Ray raises what it likes, bare Exceptions among them
            _sweep()
            sentence = why_not_started(error)
            if last or sentence is not None:
                raise UserError(
                    sentence
                    or f"Ray did not start here, in two tries: {in_short(error)}. Where the machine is busy, "
                    "try again when it is less so; Ray's own logs are in session_latest/logs of its folder, "
                    "which is /tmp/ray"
                ) from error
            print(
                "Ray did not start in time; trying once more, and waiting longer", file=sys.stderr, flush=True
            )
            _be_patient()


def _be_patient() -> None:
    for name, least in PATIENT.items():
        os.environ[name] = str(max(least, _number(os.environ.get(name))))
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", str(PORT_WAIT_S))
    _raylet().Config.initialize("")  # reads the variables again


def _raylet() -> Any:
    return importlib.import_module("ray._raylet")


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _token_without_home() -> None:
    """A Ray of our own has a token, which Ray keeps in ~/.ray/auth_token. Where it cannot be kept there, this
    Ray's processes hand theirs on in their environment."""
    given = {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    if given:
        return
    try:
        path = Path.home() / ".ray" / "auth_token"
        if path.exists():
            path.read_bytes()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            return
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        _raylet().Config.initialize("")
        _raylet().AuthenticationTokenLoader.instance().reset_cache()


def _on_loopback_alone() -> None:
    """A Ray started here listens on the loopback interface and on no other. Ray has no option for it
    (it turns `_node_ip_address="127.0.0.1"` into the machine's own address), but on a Mac it takes the
    loopback address for the node's by this very constant. A Ray for several machines is begun with
    `ray start`."""
    from ray._private import ray_constants

    ray_constants.ENABLE_RAY_CLUSTER = False


@contextmanager
def _chatter_held_back() -> Iterator[None]:
    """Keeps what Ray's C++ core writes to standard error while it starts; if starting fails, it stands in the
    error's traceback (`--traceback`)."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            yield
        except BaseException as error:
            chatter.seek(0)
            if said := chatter.read().decode(errors="replace").strip():
                error.add_note(f"Ray said:\n{said}")
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


# -- the end


def start_no_more() -> None:
    """On a stop: from now on no Ray starts in this process, and errors of its threads are not shown."""
    _State.over = True
    if _State.ours:
        _silence()


def _silence() -> None:
    threading.excepthook = _said_nothing  # threads that use Ray fail now; their errors are not shown
    for name in ("ray", "ray.data"):  # the latter has a level of its own
        logging.getLogger(name).setLevel(logging.CRITICAL)


def end_ray() -> None:
    """Ends the Ray that `start_ray` began here, or leaves the cluster that it joined, and waits until the
    processes are gone."""
    if not _State.ours:
        return
    import ray

    _silence()
    _State.ours = False
    if ray.is_initialized():
        ours = _processes()
        with suppress(Exception):  # whatever state it is in, its remaining processes are killed now
            ray.shutdown()
        _gone(ours)
    else:
        _sweep()


def renew() -> None:
    """A new command begins: Ray may start again after an earlier command's stop."""
    _State.over = False


def _said_nothing(args: threading.ExceptHookArgs) -> None:
    """Takes the place of `threading.excepthook`."""


def _sweep() -> None:
    """Removes what a start that failed or was interrupted has left."""
    import ray

    ours = _processes()
    with suppress(Exception):  # a partly started Ray may fail to shut down
        ray.shutdown()
    ours += _orphans()
    for process in ours:
        with suppress(Exception):  # it may be gone
            process.kill()
    _gone(ours)


def _processes() -> list[psutil.Process]:
    """Ray's processes below this one, and those below them."""
    import psutil
    import ray

    home = str(Path(ray.__file__).parents[1])
    processes: list[psutil.Process] = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if any(home in word for word in child.cmdline()):
                processes += [child, *child.children(recursive=True)]
    return processes


def _orphans() -> list[psutil.Process]:
    """Processes of a Ray begun here whose parent is gone: Ray ends its daemons first, and what those have
    started may wait long for them."""
    import psutil

    mark = os.environ.get(STARTED_BY)
    below = {process.pid for process in psutil.Process().children(recursive=True)}
    found: list[psutil.Process] = []
    for process in psutil.process_iter() if mark else ():
        with suppress(psutil.Error):
            if process.environ().get(STARTED_BY) == mark and process.pid not in below:
                found.append(process)
    return found


def _gone(processes: list[psutil.Process]) -> None:
    import psutil

    _, left = psutil.wait_procs(processes, timeout=GONE_S)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=GONE_S)
