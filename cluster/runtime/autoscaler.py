"""Whether the cluster adds nodes by itself where something asks for them.

Ray has no call for it, but the names that its monitor gives to kinds of nodes differ: a monitor that only
watches uses node ids; one that may start nodes uses the names of its configuration.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

import ray
from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_initialized

log = logging.getLogger(__name__)

WATCHED = "node_"  # and a node's id: the kind as named by a monitor that only watches


def autoscales() -> bool:
    """Whether an autoscaler of the running Ray (KubeRay's, `ray up`'s) starts nodes on demand."""
    if not _internal_kv_initialized():
        return False
    try:
        return any(not kind.startswith(WATCHED) for kind in _kinds())
    except Exception as error:
        # These interfaces of Ray's are not public: another version of it may answer anything. A cluster that
        # is taken for one of fixed size works, it only does not grow.
        log.debug("whether the cluster autoscales cannot be told: %s", error)
        return False


def _kinds() -> Iterable[str]:
    """The monitor's names of the kinds of nodes."""
    from ray.autoscaler.v2.utils import is_autoscaler_v2

    if is_autoscaler_v2():
        from ray.autoscaler.v2.sdk import get_cluster_status

        status = get_cluster_status(ray.get_runtime_context().gcs_address)
        return [node.ray_node_type_name for node in (*status.active_nodes, *status.idle_nodes)]
    report = json.loads(_internal_kv_get(DEBUG_AUTOSCALING_STATUS) or b"{}")
    return (report.get("autoscaler_report") or {}).get("active_nodes") or []
