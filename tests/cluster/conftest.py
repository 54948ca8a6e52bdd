"""One small Ray for all tests of this floor."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """A Ray of 4 logical CPUs on this machine, without dashboard; shut down after the last test."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_DATA_PARQUET_FOOTER_NUM_ACTORS", "1")
    # a machine's own cluster must not be joined, nor a temporary disk that is nearly full stop the tests
    os.environ.pop("RAY_ADDRESS", None)
    import ray

    ray.init(
        address="local",  # not one that somebody has started beside the tests
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=200 * 1024 * 1024,
        configure_logging=False,
    )
    yield
    ray.shutdown()
