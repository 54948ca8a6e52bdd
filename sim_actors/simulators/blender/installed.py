"""Where a Blender is, how it is made to run our worker, and how it gets here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from imitation.common.settings import UserError

WORKER = str(Path(__file__).with_name("worker.py"))
BPY = "bpy==4.5.*"
"""What `imitate setup blender` installs: the release that is kept for years; it is for Python 3.11 alone."""
PYTHON = "3.11"
SETUP = (
    "run `imitate setup blender`, or name a Blender of yours: simulate.options.blender=/path/to/blender "
    "(Debian: sudo apt-get install blender)"
)


def default_folder() -> Path:
    """The environment that `imitate setup blender` makes: in the user's folder of caches."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "imitation-training" / "blender"


def python_of(folder: Path) -> Path:
    """The Python of an environment."""
    return folder / "bin" / "python"


def command_of(blender: str | None) -> list[str] | str:
    """The words that start the worker, or a sentence why there are none."""
    if blender is None:
        python = python_of(default_folder())
        if python.exists():
            return _by_python(python)
        found = shutil.which("blender")
        if found is not None:
            return _by_blender(found)
        return (
            f"simulate.simulator=blender: there is no Blender here, neither in {default_folder()} nor as "
            f"blender on the PATH; {SETUP}"
        )
    given = Path(blender).expanduser()
    if given.is_dir():
        if not python_of(given).exists():
            return (
                f"simulate.options.blender: the folder {str(given)!r} is no environment that `imitate setup "
                f"blender` made, it has no bin/python; {SETUP}"
            )
        return _by_python(python_of(given))
    found = shutil.which(str(given) if os.sep in blender else blender)
    if found is None:
        why = "it may not be executed" if given.is_file() else "there is no such program"
        return f"simulate.options.blender: {blender!r}: {why}; {SETUP}"
    return _by_python(Path(found)) if "python" in Path(found).name else _by_blender(found)


def _by_python(python: Path) -> list[str]:
    return [str(python), "-I", WORKER]


def _by_blender(program: str) -> list[str]:
    return [program, "-b", "--factory-startup", "-noaudio", "--python-exit-code", "1", "-P", WORKER]


def install(folder: Path, package: str = BPY) -> None:
    """Makes an environment with Blender's Python module, or brings the one that is there up to date. Raises
    UserError, with the last words of uv, where that does not succeed."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise UserError("uv, which brings Blender the Python that it wants, is not here: pip install uv")
    _run([uv, "venv", "--quiet", "--allow-existing", "--python", PYTHON, str(folder)], folder)
    _run([uv, "pip", "install", "--quiet", "--python", str(python_of(folder)), package], folder)


def _run(command: list[str], folder: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        said = " ".join(done.stderr.split())[-600:]
        raise UserError(f"Blender could not be installed in {folder}: {said or command}")
