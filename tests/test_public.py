"""The public names of the three packages: all there, typed, and light to import."""

import ast
import doctest
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


def documented() -> dict[str, list[doctest.DocTest]]:
    """The examples in the docstrings of the public names and their methods."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {}
    for package in PACKAGES:
        for name, home in {**typed(package), "Registry": "imitation.common.registry"}.items():
            module = importlib.import_module(home)
            tests = finder.find(getattr(module, name), name, module=module, globs=vars(module).copy())
            found[name] = [test for test in tests if test.examples]
    return {name: tests for name, tests in found.items() if tests}


def test_examples_in_docstrings_are_true(monkeypatch):
    monkeypatch.chdir(ROOT)
    examples = documented()
    assert {"Box", "Cuboid", "Camera", "Scene", "Request", "Registry", "load"} <= set(examples)
    runner = doctest.DocTestRunner(verbose=False)
    for tests in examples.values():
        for test in tests:
            told: list[str] = []
            assert runner.run(test, out=told.append).failed == 0, "".join(told)
