"""Which running Ray cluster to join, where its address comes from, and whether its head answers.

Ray itself waits ten minutes for a head that is gone, and one for a machine that is not a node, without a
message. So both are checked first.
"""

from __future__ import annotations

import importlib
import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cluster.config.sections import RaySettings
from imitation.common.settings import UserError
from imitation.common.storage.errors import without_secrets

JOIN_S = 30.0
"""Seconds after which a head that does not answer is given up."""
REFUSED_S = 3.0  # where nothing listens, or no such machine is known: it may just be starting
PAUSE_S = 0.25
LOOPBACK = ("127.", "localhost:", "[::1]:")
FORMS = "HEAD:6379, or auto for a Ray that runs on this machine"
PLACE = re.compile(r"(?P<host>\[[0-9a-fA-F:.%]+\]|[^\s:/?#@\[\]]+):(?P<port>\d{1,5})")


def cluster_address(settings: RaySettings) -> str | None:
    """The running cluster to use; None: one is started here."""
    address = settings.address or os.environ.get("RAY_ADDRESS") or None
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    return None if address == "local" else address


@dataclass(frozen=True)
class Cluster:
    """A cluster to join: its address as Ray takes it, what names it ("RAY_ADDRESS"), and why it is this one
    (a clause)."""

    address: str
    source: str
    why: str

    @property
    def host(self) -> str:
        return _place(self.address)[0]

    @property
    def port(self) -> int:
        return _place(self.address)[1]


class NoAnswer(UserError):
    """No cluster can be joined at an address. `reason` is a clause."""

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason


def no_answer(cluster: Cluster, reason: str) -> NoAnswer:
    """The error: why this cluster was tried, what failed, and what to do."""
    return NoAnswer(
        f"no Ray cluster answers at {without_secrets(cluster.address)} ({cluster.why}): {reason}. If it is "
        f"gone, unset {cluster.source}, and a Ray is started here; `ray start --head` starts another cluster",
        reason,
    )


def named_cluster(settings: RaySettings) -> Cluster | None:
    """The cluster that the configuration or RAY_ADDRESS names; None: a Ray is started here.

    Raises UserError for what is no address, and where `auto` finds no Ray on this machine, or several and
    cannot tell which.
    """
    address = cluster_address(settings)
    if address is None:
        return None
    ours = settings.address
    source = "ray.address" if ours and (ours == address or ours != "auto") else "RAY_ADDRESS"
    if address == "auto":
        return _found_here(source)
    shown = without_secrets(address)
    if address.startswith(("http://", "https://")):
        raise UserError(
            f"{shown} is a dashboard's address, which takes jobs: imitate submit. To join the cluster "
            "from one of its nodes, set ray.address or RAY_ADDRESS to HEAD:6379, or to auto"
        )
    _place(address)
    return Cluster(address, source, f"{source} names it")


def _place(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT or ray://HOST:PORT. Raises UserError for anything else."""
    match = PLACE.fullmatch(address.removeprefix("ray://"))
    if match is None or not 0 < int(match["port"]) < 65536:
        raise UserError(
            f"{without_secrets(address)!r} is not the address of a Ray cluster: set ray.address or "
            f"RAY_ADDRESS to {FORMS}"
        )
    return match["host"].strip("[]"), int(match["port"])


def _found_here(source: str) -> Cluster:
    """The Ray on this machine, or of several the one that `ray start` began last. One on the loopback address
    that `ray start` did not begin belongs to a run, ends with it, and is left alone."""
    services = _services()
    services.find_gcs_addresses.cache_clear()
    running = sorted(services.find_gcs_addresses())
    begun = services.find_bootstrap_address(None)
    if begun in running:
        others = ", ".join(address for address in running if address != begun)
        which = f"`ray start` began it last; there are also {others}" if others else "it runs on this machine"
        return Cluster(begun, source, f"{source} is auto, and {which}")
    open_to_all = [address for address in running if not address.startswith(LOOPBACK)]
    if len(open_to_all) == 1:
        return Cluster(open_to_all[0], source, f"{source} is auto, and it runs on this machine")
    if not open_to_all:
        own = f" but those that runs have started for themselves ({', '.join(running)})" if running else ""
        raise UserError(
            f"{source} is auto, and no Ray runs on this machine{own}: `ray start --head` starts one, and "
            "without an address the run starts one of its own"
        )
    raise UserError(
        f"{source} is auto, and {len(open_to_all)} Rays run on this machine, none of them begun by `ray "
        f"start`: set ray.address or RAY_ADDRESS to one of {', '.join(open_to_all)}"
    )


def _services() -> Any:
    return importlib.import_module("ray._private.services")


def check_answers(cluster: Cluster, limit_s: float = JOIN_S, as_node: bool = True) -> None:
    """Returns once the cluster's head has answered, and, `as_node` and but for ray://, has this machine among
    its nodes.

    Raises NoAnswer after `limit_s`, and much sooner where nothing listens there; UserError where this machine
    is none of its nodes.
    """
    until = time.monotonic() + limit_s
    reached = _connected(cluster, until, limit_s)
    if cluster.address.startswith("ray://"):
        return
    _answered(cluster, reached, until, as_node)


def _connected(cluster: Cluster, until: float, limit_s: float) -> str:
    """HOST:PORT to which a TCP connection succeeded."""
    began, reason = time.monotonic(), f"no answer within {limit_s:g} s"
    while (left := until - time.monotonic()) > 0:
        for host in _also_known_as(cluster.host):
            try:
                socket.create_connection((host, cluster.port), timeout=max(0.1, min(left, 5.0))).close()
                return f"[{host}]:{cluster.port}" if ":" in host else f"{host}:{cluster.port}"
            except TimeoutError:
                continue
            except OSError as error:  # nothing listens, or no such machine: both are known at once
                reason = error.strerror or str(error)
                if time.monotonic() - began > REFUSED_S:
                    raise no_answer(cluster, reason.lower()) from None
        time.sleep(PAUSE_S)
    raise no_answer(cluster, reason.lower())


def _also_known_as(host: str) -> tuple[str, ...]:
    """Ray listens on the machine's own address, and takes loopback addresses for it."""
    if host in ("localhost", "127.0.0.1", "::1"):
        from ray.util import get_node_ip_address

        return tuple(dict.fromkeys((host, get_node_ip_address())))
    return (host,)


def _answered(cluster: Cluster, reached: str, until: float, as_node: bool) -> None:
    """Asks the head which nodes it has."""
    import grpc
    from ray._private.grpc_utils import init_grpc_channel
    from ray.core.generated import gcs_service_pb2_grpc

    gcs_pb2: Any = importlib.import_module("ray.core.generated.gcs_pb2")
    gcs_service_pb2: Any = importlib.import_module("ray.core.generated.gcs_service_pb2")
    channel = init_grpc_channel(reached)
    try:
        stub = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)

        def nodes() -> set[str]:
            left = max(0.1, until - time.monotonic())
            reply = stub.GetAllNodeInfo(gcs_service_pb2.GetAllNodeInfoRequest(), timeout=left)
            alive = gcs_pb2.GcsNodeInfo.GcsNodeState.ALIVE
            return {node.node_id.hex() for node in reply.node_info_list if node.state == alive}

        if as_node:
            _wait_for_node(cluster, nodes, until)
        else:
            nodes()
    except grpc.RpcError as error:
        if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            return  # it lives; joining it will say that it asks for a token
        raise no_answer(
            cluster, "something listens there, but not as a Ray head does, whose port is 6379 by default"
        ) from None
    finally:
        channel.close()


def _wait_for_node(cluster: Cluster, nodes: Callable[[], set[str]], until: float) -> None:
    """A driver speaks to the cluster through a node on its own machine."""
    services = _services()
    until = min(until, time.monotonic() + REFUSED_S)  # `ray start` may just be at it
    while not services.find_node_ids() & nodes():
        if time.monotonic() > until:
            raise UserError(
                f"the Ray cluster at {cluster.address} answers ({cluster.why}), but this machine is none of "
                f"its nodes: join it with `ray start --address={cluster.address}`, or submit the run as a "
                "job: imitate submit"
            )
        time.sleep(PAUSE_S)
