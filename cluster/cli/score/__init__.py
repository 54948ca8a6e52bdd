"""`imitate score`: the field's metrics of anyone's detections."""

from __future__ import annotations

import argparse
import importlib


def score(args: argparse.Namespace) -> None:
    """Hands over to the protocol's own module."""
    importlib.import_module(f"cluster.cli.score.{args.protocol}").score(args)
