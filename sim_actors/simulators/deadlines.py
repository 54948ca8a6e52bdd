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


def scene_limit(scene_timeout_s: float, startup_timeout_s: float, first: bool, twice: bool = False) -> Limit:
    """The limit of a scene. The first one of a process has as long as starting has, where that is longer:
    what a simulator loads late is loaded then. One that is rendered `twice` has a scene's time more."""
    more = scene_timeout_s if twice else 0.0
    again = "; and a scene's once more, for rendering it again to compare" if twice else ""
    if first and startup_timeout_s > scene_timeout_s:
        why = f"a process's first scene has these, others simulate.scene_timeout_s = {scene_timeout_s:g}"
        return Limit(startup_timeout_s + more, f"simulate.startup_timeout_s; {why}{again}")
    return Limit(scene_timeout_s + more, f"simulate.scene_timeout_s{again}")
