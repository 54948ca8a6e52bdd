"""Which optional parts of the installation are there, and which programs beside it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import metadata

from packaging.requirements import Requirement

from imitation.common.contracts import Contract, Found, Step

DISTRIBUTION = "imitation-training"
FOR_MAKERS = ("dev",)  # extras for who changes the project
PROGRAMS = {
    "node": "programs on a pipe in JavaScript, such as examples/pipe_boxes.js",
    "git": "the commit in a run's run.json",
}
"""Programs that some parts use where they are there."""


def contract() -> Contract:
    """What is looked for."""
    yield Step("optional parts")
    lacking = {name: missing for name, missing in extras().items() if missing}
    there = [name for name in extras() if name not in lacking]
    if there:
        yield Found(f"installed: {', '.join(there)}")
    for name, missing in lacking.items():
        yield Found(
            f"{name} is not installed ({', '.join(missing)}): pip install '{DISTRIBUTION}[{name}]'", note=True
        )
    yield Step("programs")
    for name, use in PROGRAMS.items():
        path = shutil.which(name)
        yield Found(
            f"{name}: {path}" if path else f"{name} is not on the PATH; it is for {use}", note=not path
        )


def extras() -> Mapping[str, list[str]]:
    """Extra -> its packages that are not installed in the wanted version."""
    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return {}
    named = [name for name in distribution.metadata.get_all("Provides-Extra") or [] if name not in FOR_MAKERS]
    found: dict[str, list[str]] = {name: [] for name in named}
    for text in distribution.requires or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            continue
        for name in named:
            if requirement.marker.evaluate({"extra": name}) and not _installed(requirement):
                found[name].append(str(Requirement(f"{requirement.name}{requirement.specifier}")))
    return found


def _installed(requirement: Requirement) -> bool:
    try:
        return requirement.specifier.contains(metadata.version(requirement.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False
