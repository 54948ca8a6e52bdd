"""The three floors: imports run downwards only, and light things stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# What each floor may not import, at any depth of its code.
FORBIDDEN = {
    "imitation": {"cluster", "sim_actors", "ray", "moderngl", "glcontext"},
    "sim_actors": {"cluster", "torch", "torchvision"},
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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
    named = re.compile(r"`((?:imitation|sim_actors|cluster|tests|benchmarks|deploy|examples|tools)/[\w./-]+)`")
    missing = [
        f"{page.name}: {path}"
        for page in pages
        for path in named.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    ]
    assert missing == []


def test_folders_import_without_circles():
    """A folder's rooms know those of other folders below them, and never the other way round."""
    edges = {
        (folder, other)
        for package in ("imitation", "sim_actors", "cluster")
        for path in sources(package)
        for folder in [path.parent.relative_to(ROOT).as_posix()]
        for other in folders_imported(path)
        if other != folder
    }
    assert circles(edges) == []
