"""How long a scene may take, and what is said of one that takes longer; the same wherever scenes render."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """Seconds, and which setting they come from."""

    seconds: float
    setting: str

    def overdue(self) -> str:
        """That nothing came within it."""
        return f"no answer within {self.seconds:g} s ({self.setting})"


def scene_limit(scene_timeout_s: float, startup_timeout_s: float, first: bool) -> Limit:
    """The limit of a scene. The first one of a process has as long as starting has, where that is longer:
    what a simulator loads late is loaded then."""
    if first and startup_timeout_s > scene_timeout_s:
        why = f"a process's first scene has these, others simulate.scene_timeout_s = {scene_timeout_s:g}"
        return Limit(startup_timeout_s, f"simulate.startup_timeout_s; {why}")
    return Limit(scene_timeout_s, "simulate.scene_timeout_s")
