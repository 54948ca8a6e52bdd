"""Settings of the trackers, apart from their code: reading a configuration imports none of them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from imitation.common.settings import Settings


class TrackingSettings(Settings):
    """Where curves and metrics go while a run goes on (docs/observing.md). Credentials come from the
    trackers' own environment variables, never from here."""

    tensorboard: bool = Field(True, description="event files in the run's folder tensorboard/")
    mlflow: str | None = Field(
        None,
        min_length=1,
        description="an MLflow server (http://...), or a folder or sqlite:/// file here; null: none. "
        "Needs the extra `mlflow`",
    )
    wandb: str | None = Field(
        None,
        min_length=1,
        description="a Weights & Biases project, or entity/project; null: none. Needs the extra `wandb`",
    )
    trackers: dict[str, Any] = Field(
        {},
        description="others, each with its settings, such as {my_tracker:Table: {file: /data/table.csv}}: an "
        "import path, or the name of an installed package's (docs/adding.md); null as settings: without it",
    )
    experiment: str = Field(
        "imitation-training", min_length=1, description="MLflow's experiment, W&B's group, of the run"
    )
