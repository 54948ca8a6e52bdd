"""Which evaluation of a run `imitate compare RUN RUN` takes."""

from __future__ import annotations

from cluster.run.summary import SUMMARY
from cluster.workspace.run_folder import CONFIG_FILE, Workspace
from imitation.common import storage
from imitation.common.names import cycle_folder
from imitation.common.settings import UserError
from imitation.report.run.record import read_summary
from imitation.report.words import detector_name


def taken(place: str) -> tuple[str, str]:
    """(evaluation, which it is and why), of a run's folder: that of the detector that a finished run chose,
    else of the last cycle that was evaluated. Any other place stands for itself, with "".

    Raises UserError for a run in which nothing was evaluated.
    """
    workspace = Workspace(place)
    if not (storage.is_folder(place) and storage.exists(workspace.path(CONFIG_FILE))):
        return place, ""
    if storage.exists(workspace.path(SUMMARY)):
        summary = read_summary(workspace.path(SUMMARY))
        folder = workspace.path(cycle_folder(summary.best_cycle))
        name = detector_name(summary.best.label)
        return folder, f"{name}, the chosen of {len(summary.cycles)} detectors (best on val)"
    cycle = -1
    while storage.exists(workspace.path(cycle_folder(cycle + 1), "stage-evaluate.json")):
        cycle += 1
    if cycle < 0:
        raise UserError(f"{place}: is a run in which no detector has been evaluated yet")
    return workspace.path(cycle_folder(cycle)), f"cycle {cycle}, the last evaluated; the run is not finished"
