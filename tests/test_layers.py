"""The three floors: imports run downwards only, and light things stay light."""

import ast
import graphlib
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# What each floor may not import, at any depth of its code.
FORBIDDEN = {
    "imitation": {"cluster", "sim_actors", "ray", "moderngl", "glcontext"},
    "sim_actors": {"cluster", "torch", "torchvision"},
}


@cache  # several tests look at each file
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def sources(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"no source of {package} found"
    return found


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_imports_run_downwards_only(package):
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imported(path) & FORBIDDEN[package]
    }
    assert not wrong


def test_only_the_actor_of_the_middle_floor_knows_ray():
    users = [path.name for path in sources("sim_actors") if "ray" in imported(path)]
    assert users == ["worker.py"]


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import imitation, imitation.loop, imitation.policies", ("ray", "moderngl", "torch")),
        (
            "import imitation.detectors.checkpoint, imitation.training.settings\n"
            "import imitation.detectors.settings",
            ("ray", "torch"),
        ),
        (
            "import sim_actors, sim_actors.simulators.worker, sim_actors.staging.stage",
            ("torch", "torchvision", "ray"),
        ),
        ("import cluster.cli.main; cluster.cli.main.parser()", ("ray", "torch", "pydantic", "numpy")),
        ("import cluster.config.schema", ("ray", "torch", "matplotlib", "moderngl")),
        ("import cluster.run.main_job", ("ray", "torch", "matplotlib", "scipy", "pandas")),
    ],
)
def test_importing_stays_light(statement, absent):
    code = f"import sys\n{statement}\nprint([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_files_that_docs_name_are_there():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    named = re.compile(
        r"`((?:imitation|sim_actors|cluster|tests|benchmarks|deploy|examples|tools)/[\w./-]+)`"
    )
    missing = [
        f"{page.name}: {path}"
        for page in pages
        for path in named.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    ]
    assert missing == []


def homes(path: Path) -> set[Path]:
    """The files of ours that a file imports, wherever in it; what only a type checker reads left out."""
    guarded = {
        inner
        for node in nodes(path)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names = {
        f"{node.module}.{alias.name}"
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node not in guarded
        for alias in node.names
    }
    names |= {alias.name for node in nodes(path) if isinstance(node, ast.Import) for alias in node.names}
    found = set()
    for name in names:
        for module in (name, name.rpartition(".")[0]):
            place = ROOT / module.replace(".", "/")
            home = next((p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file()), None)
            if home is not None:
                found.add(home)
                break
    return found


@pytest.mark.parametrize("package", ["imitation", "sim_actors", "cluster"])
def test_folders_side_by_side_import_one_way(package):
    """Of two folders in one folder, one may know the other, and not both, however roundabout."""
    knows: dict[Path, dict[Path, set[Path]]] = {}
    for path in sources(package):
        for home in homes(path):
            common = Path(os.path.commonpath([path, home]))
            mine, theirs = path.relative_to(common), home.relative_to(common)
            if len(mine.parts) > 1 and len(theirs.parts) > 1 and package in common.parts:
                level = knows.setdefault(common, {})
                level.setdefault(common / mine.parts[0], set()).add(common / theirs.parts[0])
    assert knows, "no folder imports another: the test looks at nothing"
    for level in knows.values():
        list(graphlib.TopologicalSorter(level).static_order())  # raises CycleError, which names them
