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
ANSWERS = 3
"""File descriptor of the worker's answers where Blender has stdout for itself."""
SETUP = (
    "run `imitate setup blender`, or name a Blender of yours: simulate.options.blender=/path/to/blender "
    "(Debian: sudo apt-get install blender python3-numpy)"
)


def default_folder() -> Path:
    """The environment that `imitate setup blender` makes: in the user's folder of caches."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "imitation-training" / "blender"


def python_of(folder: Path) -> Path:
    """The Python of an environment."""
    return folder / "bin" / "python"


def found(blender: str | None) -> Path:
    """The program that can run the worker: a Python that has bpy, or Blender's own. Raises UserError where
    what the options name is none, or nothing is named and none is here."""
    if blender is None:
        python = python_of(default_folder())
        program = str(python) if python.exists() else shutil.which("blender")
        if program is None:
            raise UserError(
                f"simulate.simulator=blender: there is no Blender here, neither in {default_folder()} nor as "
                f"blender on the PATH; {SETUP}"
            )
        return Path(program)
    given = Path(blender).expanduser()
    if given.is_dir():
        if not python_of(given).exists():
            raise UserError(
                f"simulate.options.blender: the folder {str(given)!r} is no environment that `imitate setup "
                f"blender` made, it has no bin/python; {SETUP}"
            )
        return python_of(given)
    program = shutil.which(str(given) if os.sep in blender else blender)
    if program is None:
        why = "it may not be executed" if given.is_file() else "there is no such program"
        raise UserError(f"simulate.options.blender: {blender!r}: {why}; {SETUP}")
    return Path(program)


def command_of(program: Path) -> list[str]:
    """The words that start the worker."""
    if "python" in program.name:
        return [str(program), "-I", WORKER]
    blender = [str(program), "-b", "--factory-startup", "-noaudio", "--python-exit-code", "1", "-P", WORKER]
    # Blender says its name on stdout before it comes to our worker, which therefore gets another one.
    return ["/bin/sh", "-c", f'exec "$0" "$@" {ANSWERS}>&1 1>/dev/null', *blender, "--", str(ANSWERS)]


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
