"""The API reference, from the docstrings:  python docs/reference.py build/reference

One page for each of the three packages, with the public names of its `__init__.py`, and one for each module
of `MODULES`, which code of your own is written against. Whatever cannot be shown is an error.
"""

import importlib
import sys
import warnings
from pathlib import Path

import pdoc

PACKAGES = ("imitation", "sim_actors", "cluster")
MODULES = ("imitation.loop", "imitation.aggregation", "imitation.stopping", "imitation.common.registry")


def main(folder: Path) -> None:
    """Writes HTML pages into a folder. Raises a pdoc warning as an error."""
    for package in map(importlib.import_module, PACKAGES):
        names = dir(package)  # they load when asked for, so that pdoc would not see them
        vars(package).update({name: getattr(package, name) for name in names}, __all__=names)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # pdoc's
        pdoc.pdoc(*PACKAGES, *MODULES, output_directory=folder)
    print(folder / "index.html")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
