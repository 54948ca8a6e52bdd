"""A whole run on toys, made once, and the toys for what is asked of it afterwards."""

import shutil
from contextlib import ExitStack
from unittest import mock

import pytest

import cluster.probing.of_run
import cluster.probing.scenes
from tests.cluster import light_run


@pytest.fixture(scope="session")
def light(tmp_path_factory):
    """The folder of a run without Ray, renderer or network: a baseline and one cycle."""
    storage = tmp_path_factory.mktemp("runs")
    light_run.run(str(storage), "light", drawn=True)
    return storage / "light"


@pytest.fixture(autouse=True)
def undrawn(light):
    """The run's own report has drawn its plots; each command that adds to it writes all of it again, and
    what it adds are texts and pictures."""
    with light_run.undrawn():
        yield


@pytest.fixture
def toys():
    """Toys render and judge."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(cluster.probing.of_run, "Services", light_run.Services))
        stack.enter_context(mock.patch.object(cluster.probing.of_run, "unusable", return_value=()))
        stack.enter_context(mock.patch.object(cluster.probing.scenes, "evaluate", light_run.judge))
        yield


@pytest.fixture
def run_folder(light, toys, tmp_path):
    """A copy of that run, to be written to."""
    return shutil.copytree(light, tmp_path / "light")
