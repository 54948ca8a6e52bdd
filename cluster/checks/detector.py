"""The detector: one step of training and one of prediction, in a process that may die of it."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.checks.assumed import known_categories, known_size
from cluster.checks.child import in_child
from cluster.config.schema import Config
from cluster.stages.services import cluster_address
from imitation.common.contracts import Contract, Finding, Found
from imitation.common.import_paths import MissingModule
from imitation.detectors.registry import takes_backbone

ABOUT = "detector"
PACKAGED = ("efficientnet_lite0",)
"""Backbones whose weights come as a package: nothing has to be fetched."""


def findings(config: Config) -> Iterator[Finding]:
    """Tries the detector that the configuration names, in a child process."""
    yield from in_child(ABOUT, config)


def contract(config: Config) -> Contract:
    """What the child process tries."""
    import torch

    from imitation.training.detector_contract import detector_contract

    categories, _ = known_categories(config)
    detector = config.detector.sized(*known_size(config))
    gpu = config.train.use_gpu is not False and torch.cuda.is_available()
    try:
        yield from detector_contract(
            detector, categories, config.train, config.run.seed, "cuda" if gpu else "cpu"
        )
    except MissingModule as error:
        if cluster_address(config.ray) is None:
            raise
        yield Found(f"not tried here, where the cluster is another machine's: {error}", note=True)


def needs_trying(config: Config) -> bool:
    """Whether a run should try its detector before anything else. The embedded grid on packaged weights is
    held by this project's own tests; anything else may be another version's, or has weights to fetch."""
    detector = config.detector
    if not takes_backbone(detector.name):
        return True
    return detector.weights is not None and detector.backbone not in PACKAGED
