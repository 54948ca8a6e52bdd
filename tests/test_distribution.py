"""What is built is what is used: the wheel, made from the sdist, in an environment and a folder of its own.

The whole takes minutes and hundreds of megabytes of downloads: `make dist-check`."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("imitation", "sim_actors", "cluster")
UV = Path(sys.executable).with_name("uv")
TINY = [
    "run.name=tiny", "world.train=12", "world.val=6", "world.test=6", "world.width=128", "world.height=64",
    "detector.backbone=resnet10", "detector.weights=null", "detector.features=16", "train.steps=4",
    "train.batch_size=4", "loop.cycles=1", "loop.twin=false", "stopping.min_cycles=1",
]  # fmt: skip


def run(command: list[str | Path], folder: Path, **more: str) -> str:
    """Its output; nothing of this checkout is on Python's path."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder, env=env | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"} | more,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def package_files() -> set[str]:
    """All files of the three packages that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(listed) > 300
    return {name for name in listed if (ROOT / name).exists()}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not UV.exists(), reason="uv is not beside this Python; make setup puts it there")
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_the_wheel_alone_runs_to_its_end_elsewhere(tmp_path):
    run([UV, "build", "--quiet", "--out-dir", tmp_path / "dist", ROOT], tmp_path)
    (wheel,), (sdist,) = (sorted((tmp_path / "dist").glob(f"*.{end}")) for end in ("whl", "tar.gz"))
    with zipfile.ZipFile(wheel) as archive:
        built = {name for name in archive.namelist() if name.split("/")[0] in PACKAGES}
        assert (
            "Apache License"
            in archive.read(next(n for n in archive.namelist() if n.endswith("/LICENSE"))).decode()
        )
    assert built == package_files(), "shaders, templates and styles are package data"
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert package_files() | {"pyproject.toml", "README.md", "LICENSE", "ray_config.yaml"} <= inside

    env, elsewhere = tmp_path / "env", tmp_path / "elsewhere"
    elsewhere.mkdir()
    python = env / "bin/python"
    run([sys.executable, "-m", "venv", "--without-pip", env], tmp_path)
    run([UV, "pip", "install", "-q", "--python", python, "-r", ROOT / "requirements/run.txt"], tmp_path)
    run([UV, "pip", "install", "-q", "--python", python, "--no-deps", wheel], tmp_path)
    run([UV, "pip", "check", "--python", python], tmp_path)
    listed = run([UV, "pip", "list", "--python", python, "--format", "freeze"], tmp_path).lower()
    assert not [
        name for name in ("mlflow", "wandb", "moto", "optuna", "pytest", "ruff") if f"\n{name}" in listed
    ]

    place = run([python, "-c", "import cluster; print(cluster.__file__)"], elsewhere)
    assert place.startswith(str(env)), "of the environment, not of the checkout"
    (elsewhere / "mine.yaml").write_text(run([env / "bin/imitate", "defaults"], elsewhere))
    run([env / "bin/imitate", "run", "mine.yaml", *TINY], elsewhere)
    assert (elsewhere / "runs/tiny/report.html").exists()
    assert (elsewhere / "runs/tiny/best/detector.json").exists()
