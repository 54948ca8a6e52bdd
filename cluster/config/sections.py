"""Settings of the run itself, its loop, its Ray and its report."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from imitation.common.settings import Settings
from imitation.metrics.own import check_metric_name


class RunSettings(Settings):
    """Where the run lies."""

    storage: str = Field("runs", description="folder of all runs: local, shared, or a URI (s3://...)")
    name: str = Field(
        "default", pattern=r"^[A-Za-z0-9][\w.-]*$", description="this run's folder in run.storage"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="every random draw of the run follows from it")
    storage_patience_s: float = Field(
        300.0,
        ge=0,
        description="how long storage that is away for a while (network, server, mount) is waited for, s",
    )


class LoopSettings(Settings):
    """How long the loop goes on."""

    cycles: int = Field(2, ge=0, le=1000, description="imitation cycles after the baseline, at most")
    twin: bool = Field(
        True,
        description="train the baseline a second time, with another seed: what differs between the two is "
        "chance, and stands beside every gain",
    )
    sim_only: bool = Field(
        False,
        description="train on free synthetic scenes alone, as many as there are real frames (the paper's "
        '"sim"); needs policy.name=none',
    )
    metric: Annotated[str, AfterValidator(check_metric_name)] = Field(
        "map50",
        description="the `val` score, which decides when to stop and which cycle is best: map50 (mAP at IoU "
        '0.5), map (COCO\'s at 0.50:0.95), or a function of your own, "package.module:function"',
    )


class RaySettings(Settings):
    """How Ray is started, where none is running yet."""

    address: str | None = Field(
        None,
        description="a running cluster, HEAD:6379, or auto for the one on this machine; null: RAY_ADDRESS, "
        "else one is started here",
    )
    num_cpus: int | None = Field(
        None, ge=2, description="logical CPUs of a Ray started here; null: what there is, but at least 4"
    )
    dashboard: bool = Field(False, description="start Ray's dashboard (loopback only)")
    metrics_port: int | None = Field(
        None,
        ge=1024,
        le=65535,
        description="port of the Prometheus metrics of a Ray started here (loopback only); null: any",
    )
    placement_timeout_s: float = Field(
        600.0,
        gt=0,
        description="how long training and evaluation wait for the CPUs and GPUs that they ask for, s",
    )
    quiet: bool = Field(True, description="keep Ray's own chatter out of the output")


class ReportSettings(Settings):
    """report.html."""

    gallery: int = Field(8, ge=0, le=200, description="failures shown with the frames rendered for them")
    seed: int = Field(0, ge=0, description="which failures the gallery draws")
