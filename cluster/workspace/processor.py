"""The processor's name: floating-point sums differ between processors, so results name theirs."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def processor() -> str:
    """The model of this machine's processor, such as "Intel(R) Xeon(R) Processor @ 2.60GHz"; if the
    system does not say, its architecture."""
    name = ""
    if platform.system() == "Darwin":
        name = _asked("sysctl", "-n", "machdep.cpu.brand_string")
    elif CPUINFO.exists():
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
        models = [line.partition(":")[2] for line in lines if line.lower().startswith("model name")]
        name = models[0] if models else ""
    return " ".join(name.split()) or platform.processor() or platform.machine() or "unknown processor"


def _asked(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
