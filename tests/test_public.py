"""The public names of the three packages: all there, typed, and light to import."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

from imitation.common.lazy import public

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("imitation", "sim_actors", "cluster")


def typed(package: str) -> dict[str, str]:
    """name -> module, as a type checker reads them."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named = [(alias.name, str(node.module)) for node in imports for alias in node.names]
    return {name: module for name, module in named if name not in ("TYPE_CHECKING", "public")}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_typed(package):
    module = importlib.import_module(package)
    assert set(dir(module)) == set(typed(package))
    for name, home in typed(package).items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name)
    assert (ROOT / package / "py.typed").exists()


def test_another_name_is_no_attribute():
    get, names = public("here", {"path": "os"})
    assert get("path") is sys.modules["os"].path
    assert names() == ["path"]
    with pytest.raises(AttributeError, match="module 'here' has no attribute 'other'"):
        get("other")
